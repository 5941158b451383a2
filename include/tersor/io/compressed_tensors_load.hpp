#ifndef TERSOR_IO_COMPRESSED_TENSORS_LOAD_HPP
#define TERSOR_IO_COMPRESSED_TENSORS_LOAD_HPP

// Weights that compressed-tensors stored, as values and as quantized tensors.
//
//   integers   (code - zero) * scale; packed codes and zero points are u = code + 2^(bits-1), which cancels
//   floats     value * scale;  NVFP4: value * (scale / global scale)
//
// in float, one rounding per operation. With a group index, columns are sorted by it, equal ones in their order, and
// groups are runs of the sorted columns.

#include "tersor/core/error.hpp"
#include "tersor/core/quantized_tensor.hpp"
#include "tersor/io/compressed_tensors.hpp"
#include "tersor/io/compressed_tensors_integers.hpp"
#include "tersor/io/compressed_tensors_weight.hpp"
#include "tersor/io/quantized_model_rows.hpp"
#include "tersor/io/safetensors_values.hpp"
#include "tersor/quantizers/mx.hpp"
#include "tersor/quantizers/zero_point.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace tersor::inline v0::compressed_tensors {

namespace detail {

/// The rows of a weight for a quantizer of its family, without their parameters.
template <class Q>
[[nodiscard]] tersor::detail::stored_rows<Q> rows_of(const stored_weight& w) {
    tersor::detail::stored_rows<Q> rows;
    rows.codes = bytes_at(*w.codes);
    rows.rows = static_cast<index>(w.rows);
    rows.length = static_cast<index>(w.cols);
    rows.row_stride = static_cast<index>(w.codes->data.size()) / rows.rows;
    rows.group = w.scheme.group > 0 ? w.scheme.group : rows.length;
    rows.rows_per_group = std::max<index>(w.scheme.block_rows, 1);
    rows.groups_per_row = w.scheme.strategy == strategy::tensor ? 0 : static_cast<index>(w.groups);
    return rows;
}

template <class Q>
void decode_by_column(const tersor::detail::stored_rows<Q>& rows, const std::vector<index>& group, std::span<float> out,
                      const execution& exec) {
    exec.for_each(rows.rows, [&](index row) {
        for (index column = 0; column < rows.length; ++column) {
            const auto code =
                packed_code<typename Q::format>(rows.codes + row * rows.row_stride, static_cast<std::size_t>(column));
            const index g = row * rows.groups_per_row + group[static_cast<std::size_t>(column)];
            out[static_cast<std::size_t>(row * rows.length + column)] =
                rows.quantizer.decode(code, rows.parameters[static_cast<std::size_t>(g)]);
        }
    });
}

template <class Q>
void decode_stored(const stored_weight& w, const tersor::detail::stored_rows<Q>& rows, std::span<float> out,
                   const execution& exec) {
    if (w.group_index != nullptr) {
        decode_by_column(rows, groups_of_columns(w), out, exec);
    } else {
        tersor::detail::decode_rows(rows, out, exec);
    }
}

template <class Format>
void decode_integers(const stored_weight& w, std::span<float> out, const execution& exec) {
    auto rows = rows_of<zero_point<Format>>(w);
    const std::vector<float> scales = read_floats(*w.scale);
    const std::vector<std::uint8_t> zeros = read_zeros(w);
    constexpr int shift = Format::lowest < 0 ? 1 << (Format::bits - 1) : 0;
    for (std::size_t i = 0; i < scales.size(); ++i) {
        rows.parameters.push_back({scales[i], static_cast<code_t<Format>>(zeros[i] - shift)});
    }
    decode_stored(w, rows, out, exec);
}

template <class Format>
void decode_floats(const stored_weight& w, std::span<float> out, const execution& exec) {
    auto rows = rows_of<absmax<Format>>(w);
    for (const float scale : read_floats(*w.scale)) {
        rows.parameters.push_back({scale});
    }
    decode_stored(w, rows, out, exec);
}

/// MX and NVFP4 weights: a byte of scale per group.
template <class Q>
void decode_blocks(const stored_weight& w, Q quantizer, std::span<float> out, const execution& exec) {
    auto rows = rows_of<Q>(w);
    rows.quantizer = quantizer;
    for (const std::byte scale : w.scale->data) {
        if constexpr (requires { quantizer.global_scale; }) {
            rows.parameters.push_back({static_cast<std::uint8_t>(scale)});
        } else {
            rows.parameters.push_back({e8m0::from_code(static_cast<std::uint8_t>(scale))});
        }
    }
    decode_stored(w, rows, out, exec);
}

} // namespace detail

/// The values of a weight in row-major order, in float. `out` has rows * cols of them.
template <class Execution>
void decode(const stored_weight& w, std::span<float> out, const Execution& exec) {
    if (w.rows == 0 || w.cols == 0) {
        return;
    }
    switch (w.scheme.format) {
    case format::pack_quantized:
        switch (w.scheme.bits) {
        case 1:
            return detail::decode_bits(w, out, exec);
        case 2:
            return detail::decode_integers<uint2>(w, out, exec);
        case 3:
            return detail::decode_integers<uint3>(w, out, exec);
        case 4:
            return detail::decode_integers<uint4>(w, out, exec);
        case 5:
            return detail::decode_integers<uint5>(w, out, exec);
        case 6:
            return detail::decode_integers<uint6>(w, out, exec);
        case 7:
            return detail::decode_integers<uint7>(w, out, exec);
        default:
            return detail::decode_integers<uint8>(w, out, exec);
        }
    case format::int_quantized:
        return detail::decode_integers<int8>(w, out, exec);
    case format::mxfp4_pack_quantized:
        return detail::decode_blocks(w, mxfp4{}, out, exec);
    case format::mxfp8_quantized:
        return detail::decode_blocks(w, mxfp8_e4m3{}, out, exec);
    case format::nvfp4_pack_quantized:
        return detail::decode_blocks(w, compressed_tensors_nvfp4{read_floats(*w.global_scale)[0]}, out, exec);
    default:
        return w.codes->dtype == safetensors_dtype::f8_e5m2 ? detail::decode_floats<fp8_e5m2>(w, out, exec)
                                                            : detail::decode_floats<fp8_e4m3>(w, out, exec);
    }
}

/// Whether load<Q> gives the weight: a quantizer whose values are exactly those of the stored codes and scales. Float
/// scales take those of any stored type; half and bfloat16 ones their own only.
template <quantizer Q>
[[nodiscard]] bool holds(const stored_weight& w) noexcept {
    using detail::family;
    constexpr family kind = detail::family_of<Q>();
    const scheme& s = w.scheme;
    if constexpr (kind == family::none) {
        return false;
    } else {
        if (w.group_index != nullptr || s.strategy == strategy::block || s.bits != Q::format::bits) {
            return false;
        }
        const bool one_group = s.strategy == strategy::channel && Q::group >= w.cols;
        const bool group_fits = s.strategy == strategy::tensor    ? Q::group == whole_tensor
                                : s.strategy == strategy::channel ? Q::group == whole_row || one_group
                                                                  : Q::group == s.group;
        if constexpr (kind == family::mxfp4) {
            return s.format == format::mxfp4_pack_quantized;
        } else if constexpr (kind == family::mxfp8) {
            return s.format == format::mxfp8_quantized;
        } else if constexpr (kind == family::nvfp4) {
            return s.format == format::nvfp4_pack_quantized && std::is_same_v<Q, compressed_tensors_nvfp4>;
        } else {
            using scale = decltype(Q::parameters::scale);
            const bool scale_fits = std::is_same_v<scale, float> ||
                                    (!std::is_same_v<scale, e8m0> && detail::dtype_of_scale<scale>() == w.scale->dtype);
            if constexpr (kind == family::fp8) {
                return s.is_float && group_fits && scale_fits &&
                       detail::dtype_of_codes<Q>(format::naive_quantized) == w.codes->dtype;
            } else {
                constexpr bool has_zero = requires(typename Q::parameters p) {
                    p.zero;
                };
                return !s.is_float && group_fits && scale_fits && (kind == family::symmetric || has_zero) &&
                       s.symmetric == (kind == family::symmetric);
            }
        }
    }
}

/// The weight as a quantized tensor. unsupported if not holds<Q>.
template <quantizer Q, int Rank = 2>
[[nodiscard]] quantized_tensor<Q, Rank> load(const stored_weight& w) {
    using detail::family;
    constexpr family kind = detail::family_of<Q>();
    if (!holds<Q>(w) || Rank != 2) {
        raise(error_code::unsupported, "tensor " + detail::quote_name(w.name) + " is a matrix stored as " +
                                           std::string(to_string(w.scheme.format)) + " with " +
                                           std::to_string(w.scheme.bits) + " bits per " +
                                           std::string(to_string(w.scheme.strategy)) + ", not with this quantizer");
    }
    if constexpr (kind != family::none && Rank == 2) {
        const std::array<index, 2> dimensions{static_cast<index>(w.rows), static_cast<index>(w.cols)};
        const row_layout layout = quantized_tensor<Q, 2>::layout_of(dimensions, 1);
        const auto bytes = static_cast<std::size_t>(layout.row_bytes);
        std::vector<std::uint8_t> codes(static_cast<std::size_t>(layout.rows) * bytes);
        constexpr bool is_integer = kind == family::symmetric || kind == family::affine;
        // packed codes are unsigned, bytes signed
        const bool turn = is_integer && (w.scheme.format == format::pack_quantized) == detail::turns_signs<Q>;
        const std::vector<std::uint8_t> signs =
            detail::sign_bits(turn ? static_cast<std::size_t>(layout.length) : 0, Q::format::bits);
        const std::size_t stride = w.rows > 0 ? w.codes->data.size() / static_cast<std::size_t>(w.rows) : 0;
        for (std::size_t row = 0; row < static_cast<std::size_t>(layout.rows); ++row) {
            const std::uint8_t* const from = detail::bytes_at(*w.codes) + row * stride;
            for (std::size_t i = 0; i < bytes; ++i) {
                codes[row * bytes + i] = turn ? static_cast<std::uint8_t>(from[i] ^ signs[i]) : from[i];
            }
        }
        Q quantizer{};
        std::vector<typename Q::parameters> parameters;
        if (layout.groups == 0) {
            return {quantizer, dimensions, 1, std::move(codes), std::move(parameters)};
        }
        if constexpr (kind == family::nvfp4) {
            if constexpr (std::is_same_v<Q, compressed_tensors_nvfp4>) {
                quantizer.global_scale = read_floats(*w.global_scale)[0];
            }
            for (const std::byte scale : w.scale->data) {
                parameters.push_back({static_cast<std::uint8_t>(scale)});
            }
        } else if constexpr (kind == family::mxfp4 || kind == family::mxfp8) {
            for (const std::byte scale : w.scale->data) {
                parameters.push_back({e8m0::from_code(static_cast<std::uint8_t>(scale))});
            }
        } else {
            using scale = decltype(Q::parameters::scale);
            const std::vector<std::uint8_t> zeros = is_integer ? detail::read_zeros(w) : std::vector<std::uint8_t>{};
            for (const float value : read_floats(*w.scale)) {
                typename Q::parameters p{};
                p.scale = static_cast<scale>(value);
                if constexpr (requires { p.zero; }) {
                    constexpr int shift = Q::format::lowest < 0 ? 1 << (Q::format::bits - 1) : 0;
                    p.zero = static_cast<decltype(p.zero)>(static_cast<int>(zeros[parameters.size()]) - shift);
                }
                parameters.push_back(p);
            }
        }
        return {quantizer, dimensions, 1, std::move(codes), std::move(parameters)};
    } else {
        return {};
    }
}

} // namespace tersor::inline v0::compressed_tensors

#endif // TERSOR_IO_COMPRESSED_TENSORS_LOAD_HPP

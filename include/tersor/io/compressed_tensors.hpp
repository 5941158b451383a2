#ifndef TERSOR_IO_COMPRESSED_TENSORS_HPP
#define TERSOR_IO_COMPRESSED_TENSORS_HPP

// Writing weights in the layout of compressed-tensors, which vLLM and transformers load; compressed_tensors_scheme.hpp
// says what is stored. A weight NAME (PREFIX.weight) becomes NAME or NAME_packed, NAME_scale, and as needed
// NAME_zero_point, NAME_shape, NAME_global_scale.

#include "tersor/core/error.hpp"
#include "tersor/core/quantized_tensor.hpp"
#include "tersor/io/compressed_tensors_packing.hpp"
#include "tersor/io/compressed_tensors_scheme.hpp"
#include "tersor/io/safetensors_layout.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace tersor::inline v0::compressed_tensors {

namespace detail {

using tersor::detail::quote_name;

/// The type that scales are stored in: their own; float for powers of two of integers and 8-bit floats.
template <class Scale>
using stored_scale_t = std::conditional_t<std::is_same_v<Scale, e8m0>, float, Scale>;

template <class Scale>
[[nodiscard]] constexpr safetensors_dtype dtype_of_scale() noexcept {
    return std::is_same_v<Scale, Eigen::half>       ? safetensors_dtype::f16
           : std::is_same_v<Scale, Eigen::bfloat16> ? safetensors_dtype::bf16
                                                    : safetensors_dtype::f32;
}

/// Whether zero points are packed: the library leaves the one of a whole tensor as it is.
[[nodiscard]] inline bool packs_zeros(const scheme& s) noexcept {
    return s.format == format::pack_quantized && s.strategy != strategy::tensor;
}

/// Raises unsupported for a shape that readers of the layout would decode wrongly or not at all.
inline void require_shape(std::string_view name, std::span<const std::int64_t> shape, const scheme& s) {
    const auto given = [&] { return quote_name(name) + " " + tersor::detail::describe_shape(shape); };
    if (shape.size() != 2) {
        refuse(given(), "it holds matrices");
    }
    if (shape[0] < 1 || shape[1] < 1) {
        refuse(given(), "it holds no empty tensors");
    }
    if (s.group > 0 && shape[1] % s.group != 0) {
        refuse(given(), "its readers want rows of whole groups, here multiples of " + std::to_string(s.group));
    }
}

template <class Q>
[[nodiscard]] constexpr safetensors_dtype dtype_of_codes(format f) noexcept {
    switch (f) {
    case format::pack_quantized:
        return safetensors_dtype::i32;
    case format::mxfp4_pack_quantized:
    case format::nvfp4_pack_quantized:
        return safetensors_dtype::u8;
    default:
        return std::is_same_v<typename Q::format, fp8_e5m2>   ? safetensors_dtype::f8_e5m2
               : std::is_same_v<typename Q::format, fp8_e4m3> ? safetensors_dtype::f8_e4m3
                                                              : safetensors_dtype::i8;
    }
}

/// The zero point of a group as u = zero + 2^(bits-1).
template <class Q>
[[nodiscard]] std::uint8_t stored_zero(const typename Q::parameters& p) noexcept {
    constexpr int offset = Q::format::lowest < 0 ? 1 << (Q::format::bits - 1) : 0;
    if constexpr (requires { p.zero; }) {
        return static_cast<std::uint8_t>(static_cast<int>(p.zero) + offset);
    } else {
        return std::uint8_t{0};
    }
}

/// The type whose codes of a row, with every sign turned, are packed as the layout has them.
template <class Q>
inline constexpr bool turns_signs = std::is_signed_v<code_of<Q>>;

/// Appends rows of codes as words of 32 bits.
template <class Q, class Out, class Weight>
void append_packed(Out& out, const std::string& name, const Weight& weight) {
    const index rows = weight.layout().rows, bytes = weight.layout().row_bytes;
    const auto stride = static_cast<std::size_t>(words_of(weight.layout().length, Q::format::bits) * 4);
    const std::vector<std::uint8_t> signs =
        sign_bits(static_cast<std::size_t>(weight.layout().length), Q::format::bits);
    const index at_once = std::max<index>(static_cast<index>((std::size_t{1} << 20) / stride), 1);
    std::vector<std::uint8_t> buffer;
    for (index first = 0; first < rows; first += at_once) {
        const index count = std::min(at_once, rows - first);
        buffer.assign(static_cast<std::size_t>(count) * stride, 0);
        for (index row = 0; row < count; ++row) {
            const std::uint8_t* const from = weight.row_codes(first + row).data();
            std::uint8_t* const to = buffer.data() + static_cast<std::size_t>(row) * stride;
            for (index i = 0; i < bytes; ++i) {
                to[i] =
                    turns_signs<Q> ? static_cast<std::uint8_t>(from[i] ^ signs[static_cast<std::size_t>(i)]) : from[i];
            }
        }
        out.append(name, buffer);
    }
}

/// Appends rows of integer codes as signed bytes.
template <class Q, class Out, class Weight>
void append_bytes(Out& out, const std::string& name, const Weight& weight) {
    if constexpr (Q::format::bits == 8 && std::is_signed_v<code_of<Q>>) {
        out.append(name, weight.codes());
    } else {
        const auto length = static_cast<std::size_t>(weight.layout().length);
        const index at_once = std::max<index>((index{1} << 20) / weight.layout().length, 1);
        std::vector<std::uint8_t> buffer;
        for (index first = 0; first < weight.layout().rows; first += at_once) {
            const index count = std::min(at_once, weight.layout().rows - first);
            buffer.resize(static_cast<std::size_t>(count) * length);
            for (index row = 0; row < count; ++row) {
                const std::span<std::uint8_t> to(buffer.data() + static_cast<std::size_t>(row) * length, length);
                const std::uint8_t* const from = weight.row_codes(first + row).data();
                if constexpr (std::is_signed_v<code_of<Q>>) {
                    unpack_codes(from, Q::format::bits, std::span(reinterpret_cast<std::int8_t*>(to.data()), length));
                } else {
                    unpack_codes(from, Q::format::bits, to);
                    for (std::uint8_t& code : to) {
                        code = static_cast<std::uint8_t>(code - (1 << (Q::format::bits - 1)));
                    }
                }
            }
            out.append(name, buffer);
        }
    }
}

} // namespace detail

/// The tensors that a weight [rows, cols] becomes. unsupported if the layout cannot hold it, as when cols is not a
/// multiple of the group; `wanted` as in scheme_of.
template <quantizer Q>
[[nodiscard]] std::vector<safetensors_declaration> declare(std::string_view name, std::span<const std::int64_t> shape,
                                                           std::optional<format> wanted = {}) {
    std::vector<safetensors_declaration> tensors;
    const scheme s = scheme_of<Q>(wanted);
    detail::require_shape(name, shape, s);
    if constexpr (can_hold<Q>) {
        using type = safetensors_dtype;
        using detail::family;
        constexpr family kind = detail::family_of<Q>();
        const std::string base(name);
        const std::int64_t rows = shape[0], cols = shape[1];
        const std::int64_t groups = s.group > 0 ? cols / s.group : 1;
        const type codes = detail::dtype_of_codes<Q>(s.format);
        const bool packed = codes == type::i32 || codes == type::u8;
        const std::int64_t width = codes == type::i32 ? detail::words_of(cols, s.bits) : packed ? cols / 2 : cols;
        tensors.push_back({packed ? base + "_packed" : base, codes, {rows, width}});
        const std::vector<std::int64_t> scales =
            s.strategy == strategy::tensor ? std::vector<std::int64_t>{1} : std::vector<std::int64_t>{rows, groups};
        const type scale = kind == family::nvfp4 ? type::f8_e4m3
                           : kind == family::mxfp4 || kind == family::mxfp8
                               ? type::u8
                               : detail::dtype_of_scale<decltype(Q::parameters::scale)>();
        tensors.push_back({base + "_scale", scale, scales});
        if (kind == family::nvfp4) {
            tensors.push_back({base + "_global_scale", type::f32, {1}});
        }
        if (kind == family::affine) {
            tensors.push_back(
                detail::packs_zeros(s)
                    ? safetensors_declaration{base + "_zero_point", type::i32, {detail::words_of(rows, s.bits), groups}}
                    : safetensors_declaration{base + "_zero_point", type::i8, scales});
        }
        if (s.format == format::pack_quantized) {
            tensors.push_back({base + "_shape", type::i64, {2}});
        }
    }
    return tensors;
}

/// Calls out.append(name, bytes) for each tensor of a weight that was declared with the same `wanted`; `out` is a
/// safetensors_writer or safetensors_model_writer. The weight was quantized along its rows. NVFP4 of other kinds than
/// compressed_tensors_nvfp4 is stored with the reciprocal of its tensor scale, which may change values by two ulps.
/// Errors: unsupported for a weight that the layout cannot hold; those of `out`.
template <class Out, class Q, int Rank, class Kind, class C, class P>
void append(Out& out, std::string_view name, const basic_quantized<Q, Rank, Kind, C, P>& weight,
            std::optional<format> wanted = {}) {
    const scheme s = scheme_of<Q>(wanted);
    const std::vector<std::int64_t> shape(weight.dimensions().begin(), weight.dimensions().end());
    detail::require_shape(name, shape, s);
    if (weight.axis() != Rank - 1) {
        detail::refuse(detail::quote_name(name), "it was not quantized along its rows");
    }
    if constexpr (can_hold<Q>) {
        using detail::family;
        constexpr family kind = detail::family_of<Q>();
        const std::string base(name);
        const auto& parameters = weight.parameters();
        if constexpr (kind == family::symmetric || kind == family::affine) {
            if (s.format == format::pack_quantized) {
                detail::append_packed<Q>(out, base + "_packed", weight);
                out.append(base + "_shape", shape);
            } else {
                detail::append_bytes<Q>(out, base, weight);
            }
        } else {
            out.append(Q::format::bits == 4 ? base + "_packed" : base, weight.codes());
        }
        if constexpr (kind == family::mxfp4 || kind == family::mxfp8 || kind == family::nvfp4) {
            std::vector<std::uint8_t> scales;
            for (const auto& p : parameters) {
                if constexpr (kind == family::nvfp4) {
                    scales.push_back(p.scale);
                } else {
                    scales.push_back(p.scale.code);
                }
            }
            out.append(base + "_scale", scales);
        } else {
            std::vector<detail::stored_scale_t<decltype(Q::parameters::scale)>> scales;
            for (const auto& p : parameters) {
                scales.push_back(static_cast<detail::stored_scale_t<decltype(Q::parameters::scale)>>(p.scale));
            }
            out.append(base + "_scale", scales);
        }
        if constexpr (kind == family::nvfp4) {
            if constexpr (requires { weight.quantizer().global_scale; }) {
                out.append(base + "_global_scale", std::array<float, 1>{weight.quantizer().global_scale});
            } else {
                out.append(base + "_global_scale", std::array<float, 1>{1.0f / weight.quantizer().tensor_scale});
            }
        }
        if constexpr (kind == family::affine) {
            std::vector<std::uint8_t> zeros;
            for (const auto& p : parameters) {
                zeros.push_back(detail::stored_zero<Q>(p));
            }
            if (detail::packs_zeros(s)) {
                const index groups = weight.layout().groups_per_row;
                out.append(base + "_zero_point", detail::pack_zeros(zeros, shape[0], groups, s.bits));
            } else {
                for (std::uint8_t& zero : zeros) {
                    zero = static_cast<std::uint8_t>(zero - (1 << (s.bits - 1)));
                }
                out.append(base + "_zero_point", zeros);
            }
        }
    }
}

} // namespace tersor::inline v0::compressed_tensors

#endif // TERSOR_IO_COMPRESSED_TENSORS_HPP

#ifndef TERSOR_IO_COMPRESSED_TENSORS_INTEGERS_HPP
#define TERSOR_IO_COMPRESSED_TENSORS_INTEGERS_HPP

// Integers that compressed-tensors stored as affine weights: u = code + 2^(bits-1) and scales and zero points for every
// row. With a group index, columns are sorted by it, equal ones in their order, and groups are runs of the sorted
// columns.

#include "tersor/core/error.hpp"
#include "tersor/formats/packing.hpp"
#include "tersor/io/affine_weight.hpp"
#include "tersor/io/compressed_tensors.hpp"
#include "tersor/io/compressed_tensors_weight.hpp"
#include "tersor/io/safetensors_values.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <string>
#include <vector>

namespace tersor::inline v0::compressed_tensors {

namespace detail {

[[nodiscard]] inline const std::uint8_t* bytes_at(const safetensors_tensor& tensor) noexcept {
    return reinterpret_cast<const std::uint8_t*>(tensor.data.data());
}

/// The zero points of integers as u = zero + 2^(bits-1); all 2^(bits-1) for symmetric ones.
[[nodiscard]] inline std::vector<std::uint8_t> read_zeros(const stored_weight& w) {
    const int half = 1 << (w.scheme.bits - 1);
    std::vector<std::uint8_t> u(static_cast<std::size_t>(w.scale->elements()), static_cast<std::uint8_t>(half));
    if (w.zero_point != nullptr) {
        if (packs_zeros(w.scheme)) {
            return unpack_zeros(w.zero_point->data.data(), w.rows, w.groups, w.scheme.bits);
        }
        for (std::size_t i = 0; i < u.size(); ++i) {
            u[i] = static_cast<std::uint8_t>(static_cast<int>(w.zero_point->data[i]) + half);
        }
    }
    return u;
}

/// The group of every column by a group index.
[[nodiscard]] inline std::vector<index> groups_of_columns(const stored_weight& w) {
    const std::vector<std::int32_t> groups = read_values<std::int32_t>(*w.group_index);
    std::vector<std::size_t> sorted(groups.size());
    std::iota(sorted.begin(), sorted.end(), std::size_t{0});
    std::stable_sort(sorted.begin(), sorted.end(), [&](std::size_t a, std::size_t b) { return groups[a] < groups[b]; });
    std::vector<index> result(groups.size());
    for (std::size_t i = 0; i < sorted.size(); ++i) {
        result[sorted[i]] = static_cast<index>(i) / w.scheme.group;
    }
    return result;
}

/// Scales and zero points of integers as an affine weight without codes.
[[nodiscard]] inline affine_weight affine_parameters(const stored_weight& w) {
    affine_weight result;
    result.bits = w.scheme.bits;
    result.rows = static_cast<index>(w.rows);
    result.cols = static_cast<index>(w.cols);
    result.groups = static_cast<index>(w.groups);
    if (w.group_index != nullptr) {
        const std::vector<index> groups = groups_of_columns(w);
        result.group_index.assign(groups.begin(), groups.end());
    } else {
        result.group_index =
            tersor::detail::ordered_group_index(result.cols, w.scheme.group > 0 ? w.scheme.group : result.cols);
    }
    const std::vector<float> scales = read_floats(*w.scale);
    const std::vector<std::uint8_t> zeros = read_zeros(w);
    const index rows_per_group = std::max<index>(w.scheme.block_rows, 1);
    for (index row = 0; row < result.rows; ++row) {
        for (index g = 0; g < result.groups; ++g) {
            const bool one = w.scheme.strategy == strategy::tensor;
            const auto place = static_cast<std::size_t>(one ? 0 : row / rows_per_group * result.groups + g);
            result.scales.push_back(scales[place]);
            result.zeros.push_back(zeros[place]);
        }
    }
    return result;
}

/// The codes of rows [first, first + count) of integers, u = code + 2^(bits-1), a byte each.
inline void unpack_rows(const stored_weight& w, index first, index count, std::uint8_t* to) noexcept {
    const auto cols = static_cast<std::size_t>(w.cols),
               stride = w.codes->data.size() / static_cast<std::size_t>(w.rows);
    for (std::size_t row = 0; row < static_cast<std::size_t>(count); ++row) {
        const std::uint8_t* const from = bytes_at(*w.codes) + (static_cast<std::size_t>(first) + row) * stride;
        const std::span<std::uint8_t> codes(to + row * cols, cols);
        unpack_codes(from, w.scheme.bits, codes);
        if (w.scheme.format != format::pack_quantized) {
            for (std::uint8_t& code : codes) {
                code = static_cast<std::uint8_t>(code ^ 0x80u);
            }
        }
    }
}

/// Codes of one bit, for which there is no number format.
inline void decode_bits(const stored_weight& w, std::span<float> out, const execution& exec) {
    const affine_weight parameters = affine_parameters(w);
    const auto unpack = [&w](index first, index count, std::uint8_t* to) { unpack_rows(w, first, count, to); };
    tersor::detail::decode_affine(parameters, unpack, out.data(), exec);
}

} // namespace detail

/// Whether to_affine gives the weight: integers, with scales for whole rows or parts of them.
[[nodiscard]] inline bool holds_affine(const stored_weight& w) noexcept {
    return !w.scheme.is_float && w.rows > 0 && w.cols > 0;
}

/// The weight, unpacked; codes and zero points are u = code + 2^(bits-1). unsupported if not holds_affine;
/// corrupt_file, naming the tensor, for a scale that is not finite.
[[nodiscard]] inline affine_weight to_affine(const stored_weight& w) {
    if (!holds_affine(w)) {
        raise(error_code::unsupported, "tensor " + detail::quote_name(w.name) + " is stored as " +
                                           std::string(to_string(w.scheme.format)) + ", not as integers");
    }
    affine_weight result = detail::affine_parameters(w);
    for (const float scale : result.scales) {
        if (!std::isfinite(scale)) {
            raise(error_code::corrupt_file,
                  "tensor " + detail::quote_name(w.scale->name) + " has a scale that is not finite");
        }
    }
    result.codes.resize(static_cast<std::size_t>(w.rows * w.cols));
    detail::unpack_rows(w, 0, result.rows, result.codes.data());
    return result;
}

} // namespace tersor::inline v0::compressed_tensors

#endif // TERSOR_IO_COMPRESSED_TENSORS_INTEGERS_HPP

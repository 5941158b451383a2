#ifndef TERSOR_IO_AFFINE_WEIGHT_LOAD_HPP
#define TERSOR_IO_AFFINE_WEIGHT_LOAD_HPP

// What the layouts that store scales and zero points as [groups, rows] share in reading them.

#include "tersor/core/error.hpp"
#include "tersor/core/quantized_tensor.hpp"
#include "tersor/io/affine_weight_convert.hpp"
#include "tersor/io/quote.hpp"
#include "tersor/io/safetensors_values.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace tersor::inline v0::detail {

/// Scales and zero points [groups x rows] of a file as an affine weight without codes. corrupt_file, naming the tensor,
/// for a scale that is not finite.
[[nodiscard]] inline affine_weight stored_parameters(const affine_shape& shape, const safetensors_tensor& scales,
                                                     const std::vector<std::uint8_t>& zeros,
                                                     std::vector<std::int32_t> group_index) {
    affine_weight w;
    w.bits = shape.bits;
    w.rows = shape.rows;
    w.cols = shape.cols;
    w.groups = shape.groups;
    w.group_index = std::move(group_index);
    const std::vector<float> values = read_floats(scales);
    w.scales.resize(values.size());
    w.zeros.resize(values.size());
    const auto rows = static_cast<std::size_t>(w.rows), groups = static_cast<std::size_t>(w.groups);
    for (std::size_t g = 0; g < groups; ++g) {
        for (std::size_t row = 0; row < rows; ++row) {
            const float scale = values[g * rows + row];
            if (!std::isfinite(scale)) {
                raise(error_code::corrupt_file, "tensor " + quote_name(scales.name) + " has no finite scale at [" +
                                                    std::to_string(g) + ", " + std::to_string(row) + "]");
            }
            w.scales[row * groups + g] = scale;
            w.zeros[row * groups + g] = zeros[g * rows + row];
        }
    }
    return w;
}

/// Whether from_affine<Q> takes every weight of that shape whose scales are stored in that type.
template <class Q>
[[nodiscard]] bool holds_stored(const affine_shape& s, safetensors_dtype scales) noexcept {
    if constexpr (is_affine<Q>) {
        using scale = decltype(Q::parameters::scale);
        constexpr bool has_zero = requires(typename Q::parameters p) { p.zero; };
        constexpr bool is_signed = Q::format::lowest < 0;
        const bool scale_fits = (std::is_same_v<scale, float> && scales != safetensors_dtype::f64) ||
                                (std::is_same_v<scale, Eigen::half> && scales == safetensors_dtype::f16) ||
                                (std::is_same_v<scale, Eigen::bfloat16> && scales == safetensors_dtype::bf16);
        const bool group_fits = s.groups == 1 ? Q::group == whole_row || Q::group >= s.cols : Q::group == s.group;
        return s.bits == Q::format::bits && s.in_order && group_fits && scale_fits &&
               (has_zero || (is_signed && s.symmetric));
    } else {
        return false;
    }
}

/// A stored weight of a layout, which has `shape`, `scales` and `name`, as a quantized tensor.
template <class Q, int Rank, class Stored>
[[nodiscard]] quantized_tensor<Q, Rank> load_stored(const Stored& w) {
    if constexpr (is_affine<Q> && Rank == 2) {
        if (holds_stored<Q>(w.shape, w.scales->dtype)) {
            return from_affine<Q>(to_affine(w));
        }
    }
    raise(error_code::unsupported, "tensor " + quote_name(w.name) + " is a matrix of " + std::to_string(w.shape.bits) +
                                       " bits in " + std::to_string(w.shape.groups) + " groups, with" +
                                       (w.shape.in_order ? "out" : "") + " act-order and with" +
                                       (w.shape.symmetric ? "out" : "") + " zero points, not with this quantizer");
}

} // namespace tersor::inline v0::detail

#endif // TERSOR_IO_AFFINE_WEIGHT_LOAD_HPP

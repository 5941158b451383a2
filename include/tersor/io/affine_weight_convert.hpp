#ifndef TERSOR_IO_AFFINE_WEIGHT_CONVERT_HPP
#define TERSOR_IO_AFFINE_WEIGHT_CONVERT_HPP

// Affine weights from quantized tensors and back: absmax, zero_point and their relatives over intN and uintN, with any
// scale type, per tensor, row or group.
//
//   unsigned formats   code and zero as they are; absmax has zero 0
//   signed formats     code + 2^(bits - 1), zero + 2^(bits - 1); absmax has zero 2^(bits - 1)
//
// A solver that reordered columns names their order: stored column k is column order[k] of the weight, and belongs to
// the stored group k / group.

#include "tersor/core/quantized_tensor.hpp"
#include "tersor/formats/packing.hpp"
#include "tersor/io/affine_weight.hpp"

#include <numeric>
#include <type_traits>
#include <utility>

namespace tersor::inline v0 {

namespace detail {

template <class Scale>
inline constexpr bool is_real_scale = std::is_convertible_v<Scale, float> && !std::is_integral_v<Scale>;

/// Whether values are (code - zero) * scale, or code * scale, over integers.
template <class Q>
[[nodiscard]] constexpr bool is_integer_grid() noexcept {
    if constexpr (block_quantizer<Q>) {
        return false;
    } else if constexpr (requires { typename Q::parameter_array; }) {
        return false;
    } else if constexpr (requires(typename Q::parameters p) { p.scale; Q::format::lowest; Q::format::highest; }) {
        if constexpr (!is_real_scale<decltype(Q::parameters::scale)>) {
            return false;
        } else if constexpr (requires(typename Q::parameters p) { p.zero; }) {
            return std::is_integral_v<decltype(Q::parameters::zero)>;
        } else {
            return scaled_quantizer<Q>;
        }
    } else {
        return false;
    }
}

/// What is added to signed codes.
template <class Format>
inline constexpr int unsigned_shift = Format::lowest < 0 ? 1 << (Format::bits - 1) : 0;

inline void check_order(std::span<const std::int32_t> order, index cols) {
    if (order.size() != static_cast<std::size_t>(cols)) {
        raise(error_code::shape_mismatch,
              "an order of " + std::to_string(order.size()) + " columns for a weight of " + std::to_string(cols));
    }
    std::vector<bool> seen(order.size());
    for (const std::int32_t column : order) {
        if (column < 0 || column >= cols || seen[static_cast<std::size_t>(column)]) {
            raise(error_code::invalid_argument, "the order names column " + std::to_string(column) + " of " +
                                                    std::to_string(cols) + " twice or out of range");
        }
        seen[static_cast<std::size_t>(column)] = true;
    }
}

/// The label of every stored group: that of its columns in `group_index`.
[[nodiscard]] inline std::vector<std::int32_t> group_labels(std::span<const std::int32_t> order,
                                                            std::span<const std::int32_t> group_index, index group,
                                                            index groups) {
    if (group_index.size() != order.size()) {
        raise(error_code::shape_mismatch, "a group index of " + std::to_string(group_index.size()) + " columns for " +
                                              std::to_string(order.size()));
    }
    std::vector<std::int32_t> labels(static_cast<std::size_t>(groups), -1);
    std::vector<bool> used(labels.size());
    for (std::size_t k = 0; k < order.size(); ++k) {
        const auto stored = static_cast<std::size_t>(static_cast<index>(k) / group);
        const std::int32_t label = group_index[static_cast<std::size_t>(order[k])];
        const bool fresh = labels[stored] < 0 && label >= 0 && label < groups && !used[static_cast<std::size_t>(label)];
        if (fresh) {
            labels[stored] = label;
            used[static_cast<std::size_t>(label)] = true;
        } else if (labels[stored] != label) {
            raise(error_code::invalid_argument, "column " + std::to_string(order[k]) + " is in stored group " +
                                                    std::to_string(stored) + ", which the group index does not name " +
                                                    std::to_string(label));
        }
    }
    return labels;
}

} // namespace detail

/// Whether to_affine takes tensors of a quantizer: integers with a scale, and perhaps a zero point, per group.
template <quantizer Q>
inline constexpr bool is_affine = detail::is_integer_grid<Q>();

/// A quantized matrix as an affine weight. `order`, if not empty: stored column k is column order[k] of the weight;
/// `group_index`, if not empty: the groups of the original columns, which then name the stored groups anew.
/// Errors: unsupported if it was not quantized along its rows; invalid_argument and shape_mismatch for an order or
/// index that is none; those of check().
template <class Q, class Kind, class C, class P>
requires is_affine<Q>
[[nodiscard]] affine_weight to_affine(const basic_quantized<Q, 2, Kind, C, P>& q,
                                      std::span<const std::int32_t> order = {},
                                      std::span<const std::int32_t> group_index = {}) {
    using format = typename Q::format;
    constexpr int shift = detail::unsigned_shift<format>;
    if (q.axis() != 1) {
        raise(error_code::unsupported,
              "an affine weight has its groups along rows, not along axis " + std::to_string(q.axis()));
    }
    const row_layout& layout = q.layout();
    affine_weight w;
    w.bits = format::bits;
    w.rows = q.rows();
    w.cols = q.cols();
    const index per_row = layout.groups_per_row;
    w.groups = std::max<index>(per_row, 1);
    std::vector<std::int32_t> in_order(static_cast<std::size_t>(w.cols));
    std::iota(in_order.begin(), in_order.end(), 0);
    const bool moves = !order.empty();
    if (moves) {
        detail::check_order(order, w.cols);
    } else {
        order = in_order;
    }
    std::vector<std::int32_t> labels(static_cast<std::size_t>(w.groups));
    std::iota(labels.begin(), labels.end(), 0);
    if (!group_index.empty()) {
        labels = detail::group_labels(order, group_index, layout.group, w.groups);
    }
    w.group_index.resize(order.size());
    for (std::size_t k = 0; k < order.size(); ++k) {
        w.group_index[static_cast<std::size_t>(order[k])] =
            labels[static_cast<std::size_t>(static_cast<index>(k) / layout.group)];
    }
    w.codes.resize(static_cast<std::size_t>(w.rows * w.cols));
    w.scales.resize(static_cast<std::size_t>(w.rows * w.groups));
    w.zeros.resize(w.scales.size());
    std::vector<code_t<format>> stored(order.size());
    for (index row = 0; row < w.rows; ++row) {
        unpack(format{}, q.row_codes(row).data(), std::span<code_t<format>>(stored));
        std::uint8_t* const to = w.codes.data() + row * w.cols;
        for (std::size_t k = 0; k < stored.size(); ++k) {
            to[moves ? static_cast<std::size_t>(order[k]) : k] = static_cast<std::uint8_t>(stored[k] + shift);
        }
        for (std::size_t g = 0; g < labels.size(); ++g) {
            const auto p = q.parameters()[per_row > 0 ? static_cast<std::size_t>(row * per_row) + g : 0];
            const auto place = static_cast<std::size_t>(row * w.groups + labels[g]);
            w.scales[place] = static_cast<float>(p.scale);
            if constexpr (requires { p.zero; }) {
                w.zeros[place] = static_cast<std::uint8_t>(static_cast<int>(p.zero) + shift);
            } else {
                w.zeros[place] = static_cast<std::uint8_t>(shift);
            }
        }
    }
    check(w, "quantized tensor");
    return w;
}

namespace detail {

/// Why from_affine<Q> refuses a weight; null if it does not.
template <class Q>
[[nodiscard]] const char* reason_against(const affine_weight& w) {
    using scale = decltype(Q::parameters::scale);
    constexpr bool has_zero = requires(typename Q::parameters p) { p.zero; };
    constexpr int shift = unsigned_shift<typename Q::format>;
    if (w.bits != Q::format::bits) {
        return "its codes have other bits";
    }
    const index run = columns_per_group(w.group_index, w.groups);
    if (run == 0) {
        return "its columns are not in the order of their groups";
    }
    if (!(Q::group == whole_tensor || (w.groups == 1 && (Q::group == whole_row || Q::group >= w.cols)) ||
          Q::group == run)) {
        return "its groups have another size";
    }
    for (std::size_t i = 0; i < w.scales.size(); ++i) {
        if (Q::group == whole_tensor && (w.scales[i] != w.scales[0] || w.zeros[i] != w.zeros[0])) {
            return "it has more than one group";
        }
        if (!has_zero && w.zeros[i] != shift) {
            return "its zeros are not those of a quantizer without zero points";
        }
        if (static_cast<float>(static_cast<scale>(w.scales[i])) != w.scales[i]) {
            return "its scales are not exact in the type of the quantizer's";
        }
    }
    return nullptr;
}

} // namespace detail

/// Whether from_affine<Q> gives the weight with all its values.
template <quantizer Q>
[[nodiscard]] bool holds(const affine_weight& w) {
    if constexpr (is_affine<Q>) {
        return detail::reason_against<Q>(w) == nullptr;
    } else {
        return false;
    }
}

/// The weight as a quantized tensor of the same values; its columns are in the order of their groups (see
/// sort_columns). Errors: those of check(); unsupported if not holds<Q>, naming why.
template <quantizer Q>
[[nodiscard]] quantized_tensor<Q> from_affine(const affine_weight& w) {
    static_assert(is_affine<Q>, "an affine weight becomes a quantizer over intN or uintN with one scale a group");
    using format = typename Q::format;
    constexpr int shift = detail::unsigned_shift<format>;
    check(w);
    if (const char* const reason = detail::reason_against<Q>(w)) {
        raise(error_code::unsupported, "an affine weight " + detail::shape_of_values(w.rows, w.cols) + " with " +
                                           std::to_string(w.bits) + " bits in " + std::to_string(w.groups) +
                                           " groups is not of this quantizer: " + reason);
    }
    const auto layout = quantized_tensor<Q>::layout_of({w.rows, w.cols}, 1);
    std::vector<std::uint8_t> codes(static_cast<std::size_t>(layout.rows * layout.row_bytes));
    std::vector<code_t<format>> row_codes(static_cast<std::size_t>(w.cols));
    for (index row = 0; row < w.rows; ++row) {
        const std::uint8_t* const from = w.codes.data() + row * w.cols;
        for (std::size_t c = 0; c < row_codes.size(); ++c) {
            row_codes[c] = static_cast<code_t<format>>(from[c] - shift);
        }
        pack(format{}, std::span<const code_t<format>>(row_codes), codes.data() + row * layout.row_bytes);
    }
    std::vector<typename Q::parameters> parameters(static_cast<std::size_t>(layout.groups));
    for (std::size_t i = 0; i < parameters.size(); ++i) {
        parameters[i].scale = static_cast<decltype(Q::parameters::scale)>(w.scales[i]);
        if constexpr (requires { parameters[i].zero; }) {
            parameters[i].zero = static_cast<decltype(Q::parameters::zero)>(w.zeros[i] - shift);
        }
    }
    return {Q{}, {w.rows, w.cols}, 1, std::move(codes), std::move(parameters)};
}

} // namespace tersor::inline v0

#endif // TERSOR_IO_AFFINE_WEIGHT_CONVERT_HPP

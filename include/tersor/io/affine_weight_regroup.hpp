#ifndef TERSOR_IO_AFFINE_WEIGHT_REGROUP_HPP
#define TERSOR_IO_AFFINE_WEIGHT_REGROUP_HPP

// The same affine weight in another form, every value kept: columns sorted by group, groups cut into smaller ones,
// codes of more bits. And codes from values.

#include "tersor/core/exact.hpp"
#include "tersor/io/affine_weight.hpp"
#include "tersor/quantizers/affine.hpp"

#include <numeric>
#include <utility>

namespace tersor::inline v0 {

/// The most columns n such that any columns k n .. k n + n - 1 share a group: 1 for most weights with act-order.
[[nodiscard]] inline index common_run(const affine_weight& w) noexcept {
    index run = w.cols;
    for (index c = 1; c < w.cols; ++c) {
        if (w.group_index[static_cast<std::size_t>(c)] != w.group_index[static_cast<std::size_t>(c - 1)]) {
            run = std::gcd(run, c);
        }
    }
    return run;
}

/// The weight with groups of `size` columns in order; every group of it is cut into such. invalid_argument unless
/// `size` divides common_run.
[[nodiscard]] inline affine_weight regroup(const affine_weight& w, index size) {
    check(w);
    const index run = common_run(w);
    if (size < 1 || run % size != 0) {
        raise(error_code::invalid_argument, "columns share a group in runs of " + std::to_string(run) +
                                                ", which groups of " + std::to_string(size) + " do not divide");
    }
    affine_weight result;
    result.bits = w.bits;
    result.rows = w.rows;
    result.cols = w.cols;
    result.codes = w.codes;
    result.groups = w.cols / size;
    result.group_index = detail::ordered_group_index(w.cols, size);
    for (index row = 0; row < w.rows; ++row) {
        for (index g = 0; g < result.groups; ++g) {
            const auto place =
                static_cast<std::size_t>(row * w.groups + w.group_index[static_cast<std::size_t>(g * size)]);
            result.scales.push_back(w.scales[place]);
            result.zeros.push_back(w.zeros[place]);
        }
    }
    return result;
}

/// The weight with codes of at least as many bits: a symmetric grid stays symmetric. invalid_argument for fewer bits.
[[nodiscard]] inline affine_weight widen(affine_weight w, int bits) {
    check(w);
    if (bits < w.bits || bits > 8) {
        raise(error_code::invalid_argument,
              "codes of " + std::to_string(w.bits) + " bits cannot be widened to " + std::to_string(bits));
    }
    if (bits > w.bits && is_symmetric(w)) {
        const int shift = (1 << (bits - 1)) - (1 << (w.bits - 1));
        for (std::vector<std::uint8_t>* const codes : {&w.codes, &w.zeros}) {
            for (std::uint8_t& code : *codes) {
                code = static_cast<std::uint8_t>(code + shift);
            }
        }
    }
    w.bits = bits;
    return w;
}

/// The weight with its columns stably sorted by group, and their order: column k of it is column order[k] of `w`. The
/// groups of the result are runs of equal length if those of `w` have equally many columns.
[[nodiscard]] inline std::pair<affine_weight, std::vector<std::int32_t>> sort_columns(const affine_weight& w) {
    check(w);
    std::vector<std::int32_t> order(static_cast<std::size_t>(w.cols));
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&w](std::int32_t a, std::int32_t b) {
        return w.group_index[static_cast<std::size_t>(a)] < w.group_index[static_cast<std::size_t>(b)];
    });
    affine_weight sorted = w;
    for (std::size_t k = 0; k < order.size(); ++k) {
        sorted.group_index[k] = w.group_index[static_cast<std::size_t>(order[k])];
    }
    for (index row = 0; row < w.rows; ++row) {
        const std::uint8_t* const from = w.codes.data() + row * w.cols;
        std::uint8_t* const to = sorted.codes.data() + row * w.cols;
        for (std::size_t k = 0; k < order.size(); ++k) {
            to[k] = from[order[k]];
        }
    }
    return {std::move(sorted), std::move(order)};
}

/// Codes of values [rows x cols] on grids that are given, by the rule of GPTQ's packer, in float:
///     code = clamp(round((value + scale * zero) / scale), 0, 2^bits - 1), half to even
/// `w` has everything but codes. shape_mismatch for another number of values; those of check().
[[nodiscard]] inline affine_weight encode_affine(affine_weight w, std::span<const float> values) {
    if (w.rows < 0 || w.cols < 0 || values.size() != static_cast<std::size_t>(w.rows * w.cols)) {
        raise(error_code::shape_mismatch, std::to_string(values.size()) + " values for an affine weight " +
                                              detail::shape_of_values(w.rows, w.cols));
    }
    w.codes.assign(values.size(), 0);
    check(w);
    const std::int32_t highest = (1 << w.bits) - 1;
    for (index row = 0; row < w.rows; ++row) {
        for (index c = 0; c < w.cols; ++c) {
            const auto place = static_cast<std::size_t>(row * w.groups + w.group_index[static_cast<std::size_t>(c)]);
            const auto i = static_cast<std::size_t>(row * w.cols + c);
            const float scale = w.scales[place];
            const float offset = exact::product(scale, static_cast<float>(w.zeros[place]));
            w.codes[i] = static_cast<std::uint8_t>(
                detail::clamp_to({0, highest}, detail::round_bounded((values[i] + offset) / scale)));
        }
    }
    return w;
}

} // namespace tersor::inline v0

#endif // TERSOR_IO_AFFINE_WEIGHT_REGROUP_HPP

#ifndef TERSOR_CALIBRATORS_WEIGHT_RANGES_HPP
#define TERSOR_CALIBRATORS_WEIGHT_RANGES_HPP

// Ranges of weights, which are all at hand at once: a group, a row, a tensor.
//
//   percentile_range   the narrowest range that leaves at most floor(n (100 - p) / 100) values outside, exactly; with
//                      both signs half of them on either side
//   kl_range           the range of `kl_divergence`, from a histogram with about a bin per value (256 to 4096)
//
// The range of least squared error is found by `fit` and the option least_squares of `quantize`, without a histogram.

#include "tersor/calibrators/kl_divergence.hpp"
#include "tersor/calibrators/percentile.hpp"
#include "tersor/core/error.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace tersor::inline v0 {

namespace detail {

inline void require_finite_values(std::span<const float> values) {
    for (std::size_t i = 0; i < values.size(); ++i) {
        if (magnitude_bits(values[i]) >= 0x7F800000u) {
            raise(error_code::non_finite, "value " + std::to_string(i) + " of " + std::to_string(values.size()) +
                                              " is not finite: it has no place in a range");
        }
    }
}

/// The value that `outside` of the values are beyond or as far as, 0 if that is on the other side of zero.
[[nodiscard]] inline float end_beyond(std::vector<float>& values, std::size_t outside) {
    const auto at = values.begin() + static_cast<std::ptrdiff_t>(values.size() - 1 - outside);
    std::nth_element(values.begin(), at, values.end());
    return *at > 0.0f ? *at : 0.0f;
}

} // namespace detail

/// The range that holds `percent` of some values for a quantizer, exactly; it contains 0, and is [0, 0] for no values.
/// Errors: `invalid_argument` unless `percent` is above 0 and at most 100; `non_finite`.
template <range_quantizer Q = detail::usual_quantizer>
[[nodiscard]] clipping_range percentile_range(std::span<const float> values, double percent, const Q& q = {}) {
    if (!(percent > 0.0 && percent <= 100.0)) {
        raise(error_code::invalid_argument,
              "percentile " + std::to_string(percent) + ": expected above 0 and at most 100");
    }
    detail::require_finite_values(values);
    if (values.empty()) {
        return {0.0f, 0.0f};
    }
    const auto outside =
        static_cast<std::size_t>(detail::values_outside(percent, static_cast<std::int64_t>(values.size())));
    const auto [least, most] = std::minmax_element(values.begin(), values.end());
    const bool has_both = *least < 0.0f && *most > 0.0f;
    std::vector<float> copy(values.begin(), values.end());
    if (detail::is_symmetric(q)) {
        for (float& x : copy) {
            x = std::abs(x);
        }
        const float a = detail::end_beyond(copy, outside);
        return {-a, a};
    }
    clipping_range range{0.0f, 0.0f};
    if (*most > 0.0f) {
        range.hi = detail::end_beyond(copy, has_both ? outside / 2 : outside);
    }
    if (*least < 0.0f) {
        for (float& x : copy) {
            x = -x;
        }
        range.lo = -detail::end_beyond(copy, has_both ? outside / 2 : outside);
    }
    return range;
}

/// The range of least Kullback-Leibler divergence of some values for a quantizer; see `kl_divergence`. It contains 0,
/// and is [0, 0] for no values. Errors: `non_finite`.
template <range_quantizer Q = detail::usual_quantizer>
[[nodiscard]] clipping_range kl_range(std::span<const float> values, const Q& q = {}) {
    detail::require_finite_values(values);
    if (values.empty()) {
        return {0.0f, 0.0f};
    }
    histogram seen(static_cast<index>(std::clamp<std::size_t>(std::bit_ceil(values.size()), 256, 4096)));
    (void)seen.add(values.data(), values.size());
    return detail::kl_range_of(seen, q);
}

/// For groups of `run` values, too few for a distribution of their own: the range of all values together, each divided by
/// the largest magnitude of its group. The range of a group is that times its largest magnitude; see `scaled_range`.
/// Errors: `invalid_argument` for a run of 0; `non_finite`.
template <range_quantizer Q = detail::usual_quantizer>
[[nodiscard]] clipping_range kl_range_of_groups(std::span<const float> values, std::size_t run, const Q& q = {}) {
    if (run == 0) {
        raise(error_code::invalid_argument, "kl_range_of_groups: groups of 0 values");
    }
    detail::require_finite_values(values);
    std::vector<float> scaled(values.begin(), values.end());
    for (std::size_t first = 0; first < scaled.size(); first += run) {
        const std::span<float> group = std::span(scaled).subspan(first, std::min(run, scaled.size() - first));
        float largest = 0.0f;
        for (const float x : group) {
            largest = std::max(largest, std::abs(x));
        }
        for (float& x : group) {
            x = largest > 0.0f ? x / largest : 0.0f;
        }
    }
    return kl_range(std::span<const float>(scaled), q);
}

/// A range of shares of a group's largest magnitude as a range of its values, no wider than they are.
template <range_quantizer Q = detail::usual_quantizer>
[[nodiscard]] clipping_range scaled_range(std::span<const float> group, clipping_range shares, const Q& q = {}) {
    float lo = 0.0f, hi = 0.0f;
    for (const float x : group) {
        lo = std::min(lo, x);
        hi = std::max(hi, x);
    }
    const float largest = std::max(-lo, hi);
    if (detail::is_symmetric(q)) {
        return {shares.lo * largest, shares.hi * largest};
    }
    return {std::max(lo, shares.lo * largest), std::min(hi, shares.hi * largest)};
}

} // namespace tersor::inline v0

#endif // TERSOR_CALIBRATORS_WEIGHT_RANGES_HPP

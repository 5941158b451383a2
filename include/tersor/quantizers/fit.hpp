#ifndef TERSOR_QUANTIZERS_FIT_HPP
#define TERSOR_QUANTIZERS_FIT_HPP

// How a range quantizer fits a group: to its smallest and largest value, or, where the values have importance, to the
// share of that range with the least weighted squared error.
//
//   candidates p = 1, 0.99, .. 0.20:  parameters from_range(p * lo, p * hi)
//   error(p) = sum over i, in order, of importance_i * (x_i - decode(encode(x_i)))^2 in double; the first least one wins

#include "tersor/core/concepts.hpp"
#include "tersor/core/exact.hpp"

#include <cmath>
#include <cstddef>
#include <span>

namespace tersor::inline v0 {

/// Smallest and largest of some values and zero.
struct value_range {
    float lo = 0.0f;
    float hi = 0.0f;
};

/// The range of finite values, extended to contain 0.
[[nodiscard]] constexpr value_range range_of(std::span<const float> values) noexcept {
    value_range range;
    for (const float x : values) {
        range.lo = x < range.lo ? x : range.lo;
        range.hi = x > range.hi ? x : range.hi;
    }
    return range;
}

/// Sum of importance_i * (x_i - decode(encode(x_i)))^2, in order, in double; an empty importance counts as ones.
template <quantizer Q>
[[nodiscard]] double weighted_error(const Q& q, std::span<const float> values, std::span<const float> importance,
                                    typename Q::parameters p) {
    double sum = 0.0;
    for (std::size_t i = 0; i < values.size(); ++i) {
        const double difference = static_cast<double>(values[i]) - static_cast<double>(q.decode(q.encode(values[i], p), p));
        const double weight = importance.empty() ? 1.0 : static_cast<double>(importance[i]);
        sum += exact::product(weight, exact::product(difference, difference));
    }
    return sum;
}

/// The parameters of least weighted squared error among shares of the values' range.
template <range_quantizer Q>
[[nodiscard]] typename Q::parameters search_range(const Q& q, std::span<const float> values,
                                                  std::span<const float> importance) {
    const value_range range = range_of(values);
    auto best = q.from_range(range.lo, range.hi);
    double least = weighted_error(q, values, importance, best);
    for (int percent = 99; percent >= 20 && least > 0.0; --percent) {
        const float share = static_cast<float>(percent) / 100.0f;
        const auto candidate = q.from_range(exact::product(share, range.lo), exact::product(share, range.hi));
        const double error = weighted_error(q, values, importance, candidate);
        if (error < least) {
            least = error;
            best = candidate;
        }
    }
    return best;
}

/// The parameters for a group: of its whole range, or, with importance, those that `search_range` finds.
template <range_quantizer Q>
[[nodiscard]] typename Q::parameters fit_range(const Q& q, std::span<const float> values,
                                               std::span<const float> importance) {
    if (!importance.empty()) {
        return search_range(q, values, importance);
    }
    const value_range range = range_of(values);
    return q.from_range(range.lo, range.hi);
}

} // namespace tersor::inline v0

#endif // TERSOR_QUANTIZERS_FIT_HPP

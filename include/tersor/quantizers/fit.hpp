#ifndef TERSOR_QUANTIZERS_FIT_HPP
#define TERSOR_QUANTIZERS_FIT_HPP

// How a range quantizer fits a group: to its smallest and largest value, or, where the values have importance, to the
// least weighted squared error
//
//   error(p) = sum over i, in order, of importance_i * (x_i - decode(encode(x_i)))^2 in double
//
// For quantizers whose values are levels times a scale, with or without a zero point, the parameters are the optimum
// among all that can be stored, but for the rounding of the sums that find it (see fit_exact.hpp); the parameters of the
// whole range are kept where they are as good. For other quantizers, and for groups of more than 65536 values, they are
// the best of 81 shares of the range: 1, 0.99, .. 0.20.

#include "tersor/core/concepts.hpp"
#include "tersor/core/exact.hpp"
#include "tersor/quantizers/fit_exact.hpp"
#include "tersor/quantizers/scale.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

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

namespace detail {

template <class Q>
concept stores_scale = requires(typename Q::parameters p) {
    { static_cast<float>(p.scale) } -> std::same_as<float>;
} && !std::is_integral_v<decltype(Q::parameters::scale)>;

/// Parameters with the stored scale that is nearest to a given one.
template <class Q>
[[nodiscard]] typename Q::parameters parameters_of_scale(const Q& q, double scale) {
    if constexpr (stores_scale<Q>) {
        typename Q::parameters p{};
        p.scale = stored_scale<decltype(p.scale)>(static_cast<float>(scale));
        return p;
    } else {
        return q.from_magnitude(static_cast<float>(scale * static_cast<double>(typename Q::format{}.largest)));
    }
}

/// As `scale_rounding`: the stored scale near a given one, 0 where its largest level would not be finite.
template <class Q>
[[nodiscard]] double round_scale(const void* quantizer, double scale) {
    constexpr double levels = 256.0 * 256.0;
    if (!(scale > 0.0) || scale > static_cast<double>(std::numeric_limits<float>::max()) / levels) {
        return 0.0;
    }
    const Q& q = *static_cast<const Q*>(quantizer);
    return static_cast<double>(q.scale(parameters_of_scale(q, scale)));
}

/// How far the next stored scale may be above a given one, as a factor: 2 for powers of two, less for floats.
template <class Q>
[[nodiscard]] constexpr double scale_spacing() noexcept {
    if constexpr (stores_scale<Q>) {
        return std::is_same_v<decltype(Q::parameters::scale), float> ? 1.001
               : sizeof(Q::parameters::scale) == 2                   ? 1.01
                                                                     : 2.0;
    } else {
        return 2.0;
    }
}

/// The values of a quantizer's codes with scale 1.
template <class Q>
[[nodiscard]] level_grid make_levels([[maybe_unused]] const Q& q) {
    std::vector<double> levels;
    using code = code_of<Q>;
    for (int i = 0; i < (1 << Q::format::bits); ++i) {
        const int number = std::is_signed_v<code> ? i - (1 << (Q::format::bits - 1)) : i;
        if constexpr (requires { Q::lowest_code(); }) {
            if (number < Q::lowest_code()) {
                continue;
            }
        }
        double level = 0.0;
        if constexpr (requires { q.codes.decode(code{}); }) {
            level = static_cast<double>(q.codes.decode(static_cast<code>(number)));
        } else {
            level = static_cast<double>(typename Q::format{}.decode(static_cast<code>(number)));
        }
        if (std::isfinite(level)) {
            levels.push_back(level);
        }
    }
    return level_grid::of(std::move(levels));
}

template <class Q>
[[nodiscard]] const level_grid& levels_of(const Q& q) {
    if constexpr (std::is_empty_v<typename Q::format>) {
        static const level_grid grid = make_levels(q);
        return grid;
    } else {
        thread_local level_grid grid;
        grid = make_levels(q);
        return grid;
    }
}

} // namespace detail

/// The parameters of least weighted squared error; see the head of this file. An empty importance counts as ones.
template <range_quantizer Q>
[[nodiscard]] typename Q::parameters fit_least_squares(const Q& q, std::span<const float> values,
                                                       std::span<const float> importance) {
    constexpr std::size_t most = 65536;
    if constexpr (affine_quantizer<Q> && requires(typename Q::parameters p) { p.zero = p.zero; } &&
                  detail::stores_scale<Q>) {
        if (values.size() <= most) {
            constexpr int steps = Q::format::highest - Q::format::lowest;
            static const detail::level_grid integers = detail::level_grid::integers(steps);
            const value_range range = range_of(values);
            const auto whole = q.from_range(range.lo, range.hi);
            const double error = weighted_error(q, values, importance, whole);
            thread_local detail::scale_search search;
            search.find_scale_and_zero(values, importance, integers, steps, error, &q, &detail::round_scale<Q>,
                                       detail::scale_spacing<Q>());
            if (search.scale > 0.0) {
                auto found = detail::parameters_of_scale(q, search.scale);
                found.zero = static_cast<decltype(found.zero)>(Q::format::lowest + search.below);
                return weighted_error(q, values, importance, found) < error ? found : whole;
            }
            return whole;
        }
    } else if constexpr (scaled_quantizer<Q>) {
        if (values.size() <= most) {
            const value_range range = range_of(values);
            const auto whole = q.from_range(range.lo, range.hi);
            const double error = weighted_error(q, values, importance, whole);
            thread_local detail::scale_search search;
            search.find_scale(values, importance, detail::levels_of(q), error, &q, &detail::round_scale<Q>,
                              detail::scale_spacing<Q>());
            if (search.scale > 0.0) {
                const auto found = detail::parameters_of_scale(q, search.scale);
                return weighted_error(q, values, importance, found) < error ? found : whole;
            }
            return whole;
        }
    }
    return search_range(q, values, importance);
}

/// The parameters for a group: of its whole range, or, with importance, those of least weighted squared error.
template <range_quantizer Q>
[[nodiscard]] typename Q::parameters fit_range(const Q& q, std::span<const float> values,
                                               std::span<const float> importance) {
    if (!importance.empty()) {
        return fit_least_squares(q, values, importance);
    }
    const value_range range = range_of(values);
    return q.from_range(range.lo, range.hi);
}

} // namespace tersor::inline v0

#endif // TERSOR_QUANTIZERS_FIT_HPP

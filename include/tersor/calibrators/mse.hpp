#ifndef TERSOR_CALIBRATORS_MSE_HPP
#define TERSOR_CALIBRATORS_MSE_HPP

// The range of least mean squared error of a quantizer:
//
//   error(range) = sum over the points of a histogram of count * (x - decode(encode(x)))^2
//
// with the quantizer's own from_range, encode and decode. With sums S0, S1, S2 of count, count * x and count * x^2 over
// the points before each one, a run of points with one code, decoded to v, has the error S2 - 2 v S1 + v^2 S0: the work
// per range is that of encoding the points. Sums are in double, in order.

#include "tersor/calibrators/histogram_calibrator.hpp"
#include "tersor/calibrators/range_candidates.hpp"
#include "tersor/core/exact.hpp"

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace tersor::inline v0 {

namespace detail {

/// The squared error of a quantizer over the points of a histogram, for any range.
template <range_quantizer Q>
class squared_error {
public:
    squared_error(const Q& q, histogram_points& points) : q_(q), points_(points), sums_(points.values.size() + 1) {
        for (std::size_t i = 0; i < points.values.size(); ++i) {
            const double n = points.counts[i], x = static_cast<double>(points.values[i]);
            const double first = exact::product(n, x);
            sums_[i + 1] = {sums_[i].n + n, sums_[i].x + first, sums_[i].xx + exact::product(first, x)};
        }
    }

    double operator()(float lo, float hi) {
        const auto p = q_.from_range(lo, hi);
        const double zero = static_cast<double>(q_.decode(q_.encode(0.0f, p), p));
        double error = exact::product(points_.zeros, exact::product(zero, zero));
        points_.for_each_cell(q_, p, [&](std::size_t begin, std::size_t end, float value) {
            const sums s = between(begin, end);
            const double v = static_cast<double>(value);
            const double inside = s.xx + exact::product(v, exact::product(v, s.n) - exact::product(2.0, s.x));
            error += inside > 0.0 ? inside : 0.0;
        });
        return error;
    }

    /// The error of what lies beyond the ends; a grid may reach half a step beyond.
    double bound(float lo, float hi) {
        const auto p = q_.from_range(lo, hi);
        const std::vector<float>& x = points_.values;
        const float bottom = q_.decode(q_.encode(x.front(), p), p), top = q_.decode(q_.encode(x.back(), p), p);
        const auto first = static_cast<std::size_t>(std::lower_bound(x.begin(), x.end(), bottom) - x.begin());
        const auto last = static_cast<std::size_t>(std::upper_bound(x.begin(), x.end(), top) - x.begin());
        const auto beyond = [](const sums& s, double end) {
            return s.xx + exact::product(end, exact::product(end, s.n) - exact::product(2.0, s.x));
        };
        // Narrower ranges may have a longer grid by the rounding of a zero point: half of the sum is bound enough.
        return 0.5 * (beyond(between(0, first), static_cast<double>(bottom)) +
                      beyond(between(last, x.size()), static_cast<double>(top)));
    }

private:
    struct sums {
        double n = 0.0, x = 0.0, xx = 0.0;
    };
    [[nodiscard]] sums between(std::size_t begin, std::size_t end) const noexcept {
        const sums &a = sums_[begin], &b = sums_[end];
        return {b.n - a.n, b.x - a.x, b.xx - a.xx};
    }

    const Q& q_;
    histogram_points& points_;
    std::vector<sums> sums_;
};

template <range_quantizer Q>
[[nodiscard]] clipping_range mse_range_of(const histogram& seen, const Q& q) {
    histogram_points points(seen);
    squared_error<Q> error(q, points);
    return search_ranges(points, is_symmetric(q), error);
}

} // namespace detail

/// Ranges of least mean squared error of the quantizer that they are asked for.
class mse : public histogram_calibrator<mse> {
public:
    static constexpr const char* name = "mse";

    /// Errors: `invalid_argument` for a wrong number of bins.
    explicit mse(calibration_options options = {}) : histogram_calibrator(std::move(options)) {}

private:
    friend class calibrator<mse, histogram>;
    static constexpr std::uint32_t id = 4;

    static mse load_settings(detail::byte_reader& in, calibration_options options) {
        options.bins = load_bins(in);
        return mse(std::move(options));
    }
    template <range_quantizer Q>
    static clipping_range find_range(const histogram& seen, const Q& q) {
        return detail::mse_range_of(seen, q);
    }
};

} // namespace tersor::inline v0

#endif // TERSOR_CALIBRATORS_MSE_HPP

#ifndef TERSOR_CALIBRATORS_PERCENTILE_HPP
#define TERSOR_CALIBRATORS_PERCENTILE_HPP

// The narrowest range, to the width of a bin, that leaves at most (100 - p) percent of the values outside.
//
//   symmetric quantizers   [-a, a]: at most floor(n (100 - p) / 100) values have |x| > a
//   others                 half of that on either side of zero; all of it on one where the other has no values
//
// The ends are outer edges of bins, or the smallest or largest value where that is nearer to zero, so that no less than
// p percent of the values is inside.

#include "tersor/calibrators/histogram_calibrator.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>

namespace tersor::inline v0 {

namespace detail {

/// The least upper end, an edge of a bin, that leaves at most `allowed` values above it; the largest value at most.
[[nodiscard]] inline float upper_end(const histogram& h, std::int64_t allowed) noexcept {
    const auto counts = h.counts();
    const index middle = h.bins() / 2;
    index bin = h.bins() - 1;
    for (; bin > middle && allowed >= counts[static_cast<std::size_t>(bin)]; --bin) {
        allowed -= counts[static_cast<std::size_t>(bin)];
    }
    const double edge = h.edge(bin + 1);
    return edge < static_cast<double>(h.max()) ? static_cast<float>(edge) : std::max(h.max(), 0.0f);
}

/// The same below zero.
[[nodiscard]] inline float lower_end(const histogram& h, std::int64_t allowed) noexcept {
    const auto counts = h.counts();
    index bin = 0;
    for (; bin < h.bins() / 2 - 1 && allowed >= counts[static_cast<std::size_t>(bin)]; ++bin) {
        allowed -= counts[static_cast<std::size_t>(bin)];
    }
    const double edge = h.edge(bin);
    return edge > static_cast<double>(h.min()) ? static_cast<float>(edge) : std::min(h.min(), 0.0f);
}

/// The same for magnitudes.
[[nodiscard]] inline float magnitude_end(const histogram& h, std::int64_t allowed) noexcept {
    const auto counts = h.counts();
    const auto half = static_cast<std::size_t>(h.bins() / 2);
    std::size_t j = half - 1;
    for (; j > 0; --j) {
        const std::int64_t both = counts[half + j] + counts[half - 1 - j];
        if (allowed < both) {
            break;
        }
        allowed -= both;
    }
    const double edge = h.edge(static_cast<index>(half + j + 1));
    const float largest = std::max({h.max(), -h.min(), 0.0f});
    return edge < static_cast<double>(largest) ? static_cast<float>(edge) : largest;
}

/// floor(n (100 - p) / 100); a product that is a whole number but for the rounding of p in binary counts as one.
[[nodiscard]] inline std::int64_t values_outside(double percent, std::int64_t count) noexcept {
    const double share = (100.0 - percent) / 100.0;
    return static_cast<std::int64_t>(std::floor(share * static_cast<double>(count) * (1.0 + 1e-12)));
}

/// The range of a percentile; see the head of this file.
[[nodiscard]] inline clipping_range percentile_range_of(const histogram& h, double percent, bool symmetric) noexcept {
    const std::int64_t outside = values_outside(percent, h.count());
    if (symmetric) {
        const float a = magnitude_end(h, outside);
        return {-a, a};
    }
    if (h.min() >= 0.0f) {
        return {0.0f, upper_end(h, outside)};
    }
    if (h.max() <= 0.0f) {
        return {lower_end(h, outside), 0.0f};
    }
    return {lower_end(h, outside / 2), upper_end(h, outside / 2)};
}

} // namespace detail

/// Ranges that hold a given share of the values.
class percentile : public histogram_calibrator<percentile> {
public:
    static constexpr const char* name = "percentile";

    /// `percent` of the values are to be inside. Errors: `invalid_argument` unless it is above 0 and at most 100, or
    /// for a wrong number of bins.
    explicit percentile(double percent = 99.99, calibration_options options = {})
        : histogram_calibrator(std::move(options)), percent_(percent) {
        if (!(percent > 0.0 && percent <= 100.0)) {
            raise(error_code::invalid_argument,
                  "percentile " + std::to_string(percent) + ": expected above 0 and at most 100");
        }
    }

private:
    friend class calibrator<percentile, histogram>;
    static constexpr std::uint32_t id = 3;

    void require_equal_settings(const percentile& other) const {
        histogram_calibrator::require_equal_settings(other);
        if (other.percent_ != percent_) {
            raise(error_code::invalid_argument, "percentile calibrators of " + std::to_string(percent_) + " and " +
                                                    std::to_string(other.percent_) + " percent cannot be merged");
        }
    }
    void save_settings(detail::byte_writer& out) const {
        histogram_calibrator::save_settings(out);
        out.put(percent_);
    }
    static percentile load_settings(detail::byte_reader& in, calibration_options options) {
        options.bins = load_bins(in);
        const auto percent = in.get<double>();
        in.require(percent > 0.0 && percent <= 100.0, "percentile");
        return percentile(percent, std::move(options));
    }
    template <range_quantizer Q>
    [[nodiscard]] clipping_range find_range(const histogram& seen, const Q& q) const {
        return detail::percentile_range_of(seen, percent_, detail::is_symmetric(q));
    }

    double percent_;
};

} // namespace tersor::inline v0

#endif // TERSOR_CALIBRATORS_PERCENTILE_HPP

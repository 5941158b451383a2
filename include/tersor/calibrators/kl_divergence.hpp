#ifndef TERSOR_CALIBRATORS_KL_DIVERGENCE_HPP
#define TERSOR_CALIBRATORS_KL_DIVERGENCE_HPP

// The range that keeps most of the distribution of the values (entropy calibration).
//
// P is the histogram of the values other than zero, n in all. A quantizer's codes cut its bins into cells, the outermost
// of which hold everything that is clipped. Q is what the codes tell of P: the mass of each cell spread evenly over its
// bins; in the outermost cells all but a thousandth of it over the bins as near to the decoded value as those on its
// other side, and that thousandth over the clipped bins beyond.
//
//   KL(P || Q) = 1/n [ sum over bins of c log c - sum over cells of m log(m / bins of the cell) ]
//
// c the count of a bin, m that of a cell. This is the criterion of TensorRT's entropy calibration (S. Migacz, 8-bit
// Inference with TensorRT, 2017) with the quantizer's own cells in place of uniform levels, and without its flaws: Q is
// positive wherever P is, so that nothing needs smoothing and no candidate is infinite or NaN, and a range beside or
// below all values pays for all of them. Zeros are left out, for every grid here holds zero exactly. With sums of counts
// over the bins before each one the work per range is that of encoding the points.
//
// Where few channels hold outliers, the squared error of such a range can be many times that of the whole range, while
// the output of the layer, whose weights are small there, gains: refusing ranges with more squared error than 1, 2 or 4
// times that of the whole range makes the output's error of recorded layers with outliers up to 11 times as large.

#include "tersor/calibrators/histogram_calibrator.hpp"
#include "tersor/calibrators/range_candidates.hpp"
#include "tersor/core/exact.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace tersor::inline v0 {

namespace detail {

/// The natural logarithm of a positive normal number to 1e-12, the same bits everywhere (the C library's are not).
[[nodiscard]] inline double steady_log(double x) noexcept {
    const auto pattern = std::bit_cast<std::uint64_t>(x);
    // x = 2^e m with m in [0.70, 1.41)
    const std::uint64_t offset = pattern - 0x3FE6A00000000000u;
    const auto exponent = static_cast<std::int64_t>(offset) >> 52;
    const double m = std::bit_cast<double>(pattern - (static_cast<std::uint64_t>(exponent) << 52));
    // log m = 2 (f + f^3 / 3 + f^5 / 5 + ...), f = (m - 1) / (m + 1) below 0.172
    const double f = (m - 1.0) / (m + 1.0), g = exact::product(f, f), gg = exact::product(g, g);
    const double low = 1.0 + exact::product(g, 1.0 / 3.0) + exact::product(gg, 0.2 + exact::product(g, 1.0 / 7.0));
    const double high = 1.0 / 9.0 + exact::product(g, 1.0 / 11.0) + exact::product(gg, 1.0 / 13.0);
    const double series = low + exact::product(exact::product(gg, gg), high);
    return exact::product(static_cast<double>(exponent), 0.69314718055994531) + exact::product(2.0, exact::product(f, series));
}

/// m log(m / bins); 0 for an empty cell.
[[nodiscard]] inline double cell_entropy(double mass, std::size_t bins) noexcept {
    return mass > 0.0 ? exact::product(mass, steady_log(mass / static_cast<double>(bins))) : 0.0;
}

/// n KL(P || Q) of a quantizer's cells over the points of a histogram, for any range.
template <range_quantizer Q>
class divergence {
public:
    divergence(const Q& q, histogram_points& points) : q_(q), points_(points), sums_(points.values.size() + 1) {
        for (std::size_t i = 0; i < points.values.size(); ++i) {
            const double n = points.counts[i];
            sums_[i + 1] = {sums_[i].n + n, sums_[i].entropy + cell_entropy(n, 1)};
        }
    }

    double operator()(float lo, float hi) {
        double kept = 0.0;
        const std::vector<float>& x = points_.values;
        points_.for_each_cell(q_, q_.from_range(lo, hi), [&](std::size_t begin, std::size_t end, float value) {
            const std::size_t size = x.size();
            std::size_t first = begin, last = end; // not clipped
            if (begin > 0 && end == size) {
                last = position(2.0f * value - x[begin]);
            } else if (begin == 0 && end < size) {
                first = position(2.0f * value - x[end - 1]);
            } else if (begin == 0 && (value < x.front() || value > x.back())) {
                first = last = value < x.front() ? 0 : size;
            }
            first = std::clamp(first, begin, end);
            last = std::clamp(last, first, end);
            if (last - first == end - begin) {
                kept += end - begin == 1 ? sums_[end].entropy - sums_[begin].entropy
                                         : spread(begin, end, sums_[end].n - sums_[begin].n, end - begin);
            } else {
                const double mass = sums_[end].n - sums_[begin].n;
                kept += spread(first, last, 0.999 * mass, last - first);
                const std::size_t clipped = (first - begin) + (end - last);
                kept += spread(begin, first, 0.001 * mass, clipped) + spread(last, end, 0.001 * mass, clipped);
            }
        });
        return sums_.back().entropy - kept;
    }

    /// What is lost by not telling apart the values clipped far outside. A grid may reach beyond its range by the
    /// rounding of a zero point and by half a step.
    double bound(float lo, float hi) const {
        const std::vector<float>& x = points_.values;
        const float more = 0.5f * (hi - lo);
        const auto first = static_cast<std::size_t>(std::lower_bound(x.begin(), x.end(), lo - more) - x.begin());
        const std::size_t last = position(hi + more);
        return loss(0, first) + loss(last, x.size());
    }

private:
    struct sums {
        double n = 0.0, entropy = 0.0;
    };
    /// The first point above a value.
    [[nodiscard]] std::size_t position(float value) const noexcept {
        const std::vector<float>& x = points_.values;
        return static_cast<std::size_t>(std::upper_bound(x.begin(), x.end(), value) - x.begin());
    }
    /// m log(mass / bins), m the mass of some points.
    [[nodiscard]] double spread(std::size_t begin, std::size_t end, double mass, std::size_t bins) const noexcept {
        const double m = sums_[end].n - sums_[begin].n;
        return m > 0.0 ? exact::product(m, steady_log(mass / static_cast<double>(bins))) : 0.0;
    }
    [[nodiscard]] double loss(std::size_t begin, std::size_t end) const noexcept {
        const double lost = end > begin ? sums_[end].entropy - sums_[begin].entropy -
                                              cell_entropy(sums_[end].n - sums_[begin].n, end - begin)
                                        : 0.0;
        return 0.99 * lost;
    }

    const Q& q_;
    histogram_points& points_;
    std::vector<sums> sums_;
};

template <range_quantizer Q>
[[nodiscard]] clipping_range kl_range_of(const histogram& seen, const Q& q) {
    histogram_points points(seen);
    divergence<Q> figure(q, points);
    return search_ranges(points, is_symmetric(q), figure);
}

} // namespace detail

/// Ranges of least Kullback-Leibler divergence between the values and what the quantizer's codes tell of them.
class kl_divergence : public histogram_calibrator<kl_divergence> {
public:
    static constexpr const char* name = "kl_divergence";

    /// Errors: `invalid_argument` for a wrong number of bins.
    explicit kl_divergence(calibration_options options = {}) : histogram_calibrator(std::move(options)) {}

private:
    friend class calibrator<kl_divergence, histogram>;
    static constexpr std::uint32_t id = 5;

    static kl_divergence load_settings(detail::byte_reader& in, calibration_options options) {
        options.bins = load_bins(in);
        return kl_divergence(std::move(options));
    }
    template <range_quantizer Q>
    static clipping_range find_range(const histogram& seen, const Q& q) {
        return detail::kl_range_of(seen, q);
    }
};

} // namespace tersor::inline v0

#endif // TERSOR_CALIBRATORS_KL_DIVERGENCE_HPP

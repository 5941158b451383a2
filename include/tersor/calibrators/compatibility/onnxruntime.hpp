#ifndef TERSOR_CALIBRATORS_COMPATIBILITY_ONNXRUNTIME_HPP
#define TERSOR_CALIBRATORS_COMPATIBILITY_ONNXRUNTIME_HPP

// The histogram calibrators of ONNX Runtime (HistogramCollector; Intel Neural Compressor has the same), for reproducing
// their results. New work is better served by `percentile` and `kl_divergence`.
//
//   histogram    of x from -t to t, t = max|x| of the first batch, by numpy.histogram with edges in float
//   growth       step = 2 t / bins; k = trunc((t' - t) / step) + 1 bins on either side
//   percentile   edges of the first bins whose cumulated share is at least c = (100 - p) / 200 and 1 - c
//   entropy      for ranges of i bins around the middle on either side, from levels / 2 to all: P has what lies outside
//                in its end bins, Q the truncated mean of each level; both are smoothed by 1e-4; the first least
//                KL(P || Q) wins
//
// Both ranges are clipped to the smallest and largest value.

#include "tersor/calibrators/compatibility/counts.hpp"
#include "tersor/core/concepts.hpp"
#include "tersor/core/error.hpp"
#include "tersor/core/exact.hpp"
#include "tersor/quantizers/fit.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace tersor::inline v0::compatibility::onnxruntime {

/// A histogram about zero that grows by bins of equal width on both sides.
class histogram {
public:
    /// Errors: `invalid_argument` unless the number of bins is even and positive.
    explicit histogram(index bins = 2048) : bins_(bins) {
        if (bins < 2 || bins % 2 != 0) {
            raise(error_code::invalid_argument,
                  "a histogram of " + std::to_string(bins) + " bins: expected an even positive number");
        }
    }

    [[nodiscard]] std::span<const std::int64_t> counts() const noexcept { return counts_; }
    [[nodiscard]] std::span<const float> edges() const noexcept { return edges_; }
    [[nodiscard]] double threshold() const noexcept { return threshold_; }
    /// The smallest and the largest value.
    [[nodiscard]] value_range data() const noexcept { return data_; }

    /// Counts a batch. Errors: `non_finite` naming the first bad position.
    void observe(std::span<const float> x) {
        if (x.empty()) {
            return;
        }
        detail::require_finite(x);
        value_range batch{x[0], x[0]};
        for (const float v : x) {
            batch.lo = std::min(batch.lo, v);
            batch.hi = std::max(batch.hi, v);
        }
        const double threshold = static_cast<double>(std::max(std::abs(batch.lo), std::abs(batch.hi)));
        if (counts_.empty()) {
            data_ = batch;
            threshold_ = threshold;
            counts_.assign(static_cast<std::size_t>(bins_), 0);
            make_edges();
        } else {
            data_ = {std::min(data_.lo, batch.lo), std::max(data_.hi, batch.hi)};
            if (threshold > threshold_) {
                grow(threshold);
            }
        }
        for (const float v : x) {
            ++counts_[bin_of(v)];
        }
    }

    /// The range that leaves (100 - percent) / 2 percent out on either side. Errors: `invalid_argument` unless
    /// 0 <= percent <= 100 and there are counts.
    [[nodiscard]] value_range percentile(double percent) const {
        detail::require_percent(percent);
        const double outside = (100.0 - percent) / 200.0;
        const auto first = [this](double wanted) { return edges_[detail::first_reaching(counts_, wanted).bin]; };
        return clipped({first(outside), first(1.0 - outside)});
    }

    /// The range of least divergence for that many levels. Errors: `invalid_argument` unless levels is even, positive
    /// and at most the number of bins.
    [[nodiscard]] value_range entropy(index levels = 128) const {
        (void)detail::checked_total(counts_);
        const auto bins = static_cast<index>(counts_.size());
        if (levels < 2 || levels % 2 != 0 || levels > bins) {
            raise(error_code::invalid_argument, std::to_string(levels) + " levels of " + std::to_string(bins) +
                                                    " bins: expected an even number, no more than the bins");
        }
        const index middle = bins / 2;
        double least = std::numeric_limits<double>::infinity();
        std::pair<index, index> best{0, bins};
        bool is_first = true;
        for (index i = levels / 2; i <= middle; ++i) {
            const index begin = middle - i, end = std::min(middle + i + 1, bins);
            const double figure = divergence(static_cast<std::size_t>(begin), static_cast<std::size_t>(end),
                                             static_cast<std::size_t>(levels));
            if (is_first || figure < least) {
                least = figure;
                best = {begin, end};
                is_first = false;
            }
        }
        return clipped({edges_[static_cast<std::size_t>(best.first)], edges_[static_cast<std::size_t>(best.second)]});
    }

private:
    [[nodiscard]] value_range clipped(value_range range) const noexcept {
        return {std::max(range.lo, data_.lo), std::min(range.hi, data_.hi)};
    }

    void make_edges() {
        // numpy widens an empty range by a half on either side to count in it.
        const double reach = threshold_ == 0.0 ? 0.5 : threshold_;
        const double step = 2.0 * reach / static_cast<double>(counts_.size());
        edges_.clear();
        for (std::size_t k = 0; k < counts_.size(); ++k) {
            edges_.push_back(static_cast<float>(exact::product(static_cast<double>(k), step) - reach));
        }
        edges_.push_back(static_cast<float>(reach));
    }

    void grow(double threshold) {
        if (threshold_ == 0.0) {
            threshold_ = threshold; // the zeros stay in the middle
            make_edges();
            return;
        }
        const double step = 2.0 * threshold_ / static_cast<double>(counts_.size());
        const auto more = static_cast<std::size_t>((threshold - threshold_) / step) + 1;
        threshold_ += exact::product(static_cast<double>(more), step);
        counts_.insert(counts_.begin(), more, 0);
        counts_.insert(counts_.end(), more, 0);
        make_edges();
    }

    [[nodiscard]] std::size_t bin_of(float x) const noexcept {
        const std::size_t bins = counts_.size();
        const double first = static_cast<double>(edges_.front()), last = static_cast<double>(edges_.back());
        const double norm = static_cast<double>(bins) / (last - first);
        const double at = (static_cast<double>(x) - first) * norm;
        std::size_t bin = at > 0.0 ? std::min(static_cast<std::size_t>(at), bins - 1) : 0;
        if (bin > 0 && x < edges_[bin]) {
            --bin;
        } else if (bin + 1 < bins && x >= edges_[bin + 1]) {
            ++bin;
        }
        return bin;
    }

    [[nodiscard]] double divergence(std::size_t begin, std::size_t end, std::size_t levels) const {
        const std::size_t size = end - begin;
        std::vector<std::int64_t> p(counts_.begin() + static_cast<std::ptrdiff_t>(begin),
                                    counts_.begin() + static_cast<std::ptrdiff_t>(end)),
            q(size);
        const std::vector<std::int64_t> inside = p;
        for (std::size_t j = 0; j < begin; ++j) {
            p.front() += counts_[j];
        }
        for (std::size_t j = end; j < counts_.size(); ++j) {
            p.back() += counts_[j];
        }
        const std::size_t merged = size / levels;
        for (std::size_t d = 0; d < levels; ++d) {
            const std::size_t first = d * merged, last = first + merged;
            std::int64_t sum = 0, filled = 0;
            for (std::size_t j = first; j < (d + 1 == levels ? size : last); ++j) {
                sum += inside[j];
            }
            for (std::size_t j = first; j < last; ++j) {
                filled += p[j] != 0 ? 1 : 0;
            }
            for (std::size_t j = first; j < last && filled != 0; ++j) {
                q[j] = sum / filled;
            }
        }
        const std::vector<float> smooth_p = smoothed(p), smooth_q = smoothed(q);
        if (smooth_p.empty() || smooth_q.empty()) {
            return std::numeric_limits<double>::infinity();
        }
        double of_p = 0.0, of_q = 0.0, sum = 0.0;
        for (std::size_t j = 0; j < size; ++j) {
            of_p += static_cast<double>(smooth_p[j]);
            of_q += static_cast<double>(smooth_q[j]);
        }
        for (std::size_t j = 0; j < size; ++j) {
            const double a = static_cast<double>(smooth_p[j]) / of_p, b = static_cast<double>(smooth_q[j]) / of_q;
            sum += a > 0.0 ? exact::product(a, std::log(a / b)) : 0.0;
        }
        return sum;
    }

    /// Counts with 1e-4 for zeros, taken from the others; empty if all are zero.
    [[nodiscard]] static std::vector<float> smoothed(const std::vector<std::int64_t>& counts) {
        constexpr double share = 1e-4;
        const auto zeros = static_cast<std::size_t>(std::count(counts.begin(), counts.end(), 0));
        if (zeros == counts.size()) {
            return {};
        }
        const auto less =
            static_cast<float>(share * static_cast<double>(zeros) / static_cast<double>(counts.size() - zeros));
        std::vector<float> result;
        for (const std::int64_t n : counts) {
            result.push_back(n == 0 ? static_cast<float>(share) : static_cast<float>(n) - less);
        }
        return result;
    }

    index bins_;
    double threshold_ = 0.0;
    value_range data_{};
    std::vector<std::int64_t> counts_;
    std::vector<float> edges_;
};

} // namespace tersor::inline v0::compatibility::onnxruntime

#endif // TERSOR_CALIBRATORS_COMPATIBILITY_ONNXRUNTIME_HPP

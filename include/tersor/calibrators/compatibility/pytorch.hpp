#ifndef TERSOR_CALIBRATORS_COMPATIBILITY_PYTORCH_HPP
#define TERSOR_CALIBRATORS_COMPATIBILITY_PYTORCH_HPP

// PyTorch's HistogramObserver (torch 2.3 and later, torchao), for reproducing its results; the min-max and moving
// average observers are `min_max` and `moving_average` with the parameters of quantizers/affine.hpp. New work is better
// served by `mse`.
//
//   first batch   counts in equal bins from its min to its max; infinities are dropped
//   later         the range grows to hold the batch; each old bin is split into 16 parts, which go to the bins of their
//                 middles
//   search        from all bins on, 1e-5 of the counts is taken off the side that gives up more bins, while the error
//                 does not grow
//   error(s, e)   of bins spread evenly, rounded to 256 levels of width D over bins s..e:
//                 the integral of density * distance^2, level by level
//
// Bins are found in float as torch.histc does: trunc((x - min) / (max - min) * bins), the largest value in the last
// bin.

#include "tersor/calibrators/compatibility/linspace.hpp"
#include "tersor/core/concepts.hpp"
#include "tersor/core/error.hpp"
#include "tersor/core/exact.hpp"
#include "tersor/formats/format.hpp"
#include "tersor/quantizers/fit.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace tersor::inline v0::compatibility::pytorch {

/// The histogram of HistogramObserver and its search for a range.
class histogram_observer {
public:
    /// Errors: `invalid_argument` for no bins.
    explicit histogram_observer(index bins = 2048) : counts_(checked(bins)) {}

    [[nodiscard]] std::span<const float> counts() const noexcept { return counts_; }
    /// The smallest and the largest value; lo > hi before the first batch.
    [[nodiscard]] value_range data() const noexcept { return {min_, max_}; }

    /// Counts a batch; infinities are dropped. Errors: `non_finite` for NaN, naming the first.
    void observe(std::span<const float> batch) {
        std::vector<float> x;
        for (std::size_t i = 0; i < batch.size(); ++i) {
            if (tersor::detail::is_nan(batch[i])) {
                raise(error_code::non_finite, "value " + std::to_string(i) + " of a batch is NaN");
            }
            if (std::abs(batch[i]) <= std::numeric_limits<float>::max()) {
                x.push_back(batch[i]);
            }
        }
        if (x.empty()) {
            return;
        }
        const auto [least, most] = std::minmax_element(x.begin(), x.end());
        if (min_ > max_) {
            min_ = *least;
            max_ = *most;
            count(x, counts_);
            return;
        }
        const value_range old{min_, max_};
        min_ = std::min(min_, *least);
        max_ = std::max(max_, *most);
        std::vector<float> sums(counts_.size());
        count(x, sums);
        if (old.lo == min_ && old.hi == max_) {
            for (std::size_t j = 0; j < sums.size(); ++j) {
                sums[j] += counts_[j];
            }
        } else if (old.lo == old.hi) {
            double all = 0.0;
            for (const float n : counts_) {
                all += static_cast<double>(n);
            }
            sums[bin_of(old.lo)] += static_cast<float>(all);
        } else {
            add_spread(old, sums);
        }
        counts_ = std::move(sums);
    }

    /// The range that the search ends with. Errors: `invalid_argument` if there are no counts.
    [[nodiscard]] value_range range() const {
        if (min_ > max_) {
            raise(error_code::invalid_argument, "the histogram has no counts");
        }
        const std::size_t bins = counts_.size();
        std::vector<float> cumulated;
        double running = 0.0;
        for (const float n : counts_) {
            running += static_cast<double>(n);
            cumulated.push_back(static_cast<float>(running));
        }
        const double total = static_cast<double>(cumulated.back());
        constexpr double step = 1e-5;
        double alpha = 0.0, beta = 1.0, least = std::numeric_limits<double>::infinity();
        std::size_t start = 0, end = bins - 1;
        while (alpha < beta) {
            const auto low = static_cast<float>((alpha + step) * total),
                       high = static_cast<float>((beta - step) * total);
            std::size_t l = start, r = end;
            while (l < end && cumulated[l] < low) {
                ++l;
            }
            while (r > start && cumulated[r] > high) {
                --r;
            }
            std::size_t next_start = start, next_end = end;
            if (l - start > end - r) {
                next_start = l;
                alpha += step;
            } else {
                next_end = r;
                beta -= step;
            }
            if (next_start == start && next_end == end) {
                continue;
            }
            const double error = error_of(next_start, next_end);
            if (error > least) {
                break;
            }
            least = error;
            start = next_start;
            end = next_end;
        }
        const float width = (max_ - min_) / static_cast<float>(bins);
        return {min_ + exact::product(width, static_cast<float>(start)),
                min_ + exact::product(width, static_cast<float>(end + 1))};
    }

private:
    static std::size_t checked(index bins) {
        if (bins < 1) {
            raise(error_code::invalid_argument, "a histogram of " + std::to_string(bins) + " bins: expected 1 or more");
        }
        return static_cast<std::size_t>(bins);
    }

    [[nodiscard]] std::size_t bin_of(float x) const noexcept {
        const float lo = min_ == max_ ? min_ - 1.0f : min_, hi = min_ == max_ ? max_ + 1.0f : max_;
        const float at = exact::product((x - lo) / (hi - lo), static_cast<float>(counts_.size()));
        return std::min(static_cast<std::size_t>(at > 0.0f ? at : 0.0f), counts_.size() - 1);
    }

    void count(std::span<const float> x, std::vector<float>& to) const {
        std::vector<std::size_t> counts(to.size());
        for (const float v : x) {
            ++counts[bin_of(v)];
        }
        for (std::size_t j = 0; j < to.size(); ++j) {
            to[j] = static_cast<float>(counts[j]);
        }
    }

    void add_spread(value_range old, std::vector<float>& sums) const {
        constexpr std::size_t parts = 16;
        const std::size_t bins = counts_.size();
        const float half = exact::product(0.5f, (old.hi - old.lo) / static_cast<float>(bins * parts));
        const std::vector<float> edges = detail::linspace(min_, max_, bins);
        const std::vector<float> begins = detail::linspace(old.lo, old.hi, bins * parts);
        std::vector<double> spread(bins);
        for (std::size_t k = 0; k < bins * parts; ++k) {
            const float middle = begins[k] + half;
            const auto above = std::upper_bound(edges.begin(), edges.end(), middle) - edges.begin();
            const auto bin = static_cast<std::size_t>(
                std::clamp<std::ptrdiff_t>(above - 1, 0, static_cast<std::ptrdiff_t>(bins) - 1));
            spread[bin] += static_cast<double>(counts_[k / parts]) / static_cast<double>(parts);
        }
        for (std::size_t j = 0; j < bins; ++j) {
            sums[j] += static_cast<float>(spread[j]);
        }
    }

    [[nodiscard]] double error_of(std::size_t start, std::size_t end) const {
        const double width =
            (static_cast<double>(max_) - static_cast<double>(min_)) / static_cast<double>(counts_.size());
        const double level = width * static_cast<double>(end - start + 1) / 256.0;
        if (level == 0.0) {
            return 0.0;
        }
        const auto cube = [](double v) { return exact::product(v, exact::product(v, v)) / 3.0; };
        const double whole = 2.0 * cube(0.5 * level);
        const auto level_of = [level](double x) { return std::clamp(std::floor(x / level), 0.0, 255.0); };
        double sum = 0.0;
        for (std::size_t j = 0; j < counts_.size(); ++j) {
            const double begin = (static_cast<double>(j) - static_cast<double>(start)) * width, last = begin + width;
            const double first_level = level_of(begin), last_level = level_of(last);
            const double before = cube(0.5 * level) - cube(begin - exact::product(first_level + 0.5, level));
            const double after = cube(last - exact::product(last_level + 0.5, level)) - cube(-0.5 * level);
            const double inside = before + exact::product(last_level - first_level - 1.0, whole) + after;
            sum += exact::product(static_cast<double>(counts_[j]) / width, inside);
        }
        return sum;
    }

    float min_ = std::numeric_limits<float>::infinity(), max_ = -std::numeric_limits<float>::infinity();
    std::vector<float> counts_;
};

} // namespace tersor::inline v0::compatibility::pytorch

#endif // TERSOR_CALIBRATORS_COMPATIBILITY_PYTORCH_HPP

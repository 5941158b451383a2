#ifndef TERSOR_CALIBRATORS_COMPATIBILITY_MODELOPT_HPP
#define TERSOR_CALIBRATORS_COMPATIBILITY_MODELOPT_HPP

// The calibrators of TensorRT Model Optimizer, for reproducing its results. Their flaws are theirs: a percentile is the
// left edge of the bin that reaches it, and data that stay away from zero have an entropy range below all values. New
// work is better served by `percentile`, `mse` and `kl_divergence`.
//
//   histogram    of |x| from 0 to the first batch's maximum; a larger value appends bins of the same width
//   percentile   edges[first bin whose cumulated share is at least p / 100]
//   mse          over centres c of the bins: least mean of count * (Q(c) - c)^2, the first of equal ones
//   entropy      KL(P || Q) of the first i bins, the rest added to the last one in P only, against 2^(bits-1)
//   (unsigned:
//                2^bits) levels; the count of the first bin is replaced by that of the second; the last least one wins
//
// Candidates whose divergence is infinite or NaN are skipped (numpy's argmin takes a NaN for the least). The entropy is
// found with prefix sums in O(levels) per candidate; candidates within 1e-9 of the least are then summed bin by bin.

#include "tersor/calibrators/compatibility/counts.hpp"
#include "tersor/calibrators/compatibility/linspace.hpp"
#include "tersor/calibrators/compatibility/modelopt_quantize.hpp"
#include "tersor/core/concepts.hpp"
#include "tersor/core/error.hpp"
#include "tersor/core/exact.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace tersor::inline v0::compatibility::modelopt {

/// A candidate that was chosen: its number, its range, and the figure that made it the best.
struct choice {
    index bin;
    float amax;
    double figure;
};

/// A histogram of magnitudes that grows by bins of equal width.
class histogram {
public:
    /// Errors: `invalid_argument` for less than two bins.
    explicit histogram(index bins = 2048) : bins_(bins) {
        if (bins < 2) {
            raise(error_code::invalid_argument, "a histogram of " + std::to_string(bins) + " bins: expected 2 or more");
        }
    }
    /// A recorded histogram. Errors: `shape_mismatch` unless there is one edge more than counts.
    histogram(std::vector<std::int64_t> counts, std::vector<float> edges)
        : bins_(static_cast<index>(counts.size())), counts_(std::move(counts)), edges_(std::move(edges)) {
        if (counts_.size() < 2 || edges_.size() != counts_.size() + 1) {
            raise(error_code::shape_mismatch, std::to_string(edges_.size()) + " edges of " +
                                                  std::to_string(counts_.size()) + " bins: expected one more");
        }
    }

    [[nodiscard]] std::span<const std::int64_t> counts() const noexcept { return counts_; }
    [[nodiscard]] std::span<const float> edges() const noexcept { return edges_; }

    /// Counts the magnitudes of a batch. Errors: `non_finite` naming the first bad position.
    void observe(std::span<const float> x) {
        detail::require_finite(x);
        float largest = 0.0f;
        for (const float v : x) {
            largest = std::max(largest, std::abs(v));
        }
        if (x.empty()) {
            return;
        }
        const bool starts = counts_.empty() || edges_.back() == 0.0f;
        if (starts && (counts_.empty() || largest > 0.0f)) {
            const std::vector<std::int64_t> zeros = std::move(counts_);
            counts_.assign(static_cast<std::size_t>(bins_), 0);
            edges_ = detail::linspace(0.0f, largest, static_cast<std::size_t>(bins_));
            // What was seen before were zeros only; the peer cannot go on from there.
            for (const std::int64_t n : zeros) {
                counts_[0] += n;
            }
        } else if (largest > edges_.back()) {
            const float width = edges_[1] - edges_[0];
            const auto bins = static_cast<std::size_t>(std::ceil(largest / width));
            const float end = largest + width;
            edges_.clear();
            for (std::size_t k = 0; k <= bins && (k == 0 || static_cast<double>(k) * static_cast<double>(width) <
                                                                static_cast<double>(end));
                 ++k) {
                edges_.push_back(static_cast<float>(static_cast<double>(k) * static_cast<double>(width)));
            }
            counts_.resize(bins);
            edges_.resize(bins + 1, edges_.back());
        }
        const float range = edges_.back();
        const auto bins = static_cast<float>(counts_.size());
        for (const float v : x) {
            const float share = range > 0.0f ? std::abs(v) / range : 0.5f;
            const auto bin = static_cast<std::size_t>(exact::product(share, bins));
            ++counts_[std::min(bin, counts_.size() - 1)];
        }
    }

    /// The range of a percentile. Errors: `invalid_argument` unless 0 <= percent <= 100 and there are counts.
    [[nodiscard]] choice percentile(double percent) const {
        detail::require_percent(percent);
        const auto [bin, share] = detail::first_reaching(counts_, percent / 100.0);
        return {static_cast<index>(bin), percent == 0.0 ? 0.0f : edges_[bin], share};
    }

    /// The range of least mean squared error among the centres of bins start, start + stride, ...
    [[nodiscard]] choice mse(integer_kind kind, index start = 128, index stride = 1) const {
        check_candidates(start, stride, static_cast<index>(counts_.size()) - 1);
        std::vector<float> centres;
        for (std::size_t j = 0; j < counts_.size(); ++j) {
            centres.push_back((edges_[j] + edges_[j + 1]) / 2.0f);
        }
        choice best{0, 0.0f, std::numeric_limits<double>::infinity()};
        for (index i = start; i < static_cast<index>(counts_.size()); i += stride) {
            const float amax = centres[static_cast<std::size_t>(i)];
            double sum = 0.0;
            for (std::size_t j = 0; j < counts_.size(); ++j) {
                if (counts_[j] != 0) {
                    const double difference =
                        static_cast<double>(fake_quantize(centres[j], amax, kind)) - static_cast<double>(centres[j]);
                    sum += exact::product(exact::product(difference, difference), static_cast<double>(counts_[j]));
                }
            }
            const double mean = sum / static_cast<double>(counts_.size());
            if (mean < best.figure) {
                best = {i, amax, mean};
            }
        }
        return best;
    }

    /// The range of least divergence among the first start, start + stride, ... bins; all bins if every candidate's is
    /// infinite or NaN.
    [[nodiscard]] choice entropy(integer_kind kind, index start = 128, index stride = 1) const {
        const auto levels = std::size_t{1} << (kind.bits - 1 + (kind.is_unsigned ? 1 : 0));
        const auto bins = static_cast<index>(counts_.size());
        check_candidates(start, stride, bins);
        std::vector<double> h(counts_.begin(), counts_.end());
        h[0] = h[1];
        std::vector<double> mass(h.size() + 1), entropy(h.size() + 1), filled(h.size() + 1);
        for (std::size_t j = 0; j < h.size(); ++j) {
            mass[j + 1] = mass[j] + h[j];
            entropy[j + 1] = entropy[j] + (h[j] > 0.0 ? exact::product(h[j], std::log(h[j])) : 0.0);
            filled[j + 1] = filled[j] + (h[j] > 0.0 ? 1.0 : 0.0);
        }
        std::vector<double> figures;
        double least = std::numeric_limits<double>::infinity();
        for (index i = start; i <= bins; i += stride) {
            const auto size = static_cast<std::size_t>(i);
            const double last = h[size - 1] + mass.back() - mass[size];
            double figure = std::numeric_limits<double>::infinity();
            if (mass[size] > 0.0 && (h[size - 1] > 0.0 || last == 0.0)) {
                double sum = entropy[size - 1] + (last > 0.0 ? exact::product(last, std::log(last)) : 0.0);
                for_each_level(size, levels, [&](std::size_t begin, std::size_t end) {
                    const double inside = mass[end] - mass[begin];
                    const double p = inside + (end == size ? last - h[size - 1] : 0.0);
                    sum -= p > 0.0 ? exact::product(p, std::log(inside / (filled[end] - filled[begin]))) : 0.0;
                });
                figure = sum / mass.back() + std::log(mass[size] / mass.back());
            }
            figures.push_back(figure);
            least = std::min(least, figure);
        }
        choice best{bins, edges_.back(), std::numeric_limits<double>::infinity()};
        for (std::size_t k = 0; k < figures.size(); ++k) {
            if (figures[k] <= least + 1e-9) {
                const index i = start + static_cast<index>(k) * stride;
                const double figure = divergence(h, static_cast<std::size_t>(i), levels);
                if (figure <= best.figure) {
                    best = {i, edges_[static_cast<std::size_t>(i)], figure};
                }
            }
        }
        return best;
    }

private:
    void check_candidates(index start, index stride, index last) const {
        (void)detail::checked_total(counts_);
        if (start < 1 || start > last || stride < 1) {
            raise(error_code::invalid_argument, "candidates from " + std::to_string(start) + " in steps of " +
                                                    std::to_string(stride) + ": expected to start at 1 to " +
                                                    std::to_string(last) + " in positive steps");
        }
    }

    /// The levels of the first `size` bins: bin j is in level d if d (size / levels) <= j < (d + 1) (size / levels).
    template <class Work>
    static void for_each_level(std::size_t size, std::size_t levels, const Work& work) {
        const double step = static_cast<double>(size) / static_cast<double>(levels);
        std::size_t begin = 0;
        for (std::size_t d = 1; d <= levels; ++d) {
            const double boundary = exact::product(static_cast<double>(d), step);
            const std::size_t end = d == levels ? size : std::min(size, static_cast<std::size_t>(std::ceil(boundary)));
            if (end > begin) {
                work(begin, end);
                begin = end;
            }
        }
    }

    [[nodiscard]] static double divergence(const std::vector<double>& h, std::size_t size, std::size_t levels) {
        std::vector<double> p(h.begin(), h.begin() + static_cast<std::ptrdiff_t>(size)), q(size);
        for (std::size_t j = size; j < h.size(); ++j) {
            p.back() += h[j];
        }
        for_each_level(size, levels, [&](std::size_t begin, std::size_t end) {
            double sum = 0.0, filled = 0.0;
            for (std::size_t j = begin; j < end; ++j) {
                sum += h[j];
                filled += h[j] > 0.0 ? 1.0 : 0.0;
            }
            for (std::size_t j = begin; j < end; ++j) {
                q[j] = h[j] > 0.0 ? sum / filled : 0.0;
            }
        });
        double of_p = 0.0, of_q = 0.0, sum = 0.0;
        for (std::size_t j = 0; j < size; ++j) {
            of_p += p[j];
            of_q += q[j];
        }
        for (std::size_t j = 0; j < size; ++j) {
            const double a = p[j] / of_p, b = q[j] / of_q;
            sum += a > 0.0 ? exact::product(a, std::log(a / b)) : 0.0;
        }
        return sum;
    }

    index bins_;
    std::vector<std::int64_t> counts_;
    std::vector<float> edges_;
};

} // namespace tersor::inline v0::compatibility::modelopt

#endif // TERSOR_CALIBRATORS_COMPATIBILITY_MODELOPT_HPP

#ifndef TERSOR_CALIBRATORS_ISOTONIC_HPP
#define TERSOR_CALIBRATORS_ISOTONIC_HPP

// Isotonic regression: the non-decreasing function y of the score that minimises sum w (y(f) - label)^2.
//
// Samples of the same score are one, with their mean label and the sum of their weights. Pool adjacent violators: going
// up, a block whose mean is not above that of the block before it is joined to it; the value of a score is the mean of
// its block, sum w label / sum w. Between two scores the function is linear, outside it is constant. Source: Ayer et
// al., 1955; Zadrozny and Elkan, Transforming classifier scores into accurate multiclass probability estimates, 2002.

#include "tersor/calibrators/probability_input.hpp"
#include "tersor/core/exact.hpp"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <vector>

namespace tersor::inline v0 {

/// The probability of a score under isotonic regression: a non-decreasing function through points.
struct isotonic_regression {
    std::vector<double> scores;        ///< the different scores that were fitted, ascending
    std::vector<double> probabilities; ///< the value at each of them, non-decreasing
    std::vector<double> weights;       ///< the weight of the samples at each of them

    /// Fits scores (any dense Eigen object of real numbers) to labels 0 or 1, of any arithmetic type, as many.
    /// Errors: `shape_mismatch` if the counts differ; `non_finite`; `invalid_argument` without samples, for other
    /// labels and for scores beyond 1e300.
    template <class Scores, class Labels>
    [[nodiscard]] static isotonic_regression fit(const Scores& scores, const Labels& labels);
    /// The same with a weight for each sample; those of weight 0 are left out. Errors: also `invalid_argument` for
    /// negative weights, or if all are 0.
    template <class Scores, class Labels, class Weights>
    [[nodiscard]] static isotonic_regression fit(const Scores& scores, const Labels& labels, const Weights& weights);

    /// The value at a score: linear between two points, that of the first or last point outside; NaN for NaN, and
    /// before anything is fitted.
    [[nodiscard]] double operator()(double score) const noexcept {
        if (score != score || scores.empty()) {
            return std::numeric_limits<double>::quiet_NaN();
        }
        const auto above = std::upper_bound(scores.begin(), scores.end(), score);
        if (above == scores.begin()) {
            return probabilities.front();
        }
        const auto i = static_cast<std::size_t>(above - scores.begin()) - 1;
        const double lower = probabilities[i];
        if (above == scores.end() || probabilities[i + 1] == lower) {
            return lower;
        }
        const double part = (score - scores[i]) / (scores[i + 1] - scores[i]);
        return std::min(lower + exact::product(part, probabilities[i + 1] - lower), probabilities[i + 1]);
    }
    /// The values at scores, in the shape of the expression.
    template <class Scores>
    [[nodiscard]] auto predict(const Scores& values) const {
        return detail::predict_each(values, *this);
    }

    friend bool operator==(const isotonic_regression&, const isotonic_regression&) = default;
};

namespace detail {

/// Positions of the samples by ascending score; those of the same score stay in order.
[[nodiscard]] inline std::vector<std::size_t> order_of(const std::vector<double>& scores) {
    std::vector<std::size_t> order(scores.size());
    for (std::size_t i = 0; i < order.size(); ++i) {
        order[i] = i;
    }
    std::sort(order.begin(), order.end(),
              [&](std::size_t a, std::size_t b) { return scores[a] < scores[b] || (scores[a] == scores[b] && a < b); });
    return order;
}

[[nodiscard]] inline isotonic_regression fit_isotonic(const labelled_scores& samples) {
    isotonic_regression fitted;
    std::vector<double> positives; // weight of the positive samples at each score
    for (const std::size_t i : order_of(samples.scores)) {
        if (fitted.scores.empty() || fitted.scores.back() != samples.scores[i]) {
            fitted.scores.push_back(samples.scores[i]);
            fitted.weights.push_back(0.0);
            positives.push_back(0.0);
        }
        fitted.weights.back() += samples.weights[i];
        positives.back() += samples.positive[i] ? samples.weights[i] : 0.0;
    }
    struct block {
        double positives, weight, mean;
        std::size_t end;
    };
    std::vector<block> blocks;
    for (std::size_t i = 0; i < positives.size(); ++i) {
        block last{positives[i], fitted.weights[i], positives[i] / fitted.weights[i], i + 1};
        while (!blocks.empty() && blocks.back().mean >= last.mean) {
            last.positives += blocks.back().positives;
            last.weight += blocks.back().weight;
            last.mean = last.positives / last.weight;
            blocks.pop_back();
        }
        blocks.push_back(last);
    }
    for (const block& b : blocks) {
        fitted.probabilities.resize(b.end, b.mean);
    }
    return fitted;
}

} // namespace detail

template <class Scores, class Labels>
isotonic_regression isotonic_regression::fit(const Scores& scores, const Labels& labels) {
    return detail::fit_isotonic(detail::read_labelled("isotonic_regression", scores, labels));
}

template <class Scores, class Labels, class Weights>
isotonic_regression isotonic_regression::fit(const Scores& scores, const Labels& labels, const Weights& weights) {
    return detail::fit_isotonic(detail::read_labelled("isotonic_regression", scores, labels, weights));
}

} // namespace tersor::inline v0

#endif // TERSOR_CALIBRATORS_ISOTONIC_HPP

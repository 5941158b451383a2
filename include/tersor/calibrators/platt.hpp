#ifndef TERSOR_CALIBRATORS_PLATT_HPP
#define TERSOR_CALIBRATORS_PLATT_HPP

// Platt scaling: a score f becomes the probability p = 1 / (1 + exp(A f + B)).
//
// A and B minimise the cross entropy -sum w (t log p + (1 - t) log(1 - p)), where N+ and N- are the (weighted) numbers
// of positive and negative samples and
//
//   t = (N+ + 1) / (N+ + 2) for positive samples,   1 / (N- + 2) for negative ones
//
// so that the minimum is finite however well the scores separate. Source: Platt, Probabilistic outputs for support
// vector machines, 1999; Lin, Lin and Weng, A note on Platt's probabilistic outputs, 2007.
//
// Newton's method on u = (f - median) / max|f - median|, so that neither the offset nor the unit of scores matters;
// each step is halved until the loss falls. Sums run over the samples in order, in double.

#include "tersor/calibrators/probability_functions.hpp"
#include "tersor/calibrators/probability_input.hpp"
#include "tersor/core/exact.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace tersor::inline v0 {

/// The probability of a score under Platt scaling; as it is made, every probability is 1/2.
struct platt_scaling {
    double slope = 0.0;  ///< p = 1 / (1 + exp(slope (f - centre) / radius + offset))
    double offset = 0.0; ///< the logit of 1 - p at the centre
    double centre = 0.0; ///< the median of the scores that were fitted
    double radius = 1.0; ///< the largest distance of one of them to it
    double loss = 0.0;   ///< the cross entropy that was reached, summed over the samples

    /// A of p = 1 / (1 + exp(A f + B)).
    [[nodiscard]] double a() const noexcept { return slope / radius; }
    /// B of p = 1 / (1 + exp(A f + B)).
    [[nodiscard]] double b() const noexcept { return offset - exact::product(slope / radius, centre); }

    /// Fits scores (any dense Eigen object of real numbers) to labels 0 or 1, of any arithmetic type, as many.
    /// Errors: `shape_mismatch` if the counts differ; `non_finite`; `invalid_argument` without samples, for other
    /// labels and for scores beyond 1e300.
    template <class Scores, class Labels>
    [[nodiscard]] static platt_scaling fit(const Scores& scores, const Labels& labels);
    /// The same with a weight for each sample, which counts as that many. Errors: also `invalid_argument` for negative
    /// weights, or if all are 0.
    template <class Scores, class Labels, class Weights>
    [[nodiscard]] static platt_scaling fit(const Scores& scores, const Labels& labels, const Weights& weights);

    /// The probability that a sample of this score is positive; NaN for NaN.
    [[nodiscard]] double operator()(double score) const noexcept {
        // Infinite scores of a constant fit
        const double z = slope == 0.0 && score == score ? 0.0 : exact::product(slope, (score - centre) / radius);
        return detail::logistic(-(z + offset));
    }
    /// The probabilities of scores, in the shape of the expression.
    template <class Scores>
    [[nodiscard]] auto predict(const Scores& scores) const {
        return detail::predict_each(scores, *this);
    }

    friend bool operator==(const platt_scaling&, const platt_scaling&) = default;
};

namespace detail {

/// Minimises sum w (softplus(z) - (1 - t) z) over z = slope u + offset.
class platt_newton {
public:
    explicit platt_newton(const labelled_scores& samples) : weights_(samples.weights) {
        double positives = 0.0, negatives = 0.0;
        for (std::size_t i = 0; i < samples.size(); ++i) {
            (samples.positive[i] ? positives : negatives) += weights_[i];
        }
        // 1 - t, written so that nothing cancels
        const double of_positive = 1.0 / (positives + 2.0), of_negative = (negatives + 1.0) / (negatives + 2.0);
        result_.offset = logarithm((negatives + 1.0) / (positives + 1.0));
        opposite_.resize(samples.size());
        target_.resize(samples.size());
        for (std::size_t i = 0; i < samples.size(); ++i) {
            opposite_[i] = samples.positive[i] ? of_positive : of_negative;
            target_[i] = samples.positive[i] ? (positives + 1.0) / (positives + 2.0) : 1.0 / (negatives + 2.0);
        }
        centre(samples.scores);
    }

    [[nodiscard]] platt_scaling run() {
        constexpr int most_steps = 200;
        double last_decrement = 0.0;
        result_.loss = loss_at(result_.slope, result_.offset);
        for (int i = 0; i < most_steps; ++i) {
            const step s = newton_step();
            // Twice what the quadratic model still expects to gain. Below a billionth of the loss the model is as
            // good as exact: when rounding keeps the gain from falling any further, this is the minimum.
            const double relative = s.decrement / result_.loss;
            if (!(relative > 1e-30) || (i > 0 && relative < 1e-9 && s.decrement > 0.25 * last_decrement)) {
                break;
            }
            last_decrement = s.decrement;
            if (!advance(s)) {
                break;
            }
        }
        return result_;
    }

private:
    struct step {
        double slope, offset, decrement;
    };

    void centre(const std::vector<double>& scores) {
        std::vector<double> sorted = scores;
        const auto middle = sorted.begin() + static_cast<index>(sorted.size() / 2);
        std::nth_element(sorted.begin(), middle, sorted.end());
        result_.centre = *middle + 0.0;
        double radius = 0.0;
        for (const double f : scores) {
            radius = std::max(radius, std::fabs(f - result_.centre));
        }
        result_.radius = radius > 0.0 ? radius : 1.0;
        u_.resize(scores.size());
        for (std::size_t i = 0; i < scores.size(); ++i) {
            u_[i] = (scores[i] - result_.centre) / result_.radius;
        }
    }

    [[nodiscard]] double loss_at(double slope, double offset) const {
        double sum = 0.0;
        for (std::size_t i = 0; i < u_.size(); ++i) {
            const double z = exact::product(slope, u_[i]) + offset;
            const double line = z > 0.0 ? exact::product(target_[i], z) : exact::product(opposite_[i], -z);
            sum += exact::product(weights_[i], line + log_one_plus(exponential(-std::fabs(z))));
        }
        return sum;
    }

    /// Slope and offset decouple around the mean of u weighted by the second derivatives.
    [[nodiscard]] step newton_step() {
        gradient_.resize(u_.size());
        curvature_.resize(u_.size());
        double g = 0.0, h = 0.0, hu = 0.0;
        for (std::size_t i = 0; i < u_.size(); ++i) {
            const double z = exact::product(result_.slope, u_[i]) + result_.offset;
            const double e = exponential(-std::fabs(z)), p = 1.0 / (1.0 + e), q = e / (1.0 + e);
            // Where z > 0 the derivative 1 - q - (1 - t) is t - q, without the cancellation near 1.
            gradient_[i] = exact::product(weights_[i], z > 0.0 ? target_[i] - q : q - opposite_[i]);
            curvature_[i] = exact::product(weights_[i], exact::product(p, q));
            g += gradient_[i];
            h += curvature_[i];
            hu += exact::product(curvature_[i], u_[i]);
        }
        if (!(h > 0.0)) {
            return {0.0, 0.0, 0.0};
        }
        const double mean = hu / h;
        double g_slope = 0.0, h_slope = 0.0;
        for (std::size_t i = 0; i < u_.size(); ++i) {
            const double d = u_[i] - mean;
            g_slope += exact::product(gradient_[i], d);
            h_slope += exact::product(curvature_[i], exact::product(d, d));
        }
        const double offset = -g / h, slope = h_slope > 0.0 ? -g_slope / h_slope : 0.0;
        return {slope, offset - exact::product(slope, mean),
                exact::product(-offset, g) + exact::product(-slope, g_slope)};
    }

    /// Goes along a step as far as it lowers the loss; false if it does nowhere.
    [[nodiscard]] bool advance(const step& s) {
        constexpr int most_halvings = 60;
        double length = 1.0;
        for (int k = 0; k < most_halvings; ++k, length *= 0.5) {
            const double slope = result_.slope + exact::product(length, s.slope);
            const double offset = result_.offset + exact::product(length, s.offset);
            const double loss = loss_at(slope, offset);
            // The last steps gain less than the loss is rounded by.
            const double rounding = 1e-13 * result_.loss;
            if (loss <= result_.loss - 1e-4 * length * s.decrement + rounding) {
                result_.slope = slope;
                result_.offset = offset;
                result_.loss = loss;
                return true;
            }
        }
        return false;
    }

    const std::vector<double>& weights_;
    std::vector<double> u_, target_, opposite_, gradient_, curvature_;
    platt_scaling result_;
};

} // namespace detail

template <class Scores, class Labels>
platt_scaling platt_scaling::fit(const Scores& scores, const Labels& labels) {
    return detail::platt_newton(detail::read_labelled("platt_scaling", scores, labels)).run();
}

template <class Scores, class Labels, class Weights>
platt_scaling platt_scaling::fit(const Scores& scores, const Labels& labels, const Weights& weights) {
    return detail::platt_newton(detail::read_labelled("platt_scaling", scores, labels, weights)).run();
}

} // namespace tersor::inline v0

#endif // TERSOR_CALIBRATORS_PLATT_HPP

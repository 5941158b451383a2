#ifndef TERSOR_CALIBRATORS_TEMPERATURE_HPP
#define TERSOR_CALIBRATORS_TEMPERATURE_HPP

// Temperature scaling: the probabilities of the classes are softmax(z / T), with one T for all logits z.
//
// T minimises the mean of -log softmax(z / T)[label], which is convex in b = 1/T, with the derivatives
//
//   E[z] - z_label   and   E[(z - E[z])^2],   E the mean over the classes under softmax(b z)
//
// Newton's method inside a bracket of the root: a step that leaves it is replaced by the middle (geometric) of the
// bracket. Which class is the most probable never changes. Source: Guo, Pleiss, Sun and Weinberger, On calibration of
// modern neural networks, 2017.

#include "tersor/calibrators/probability_functions.hpp"
#include "tersor/calibrators/probability_input.hpp"
#include "tersor/core/exact.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace tersor::inline v0 {

/// Between which limits the temperature is looked for.
struct temperature_options {
    double least = 1e-3; ///< reached where every sample has its largest logit at its label
    double most = 1e3;   ///< reached where the logits say nothing, or the opposite
};

/// The probabilities of classes under temperature scaling.
struct temperature_scaling {
    double temperature = 1.0; ///< T; above 1 it makes probabilities less extreme
    double loss = 0.0;        ///< the mean cross entropy that was reached
    bool at_limit = false;    ///< whether the loss would fall further beyond the limits of the options

    /// Fits logits [samples x classes] to labels, the number of the class of each sample from 0. Where no T changes the
    /// loss (all logits of each sample are equal), it is 1, or the limit next to it. Errors: `shape_mismatch` if the
    /// counts differ or there are fewer than 2 classes; `non_finite`; `invalid_argument` without samples, for other
    /// labels, logits beyond 1e300 and limits that are not 1e-300 <= least <= most <= 1e300.
    template <class Logits, class Labels>
    [[nodiscard]] static temperature_scaling fit(const Logits& logits, const Labels& labels,
                                                 const temperature_options& options = {});

    /// The probabilities [samples x classes] of logits [samples x classes]. A row with NaN, or whose
    /// largest logit is infinite, gives NaN.
    template <class Logits>
    [[nodiscard]] Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>
    predict(const Logits& logits) const;
    /// The same.
    template <class Logits>
    [[nodiscard]] auto operator()(const Logits& logits) const {
        return predict(logits);
    }

    friend bool operator==(const temperature_scaling&, const temperature_scaling&) = default;
};

namespace detail {

/// Loss and its derivatives by the inverse temperature, for logits less the largest of their row.
class temperature_newton {
public:
    temperature_newton(std::vector<double> logits, std::size_t classes, std::vector<std::size_t> labels)
        : logits_(std::move(logits)), classes_(classes), labels_(std::move(labels)) {
        for (std::size_t first = 0; first < logits_.size(); first += classes_) {
            double* const row = logits_.data() + first;
            const double largest = *std::max_element(row, row + classes_);
            std::for_each(row, row + classes_, [largest](double& z) { z -= largest; });
        }
    }

    [[nodiscard]] temperature_scaling run(const temperature_options& options) const {
        double low = 1.0 / options.most, high = 1.0 / options.least;
        const auto result = [&](double inverse, bool at_limit) {
            const double n = static_cast<double>(labels_.size());
            return temperature_scaling{1.0 / inverse, at(inverse).loss / n, at_limit};
        };
        double inverse = std::clamp(1.0, low, high);
        point here = at(inverse);
        if (here.slope == 0.0) {
            return result(inverse, false);
        }
        if (here.slope > 0.0 && at(low).slope >= 0.0) {
            return result(low, at(low).slope > 0.0);
        }
        if (here.slope < 0.0 && at(high).slope <= 0.0) {
            return result(high, at(high).slope < 0.0);
        }
        constexpr int most_steps = 200;
        for (int i = 0; i < most_steps && here.slope != 0.0; ++i) {
            (here.slope < 0.0 ? low : high) = inverse;
            double next = inverse - here.slope / here.curvature;
            if (!(next > low && next < high)) {
                next = std::sqrt(low) * std::sqrt(high);
            }
            const bool is_last = std::fabs(next - inverse) <= 4e-16 * inverse;
            inverse = next;
            here = at(inverse);
            if (is_last) {
                break;
            }
        }
        return result(inverse, false);
    }

private:
    struct point {
        double loss, slope, curvature;
    };

    [[nodiscard]] point at(double inverse) const {
        point sum{0.0, 0.0, 0.0};
        for (std::size_t i = 0; i < labels_.size(); ++i) {
            const double* const z = logits_.data() + i * classes_;
            double total = 0.0, first = 0.0, second = 0.0;
            for (std::size_t c = 0; c < classes_; ++c) {
                const double e = exponential(exact::product(inverse, z[c]));
                if (e > 0.0) {
                    const double ez = exact::product(e, z[c]);
                    total += e;
                    first += ez;
                    second += exact::product(ez, z[c]);
                }
            }
            const double mean = first / total, of_label = z[labels_[i]];
            sum.loss += logarithm(total) - exact::product(inverse, of_label);
            sum.slope += mean - of_label;
            sum.curvature += second / total - exact::product(mean, mean);
        }
        return sum;
    }

    std::vector<double> logits_;
    std::size_t classes_;
    std::vector<std::size_t> labels_;
};

} // namespace detail

template <class Logits, class Labels>
temperature_scaling temperature_scaling::fit(const Logits& logits, const Labels& labels,
                                             const temperature_options& options) {
    constexpr const char* what = "temperature_scaling";
    if (!(options.least >= 1.0 / detail::largest_score && options.least <= options.most &&
          options.most <= detail::largest_score)) {
        raise(error_code::invalid_argument, std::string(what) + ": the temperature is looked for between " +
                                                std::to_string(options.least) + " and " + std::to_string(options.most) +
                                                "; expected 1e-300 <= least <= most <= 1e300");
    }
    std::vector<double> values = detail::values_of(logits);
    detail::check_scores(what, "logit", values);
    std::vector<std::size_t> numbers =
        detail::checked_classes(what, logits.rows(), logits.cols(), detail::values_of(labels));
    return detail::temperature_newton(std::move(values), static_cast<std::size_t>(logits.cols()), std::move(numbers))
        .run(options);
}

template <class Logits>
Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>
temperature_scaling::predict(const Logits& logits) const {
    Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> p = logits.template cast<double>();
    for (index i = 0; i < p.rows(); ++i) {
        const double largest = p.cols() == 0 ? 0.0 : p.row(i).maxCoeff();
        double total = 0.0;
        for (index c = 0; c < p.cols(); ++c) {
            p(i, c) = detail::exponential((p(i, c) - largest) / temperature);
            total += p(i, c);
        }
        for (index c = 0; c < p.cols(); ++c) {
            p(i, c) /= total;
        }
    }
    return p;
}

} // namespace tersor::inline v0

#endif // TERSOR_CALIBRATORS_TEMPERATURE_HPP

#ifndef TERSOR_CALIBRATORS_RELIABILITY_HPP
#define TERSOR_CALIBRATORS_RELIABILITY_HPP

// How far predicted probabilities can be believed: of the samples with p around .8, are 80 % positive?
//
//   calibration curve      samples in bins by p: mean p against the fraction of positive labels (a reliability diagram)
//   ECE = sum over the bins of (samples in it / all) |mean p - fraction|         MCE = the largest |mean p - fraction|
//   Brier score = mean of (p - y)^2           log loss = mean of -(y log p + (1 - y) log(1 - p))
//
// Bins of equal width are closed on the right: p is in bin max(ceil(p n) - 1, 0) of n, the product rounded to double.
// Bins of equal mass end at the p of every (N/n)-th sample in ascending order, which they contain; samples of the same
// p are never parted, so that there may be fewer than n. Sums run over the samples in order, in double. Source: Naeini,
// Cooper and Hauskrecht, Obtaining well calibrated probabilities using Bayesian binning, 2015; Guo et al., 2017.

#include "tersor/calibrators/probability_functions.hpp"
#include "tersor/calibrators/probability_input.hpp"
#include "tersor/core/exact.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

namespace tersor::inline v0 {

/// How [0, 1] is cut into bins.
enum class binning {
    equal_width, ///< each as wide as the others
    equal_mass   ///< each with as many samples as the others, as far as ties allow
};

/// Options of `calibration_curve`.
struct calibration_curve_options {
    index bins = 10; ///< 1 to 1000000
    tersor::binning binning = tersor::binning::equal_width;
};

/// The samples with p in (lower, upper]; the first bin also holds its lower end.
struct calibration_bin {
    double lower = 0.0;      ///< where it begins
    double upper = 0.0;      ///< where it ends
    index count = 0;         ///< how many samples it holds
    double confidence = 0.0; ///< their mean p; 0 if there are none
    double fraction = 0.0;   ///< the fraction of them whose label is 1; 0 if there are none

    /// |mean p - fraction of positive labels|.
    [[nodiscard]] double gap() const noexcept { return std::fabs(confidence - fraction); }
    friend bool operator==(const calibration_bin&, const calibration_bin&) = default;
};

/// A reliability diagram in numbers: its bins by ascending p, the empty ones too.
using calibration_bins = std::vector<calibration_bin>;

namespace detail {

struct checked_probabilities {
    std::vector<double> p;
    std::vector<bool> positive;
};

template <class Probabilities, class Labels>
[[nodiscard]] checked_probabilities read_probabilities(const char* what, const Probabilities& probabilities,
                                                       const Labels& labels) {
    checked_probabilities read{values_of(probabilities), {}};
    const std::vector<double> values = values_of(labels);
    check_counts(what, "labels", read.p.size(), values.size());
    check_scores(what, "probability", read.p);
    for (std::size_t i = 0; i < read.p.size(); ++i) {
        if (read.p[i] < 0.0 || read.p[i] > 1.0) {
            raise(error_code::invalid_argument, std::string(what) + ": probability " + std::to_string(i) + " is " +
                                                    std::to_string(read.p[i]) + "; expected 0 to 1");
        }
    }
    read.positive = checked_labels(what, values);
    return read;
}

/// Upper ends of the bins, ascending.
[[nodiscard]] inline std::vector<double> bin_ends(const std::vector<double>& p,
                                                  const calibration_curve_options& options) {
    const auto bins = static_cast<std::size_t>(options.bins);
    std::vector<double> ends;
    if (options.binning == binning::equal_width) {
        for (std::size_t k = 1; k <= bins; ++k) {
            ends.push_back(static_cast<double>(k) / static_cast<double>(bins));
        }
        return ends;
    }
    std::vector<double> sorted = p;
    std::sort(sorted.begin(), sorted.end());
    const std::size_t each = sorted.size() / bins, rest = sorted.size() % bins;
    for (std::size_t k = 1; k <= bins; ++k) {
        // ceil(k N / bins)
        const std::size_t end = k * each + (k * rest + bins - 1) / bins;
        const double last = k == bins ? 1.0 : sorted[end - 1];
        if (ends.empty() || last > ends.back()) {
            ends.push_back(last);
        }
    }
    return ends;
}

[[nodiscard]] inline calibration_bins make_bins(const checked_probabilities& samples,
                                                const calibration_curve_options& options) {
    if (options.bins < 1 || options.bins > 1'000'000) {
        raise(error_code::invalid_argument,
              "calibration_curve: " + std::to_string(options.bins) + " bins; expected 1 to 1000000");
    }
    calibration_bins bins;
    const std::vector<double> ends = bin_ends(samples.p, options);
    for (const double end : ends) {
        bins.push_back({.lower = bins.empty() ? 0.0 : bins.back().upper, .upper = end});
    }
    const auto last = static_cast<double>(bins.size() - 1);
    for (std::size_t i = 0; i < samples.p.size(); ++i) {
        const double p = samples.p[i];
        std::size_t k = 0;
        if (options.binning == binning::equal_width) {
            k = static_cast<std::size_t>(
                std::clamp(std::ceil(exact::product(p, static_cast<double>(bins.size()))) - 1.0, 0.0, last));
        } else {
            k = static_cast<std::size_t>(std::lower_bound(ends.begin(), ends.end(), p) - ends.begin());
        }
        ++bins[k].count;
        bins[k].confidence += p;
        bins[k].fraction += samples.positive[i] ? 1.0 : 0.0;
    }
    for (calibration_bin& bin : bins) {
        if (bin.count > 0) {
            bin.confidence /= static_cast<double>(bin.count);
            bin.fraction /= static_cast<double>(bin.count);
        }
    }
    return bins;
}

} // namespace detail

/// The bins of a reliability diagram of probabilities in [0, 1] and labels 0 or 1, as many, each any dense Eigen
/// object. Errors: `shape_mismatch` if the counts differ; `non_finite`; `invalid_argument` without samples, for
/// probabilities and labels outside their domain, and for a number of bins outside its.
template <class Probabilities, class Labels>
[[nodiscard]] calibration_bins calibration_curve(const Probabilities& probabilities, const Labels& labels,
                                                 const calibration_curve_options& options = {}) {
    return detail::make_bins(detail::read_probabilities("calibration_curve", probabilities, labels), options);
}

/// ECE: the mean over the samples of the gap of their bin; 0 without samples.
[[nodiscard]] inline double expected_calibration_error(const calibration_bins& bins) noexcept {
    double sum = 0.0, count = 0.0;
    for (const calibration_bin& bin : bins) {
        sum += exact::product(bin.gap(), static_cast<double>(bin.count));
        count += static_cast<double>(bin.count);
    }
    return count > 0.0 ? sum / count : 0.0;
}

/// MCE: the largest gap of a bin with samples.
[[nodiscard]] inline double maximum_calibration_error(const calibration_bins& bins) noexcept {
    double largest = 0.0;
    for (const calibration_bin& bin : bins) {
        largest = std::max(largest, bin.count > 0 ? bin.gap() : 0.0);
    }
    return largest;
}

/// Brier score: the mean of (p - y)^2. Errors: as `calibration_curve`.
template <class Probabilities, class Labels>
[[nodiscard]] double brier_score(const Probabilities& probabilities, const Labels& labels) {
    const auto samples = detail::read_probabilities("brier_score", probabilities, labels);
    double sum = 0.0;
    for (std::size_t i = 0; i < samples.p.size(); ++i) {
        const double d = samples.p[i] - (samples.positive[i] ? 1.0 : 0.0);
        sum += exact::product(d, d);
    }
    return sum / static_cast<double>(samples.p.size());
}

/// Log loss: the mean of -log of the probability that was given to the label; infinite if one of them is 0.
/// Errors: as `calibration_curve`.
template <class Probabilities, class Labels>
[[nodiscard]] double log_loss(const Probabilities& probabilities, const Labels& labels) {
    const auto samples = detail::read_probabilities("log_loss", probabilities, labels);
    double sum = 0.0;
    for (std::size_t i = 0; i < samples.p.size(); ++i) {
        sum -= detail::logarithm(samples.positive[i] ? samples.p[i] : 1.0 - samples.p[i]);
    }
    return sum / static_cast<double>(samples.p.size());
}

/// What a classifier of many classes says of its own answers.
struct top_answers {
    Eigen::VectorXd confidence; ///< the largest probability of each sample
    Eigen::VectorXd correct;    ///< 1 where it is that of the label, else 0; the first of equal ones counts
};

namespace detail {

[[nodiscard]] inline top_answers find_answers(const std::vector<double>& p, index classes,
                                              const std::vector<std::size_t>& labels) {
    const auto samples = static_cast<index>(labels.size());
    top_answers answers{Eigen::VectorXd(samples), Eigen::VectorXd(samples)};
    for (index i = 0; i < samples; ++i) {
        const double* const row = p.data() + i * classes;
        const double* const top = std::max_element(row, row + classes);
        answers.confidence[i] = *top;
        answers.correct[i] = static_cast<std::size_t>(top - row) == labels[static_cast<std::size_t>(i)] ? 1.0 : 0.0;
    }
    return answers;
}

} // namespace detail

/// The answers of probabilities [samples x classes] to labels, class numbers from 0: what the calibration of a
/// classifier of many classes is judged by. Errors: `shape_mismatch` if the counts differ or there are fewer than 2
/// classes; `non_finite`; `invalid_argument` without samples or for labels that are no class.
template <class Probabilities, class Labels>
[[nodiscard]] top_answers answers_of(const Probabilities& probabilities, const Labels& labels) {
    constexpr const char* what = "answers_of";
    const std::vector<double> p = detail::values_of(probabilities);
    detail::check_scores(what, "probability", p);
    return detail::find_answers(
        p, probabilities.cols(),
        detail::checked_classes(what, probabilities.rows(), probabilities.cols(), detail::values_of(labels)));
}

} // namespace tersor::inline v0

#endif // TERSOR_CALIBRATORS_RELIABILITY_HPP

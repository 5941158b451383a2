#ifndef TERSOR_CALIBRATORS_PROBABILITY_INPUT_HPP
#define TERSOR_CALIBRATORS_PROBABILITY_INPUT_HPP

// What the fits of probability calibration read: scores, labels 0 or 1 and weights, from any dense Eigen object.

#include "tersor/core/concepts.hpp"
#include "tersor/core/error.hpp"
#include "tersor/core/strided.hpp"

#include <Eigen/Core>

#include <cmath>
#include <cstddef>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace tersor::inline v0::detail {

/// The object that Eigen knows an expression as: that of a VectorBlock, such as v.head(3), is a Block.
template <class Derived>
[[nodiscard]] const Derived& derived_of(const Eigen::DenseBase<Derived>& object) {
    return object.derived();
}
template <eigen_tensor T>
[[nodiscard]] const T& derived_of(const T& object) {
    return object;
}

template <class T>
concept derived_object = requires(const T& object) {
    detail::derived_of(object);
};

/// The values of an Eigen object in row-major order.
template <class T>
[[nodiscard]] std::vector<double> values_of(const T& object) {
    static_assert(derived_object<T>, "scores, labels and weights are dense Eigen objects (map other memory with "
                                     "Eigen::Map)");
    const auto& derived = derived_of(object);
    using Object = std::remove_cvref_t<decltype(derived)>;
    if constexpr (!has_memory<Object>()) {
        return values_of<typename Object::PlainObject>(derived);
    } else {
        const auto source = as_strided(derived);
        const row_view<const typename Object::Scalar, rank_of<Object>()> row(source, -1);
        std::vector<double> values(static_cast<std::size_t>(row.length()));
        for (std::size_t i = 0; i < values.size(); ++i) {
            values[i] = static_cast<double>(*row.address(0, static_cast<index>(i)));
        }
        return values;
    }
}

/// Differences and ratios of scores must not overflow.
inline constexpr double largest_score = 1e300;

inline void check_scores(const char* what, const char* kind, const std::vector<double>& scores) {
    for (std::size_t i = 0; i < scores.size(); ++i) {
        if (!(std::fabs(scores[i]) <= largest_score)) {
            const bool is_finite = std::isfinite(scores[i]);
            raise(is_finite ? error_code::invalid_argument : error_code::non_finite,
                  std::string(what) + ": " + kind + " " + std::to_string(i) +
                      (is_finite ? " is beyond 1e300" : " is not finite"));
        }
    }
}

/// Weights are finite and at least 0.
inline void check_weights(const char* what, const std::vector<double>& weights) {
    for (std::size_t i = 0; i < weights.size(); ++i) {
        if (!(weights[i] >= 0.0) || !std::isfinite(weights[i])) {
            raise(std::isfinite(weights[i]) ? error_code::invalid_argument : error_code::non_finite,
                  std::string(what) + ": weight " + std::to_string(i) + " is " + std::to_string(weights[i]) +
                      "; expected a finite one of at least 0");
        }
    }
}

/// Scores of samples, whether each is positive, and its weight, which is above 0.
struct labelled_scores {
    std::vector<double> scores;
    std::vector<bool> positive;
    std::vector<double> weights;

    [[nodiscard]] std::size_t size() const noexcept { return scores.size(); }
};

inline void check_counts(const char* what, const char* kind, std::size_t scores, std::size_t others) {
    if (scores != others) {
        raise(error_code::shape_mismatch, std::string(what) + ": " + std::to_string(scores) + " scores and " +
                                              std::to_string(others) + " " + kind);
    }
    if (scores == 0) {
        raise(error_code::invalid_argument, std::string(what) + ": there are no samples");
    }
}

[[nodiscard]] inline std::vector<bool> checked_labels(const char* what, const std::vector<double>& labels) {
    std::vector<bool> positive(labels.size());
    for (std::size_t i = 0; i < labels.size(); ++i) {
        if (labels[i] != 0.0 && labels[i] != 1.0) {
            raise(error_code::invalid_argument, std::string(what) + ": label " + std::to_string(i) + " is " +
                                                    std::to_string(labels[i]) + "; expected 0 or 1");
        }
        positive[i] = labels[i] == 1.0;
    }
    return positive;
}

/// Checks all; samples of weight 0 are left out. No weights: each is 1.
[[nodiscard]] inline labelled_scores make_labelled_scores(const char* what, std::vector<double> scores,
                                                          const std::vector<double>& labels,
                                                          const std::vector<double>* weights) {
    check_counts(what, "labels", scores.size(), labels.size());
    check_scores(what, "score", scores);
    labelled_scores samples{std::move(scores), checked_labels(what, labels), {}};
    if (weights == nullptr) {
        samples.weights.assign(samples.size(), 1.0);
        return samples;
    }
    check_counts(what, "weights", samples.size(), weights->size());
    check_weights(what, *weights);
    double total = 0.0;
    std::size_t kept = 0;
    for (std::size_t i = 0; i < weights->size(); ++i) {
        if ((*weights)[i] > 0.0) {
            samples.scores[kept] = samples.scores[i];
            samples.positive[kept++] = samples.positive[i];
            samples.weights.push_back((*weights)[i]);
            total += (*weights)[i];
        }
    }
    if (!(total > 0.0) || !std::isfinite(total)) {
        raise(error_code::invalid_argument,
              std::string(what) + ": the weights add up to " + std::to_string(total) + "; expected a positive number");
    }
    samples.scores.resize(kept);
    samples.positive.resize(kept);
    return samples;
}

template <class Scores, class Labels>
[[nodiscard]] labelled_scores read_labelled(const char* what, const Scores& scores, const Labels& labels) {
    return make_labelled_scores(what, values_of(scores), values_of(labels), nullptr);
}
template <class Scores, class Labels, class Weights>
[[nodiscard]] labelled_scores read_labelled(const char* what, const Scores& scores, const Labels& labels,
                                            const Weights& weights) {
    const std::vector<double> values = values_of(weights);
    return make_labelled_scores(what, values_of(scores), values_of(labels), &values);
}

/// The labels as class numbers; checks the counts too.
[[nodiscard]] inline std::vector<std::size_t> checked_classes(const char* what, index samples, index classes,
                                                              const std::vector<double>& labels) {
    if (static_cast<std::size_t>(samples) != labels.size() || classes < 2) {
        raise(error_code::shape_mismatch, std::string(what) + ": logits [" + std::to_string(samples) + " x " +
                                              std::to_string(classes) + "] and " + std::to_string(labels.size()) +
                                              " labels; expected as many samples, of at least 2 classes");
    }
    if (samples == 0) {
        raise(error_code::invalid_argument, std::string(what) + ": there are no samples");
    }
    std::vector<std::size_t> numbers(labels.size());
    for (std::size_t i = 0; i < labels.size(); ++i) {
        if (!(labels[i] >= 0.0 && labels[i] < static_cast<double>(classes)) || labels[i] != std::floor(labels[i])) {
            raise(error_code::invalid_argument, std::string(what) + ": label " + std::to_string(i) + " is " +
                                                    std::to_string(labels[i]) + "; expected a class from 0 to " +
                                                    std::to_string(classes - 1));
        }
        numbers[i] = static_cast<std::size_t>(labels[i]);
    }
    return numbers;
}

/// What a map of scores to probabilities gives for an Eigen object: one of the same shape, of double.
template <class Plain>
using probabilities_like =
    std::conditional_t<std::is_base_of_v<Eigen::ArrayBase<Plain>, Plain>,
                       Eigen::Array<double, Plain::RowsAtCompileTime, Plain::ColsAtCompileTime, Plain::Options>,
                       Eigen::Matrix<double, Plain::RowsAtCompileTime, Plain::ColsAtCompileTime, Plain::Options>>;

/// `map` of every coefficient of a dense Eigen expression.
template <class Derived, class Map>
[[nodiscard]] auto predict_each(const Eigen::DenseBase<Derived>& scores, const Map& map) {
    const typename Derived::PlainObject values = scores.derived();
    probabilities_like<typename Derived::PlainObject> result(values.rows(), values.cols());
    for (index i = 0; i < values.size(); ++i) {
        result.data()[i] = map(static_cast<double>(values.data()[i]));
    }
    return result;
}

} // namespace tersor::inline v0::detail

#endif // TERSOR_CALIBRATORS_PROBABILITY_INPUT_HPP

#include "tersor/calibrators/isotonic.hpp"

#include "tests/common/errors.hpp"

#include <Eigen/Core>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <vector>

using namespace tersor;

namespace {

using tersor::index;

struct samples {
    Eigen::VectorXd scores, labels, weights;
};

// Scores with ties, labels that are noisy, weights some of which are 0.
samples make_samples(index count, unsigned seed) {
    std::mt19937 random(seed);
    samples s{Eigen::VectorXd(count), Eigen::VectorXd(count), Eigen::VectorXd(count)};
    for (index i = 0; i < count; ++i) {
        s.scores[i] = static_cast<double>(random() % 40) / 8.0 - 2.0;
        s.labels[i] = static_cast<double>(random() % 40) / 8.0 - 2.0 < s.scores[i] ? 1.0 : 0.0;
        s.weights[i] = static_cast<double>(random() % 5);
    }
    return s;
}

// The solution in closed form: at each score the largest over its left of the smallest over its right of the mean
// between. With small integers as weights the sums are exact.
std::map<double, double> largest_of_smallest_means(const samples& s) {
    std::map<double, std::pair<double, double>> sums;
    for (index i = 0; i < s.scores.size(); ++i) {
        if (s.weights[i] > 0.0) {
            sums[s.scores[i]].first += s.weights[i] * s.labels[i];
            sums[s.scores[i]].second += s.weights[i];
        }
    }
    std::map<double, double> values;
    for (auto at = sums.begin(); at != sums.end(); ++at) {
        double largest = -1.0;
        for (auto from = sums.begin(); from != std::next(at); ++from) {
            double positives = 0.0, weight = 0.0, smallest = 2.0;
            for (auto to = from; to != sums.end(); ++to) {
                positives += to->second.first, weight += to->second.second;
                if (!sums.key_comp()(to->first, at->first)) {
                    smallest = std::min(smallest, positives / weight);
                }
            }
            largest = std::max(largest, smallest);
        }
        values[at->first] = largest;
    }
    return values;
}

TEST(IsotonicRegression, IsTheClosedFormSolution) {
    for (unsigned seed = 0; seed < 40; ++seed) {
        const samples s = make_samples(1 + static_cast<index>(seed) * 2, seed + 1);
        if (s.weights.sum() == 0.0) {
            continue;
        }
        const auto fitted = isotonic_regression::fit(s.scores, s.labels, s.weights);
        const auto expected = largest_of_smallest_means(s);
        ASSERT_EQ(fitted.scores.size(), expected.size());
        std::size_t i = 0;
        for (const auto& [score, value] : expected) {
            EXPECT_EQ(fitted.scores[i], score);
            EXPECT_EQ(fitted.probabilities[i], value) << seed << " " << score;
            EXPECT_EQ(fitted(score), value);
            ++i;
        }
    }
}

TEST(IsotonicRegression, PoolsViolatorsAndAveragesTies) {
    const auto fitted = isotonic_regression::fit(Eigen::Vector<double, 6>{3.0, 1.0, 2.0, 2.0, 4.0, 5.0},
                                                 Eigen::Vector<int, 6>{0, 0, 1, 1, 1, 1});
    EXPECT_EQ(fitted.scores, (std::vector<double>{1.0, 2.0, 3.0, 4.0, 5.0}));
    EXPECT_EQ(fitted.probabilities, (std::vector<double>{0.0, 2.0 / 3.0, 2.0 / 3.0, 1.0, 1.0}));
    EXPECT_EQ(fitted.weights, (std::vector<double>{1.0, 2.0, 1.0, 1.0, 1.0}));
}

TEST(IsotonicRegression, InterpolatesBetweenPointsAndClampsOutside) {
    const auto fitted = isotonic_regression::fit(Eigen::Vector2d(0.0, 2.0), Eigen::Vector2d(0.0, 1.0));
    const Eigen::ArrayXd at{{-5.0, 0.0, 0.5, 1.5, 2.0, 1e300, std::numeric_limits<double>::infinity()}};
    const Eigen::ArrayXd expected{{0.0, 0.0, 0.25, 0.75, 1.0, 1.0, 1.0}};
    EXPECT_TRUE((fitted.predict(at) == expected).all());
    EXPECT_EQ(fitted(-std::numeric_limits<double>::infinity()), 0.0);
    EXPECT_TRUE(std::isnan(fitted(std::nan(""))));
    EXPECT_TRUE(std::isnan(isotonic_regression{}(1.0)));
}

TEST(IsotonicRegression, NeverDecreases) {
    std::mt19937_64 random(3);
    std::normal_distribution<double> normal;
    const Eigen::VectorXd scores = Eigen::VectorXd::NullaryExpr(500, [&] { return normal(random); });
    const Eigen::VectorXd labels =
        Eigen::VectorXd::NullaryExpr(500, [&](index i) { return scores[i] + normal(random) > 0.0 ? 1.0 : 0.0; });
    const auto fitted = isotonic_regression::fit(scores, labels);
    double last = 0.0;
    for (double f = -4.0; f < 4.0; f += 0.001) {
        EXPECT_GE(fitted(f), last);
        last = fitted(f);
    }
    EXPECT_LE(last, 1.0);
}

TEST(IsotonicRegression, OrderOfSamplesDoesNotMatter) {
    samples s = make_samples(100, 5);
    const auto expected = isotonic_regression::fit(s.scores, s.labels, s.weights);
    s.scores.reverseInPlace();
    s.labels.reverseInPlace();
    s.weights.reverseInPlace();
    EXPECT_EQ(isotonic_regression::fit(s.scores, s.labels, s.weights), expected);
}

TEST(IsotonicRegression, ExtremeScoresAndWeightsStayFinite) {
    const auto fitted = isotonic_regression::fit(Eigen::Vector2d(-1e300, 1e300), Eigen::Vector2d(0.0, 1.0),
                                                 Eigen::Vector2d(1e-300, 1e300));
    EXPECT_EQ(fitted(0.0), 0.5);
    const double tiny = std::numeric_limits<double>::denorm_min();
    EXPECT_EQ(isotonic_regression::fit(Eigen::Vector2d(0.0, tiny), Eigen::Vector2d(0.0, 1.0))(tiny), 1.0);
    EXPECT_EQ(isotonic_regression::fit(Eigen::Vector2d(0.0, -0.0), Eigen::Vector2d(0.0, 1.0)).scores.size(), 1u);
}

auto refused(const Eigen::VectorXd& scores, const Eigen::VectorXd& labels, const Eigen::VectorXd& weights) {
    return code_of_error([&] { return isotonic_regression::fit(scores, labels, weights); });
}

TEST(IsotonicRegression, BadInputIsRefused) {
    const Eigen::VectorXd scores{{0.0, 1.0}}, labels{{0.0, 1.0}}, ones{{1.0, 1.0}};
    const double nan = std::nan("");
    EXPECT_EQ(refused(scores, labels, ones), std::nullopt);
    EXPECT_EQ(refused(nan * scores, labels, ones), error_code::non_finite);
    EXPECT_EQ(refused(scores, 2.0 * labels, ones), error_code::invalid_argument);
    EXPECT_EQ(refused(scores, labels, -ones), error_code::invalid_argument);
    EXPECT_EQ(refused(scores, labels, nan * ones), error_code::non_finite);
    EXPECT_EQ(refused(scores, labels, 0.0 * ones), error_code::invalid_argument);
    EXPECT_EQ(refused(scores, labels.head(1), ones), error_code::shape_mismatch);
    EXPECT_EQ(refused(scores, labels, ones.head(1)), error_code::shape_mismatch);
    EXPECT_EQ(refused({}, {}, {}), error_code::invalid_argument);
}

} // namespace

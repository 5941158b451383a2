#include "tersor/calibrators/platt.hpp"

#include "tests/common/errors.hpp"

#include <Eigen/Core>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

using namespace tersor;

namespace {

using tersor::index;

struct scored {
    Eigen::VectorXd scores, labels;
};

// Labels that are positive with probability 1 / (1 + exp(-2 f + 1)).
scored logistic_samples(index count, unsigned seed = 1) {
    std::mt19937_64 random(seed);
    std::normal_distribution<double> normal;
    std::uniform_real_distribution<double> uniform(0.0, 1.0);
    scored s{Eigen::VectorXd(count), Eigen::VectorXd(count)};
    for (index i = 0; i < count; ++i) {
        s.scores[i] = normal(random);
        s.labels[i] = uniform(random) < 1.0 / (1.0 + std::exp(1.0 - 2.0 * s.scores[i])) ? 1.0 : 0.0;
    }
    return s;
}

// The derivatives of the loss by B and by A' of A' (f - centre) / radius + B, by the textbook, over sum w.
void expect_minimum(const platt_scaling& fitted, const scored& s, const Eigen::VectorXd& weights, double bound) {
    double positives = 0.0, negatives = 0.0;
    for (index i = 0; i < s.scores.size(); ++i) {
        (s.labels[i] == 1.0 ? positives : negatives) += weights[i];
    }
    double by_offset = 0.0, by_slope = 0.0;
    for (index i = 0; i < s.scores.size(); ++i) {
        const double t = s.labels[i] == 1.0 ? (positives + 1.0) / (positives + 2.0) : 1.0 / (negatives + 2.0);
        const double residual = weights[i] * (t - fitted(s.scores[i]));
        by_offset += residual;
        by_slope += residual * ((s.scores[i] - fitted.centre) / fitted.radius);
    }
    EXPECT_NEAR(by_offset / weights.sum(), 0.0, bound);
    EXPECT_NEAR(by_slope / weights.sum(), 0.0, bound);
}

// What rounding leaves of a mean of terms up to 1.
constexpr double rounding = 64 * std::numeric_limits<double>::epsilon();

TEST(PlattScaling, EndsWhereTheDerivativesVanish) {
    for (const index count : {2, 3, 10, 1000}) {
        const scored s = logistic_samples(count);
        expect_minimum(platt_scaling::fit(s.scores, s.labels), s, Eigen::VectorXd::Ones(count), rounding);
    }
}

TEST(PlattScaling, FindsTheModelThatMadeTheLabels) {
    const scored s = logistic_samples(20'000);
    const platt_scaling fitted = platt_scaling::fit(s.scores, s.labels);
    // Standard errors here are .03 and .02.
    EXPECT_NEAR(fitted.a(), -2.0, 0.12);
    EXPECT_NEAR(fitted.b(), 1.0, 0.08);
}

TEST(PlattScaling, OffsetAndUnitOfScoresDoNotMatter) {
    const scored s = logistic_samples(500);
    const platt_scaling expected = platt_scaling::fit(s.scores, s.labels);
    for (const double unit : {1e-300, 1e-6, 1.0, 1e6, 1e299}) {
        const platt_scaling fitted = platt_scaling::fit(unit * s.scores, s.labels);
        EXPECT_NEAR(fitted(unit * 0.5), expected(0.5), 1e-12) << unit;
        EXPECT_NEAR(fitted.loss, expected.loss, 1e-12 * expected.loss) << unit;
    }
    for (const double offset : {1e4, -1e4, 1e8}) {
        const scored moved{s.scores.array() + offset, s.labels};
        const platt_scaling fitted = platt_scaling::fit(moved.scores, moved.labels);
        // Adding the offset has rounded the scores.
        EXPECT_NEAR(fitted(offset + 0.5), expected(0.5), 1e-14 * std::fabs(offset)) << offset;
        expect_minimum(fitted, moved, Eigen::VectorXd::Ones(500), rounding);
        EXPECT_NEAR(fitted.a(), expected.a(), 1e-13 * std::fabs(offset)) << offset;
        EXPECT_NEAR(fitted.a() * offset + fitted.b(), expected.b(), 1e-12 * std::fabs(offset)) << offset;
    }
}

TEST(PlattScaling, SurvivesOneScoreFarFromAllOthers) {
    for (const double far : {1e3, 1e9, -1e9, 1e30, -1e300}) {
        scored s = logistic_samples(200);
        s.scores[17] = far;
        for (const double label : {0.0, 1.0}) {
            s.labels[17] = label;
            expect_minimum(platt_scaling::fit(s.scores, s.labels), s, Eigen::VectorXd::Ones(200), rounding);
        }
    }
}

TEST(PlattScaling, SeparableScoresGiveAFiniteSteepCurve) {
    Eigen::VectorXd scores(40), labels(40);
    for (index i = 0; i < 40; ++i) {
        scores[i] = static_cast<double>(i < 20 ? i - 40 : i + 1);
        labels[i] = i < 20 ? 0.0 : 1.0;
    }
    const platt_scaling fitted = platt_scaling::fit(scores, labels);
    EXPECT_TRUE(std::isfinite(fitted.a()) && std::isfinite(fitted.b()));
    EXPECT_LT(fitted.a(), 0.0);
    EXPECT_LT(fitted(-21.0), 0.25);
    EXPECT_GT(fitted(21.0), 0.75);
    expect_minimum(fitted, {scores, labels}, Eigen::VectorXd::Ones(40), rounding);
}

TEST(PlattScaling, ConstantScoresGiveTheMeanTarget) {
    const Eigen::VectorXd scores = Eigen::VectorXd::Constant(5, 1e4 / 3.0);
    const Eigen::VectorXi labels{{1, 0, 0, 1, 1}};
    const platt_scaling fitted = platt_scaling::fit(scores, labels);
    const double mean = (3 * 4.0 / 5.0 + 2 * 1.0 / 4.0) / 5.0;
    EXPECT_EQ(fitted.slope, 0.0);
    for (const double f : {1e4 / 3.0, 0.0, -1e300, std::numeric_limits<double>::infinity()}) {
        EXPECT_NEAR(fitted(f), mean, rounding);
    }
    EXPECT_TRUE(std::isnan(fitted(std::nan(""))));
}

TEST(PlattScaling, OneClassAloneGivesItsSmoothedTarget) {
    const Eigen::VectorXd scores = Eigen::VectorXd::LinSpaced(30, -1.0, 1.0);
    for (const double label : {0.0, 1.0}) {
        const platt_scaling fitted = platt_scaling::fit(scores, Eigen::VectorXd::Constant(30, label));
        const double target = label == 1.0 ? 31.0 / 32.0 : 1.0 / 32.0;
        EXPECT_NEAR(fitted(-1.0), target, rounding);
        EXPECT_NEAR(fitted(1.0), target, rounding);
    }
    const platt_scaling one = platt_scaling::fit(Eigen::VectorXd::Constant(1, 3.0), Eigen::VectorXd::Ones(1));
    EXPECT_NEAR(one(3.0), 2.0 / 3.0, rounding);
}

TEST(PlattScaling, AWeightCountsAsThatManySamples) {
    const scored s = logistic_samples(60);
    const Eigen::VectorXd weights =
        Eigen::VectorXd::NullaryExpr(60, [](index i) { return static_cast<double>(i % 4); });
    std::vector<double> scores, labels;
    for (index i = 0; i < 60; ++i) {
        for (index k = 0; k < i % 4; ++k) {
            scores.push_back(s.scores[i]);
            labels.push_back(s.labels[i]);
        }
    }
    const auto count = static_cast<index>(scores.size());
    const Eigen::Map<const Eigen::VectorXd> all(scores.data(), count), all_labels(labels.data(), count);
    const platt_scaling expected = platt_scaling::fit(all, all_labels);
    const platt_scaling fitted = platt_scaling::fit(s.scores, s.labels, weights);
    expect_minimum(fitted, s, weights, rounding);
    EXPECT_NEAR(fitted.a(), expected.a(), 1e-12 * std::fabs(expected.a()));
    EXPECT_NEAR(fitted.b(), expected.b(), 1e-12);
    EXPECT_EQ(platt_scaling::fit(s.scores, s.labels, Eigen::VectorXd::Ones(60)),
              platt_scaling::fit(s.scores, s.labels));
}

TEST(PlattScaling, TakesAndGivesAnyEigenExpression) {
    const scored s = logistic_samples(60);
    const platt_scaling expected = platt_scaling::fit(s.scores, s.labels);
    const Eigen::ArrayXXd table = Eigen::Map<const Eigen::ArrayXXd>(s.scores.data(), 6, 10);
    // Matrices are read in row-major order.
    const Eigen::Array<bool, Eigen::Dynamic, Eigen::Dynamic> labels =
        Eigen::Map<const Eigen::ArrayXXd>(s.labels.data(), 6, 10) > 0.5;
    EXPECT_EQ(platt_scaling::fit(table.transpose(), labels.transpose()), expected);
    EXPECT_EQ(platt_scaling::fit(2.0 * s.scores - s.scores, s.labels.cast<int>()), expected);
    const Eigen::ArrayXXd p = expected.predict(table * 1.0);
    EXPECT_EQ(p(4, 7), expected(table(4, 7)));
    const Eigen::RowVector3d three = expected.predict(Eigen::RowVector3f(0.5f, -1.0f, 2.0f));
    EXPECT_EQ(three[1], expected(-1.0));
    EXPECT_EQ(platt_scaling{}(3.0), 0.5);
}

auto error_of_platt(const Eigen::VectorXd& scores, const Eigen::VectorXd& labels, const Eigen::VectorXd& weights) {
    return code_of_error([&] { return platt_scaling::fit(scores, labels, weights); });
}

TEST(PlattScaling, BadInputIsRefused) {
    const Eigen::VectorXd scores = Eigen::VectorXd::LinSpaced(4, 0.0, 1.0), ones = Eigen::VectorXd::Ones(4);
    const Eigen::VectorXd labels{{0.0, 1.0, 0.0, 1.0}};
    const auto with = [](Eigen::VectorXd v, double value) {
        v[2] = value;
        return v;
    };
    const double nan = std::nan(""), inf = std::numeric_limits<double>::infinity();
    EXPECT_EQ(error_of_platt(scores, labels, ones), std::nullopt);
    EXPECT_EQ(error_of_platt(with(scores, nan), labels, ones), error_code::non_finite);
    EXPECT_EQ(error_of_platt(with(scores, -inf), labels, ones), error_code::non_finite);
    EXPECT_EQ(error_of_platt(with(scores, 2e300), labels, ones), error_code::invalid_argument);
    EXPECT_EQ(error_of_platt(scores, with(labels, 0.5), ones), error_code::invalid_argument);
    EXPECT_EQ(error_of_platt(scores, with(labels, nan), ones), error_code::invalid_argument);
    EXPECT_EQ(error_of_platt(scores, with(labels, -1.0), ones), error_code::invalid_argument);
    EXPECT_EQ(error_of_platt(scores, labels, with(ones, -1e-9)), error_code::invalid_argument);
    EXPECT_EQ(error_of_platt(scores, labels, with(ones, nan)), error_code::non_finite);
    EXPECT_EQ(error_of_platt(scores, labels, with(ones, inf)), error_code::non_finite);
    EXPECT_EQ(error_of_platt(scores, labels, 0.0 * ones), error_code::invalid_argument);
    EXPECT_EQ(error_of_platt(scores, labels, 1e308 * ones), error_code::invalid_argument);
    EXPECT_EQ(error_of_platt(scores, labels.head(3), ones), error_code::shape_mismatch);
    EXPECT_EQ(error_of_platt(scores, labels, ones.head(3)), error_code::shape_mismatch);
    EXPECT_EQ(error_of_platt({}, {}, {}), error_code::invalid_argument);
}

} // namespace

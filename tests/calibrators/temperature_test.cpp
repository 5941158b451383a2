#include "tersor/calibrators/temperature.hpp"

#include "tests/common/errors.hpp"

#include <Eigen/Core>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

using namespace tersor;

namespace {

using tersor::index;

struct classified {
    Eigen::MatrixXd logits;
    Eigen::VectorXi labels;
};

// Labels drawn from softmax(logits); the logits are then multiplied by `factor`, which is their temperature.
classified make_samples(index count, index classes, double factor, unsigned seed = 1) {
    std::mt19937_64 random(seed);
    std::normal_distribution<double> normal;
    std::uniform_real_distribution<double> uniform(0.0, 1.0);
    classified s{Eigen::MatrixXd(count, classes), Eigen::VectorXi(count)};
    for (index i = 0; i < count; ++i) {
        for (index c = 0; c < classes; ++c) {
            s.logits(i, c) = 2.0 * normal(random);
        }
        const Eigen::VectorXd e = s.logits.row(i).array().exp().transpose();
        double left = uniform(random) * e.sum();
        int label = 0;
        while (label + 1 < classes && left > e[label]) {
            left -= e[label++];
        }
        s.labels[i] = label;
    }
    s.logits *= factor;
    return s;
}

double loss_of(const classified& s, double temperature) {
    double sum = 0.0;
    for (index i = 0; i < s.logits.rows(); ++i) {
        const Eigen::VectorXd z = s.logits.row(i).transpose() / temperature;
        sum += std::log((z.array() - z.maxCoeff()).exp().sum()) + z.maxCoeff() - z[s.labels[i]];
    }
    return sum / static_cast<double>(s.logits.rows());
}

TEST(TemperatureScaling, FindsTheTemperatureThatLogitsWereMultipliedBy) {
    for (const double factor : {0.05, 1.0, 3.0, 100.0}) {
        const classified s = make_samples(4000, 5, factor);
        const auto fitted = temperature_scaling::fit(s.logits, s.labels);
        // The standard error of log T is about .02 here.
        EXPECT_NEAR(fitted.temperature / factor, 1.0, 0.08) << factor;
        EXPECT_FALSE(fitted.at_limit);
        EXPECT_NEAR(fitted.loss, loss_of(s, fitted.temperature), 1e-12);
    }
}

// The second derivative by log T is below 10 here: a relative error of 1e-6 in T would cost 1e-11.
TEST(TemperatureScaling, LossIsLeastAtTheTemperatureFound) {
    for (unsigned seed = 1; seed < 20; ++seed) {
        const classified s = make_samples(50, 3, 0.1 * seed, seed);
        const auto fitted = temperature_scaling::fit(s.logits, s.labels);
        for (const double factor : {0.5, 0.99, 0.9999, 1.0001, 1.01, 2.0}) {
            EXPECT_GE(loss_of(s, factor * fitted.temperature), fitted.loss) << seed << " " << factor;
        }
        EXPECT_NEAR(loss_of(s, 1.000001 * fitted.temperature), fitted.loss, 1e-11);
    }
}

TEST(TemperatureScaling, AFactorOfTheLogitsIsAFactorOfTheTemperature) {
    const classified s = make_samples(300, 4, 1.0);
    const auto expected = temperature_scaling::fit(s.logits, s.labels);
    for (const double factor : {0.125, 64.0}) {
        const auto fitted = temperature_scaling::fit(factor * s.logits, s.labels);
        EXPECT_NEAR(fitted.temperature, factor * expected.temperature, 1e-12 * factor * expected.temperature);
    }
    const auto moved = temperature_scaling::fit((s.logits.array() + 1024.0).matrix(), s.labels);
    // The sums have rounded the logits by up to 1e-13.
    EXPECT_NEAR(moved.temperature, expected.temperature, 1e-10);
}

TEST(TemperatureScaling, StopsAtTheLimitsWhereTheLossHasNoMinimum) {
    const Eigen::Matrix2d logits{{2.0, 1.0}, {-1.0, 3.0}};
    const auto right = temperature_scaling::fit(logits, Eigen::Vector2i(0, 1));
    EXPECT_EQ(right.temperature, 1e-3);
    const auto mild = temperature_scaling::fit(logits, Eigen::Vector2i(0, 1), {.least = 0.25, .most = 4.0});
    EXPECT_EQ(mild.temperature, 0.25);
    EXPECT_TRUE(mild.at_limit);
    const auto wrong = temperature_scaling::fit(logits, Eigen::Vector2i(1, 0), {.least = 0.25, .most = 4.0});
    EXPECT_EQ(wrong.temperature, 4.0);
    EXPECT_TRUE(wrong.at_limit);
    const auto silent = temperature_scaling::fit(Eigen::MatrixXd::Constant(3, 4, 7.0), Eigen::Vector3i(0, 1, 2));
    EXPECT_EQ(silent.temperature, 1.0);
    EXPECT_FALSE(silent.at_limit);
    EXPECT_NEAR(silent.loss, std::log(4.0), 1e-15);
}

TEST(TemperatureScaling, HugeLogitsStayFinite) {
    const Eigen::MatrixXd logits{{1e300, -1e300, 0.0}, {5e4, 0.0, 4.9999e4}, {0.0, 1.0, 2.0}};
    for (const int first : {0, 1, 2}) {
        const auto fitted = temperature_scaling::fit(logits, Eigen::Vector3i(first, 2, 2));
        EXPECT_TRUE(fitted.temperature >= 1e-3 && fitted.temperature <= 1e3) << first;
        EXPECT_TRUE(std::isfinite(fitted.loss)) << first;
        EXPECT_TRUE(fitted.predict(logits).allFinite());
    }
}

TEST(TemperatureScaling, PredictsTheSoftmaxOfAnyExpression) {
    temperature_scaling two;
    two.temperature = 2.0;
    const Eigen::MatrixXf logits = Eigen::MatrixXf::Random(7, 5) * 30.0f;
    const auto p = two.predict(logits.cast<double>() * 1.0);
    EXPECT_EQ(two(logits), p);
    for (index i = 0; i < 7; ++i) {
        EXPECT_NEAR(p.row(i).sum(), 1.0, 1e-15 * 5);
        const Eigen::ArrayXd e = (logits.row(i).cast<double>().transpose() / 2.0).array().exp();
        for (index c = 0; c < 5; ++c) {
            // exp here and there, of an argument up to 15 that may be rounded, and the division
            EXPECT_NEAR(p(i, c), e[c] / e.sum(), 64 * std::numeric_limits<double>::epsilon() * p(i, c));
        }
    }
    const double inf = std::numeric_limits<double>::infinity();
    const auto edges = two.predict(Eigen::Matrix<double, 2, 2>{{-inf, 0.0}, {inf, 0.0}});
    EXPECT_EQ(edges(0, 0), 0.0);
    EXPECT_EQ(edges(0, 1), 1.0);
    EXPECT_TRUE(std::isnan(edges(1, 0)) && std::isnan(edges(1, 1)));
    EXPECT_EQ(two.predict(Eigen::MatrixXd(0, 3)).rows(), 0);
}

template <class Labels>
auto refused(const Eigen::MatrixXd& logits, const Labels& labels, const temperature_options& options = {}) {
    return code_of_error([&] { return temperature_scaling::fit(logits, labels, options); });
}

TEST(TemperatureScaling, BadInputIsRefused) {
    const Eigen::MatrixXd logits = Eigen::MatrixXd::Identity(2, 3);
    const Eigen::Vector2d labels(0.0, 2.0);
    EXPECT_EQ(refused(logits, labels), std::nullopt);
    EXPECT_EQ(refused(logits * std::nan(""), labels), error_code::non_finite);
    EXPECT_EQ(refused(logits * 2e300, labels), error_code::invalid_argument);
    EXPECT_EQ(refused(logits, Eigen::Vector2d(0.0, 3.0)), error_code::invalid_argument);
    EXPECT_EQ(refused(logits, Eigen::Vector2d(0.0, -1.0)), error_code::invalid_argument);
    EXPECT_EQ(refused(logits, Eigen::Vector2d(0.0, 0.5)), error_code::invalid_argument);
    EXPECT_EQ(refused(logits, Eigen::Vector2d(0.0, std::nan(""))), error_code::invalid_argument);
    EXPECT_EQ(refused(logits, Eigen::Vector3d(0.0, 1.0, 2.0)), error_code::shape_mismatch);
    EXPECT_EQ(refused(logits.leftCols(1), Eigen::Vector2d(0.0, 0.0)), error_code::shape_mismatch);
    EXPECT_EQ(refused(Eigen::MatrixXd(0, 3), Eigen::VectorXd(0)), error_code::invalid_argument);
    EXPECT_EQ(refused(logits, labels, {.least = 0.0}), error_code::invalid_argument);
    EXPECT_EQ(refused(logits, labels, {.least = 2.0, .most = 1.0}), error_code::invalid_argument);
    EXPECT_EQ(refused(logits, labels, {.least = std::nan("")}), error_code::invalid_argument);
}

} // namespace

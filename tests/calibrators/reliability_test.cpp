#include "tersor/calibrators/reliability.hpp"

#include "tests/common/errors.hpp"

#include <Eigen/Core>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

using namespace tersor;

namespace {

using tersor::index;

constexpr double unit = std::numeric_limits<double>::epsilon();

TEST(CalibrationCurve, BinsAreClosedOnTheRight) {
    const Eigen::Vector<double, 6> p{0.0, 0.25, 0.26, 0.5, 0.75, 1.0};
    const Eigen::Vector<int, 6> labels{0, 1, 0, 1, 1, 1};
    const calibration_bins bins = calibration_curve(p, labels, {.bins = 4});
    ASSERT_EQ(bins.size(), 4u);
    EXPECT_EQ(bins[0], (calibration_bin{0.0, 0.25, 2, 0.125, 0.5}));
    EXPECT_EQ(bins[1], (calibration_bin{0.25, 0.5, 2, 0.38, 0.5}));
    EXPECT_EQ(bins[2], (calibration_bin{0.5, 0.75, 1, 0.75, 1.0}));
    EXPECT_EQ(bins[3], (calibration_bin{0.75, 1.0, 1, 1.0, 1.0}));
    EXPECT_NEAR(expected_calibration_error(bins), (2 * 0.375 + 2 * 0.12 + 0.25) / 6.0, unit);
    EXPECT_EQ(maximum_calibration_error(bins), 0.375);
}

TEST(CalibrationCurve, EmptyBinsCountForNothing) {
    const calibration_bins bins = calibration_curve(Eigen::Vector2d(0.95, 0.96), Eigen::Vector2d(1.0, 1.0));
    ASSERT_EQ(bins.size(), 10u);
    EXPECT_EQ(bins[3].count, 0);
    EXPECT_EQ(bins[9].count, 2);
    EXPECT_NEAR(maximum_calibration_error(bins), 0.045, unit);
    EXPECT_NEAR(expected_calibration_error(bins), 0.045, unit);
    EXPECT_EQ(expected_calibration_error({}), 0.0);
}

TEST(CalibrationCurve, BinsOfEqualMassHoldEquallyManySamples) {
    std::mt19937_64 random(1);
    std::uniform_real_distribution<double> uniform(0.0, 1.0);
    const Eigen::ArrayXd p = Eigen::ArrayXd::NullaryExpr(1003, [&] { return std::pow(uniform(random), 4.0); });
    const Eigen::ArrayXd labels = (p > 0.5).cast<double>();
    const calibration_bins bins = calibration_curve(p, labels, {.bins = 10, .binning = binning::equal_mass});
    ASSERT_EQ(bins.size(), 10u);
    index total = 0;
    double upper = 0.0;
    for (const calibration_bin& bin : bins) {
        EXPECT_TRUE(bin.count == 100 || bin.count == 101);
        EXPECT_EQ(bin.lower, upper);
        EXPECT_TRUE(bin.confidence > bin.lower && bin.confidence <= bin.upper);
        upper = bin.upper;
        total += bin.count;
    }
    EXPECT_EQ(upper, 1.0);
    EXPECT_EQ(total, 1003);
}

TEST(CalibrationCurve, BinsOfEqualMassDoNotPartEqualProbabilities) {
    const Eigen::Vector<double, 8> p{0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.7, 0.9};
    const Eigen::Vector<double, 8> labels = Eigen::Vector<double, 8>::Zero();
    const calibration_bins bins = calibration_curve(p, labels, {.bins = 4, .binning = binning::equal_mass});
    ASSERT_EQ(bins.size(), 2u);
    EXPECT_EQ(bins[0].count, 6);
    EXPECT_EQ(bins[0].upper, 0.2);
    EXPECT_EQ(bins[1].count, 2);
    for (const double same : {0.0, 0.5, 1.0}) {
        const auto one = calibration_curve(Eigen::VectorXd::Constant(5, same), Eigen::VectorXd::Ones(5),
                                           {.bins = 3, .binning = binning::equal_mass});
        EXPECT_EQ(one[0].count, 5);
        EXPECT_EQ(maximum_calibration_error(one), 1.0 - same);
    }
    EXPECT_EQ(calibration_curve(Eigen::Vector2d(0.1, 0.2), Eigen::Vector2d(0.0, 1.0),
                                {.bins = 1000, .binning = binning::equal_mass})
                  .size(),
              3u);
}

TEST(ProperScores, FollowTheirFormulas) {
    const Eigen::Vector3d p(0.25, 1.0, 0.5);
    const Eigen::Vector3i labels(0, 1, 1);
    EXPECT_EQ(brier_score(p, labels), (0.0625 + 0.25) / 3.0);
    EXPECT_NEAR(log_loss(p, labels), -(std::log(0.75) + std::log(0.5)) / 3.0, unit);
    EXPECT_EQ(log_loss(Eigen::Vector2d(0.0, 1.0), Eigen::Vector2i(0, 1)), 0.0);
    EXPECT_EQ(log_loss(Eigen::Vector2d(0.0, 1.0), Eigen::Vector2i(1, 1)), std::numeric_limits<double>::infinity());
}

TEST(TopAnswers, AreTheFirstOfTheLargestProbabilities) {
    const Eigen::Matrix<float, 3, 3> p{{0.2f, 0.5f, 0.3f}, {0.4f, 0.4f, 0.2f}, {0.0f, 0.0f, 1.0f}};
    const top_answers answers = answers_of(p, Eigen::Vector3i(1, 1, 2));
    EXPECT_EQ(answers.correct, Eigen::Vector3d(1.0, 0.0, 1.0));
    EXPECT_EQ(answers.confidence, p.rowwise().maxCoeff().cast<double>());
}

TEST(CalibrationCurve, BadInputIsRefused) {
    const Eigen::Vector2d p(0.5, 1.0), labels(0.0, 1.0);
    const auto curve = [](const auto& a, const auto& b, index bins = 10) {
        return code_of_error([&] { return calibration_curve(a, b, {.bins = bins}); });
    };
    EXPECT_EQ(curve(p, labels), std::nullopt);
    EXPECT_EQ(curve(p * std::nan(""), labels), error_code::non_finite);
    EXPECT_EQ(curve(p * 1.1, labels), error_code::invalid_argument);
    EXPECT_EQ(curve(-p, labels), error_code::invalid_argument);
    EXPECT_EQ(curve(p, 2.0 * labels), error_code::invalid_argument);
    EXPECT_EQ(curve(p, labels.head(1)), error_code::shape_mismatch);
    EXPECT_EQ(curve(Eigen::VectorXd(0), Eigen::VectorXd(0)), error_code::invalid_argument);
    EXPECT_EQ(curve(p, labels, 0), error_code::invalid_argument);
    EXPECT_EQ(curve(p, labels, 1'000'001), error_code::invalid_argument);
    EXPECT_EQ(code_of_error([&] { return brier_score(p, labels.head(1)); }), error_code::shape_mismatch);
    EXPECT_EQ(code_of_error([&] { return log_loss(2.0 * p, labels); }), error_code::invalid_argument);
    const Eigen::Matrix2d table{{0.5, 0.5}, {0.1, 0.9}};
    EXPECT_EQ(code_of_error([&] { return answers_of(table, Eigen::Vector2i(0, 2)); }), error_code::invalid_argument);
    EXPECT_EQ(code_of_error([&] { return answers_of(table, Eigen::Vector3i(0, 1, 1)); }), error_code::shape_mismatch);
    EXPECT_EQ(code_of_error([&] { return answers_of(table * std::nan(""), Eigen::Vector2i(0, 1)); }),
              error_code::non_finite);
}

} // namespace

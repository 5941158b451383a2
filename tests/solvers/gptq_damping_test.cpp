#include "tersor/solvers/gptq_damping.hpp"

#include "common/golden.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace {

using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

matrix recorded(const golden::file& file, const char* name) {
    const auto values = file.tensor<float>(name);
    const auto n = static_cast<Eigen::Index>(std::lround(std::sqrt(static_cast<double>(values.size()))));
    return Eigen::Map<const matrix>(values.data(), n, n);
}

// GPTQModel's recovery of a matrix that is not positive definite: the damping that it ends with, and U = R^-1 of it.
TEST(FactorDamped, RecoversAsRecorded) {
    const golden::file file("gptq/gptqmodel");
    const matrix h = recorded(file, "hinv_mild.H"), u = recorded(file, "hinv_mild.U");
    matrix r;
    const auto report = tersor::factor_damped(
        r, [&](matrix& m) { m = h; }, 0.05);
    EXPECT_NEAR(report.damping, file.tensor<double>("hinv_mild.damp_used")[0], 1e-12);
    EXPECT_EQ(report.attempts, 5);
    EXPECT_EQ(report.floor, 0.0);
    const matrix product = matrix(r.triangularView<Eigen::Upper>()) * matrix(u.triangularView<Eigen::Upper>());
    // The peer inverts in float; cond(H) is some hundreds.
    EXPECT_LT((product - matrix::Identity(h.rows(), h.cols())).cwiseAbs().maxCoeff(), 1e-3f);
}

TEST(FactorDamped, GivesUpWithNumbers) {
    const golden::file file("gptq/gptqmodel");
    const matrix h = recorded(file, "hinv_strong.H");
    matrix r;
    try {
        static_cast<void>(tersor::factor_damped(
            r, [&](matrix& m) { m = h; }, 0.05));
        FAIL();
    } catch (const tersor::error& e) {
        EXPECT_EQ(e.code(), tersor::error_code::invalid_argument);
        const std::string message = e.what();
        EXPECT_NE(message.find("24 x 24"), std::string::npos) << message;
        EXPECT_NE(message.find("attempts"), std::string::npos) << message;
        EXPECT_NE(message.find("0.05"), std::string::npos) << message;
    }
}

TEST(FactorDamped, FloorsSaveWhatRelativeDampingCannot) {
    // The mean of the diagonal is 0, so that no part of it helps.
    matrix h = matrix::Zero(3, 3);
    h.diagonal() << 1.0f, -0.5f, -0.5f;
    matrix r;
    const auto report = tersor::factor_damped(
        r, [&](matrix& m) { m = h; }, 0.01);
    EXPECT_GT(report.floor, 0.0);
    EXPECT_GT(report.attempts, 99);
}

TEST(FactorDamped, KeepsADampOfOneOrMoreAndRefusesOthers) {
    matrix h = matrix::Identity(2, 2), r;
    EXPECT_EQ(tersor::factor_damped(
                  r, [&](matrix& m) { m = h; }, 1.5)
                  .damping,
              1.5);
    EXPECT_FLOAT_EQ(r(0, 0), std::sqrt(2.5f));
    for (const double damp :
         {-1e-9, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
        EXPECT_THROW(static_cast<void>(tersor::factor_damped(
                         r, [&](matrix& m) { m = h; }, damp)),
                     tersor::error);
    }
}

} // namespace

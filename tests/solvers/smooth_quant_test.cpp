#include "tersor/solvers/smooth_quant.hpp"

#include "tests/common/errors.hpp"
#include "tests/common/golden.hpp"
#include "tests/common/isas.hpp"
#include "tests/solvers/random_matrix.hpp"

#include <unsupported/Eigen/CXX11/ThreadPool>

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <vector>

using namespace tersor;

namespace {

using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using rows8 = per_channel<absmax<int8>>;

// The product of the codes, exact in int32, times the scales: what an 8-bit kernel computes.
double error_of_the_integer_product(const matrix& w, const matrix& x, const std::vector<float>& s) {
    matrix v = w, z = x;
    multiply_columns(v, s);
    divide_columns(z, s);
    const auto qw = quantize<rows8>(v), qx = quantize<rows8>(z);
    double error = 0.0, norm = 0.0;
    for (tersor::index t = 0; t < x.rows(); ++t) {
        for (tersor::index r = 0; r < w.rows(); ++r) {
            std::int32_t sum = 0;
            double exact = 0.0;
            for (tersor::index j = 0; j < w.cols(); ++j) {
                sum += static_cast<std::int8_t>(qx.row_codes(t)[static_cast<std::size_t>(j)]) *
                       static_cast<std::int8_t>(qw.row_codes(r)[static_cast<std::size_t>(j)]);
                exact += static_cast<double>(x(t, j)) * static_cast<double>(w(r, j));
            }
            const double y = static_cast<double>(qx.parameters()[static_cast<std::size_t>(t)].scale) *
                             static_cast<double>(qw.parameters()[static_cast<std::size_t>(r)].scale) * sum;
            error += (y - exact) * (y - exact);
            norm += exact * exact;
        }
    }
    return error / norm;
}

TEST(SmoothQuantScales, FollowTheFormula) {
    const std::vector<float> x{16.0f, 1.0f, 0.0f, 4.0f}, w{0.25f, 1.0f, 1.0f, 0.0f};
    const auto s = smooth_quant_scales(x, w, 0.5);
    EXPECT_EQ(s[0], 4.0f / 0.5f);
    EXPECT_EQ(s[1], 1.0f);
    EXPECT_EQ(s[2], 1e-5f);
    EXPECT_NEAR(s[3], 2.0f / std::sqrt(1e-5f), 1e-3f);
    const auto all_x = smooth_quant_scales(x, w, 1.0);
    EXPECT_EQ(all_x[0], 16.0f);
    const auto all_w = smooth_quant_scales(x, w, 0.0);
    EXPECT_EQ(all_w[0], 4.0f);
}

TEST(SmoothQuant, TheErrorIsThatOfTheIntegerProduct) {
    const matrix w = random_matrix(12, 44, 1), x = random_matrix(30, 44, 2, 50.0f, 11);
    const auto result = smooth_quant(w, x);
    // Decoded values are rounded to 24 bits, 2^-16 of a step of their grid.
    EXPECT_NEAR(result.error, error_of_the_integer_product(w, x, result.scales), 1e-3 * result.error);
    EXPECT_NEAR(result.error_plain, error_of_the_integer_product(w, x, std::vector<float>(44, 1.0f)),
                1e-3 * result.error_plain);
    EXPECT_LT(result.error, 0.2 * result.error_plain);
    matrix v = w;
    multiply_columns(v, result.scales);
    EXPECT_EQ(result.weights[0], quantize<rows8>(v));
}

TEST(SmoothQuant, EachModeIsAtLeastAsGoodAsTheOneBefore) {
    for (const float outliers : {1.0f, 30.0f}) {
        const matrix w = random_matrix(20, 66, 3), x = random_matrix(40, 66, 4, outliers, 11);
        const auto fast = smooth_quant(w, x, {.mode = quantize_mode::fast}), best = smooth_quant(w, x);
        EXPECT_LE(fast.error, fast.error_plain);
        EXPECT_LE(best.error, fast.error);
        for (const double alpha : {0.0, 0.5, 0.85, 1.0}) {
            const auto given = smooth_quant(w, x, {.mode = quantize_mode::reference, .alpha = alpha});
            EXPECT_EQ(given.alpha, alpha);
            EXPECT_EQ(given.beta, 1.0 - alpha);
            EXPECT_LE(fast.error, given.error * (1.0 + 1e-12));
        }
    }
}

TEST(SmoothQuant, BeatsPlainVectorwiseOnRealOutliers) {
    const std::string name = "activations/small_l3_q_proj_outlier";
    if (!golden::available(name)) {
        return;
    }
    const golden::file file(name);
    std::vector<float> xs = file.tensor<float>("x"), ws = file.tensor<float>("w");
    const auto in = file.shape("x")[1];
    const matrix x = Eigen::Map<matrix>(xs.data(), 256, in), w = Eigen::Map<matrix>(ws.data(), 64, in);
    const auto result = smooth_quant(w, x, {.mode = quantize_mode::fast});
    EXPECT_LT(result.error, 0.05 * result.error_plain);
}

TEST(SmoothQuant, SharedLayersAreTheStackedOne) {
    const matrix x = random_matrix(20, 44, 5, 20.0f, 11), w = random_matrix(10, 44, 6);
    const std::vector<matrix> parts{w.topRows(4), w.bottomRows(6)};
    const auto shared = smooth_quant_shared(parts, x), one = smooth_quant(w, x);
    EXPECT_EQ(shared.scales, one.scales);
    EXPECT_EQ(shared.error, one.error);
    ASSERT_EQ(shared.weights.size(), 2u);
    EXPECT_EQ(matrix(dequantize(shared.weights[1])), matrix(dequantize(one.weights[0]).bottomRows(6)));
}

TEST(SmoothQuant, TheSameBitsWithAnyInstructionSetAndThreads) {
    const matrix x = random_matrix(20, 44, 7, 20.0f, 11), w = random_matrix(10, 44, 8);
    const auto expected = smooth_quant(w, x);
    Eigen::ThreadPool pool(3);
    isas::for_each_isa([&] {
        const auto result = smooth_quant(w, x, {.execution = execution(pool)});
        EXPECT_EQ(result.scales, expected.scales);
        EXPECT_EQ(result.error, expected.error);
        EXPECT_EQ(result.weights, expected.weights);
    });
}

TEST(SmoothQuant, ReportsBadInput) {
    matrix w = random_matrix(3, 16, 9), x = random_matrix(4, 16, 10);
    EXPECT_EQ(code_of_error([&] { (void)smooth_quant(w, matrix(x.leftCols(15))); }), error_code::shape_mismatch);
    EXPECT_EQ(code_of_error([&] { (void)smooth_quant(w, matrix(x.topRows(0))); }), error_code::invalid_argument);
    EXPECT_EQ(code_of_error([&] { (void)smooth_quant(w, x, {.alpha = 1.5}); }), error_code::invalid_argument);
    EXPECT_EQ(code_of_error([&] { (void)smooth_quant_scales(std::vector<float>(2), std::vector<float>(3), 0.5); }),
              error_code::shape_mismatch);
    const auto stop = execution{}.with_progress([](double done) { return done < 0.3; });
    EXPECT_EQ(code_of_error([&] { (void)smooth_quant(w, x, {.execution = stop}); }), error_code::cancelled);
    x(1, 2) = std::numeric_limits<float>::infinity();
    EXPECT_EQ(code_of_error([&] { (void)smooth_quant(w, x); }), error_code::non_finite);
}

} // namespace

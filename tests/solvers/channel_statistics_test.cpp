#include "tersor/solvers/channel_statistics.hpp"

#include "tests/common/errors.hpp"
#include "tests/common/golden.hpp"

#include <unsupported/Eigen/CXX11/ThreadPool>

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <limits>
#include <random>
#include <vector>

using namespace tersor;

namespace {

using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

// Magnitudes over the whole range of float, where a sum in double would depend on its order.
matrix wide_matrix(tersor::index rows, tersor::index columns) {
    std::mt19937 random(1);
    std::uniform_real_distribution<float> mantissa(-1.0f, 1.0f);
    std::uniform_int_distribution<int> exponent(-149, 120);
    matrix x(rows, columns);
    for (tersor::index r = 0; r < rows; ++r) {
        for (tersor::index j = 0; j < columns; ++j) {
            x(r, j) = std::ldexp(mantissa(random), exponent(random));
        }
    }
    return x;
}

channel_statistics of(const matrix& x) {
    channel_statistics s(x.cols());
    s.observe(x);
    return s;
}

TEST(ChannelStatistics, MeansAndMaximaAreThoseOfTheDefinition) {
    matrix x(3, 2);
    x << 1.0f, -2.0f, -3.0f, 0.0f, 0.5f, 0.25f;
    const auto s = of(x);
    EXPECT_EQ(s.tokens(), 3);
    EXPECT_EQ(s.mean_magnitude(), (std::vector<float>{1.5f, 0.75f}));
    EXPECT_EQ(s.max_magnitude(), (std::vector<float>{3.0f, 2.0f}));
    EXPECT_EQ(channel_statistics(2).mean_magnitude(), std::vector<float>(2, 0.0f));
}

TEST(ChannelStatistics, TheSumIsExact) {
    // In float or double the small ones would be lost.
    matrix x(4, 1);
    x << 0x1p100f, 0x1p-149f, -0x1p-149f, 0x1.fffffep127f;
    matrix y(1, 1);
    y << 0x1p-149f;
    auto a = of(x), b = of(y);
    EXPECT_NE(a, b);
    EXPECT_EQ(b.mean_magnitude()[0], 0x1p-149f);
    const matrix many = matrix::Constant(1000, 1, std::numeric_limits<float>::max());
    EXPECT_EQ(of(many).mean_magnitude()[0], std::numeric_limits<float>::max());
    const matrix tiny = matrix::Constant(777, 1, -0x1p-149f);
    EXPECT_EQ(of(tiny).mean_magnitude()[0], 0x1p-149f);
}

TEST(ChannelStatistics, OrderCutAndThreadsDoNotMatter) {
    const matrix x = wide_matrix(700, 70);
    const auto whole = of(x);
    const matrix reversed = x.colwise().reverse();
    EXPECT_EQ(of(reversed), whole);
    auto first = of(x.topRows(301)), second = of(x.bottomRows(399));
    auto other_way = second;
    first.merge(second);
    EXPECT_EQ(first, whole);
    other_way.merge(of(x.topRows(301)));
    EXPECT_EQ(other_way, whole);
    channel_statistics token_by_token(70);
    for (tersor::index t = 0; t < x.rows(); ++t) {
        token_by_token.observe(x.row(t));
    }
    EXPECT_EQ(token_by_token, whole);
    Eigen::ThreadPool pool(3);
    channel_statistics threaded(70);
    threaded.observe(x, execution(pool));
    EXPECT_EQ(threaded, whole);
    EXPECT_EQ(threaded.mean_magnitude(), whole.mean_magnitude());
}

TEST(ChannelStatistics, TakesEveryTypeAndOrder) {
    const matrix x = (matrix::Random(65, 9).array() * 64.0f).round() / 8.0f; // exact in every type
    const auto expected = of(x);
    const Eigen::MatrixXd doubles = x.cast<double>();
    const Eigen::Matrix<Eigen::half, Eigen::Dynamic, Eigen::Dynamic> halves = x.cast<Eigen::half>();
    channel_statistics a(9), b(9);
    a.observe(doubles);
    b.observe(halves);
    EXPECT_EQ(a, expected);
    EXPECT_EQ(b, expected);
}

TEST(ChannelStatistics, ReproducesTheRecordedMeans) {
    const golden::file file("gptq/format_awq");
    if (!file.has("X")) {
        return;
    }
    std::vector<float> values = file.tensor<float>("X");
    const auto shape = file.shape("X");
    const auto means = of(Eigen::Map<matrix>(values.data(), shape[0], shape[1])).mean_magnitude();
    const auto recorded = file.tensor<float>("search.x_mean_abs");
    for (std::size_t j = 0; j < recorded.size(); ++j) {
        // A sum of n floats in any order is within (n - 1) 2^-24 of the exact one.
        EXPECT_NEAR(means[j], recorded[j], static_cast<double>(shape[0]) * 0x1p-24 * static_cast<double>(recorded[j]));
    }
}

TEST(ChannelStatistics, BadInputChangesNothing) {
    channel_statistics s(3);
    matrix x = matrix::Ones(300, 3);
    x(299, 2) = std::numeric_limits<float>::infinity();
    EXPECT_EQ(code_of_error([&] { s.observe(x); }), error_code::non_finite);
    EXPECT_EQ(s, channel_statistics(3));
    EXPECT_EQ(code_of_error([&] { s.observe(matrix(2, 4)); }), error_code::shape_mismatch);
    EXPECT_EQ(code_of_error([&] { s.merge(channel_statistics(4)); }), error_code::shape_mismatch);
    EXPECT_EQ(code_of_error([&] { channel_statistics none(0); }), error_code::invalid_argument);
    s.observe(matrix(0, 3));
    EXPECT_EQ(s.tokens(), 0);
}

} // namespace

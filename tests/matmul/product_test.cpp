#include "tersor/matmul/product.hpp"

#include "tersor/quantizers/aliases.hpp"
#include "tersor/quantizers/mx.hpp"
#include "tersor/quantizers/nvfp4.hpp"
#include "tersor/quantizers/quantize.hpp"
#include "tests/common/isas.hpp"

#include <unsupported/Eigen/CXX11/ThreadPool>

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

using namespace tersor;

namespace {

using tersor::index;
using row_major = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

// The definition: fused multiply-adds over k in order.
template <class W, class X>
Eigen::MatrixXf by_definition(const W& w, const X& x) {
    Eigen::MatrixXf y(w.rows(), x.cols());
    for (index r = 0; r < y.rows(); ++r) {
        for (index c = 0; c < y.cols(); ++c) {
            float sum = 0.0f;
            for (index k = 0; k < w.cols(); ++k) {
                sum = std::fma(w(r, k), static_cast<float>(x(k, c)), sum);
            }
            y(r, c) = sum;
        }
    }
    return y;
}

using isas::for_each_isa;

template <class Q>
class Product : public testing::Test {};
using quantizers = testing::Types<int8_per_channel, blockwise<zero_point<uint3>, 7>, nf4_double_quant<64>, nvfp4>;
TYPED_TEST_SUITE(Product, quantizers);

TYPED_TEST(Product, IsAChainOfFusedMultiplyAddsOverDequantizedWeights) {
    for (const int axis : {1, 0, flat}) {
        quantize_options options;
        options.axis = axis;
        const auto q = quantize<TypeParam>(Eigen::MatrixXf::Random(37, 1030).eval(), options);
        const Eigen::MatrixXf w = dequantize(q), x = Eigen::MatrixXf::Random(1030, 6);
        const Eigen::MatrixXf expected = by_definition(w, x);
        for_each_isa([&] {
            EXPECT_EQ(q * x, expected) << axis;
            EXPECT_EQ(view(q) * x.col(0), expected.col(0)) << axis;
        });
    }
}

TEST(Multiply, TakesEveryOrderStrideAndScalar) {
    const auto q = quantize<int8_per_channel>(Eigen::MatrixXf::Random(20, 70).eval());
    const Eigen::MatrixXf w = dequantize(q);
    const Eigen::MatrixXf x = Eigen::MatrixXf::Random(70, 5).cast<Eigen::bfloat16>().cast<float>();
    const Eigen::MatrixXf expected = by_definition(w, x);
    const row_major rows = x;
    static_assert(decltype(q * rows)::IsRowMajor && !decltype(q * x)::IsRowMajor);
    static_assert(decltype(q * x.col(0))::ColsAtCompileTime == 1);
    EXPECT_EQ(q * rows, expected);
    EXPECT_EQ(q * x.cast<double>(), expected);
    EXPECT_EQ(q * x.cast<Eigen::bfloat16>().eval(), expected);
    EXPECT_EQ(q * x.cast<Eigen::half>().eval(), by_definition(w, x.cast<Eigen::half>().eval()));
    EXPECT_EQ(q * rows.transpose().transpose(), expected);
    EXPECT_EQ(q * (2.0f * x), by_definition(w, (2.0f * x).eval()));
    EXPECT_EQ(q * rows.row(3).replicate(70, 1).col(1), by_definition(w, Eigen::MatrixXf::Constant(70, 1, rows(3, 1))));
    Eigen::MatrixXf larger = Eigen::MatrixXf::Zero(150, 12);
    const Eigen::Map<Eigen::MatrixXf, 0, Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>> spread(
        larger.data(), 70, 5, Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>(300, 2));
    larger.setRandom();
    EXPECT_EQ(q * spread, by_definition(w, spread));
    EXPECT_EQ(q * larger.block(10, 3, 70, 5), by_definition(w, larger.block(10, 3, 70, 5)));
    const Eigen::VectorXf v = x.col(2);
    EXPECT_EQ(q * v, expected.col(2));
    const Eigen::Matrix<float, 70, 1> fixed = v;
    EXPECT_EQ(q * fixed, expected.col(2));
}

TEST(Multiply, OuterProductWithARowVectorIsAMatrix) {
    const auto q = quantize<absmax<int8>>(Eigen::MatrixXf::Random(9, 1).eval());
    const Eigen::RowVectorXf x = Eigen::RowVectorXf::Random(300);
    EXPECT_EQ(q * x, by_definition(dequantize(q), x));
}

TEST(Multiply, ThreadsDoNotChangeABit) {
    const auto q = quantize<nf4_blockwise<64>>(Eigen::MatrixXf::Random(70, 200).eval());
    const row_major x = row_major::Random(200, 530);
    Eigen::ThreadPool pool(3);
    EXPECT_EQ(multiply(q, x, pool), multiply(q, x));
    EXPECT_EQ(multiply(q, x, pool), by_definition(dequantize(q), x));
}

TEST(Linear, IsXTimesTheTransposedWeights) {
    const auto q = quantize<uint4_blockwise<32>>(Eigen::MatrixXf::Random(50, 600).eval());
    const Eigen::MatrixXf w = dequantize(q), x = Eigen::MatrixXf::Random(33, 600);
    const Eigen::MatrixXf expected = by_definition(w, x.transpose().eval()).transpose();
    const row_major rows = x;
    static_assert(decltype(linear(rows, q))::IsRowMajor && !decltype(linear(x, q))::IsRowMajor);
    for_each_isa([&] {
        EXPECT_EQ(linear(x, q), expected);
        EXPECT_EQ(linear(rows, q), expected);
        EXPECT_EQ(linear(rows.cast<double>(), q), expected);
    });
    const Eigen::RowVectorXf token = x.row(4);
    const Eigen::VectorXf column = x.row(4);
    static_assert(decltype(linear(token, q))::RowsAtCompileTime == 1);
    EXPECT_EQ(linear(token, q), expected.row(4));
    EXPECT_EQ(linear(x.row(4), q), expected.row(4));
    EXPECT_EQ(linear(column, q), expected.row(4).transpose());
    Eigen::ThreadPool pool(2);
    EXPECT_EQ(linear(x, q, pool), expected);
}

TEST(Multiply, StaysWithinTheBoundOfTheExactProduct) {
    const Eigen::MatrixXf weights = Eigen::MatrixXf::Random(40, 3000), x = Eigen::MatrixXf::Random(3000, 3);
    const auto q = quantize<int8_per_channel>(weights);
    const Eigen::MatrixXd w = dequantize<double>(q), exact = w * x.cast<double>();
    const Eigen::MatrixXd magnitudes = w.cwiseAbs() * x.cast<double>().cwiseAbs();
    const double nu = 3000 * 0x1p-24;
    const Eigen::MatrixXd error = ((q * x).cast<double>() - exact).cwiseAbs();
    EXPECT_TRUE((error.array() <= nu / (1 - nu) * magnitudes.array()).all());
    EXPECT_GT(error.maxCoeff(), 0.0);
}

TEST(Multiply, EmptyFactorsGiveZerosOrNothing) {
    const auto none = quantize<int8_per_channel>(Eigen::MatrixXf(4, 0));
    EXPECT_EQ(none * Eigen::MatrixXf(0, 3), Eigen::MatrixXf::Zero(4, 3));
    const auto q = quantize<int8_per_channel>(Eigen::MatrixXf::Ones(4, 5).eval());
    EXPECT_EQ((q * Eigen::MatrixXf(5, 0)).cols(), 0);
    EXPECT_EQ((quantize<int8_per_channel>(Eigen::MatrixXf(0, 5)) * Eigen::MatrixXf::Ones(5, 2)).rows(), 0);
    EXPECT_EQ(linear(Eigen::MatrixXf(0, 5), q).cols(), 4);
}

TEST(Multiply, InfinitiesAndNaNPropagate) {
    const auto q = quantize<int8_per_channel>(Eigen::MatrixXf::Ones(4, 5).eval());
    Eigen::VectorXf x = Eigen::VectorXf::Ones(5);
    x(2) = std::numeric_limits<float>::infinity();
    EXPECT_EQ((q * x)(3), x(2));
    x(4) = -x(2);
    EXPECT_TRUE(std::isnan((q * x)(0)));
}

TEST(Multiply, ShapesThatDoNotFitAreNamed) {
    const auto q = quantize<int8_per_channel>(Eigen::MatrixXf::Ones(4, 5).eval());
    const auto message = [](auto&& call) -> std::string {
        try {
            call();
        } catch (const error& e) {
            return std::string(to_string(e.code())) + ": " + e.what();
        }
        return "nothing";
    };
    EXPECT_EQ(message([&] { static_cast<void>(q * Eigen::MatrixXf(4, 2)); }),
              "shape_mismatch: q * x: weights [4 x 5] do not fit x [4 x 2]");
    EXPECT_EQ(message([&] { static_cast<void>(linear(Eigen::MatrixXf(5, 4), q)); }),
              "shape_mismatch: linear(x, q): weights [4 x 5] do not fit x [5 x 4]");
}

} // namespace

#include "tersor/training/fake_quant.hpp"

#include "tersor/quantizers/aliases.hpp"
#include "tersor/quantizers/nvfp4.hpp"

#include <unsupported/Eigen/CXX11/Tensor>
#include <unsupported/Eigen/CXX11/ThreadPool>

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <type_traits>
#include <vector>

using namespace tersor;

namespace {

using row_major = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

template <class Q>
class FakeQuantize : public testing::Test {};
using quantizers = testing::Types<absmax<int8>, blockwise<zero_point<uint3>, 7>, nf4_double_quant<64>, nvfp4>;
TYPED_TEST_SUITE(FakeQuantize, quantizers);

TYPED_TEST(FakeQuantize, GivesTheBitsOfDequantizedQuantizedValues) {
    const row_major x = row_major::Random(70, 320);
    const Eigen::MatrixXf columns = x;
    for (const int axis : {1, 0, flat}) {
        SCOPED_TRACE(axis);
        quantize_options options;
        options.axis = axis;
        const row_major expected = dequantize(quantize<TypeParam>(x, options));
        EXPECT_EQ(fake_quantize<TypeParam>(x, options), expected);
        EXPECT_EQ(fake_quantize<TypeParam>(columns, options), expected);
        row_major in_place = x;
        fake_quantize_into<TypeParam>(in_place, in_place, options);
        EXPECT_EQ(in_place, expected);
        Eigen::MatrixXf other_order(70, 320);
        fake_quantize_into<TypeParam>(x, other_order, options);
        EXPECT_EQ(other_order, expected);
        Eigen::ThreadPool pool(3);
        options.execution = pool;
        EXPECT_EQ(fake_quantize<TypeParam>(columns, options), expected);
    }
}

TYPED_TEST(FakeQuantize, FollowsTheOptions) {
    const Eigen::MatrixXf x = Eigen::MatrixXf::Random(20, 128);
    quantize_options options;
    options.rounding = rounding::stochastic;
    options.seed = 5;
    EXPECT_EQ(fake_quantize<TypeParam>(x, options), dequantize(quantize<TypeParam>(x, options)));
    options.rounding = rounding::nearest_even;
    options.least_squares = true;
    EXPECT_EQ(fake_quantize<TypeParam>(x, options), dequantize(quantize<TypeParam>(x, options)));
    const std::vector<float> importance(128, 2.0f);
    options.importance = importance;
    EXPECT_EQ(fake_quantize<TypeParam>(x, options), dequantize(quantize<TypeParam>(x, options)));
    options = {};
    options.range = clipping_range{-0.5f, 0.25f};
    EXPECT_EQ(fake_quantize<TypeParam>(x, options), dequantize(quantize<TypeParam>(x, options)));
    Eigen::MatrixXf broken = x;
    broken(3, 4) = std::numeric_limits<float>::quiet_NaN();
    broken(3, 5) = -std::numeric_limits<float>::infinity();
    options.non_finite = non_finite::saturate;
    EXPECT_EQ(fake_quantize<TypeParam>(broken, options), dequantize(quantize<TypeParam>(broken, options)));
    options.range = {};
    EXPECT_EQ(fake_quantize<TypeParam>(broken, options), dequantize(quantize<TypeParam>(broken, options)));
}

TEST(FakeQuantizeKind, IsThatOfTheValues) {
    using Q = int8_blockwise<32>;
    const Eigen::ArrayXXf array = Eigen::ArrayXXf::Random(10, 40);
    static_assert(std::is_same_v<decltype(fake_quantize<Q>(array)), Eigen::ArrayXXf>);
    EXPECT_TRUE((fake_quantize<Q>(array) == dequantize(quantize<Q>(array))).all());
    const Eigen::MatrixXd wide = Eigen::MatrixXd::Random(10, 40);
    static_assert(std::is_same_v<decltype(fake_quantize<Q>(wide)), Eigen::MatrixXd>);
    EXPECT_EQ(fake_quantize<Q>(wide), dequantize<double>(quantize<Q>(wide)));
    const Eigen::Matrix<Eigen::half, Eigen::Dynamic, 1> half = wide.col(3).cast<Eigen::half>();
    EXPECT_EQ(fake_quantize<Q>(half), dequantize<Eigen::half>(quantize<Q>(half)));
    EXPECT_EQ(fake_quantize<Q>(2.0 * wide.transpose()), dequantize<double>(quantize<Q>(2.0 * wide.transpose())));
    Eigen::Tensor<float, 3> tensor(5, 6, 70);
    tensor.setRandom();
    for (const int axis : {0, 1, 2, flat}) {
        quantize_options options;
        options.axis = axis;
        const Eigen::Tensor<float, 3> actual = fake_quantize<Q>(tensor, options);
        const Eigen::Tensor<float, 3> expected = dequantize(quantize<Q>(tensor, options));
        EXPECT_TRUE(std::equal(actual.data(), actual.data() + actual.size(), expected.data())) << axis;
    }
    EXPECT_EQ(fake_quantize<Q>(Eigen::MatrixXf(0, 5)).cols(), 5);
    Eigen::MatrixXf large = Eigen::MatrixXf::Random(30, 50), before = large;
    fake_quantize_into<Q>(large.block(3, 5, 20, 33), large.block(3, 5, 20, 33));
    EXPECT_EQ(large.block(3, 5, 20, 33), fake_quantize<Q>(before.block(3, 5, 20, 33)));
    large.block(3, 5, 20, 33) = before.block(3, 5, 20, 33);
    EXPECT_EQ(large, before);
}

TEST(FakeQuantizeErrors, LeaveValuesInPlaceAsTheyWere) {
    row_major x = row_major::Random(300, 300);
    x(250, 7) = std::numeric_limits<float>::infinity();
    const row_major before = x;
    try {
        fake_quantize_into<int8_blockwise<64>>(x, x);
        FAIL();
    } catch (const error& e) {
        EXPECT_EQ(e.code(), error_code::non_finite);
        EXPECT_NE(std::string(e.what()).find("(250, 7)"), std::string::npos) << e.what();
    }
    EXPECT_EQ(x, before);
    Eigen::MatrixXf other(300, 299);
    try {
        fake_quantize_into<int8_blockwise<64>>(x, other);
        FAIL();
    } catch (const error& e) {
        EXPECT_EQ(e.code(), error_code::shape_mismatch);
        EXPECT_STREQ(e.what(), "the destination has shape [300 x 299], the values [300 x 300]");
    }
}

TEST(FakeQuantizeProgress, RisesToOneAndCancels) {
    const Eigen::MatrixXf x = Eigen::MatrixXf::Random(300, 300);
    std::vector<double> seen;
    quantize_options options;
    options.execution = execution().with_progress([&](double done) {
        seen.push_back(done);
        return true;
    });
    static_cast<void>(fake_quantize<absmax<int8>>(x, options));
    static_cast<void>(quantize<absmax<int8>>(x, options));
    const auto first_end = std::ranges::find(seen, 1.0);
    ASSERT_NE(first_end, seen.end());
    EXPECT_TRUE(std::is_sorted(seen.begin(), first_end + 1));
    EXPECT_TRUE(std::is_sorted(first_end + 1, seen.end()));
    EXPECT_EQ(seen.back(), 1.0);
    options.execution = execution().with_progress([](double done) { return done < 0.6; });
    EXPECT_THROW(static_cast<void>(fake_quantize<absmax<int8>>(x, options)), error);
}

} // namespace

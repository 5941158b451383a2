#include "tersor/quantizers/dequantize.hpp"

#include "tersor/formats/integer.hpp"
#include "tersor/quantizers/absmax.hpp"
#include "tersor/quantizers/blockwise.hpp"
#include "tersor/quantizers/decode_panel.hpp"
#include "tersor/quantizers/quantize.hpp"
#include "tersor/quantizers/zero_point.hpp"

#include <unsupported/Eigen/CXX11/Tensor>
#include <unsupported/Eigen/CXX11/ThreadPool>

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <type_traits>
#include <vector>

using namespace tersor;

namespace {

using tersor::index;
using row_major = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Q = blockwise<zero_point<uint3>, 7>;

// Value by value through the scalar decode.
template <class Tensor>
row_major by_definition(const Tensor& q) {
    row_major w(q.rows(), q.cols());
    for (index r = 0; r < w.rows(); ++r) {
        for (index c = 0; c < w.cols(); ++c) {
            const index run = q.axis() == flat ? 0 : q.axis() == 1 ? r : c;
            const index place = q.axis() == flat ? r * w.cols() + c : q.axis() == 1 ? c : r;
            const auto code = packed_code<uint3>(q.row_codes(run).data(), static_cast<std::size_t>(place));
            w(r, c) = Q{}.decode(code, q.parameters()[static_cast<std::size_t>(q.group_of(run, place))]);
        }
    }
    return w;
}

TEST(Dequantize, FollowsTheDefinition) {
    const row_major x = row_major::Random(37, 110);
    for (const int axis : {0, 1, flat}) {
        quantize_options options;
        options.axis = axis;
        const auto q = quantize<Q>(x, options);
        const row_major expected = by_definition(q);
        EXPECT_EQ(dequantize(q), expected) << axis;
        EXPECT_EQ(dequantize(view(q)), expected) << axis;
        Eigen::ThreadPool pool(3);
        EXPECT_EQ(dequantize(q, pool), expected) << axis;
    }
}

TEST(Dequantize, GivesTheKindThatWasQuantized) {
    const Eigen::MatrixXf columns = Eigen::MatrixXf::Random(9, 14);
    const row_major rows = columns;
    static_assert(std::is_same_v<decltype(dequantize(quantize<Q>(columns))), Eigen::MatrixXf>);
    static_assert(std::is_same_v<decltype(dequantize(quantize<Q>(rows))), row_major>);
    static_assert(std::is_same_v<decltype(dequantize(quantize<Q>(columns.array()))), Eigen::ArrayXXf>);
    static_assert(std::is_same_v<decltype(dequantize(quantize<Q>(columns.col(0)))), Eigen::VectorXf>);
    static_assert(std::is_same_v<decltype(dequantize(quantize<Q>(columns.row(0)))), Eigen::RowVectorXf>);
    static_assert(std::is_same_v<decltype(dequantize(quantize<Q>(rows.array().row(0)))),
                                 Eigen::Array<float, 1, Eigen::Dynamic, Eigen::RowMajor>>);
    static_assert(std::is_same_v<decltype(dequantize<double>(quantize<Q>(columns))), Eigen::MatrixXd>);
    Eigen::Tensor<float, 3> t(2, 3, 4);
    static_assert(std::is_same_v<decltype(dequantize(quantize<Q>(t))), Eigen::Tensor<float, 3, 0, Eigen::DenseIndex>>);
    EXPECT_EQ(row_major(dequantize(quantize<Q>(columns))), dequantize(quantize<Q>(rows)));
    EXPECT_EQ(dequantize(quantize<Q>(columns.col(3))), dequantize(quantize<Q>(columns.col(3).transpose())).transpose());
}

TEST(DequantizeInto, WritesEveryOrderStrideAndScalar) {
    const row_major x = row_major::Random(37, 110);
    for (const int axis : {0, 1, flat}) {
        quantize_options options;
        options.axis = axis;
        const auto q = quantize<Q>(x, options);
        const row_major expected = by_definition(q);
        Eigen::MatrixXf columns(37, 110);
        dequantize_into(q, columns);
        EXPECT_EQ(columns, expected) << axis;
        Eigen::MatrixXd wide(37, 110);
        dequantize_into(q, wide);
        EXPECT_EQ(wide, expected.cast<double>()) << axis;
        Eigen::Matrix<Eigen::half, Eigen::Dynamic, Eigen::Dynamic> half(37, 110);
        dequantize_into(q, half);
        EXPECT_EQ(half, expected.cast<Eigen::half>()) << axis;
        Eigen::Array<Eigen::bfloat16, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> bfloat(37, 110);
        dequantize_into(q, bfloat);
        EXPECT_TRUE((bfloat == expected.array().cast<Eigen::bfloat16>()).all()) << axis;
        // Values around a block stay as they are.
        Eigen::MatrixXf larger = Eigen::MatrixXf::Constant(50, 130, 7.0f);
        dequantize_into(q, larger.block(5, 8, 37, 110));
        EXPECT_EQ(larger.block(5, 8, 37, 110), expected) << axis;
        larger.block(5, 8, 37, 110).setConstant(7.0f);
        EXPECT_TRUE((larger.array() == 7.0f).all()) << axis;
    }
}

template <int Order>
void expect_tensor_axes() {
    Eigen::Tensor<float, 4, Order> t(4, 3, 5, 18);
    t.setRandom();
    for (const int axis : {0, 1, 2, 3, flat}) {
        quantize_options options;
        options.axis = axis;
        const auto q = quantize<Q>(t, options);
        const Eigen::Tensor<float, 4, Order> w = dequantize(q);
        const Eigen::Tensor<double, 4, Order> wide = dequantize<double>(q);
        // Within half a step of a range of at most two.
        for (index i = 0; i < t.size(); ++i) {
            EXPECT_NEAR(w.data()[i], t.data()[i], 0.5 * 2.0 / 7 + 1e-6) << axis;
            EXPECT_EQ(wide.data()[i], static_cast<double>(w.data()[i]));
        }
        Eigen::Tensor<float, 4, 1 - Order> other(4, 3, 5, 18);
        dequantize_into(q, other);
        EXPECT_EQ(other(3, 1, 4, 10), w(3, 1, 4, 10));
        EXPECT_EQ(other(0, 2, 3, 17), w(0, 2, 3, 17));
        // Any panel of rows along the last axis is a part of all values.
        std::vector<float> panel(11 * 6);
        detail::decode_panel(q, 17, 11, 5, 6, panel.data());
        for (index r = 0; r < 11; ++r) {
            for (index c = 0; c < 6; ++c) {
                const index row = 17 + r;
                EXPECT_EQ(panel[static_cast<std::size_t>(r * 6 + c)], w(row / 15, row / 5 % 3, row % 5, 5 + c)) << axis;
            }
        }
    }
}

TEST(Dequantize, EveryAxisOfTensorsOfBothOrders) {
    expect_tensor_axes<Eigen::RowMajor>();
    expect_tensor_axes<Eigen::ColMajor>();
}

TEST(Dequantize, LargeResultsAreWrittenPastTheCachesWithTheSameBits) {
    const row_major x = row_major::Random(1100, 2048);
    using large = blockwise<absmax<int8>, 64>;
    const auto q = quantize<large>(x);
    ASSERT_GE(q.size() * 4, detail::streaming_bytes);
    const row_major w = dequantize(q);
    for (const index row : {0, 517, 1099}) {
        EXPECT_EQ(row_major(w.row(row)), dequantize(quantize<large>(row_major(x.row(row))))) << row;
    }
    // A start that is not aligned for such stores.
    std::vector<float> memory(static_cast<std::size_t>(x.size()) + 1);
    Eigen::Map<row_major> shifted(memory.data() + 1, 1100, 2048);
    dequantize_into(q, shifted);
    EXPECT_EQ(shifted, w);
}

TEST(DequantizeInto, OtherShapesAreRefusedWithBoth) {
    const auto q = quantize<Q>(Eigen::MatrixXf::Ones(3, 4).eval());
    Eigen::MatrixXf other(4, 3);
    try {
        dequantize_into(q, other);
        FAIL();
    } catch (const error& e) {
        EXPECT_EQ(e.code(), error_code::shape_mismatch);
        EXPECT_STREQ(e.what(), "the destination has shape [4 x 3], the quantized tensor [3 x 4]");
    }
}

TEST(DequantizeInto, IsCancelled) {
    const auto q = quantize<Q>(Eigen::MatrixXf::Ones(300, 400).eval());
    Eigen::MatrixXf w(300, 400);
    try {
        dequantize_into(q, w, execution().with_progress([](double) { return false; }));
        FAIL();
    } catch (const error& e) {
        EXPECT_EQ(e.code(), error_code::cancelled);
    }
}

} // namespace

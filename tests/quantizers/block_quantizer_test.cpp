#include "tersor/matmul/product.hpp"
#include "tersor/metrics/error_metrics.hpp"
#include "tersor/metrics/memory_footprint.hpp"
#include "tersor/quantizers/dequantize.hpp"
#include "tersor/quantizers/quantize.hpp"
#include "tersor/training/fake_quant.hpp"

#include <Eigen/Core>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

using namespace tersor;

namespace {

// Four integers and a byte that tells how they were asked for.
struct toy_blocks {
    struct block {
        std::uint8_t mode;
        std::int8_t values[4];
    };
    static constexpr tersor::index group = 4;

    static void encode_blocks(std::span<const float> values, std::span<const float> importance, quantize_mode mode,
                              block* out) {
        for (std::size_t i = 0; i < values.size(); i += 4, ++out) {
            out->mode = static_cast<std::uint8_t>(static_cast<int>(mode) + (importance.empty() ? 0 : 16));
            for (std::size_t k = 0; k < 4; ++k) {
                out->values[k] = static_cast<std::int8_t>(values[i + k]);
            }
        }
    }
    static void decode_blocks(const block* blocks, std::size_t count, float* out) noexcept {
        for (std::size_t i = 0; i < count; ++i) {
            for (const std::int8_t value : blocks[i].values) {
                *out++ = value;
            }
        }
    }
    [[maybe_unused]] friend bool operator==(const toy_blocks&, const toy_blocks&) = default;
};

Eigen::MatrixXf integers(Eigen::Index rows, Eigen::Index cols) {
    return (Eigen::MatrixXf::Random(rows, cols) * 100.0f).array().round();
}

error_code code_of_error(auto&& work) {
    try {
        work();
    } catch (const error& e) {
        return e.code();
    }
    ADD_FAILURE() << "no error";
    return error_code::io;
}

} // namespace

TEST(BlockQuantizer, BlocksAreTheStorageOfAMatrixInAnyOrder) {
    for (const int cols : {4, 64, 8200}) {
        const Eigen::MatrixXf column_major = integers(7, cols);
        const Eigen::Matrix<float, -1, -1, Eigen::RowMajor> row_major = column_major;
        const auto a = quantize<toy_blocks>(column_major);
        const auto b = quantize<toy_blocks>(row_major);
        EXPECT_TRUE(std::equal(a.codes().begin(), a.codes().end(), b.codes().begin(), b.codes().end()));
        EXPECT_EQ(a.bytes(), static_cast<std::size_t>(7 * cols / 4 * 5));
        EXPECT_EQ(a.bits_per_weight(), 10.0);
        EXPECT_EQ(dequantize(a), column_major);
        EXPECT_EQ(dequantize(b), row_major);
        EXPECT_EQ(dequantize(view(b)), row_major);
        EXPECT_EQ(memory_footprint<toy_blocks>(7, cols).total(), a.bytes());
        EXPECT_EQ(memory_footprint(a).parameters, 0u);
    }
}

TEST(BlockQuantizer, GroupsRunAlongTheAxisThatIsAskedFor) {
    const Eigen::MatrixXf x = integers(8, 5);
    const auto q = quantize<toy_blocks>(x, {.axis = 0});
    EXPECT_EQ(q.layout().rows, 5);
    EXPECT_EQ(dequantize(q), x);
    EXPECT_EQ(dequantize(quantize<toy_blocks>(x, {.axis = flat})), x);
    EXPECT_EQ(compare(x, q).mse, 0.0);
}

TEST(BlockQuantizer, ProductsAndFakeQuantizationTakeIt) {
    const Eigen::MatrixXf w = integers(33, 1028), x = integers(1028, 3);
    const auto q = quantize<toy_blocks>(w);
    const Eigen::MatrixXf exact = (w.cast<double>() * x.cast<double>()).cast<float>(), y = q * x;
    EXPECT_EQ(y, exact); // integers below 2^24: no sum is rounded
    EXPECT_EQ(fake_quantize<toy_blocks>(w), w);
    EXPECT_EQ(fake_quantize<toy_blocks>(Eigen::MatrixXf(w.array() + 0.25f))(0, 0), std::trunc(w(0, 0) + 0.25f));
}

TEST(BlockQuantizer, ModeAndImportanceReachTheBlocks) {
    const Eigen::MatrixXf x = integers(2, 8);
    const std::vector<float> weights(8, 1.0f);
    EXPECT_EQ(quantize<toy_blocks>(x).codes()[0], 2);
    EXPECT_EQ(quantize<toy_blocks>(x, {.mode = quantize_mode::reference}).codes()[0], 0);
    EXPECT_EQ(quantize<toy_blocks>(x, {.importance = weights, .mode = quantize_mode::fast}).codes()[0], 17);
}

TEST(BlockQuantizer, RowsThatAreNotWholeBlocksAreRefused) {
    EXPECT_EQ(code_of_error([] { (void)quantize<toy_blocks>(integers(3, 6)); }), error_code::shape_mismatch);
    EXPECT_EQ(quantize<toy_blocks>(integers(3, 0)).bytes(), 0u);
    EXPECT_EQ(quantize<toy_blocks>(integers(0, 6)).bytes(), 0u);
}

TEST(BlockQuantizer, ValuesThatAreNotFiniteAreNamedOrSaturated) {
    Eigen::MatrixXf x = integers(3, 8);
    x(1, 6) = std::numeric_limits<float>::infinity();
    x(2, 0) = std::numeric_limits<float>::quiet_NaN();
    try {
        (void)quantize<toy_blocks>(x);
        FAIL() << "no error";
    } catch (const error& e) {
        EXPECT_EQ(e.code(), error_code::non_finite);
        EXPECT_NE(std::string(e.what()).find("(1, 6)"), std::string::npos) << e.what();
    }
    const Eigen::MatrixXf y = dequantize(quantize<toy_blocks>(x, {.non_finite = non_finite::saturate}));
    float largest = 0.0f;
    for (const int c : {4, 5, 7}) {
        largest = std::max(largest, std::abs(x(1, c)));
    }
    EXPECT_EQ(y(1, 6), largest);
    EXPECT_EQ(y(2, 0), 0.0f);
}

TEST(BlockQuantizer, RangesAndRoundingsAreRefused) {
    const Eigen::MatrixXf x = integers(2, 8);
    EXPECT_EQ(code_of_error([&] {
                  (void)quantize<toy_blocks>(x, {.range = clipping_range{-1, 1}});
              }),
              error_code::invalid_argument);
    EXPECT_EQ(code_of_error([&] { (void)quantize<toy_blocks>(x, {.rounding = rounding::stochastic}); }),
              error_code::unsupported);
    EXPECT_EQ(code_of_error([&] {
                  const std::vector<float> weights(3, 1.0f);
                  (void)quantize<toy_blocks>(x, {.importance = weights});
              }),
              error_code::shape_mismatch);
}

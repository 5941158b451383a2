#include "tersor/quantizers/float_zero_point.hpp"

#include "tersor/formats/integer.hpp"
#include "tersor/quantizers/blockwise.hpp"
#include "tersor/quantizers/dequantize.hpp"
#include "tersor/quantizers/quantize.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

using namespace tersor;

namespace {

using grid4 = float_zero_point<uint4>;

TEST(FloatZeroPoint, SpansTheValuesAndNotZero) {
    const std::vector<float> x{2.0f, 3.0f, 5.0f};
    const grid4 q;
    const auto p = q.fit(x, {});
    EXPECT_EQ(p.scale, 1.0f / (15.0f / 3.0f));
    EXPECT_EQ(p.zero, -2.0f * 5.0f);
    EXPECT_EQ(q.encode(2.0f, p), 0);
    EXPECT_EQ(q.encode(5.0f, p), 15);
    EXPECT_EQ(q.encode(100.0f, p), 15);
    EXPECT_EQ(q.encode(-100.0f, p), 0);
    EXPECT_NEAR(q.decode(5, p), 3.0f, 1e-6f);
}

TEST(FloatZeroPoint, SignedCodesStartAtTheLowest) {
    const std::vector<float> x{-1.0f, 2.0f};
    const float_zero_point<int4> q;
    const auto p = q.fit(x, {});
    EXPECT_EQ(q.encode(-1.0f, p), -8);
    EXPECT_EQ(q.encode(2.0f, p), 7);
    EXPECT_NEAR(q.decode(7, p), 2.0f, 1e-6f);
}

TEST(FloatZeroPoint, NarrowAndHugeGroupsStayFinite) {
    const grid4 q;
    const float most = std::numeric_limits<float>::max();
    for (const std::vector<float>& x :
         {std::vector<float>{0.5f, 0.5f}, {0.0f, 0.0f}, {1e-6f, 2e-6f}, {-most, most}, {}}) {
        const auto p = q.fit(x, {});
        EXPECT_TRUE(p.scale > 0.0f && std::isfinite(p.scale) && std::isfinite(p.zero));
        for (const float value : x) {
            EXPECT_TRUE(std::isfinite(q.decode(q.encode(value, p), p)));
        }
    }
    const std::vector<float> same{0.5f, 0.5f};
    const auto p = q.fit(same, {});
    EXPECT_EQ(q.decode(q.encode(0.5f, p), p), 0.5f);
    // No finer than 1 / 2e4.
    EXPECT_EQ(float_zero_point<uint8>::inverse_scale(0.0f, 1e-3f), 2e4f);
}

TEST(FloatZeroPoint, ErrorsAreAtMostHalfAStep) {
    std::mt19937 random(1);
    std::normal_distribution<float> normal(3.0f, 0.1f);
    Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> w(7, 100);
    for (float& x : w.reshaped()) {
        x = normal(random);
    }
    const auto q = quantize<blockwise<float_zero_point<uint3, Eigen::half>, 32>>(w);
    const auto values = dequantize(q);
    for (tersor::index r = 0; r < w.rows(); ++r) {
        for (tersor::index j = 0; j < w.cols(); ++j) {
            const auto p = q.parameters()[static_cast<std::size_t>(q.group_of(r, j))];
            // Half a step, what rounding the scale to half takes from seven of them, and roundings of numbers near 40.
            const float scale = static_cast<float>(p.scale);
            EXPECT_LE(std::abs(values(r, j) - w(r, j)), scale * (0.5f + 7.0f * 0x1p-11f + 200.0f * 0x1p-23f));
        }
    }
}

TEST(FloatZeroPoint, ImportanceNarrowsTheRangeWhereThatPays) {
    std::vector<float> x, importance;
    for (int i = 0; i < 64; ++i) {
        x.push_back(static_cast<float>(i % 16) / 16.0f + (i == 0 ? -3.0f : 0.0f));
        importance.push_back(i == 0 ? 0.0f : 1.0f);
    }
    const grid4 q;
    const auto plain = q.fit(x, {}), weighted = q.fit(x, importance);
    EXPECT_LT(weighted_error(q, x, importance, weighted), 0.9 * weighted_error(q, x, importance, plain));
}

} // namespace

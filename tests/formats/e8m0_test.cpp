#include "tersor/formats/e8m0.hpp"

#include "tests/common/golden.hpp"
#include "tests/formats/float_constants.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace {

using namespace tersor;


TEST(E8m0, EveryCodeIsItsPowerOfTwoAndSurvivesARoundTrip) {
    for (int i = 0; i < 255; ++i) {
        const auto code = static_cast<std::uint8_t>(i);
        const float value = e8m0::decode(code);
        EXPECT_EQ(value, std::ldexp(1.0f, i - 127));
        EXPECT_EQ(static_cast<float>(e8m0::from_code(code)), value);
        EXPECT_EQ(e8m0(value).code, code);
        EXPECT_EQ(e8m0::floor(value).code, code);
        EXPECT_EQ(e8m0::ceil(value).code, code);
        EXPECT_EQ(e8m0::nearest(-value).code, code);
    }
    EXPECT_TRUE(std::isnan(e8m0::decode(255)));
    EXPECT_EQ(e8m0::encode(quiet_nan), 255);
}

TEST(E8m0, AllRoundingsEqualTheRecordedCodes) {
    const golden::file recorded("calibration/float_formats");
    const auto x = recorded.tensor<float>("x");
    const auto floor = recorded.tensor<std::uint8_t>("e8m0.floor");
    const auto ceil = recorded.tensor<std::uint8_t>("e8m0.ceil");
    const auto nearest = recorded.tensor<std::uint8_t>("e8m0.nearest");
    ASSERT_FALSE(x.empty());
    for (std::size_t i = 0; i < x.size(); ++i) {
        ASSERT_EQ(e8m0::floor(x[i]).code, floor[i]) << x[i];
        ASSERT_EQ(e8m0::ceil(x[i]).code, ceil[i]) << x[i];
        ASSERT_EQ(e8m0::nearest(x[i]).code, nearest[i]) << x[i];
    }
    const auto values = recorded.tensor<float>("e8m0.decode");
    ASSERT_EQ(values.size(), 256u);
    for (std::size_t i = 0; i < 255; ++i) {
        EXPECT_EQ(e8m0::decode(static_cast<std::uint8_t>(i)), values[i]);
    }
}

TEST(E8m0, RoundingsFollowTheirDefinitionForFloatsOfAllSizes) {
    for (std::uint64_t pattern = 0; pattern < 0x7F800000u; pattern += 1021) {
        const auto value = std::bit_cast<float>(static_cast<std::uint32_t>(pattern));
        int exponent = 0;
        std::frexp(static_cast<double>(value), &exponent); // value in [2^(exponent - 1), 2^exponent)
        const int low = value < 0x1p-127f ? 0 : exponent - 1 + 127;
        const double below = std::ldexp(1.0, low - 127);
        const double exact = static_cast<double>(value);
        ASSERT_EQ(e8m0::floor(value).code, low) << value;
        ASSERT_EQ(e8m0::ceil(value).code, exact > below ? low + 1 : low) << value;
        ASSERT_EQ(e8m0::nearest(value).code, exact - below >= 2 * below - exact ? low + 1 : low) << value;
    }
}

TEST(E8m0, EncodeSaturatesWhereTheRoundingsGiveNan) {
    EXPECT_EQ(e8m0::nearest(std::numeric_limits<float>::max()).code, 255);
    EXPECT_EQ(e8m0::encode(std::numeric_limits<float>::max()), 254);
    EXPECT_EQ(e8m0::encode(infinity), 254);
    EXPECT_EQ(e8m0::encode(0.0f), 0);
    EXPECT_EQ(e8m0(1.5f), e8m0(2.0f));
    EXPECT_EQ(static_cast<float>(e8m0{}), 0x1p-127f);
}

} // namespace

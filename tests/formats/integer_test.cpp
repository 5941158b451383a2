#include "tersor/formats/integer.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace {

using namespace tersor;

template <class Format>
class Integer : public testing::Test {};
using every_integer =
    testing::Types<int2, int3, int4, int5, int6, int7, int8, uint2, uint3, uint4, uint5, uint6, uint7, uint8>;
TYPED_TEST_SUITE(Integer, every_integer);

int rounded_and_clamped(float value, int low, int high) {
    const double rounded = std::nearbyint(static_cast<double>(value));
    return static_cast<int>(std::fmin(std::fmax(rounded, low), high));
}

TYPED_TEST(Integer, RangeIsThatOfItsBits) {
    constexpr int count = 1 << TypeParam::bits;
    EXPECT_EQ(TypeParam::highest - TypeParam::lowest + 1, count);
    EXPECT_EQ(TypeParam::lowest, std::is_signed_v<typename TypeParam::code_type> ? -count / 2 : 0);
    EXPECT_EQ(TypeParam::largest, static_cast<float>(TypeParam::highest));
}

TYPED_TEST(Integer, EveryCodeSurvivesARoundTrip) {
    for (int code = TypeParam::lowest; code <= TypeParam::highest; ++code) {
        const float value = TypeParam::decode(static_cast<typename TypeParam::code_type>(code));
        EXPECT_EQ(value, static_cast<float>(code));
        EXPECT_EQ(TypeParam::encode(value), code);
    }
}

TYPED_TEST(Integer, RoundsHalfToEvenAndSaturatesForFloatsOfAllSizes) {
    for (std::uint64_t pattern = 0; pattern <= 0xFFFFFFFFu; pattern += 40961) {
        const auto value = std::bit_cast<float>(static_cast<std::uint32_t>(pattern));
        if (!std::isnan(value)) {
            ASSERT_EQ(TypeParam::encode(value), rounded_and_clamped(value, TypeParam::lowest, TypeParam::highest))
                << value;
        }
    }
}

TYPED_TEST(Integer, TiesAndTheirNeighboursRoundAsTheDefinition) {
    for (int i = 2 * TypeParam::lowest - 3; i <= 2 * TypeParam::highest + 3; ++i) {
        const float tie = 0.5f * static_cast<float>(i);
        for (const float value : {std::nextafter(tie, -1e9f), tie, std::nextafter(tie, 1e9f)}) {
            ASSERT_EQ(TypeParam::encode(value), rounded_and_clamped(value, TypeParam::lowest, TypeParam::highest))
                << value;
        }
    }
}

TYPED_TEST(Integer, SpecialValuesHaveCodes) {
    constexpr float infinity = std::numeric_limits<float>::infinity();
    EXPECT_EQ(TypeParam::encode(infinity), TypeParam::highest);
    EXPECT_EQ(TypeParam::encode(-infinity), TypeParam::lowest);
    EXPECT_EQ(TypeParam::encode(std::numeric_limits<float>::quiet_NaN()), 0);
    EXPECT_EQ(TypeParam::encode(-std::numeric_limits<float>::quiet_NaN()), 0);
    EXPECT_EQ(TypeParam::encode(-0.0f), 0);
    EXPECT_EQ(TypeParam::encode(1e-45f), 0);
}

static_assert(int8::encode(2.5f) == 2 && int8::encode(-1e30f) == -128 && uint4::encode(15.5f) == 15,
              "integers encode in constant expressions");

} // namespace

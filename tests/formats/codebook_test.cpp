#include "tersor/formats/codebook.hpp"

#include "tests/common/reference.hpp"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

// A user's own format: one small struct.
struct thirds_values {
    static constexpr int bits = 2;
    static constexpr std::array<float, 4> values{1.0f / 3, -1.0f, 1.0f, -1.0f / 3};
};
using thirds = tersor::codebook<thirds_values>;

namespace {

using namespace tersor;

static_assert(number_format<thirds>, "a list of values is all that a format needs");
static_assert(std::is_empty_v<thirds>, "a codebook holds nothing");

TEST(Codebook, AUserDefinedListOfValuesIsAFormat) {
    constexpr thirds format{};
    EXPECT_EQ(format.encode(0.9f), 2);
    EXPECT_EQ(format.encode(0.1f), 0);
    EXPECT_EQ(format.encode(-0.1f), 3);
    EXPECT_EQ(format.encode(-5.0f), 1);
    EXPECT_EQ(format.decode(3), -1.0f / 3);
    EXPECT_EQ(thirds::largest, 1.0f);
    EXPECT_FALSE(is_high_nibble_first<thirds>);
}

TEST(Codebook, TiesGoToTheLowerValue) {
    EXPECT_EQ(thirds::encode(0.0f), 3);
    EXPECT_EQ(thirds::encode(-0.0f), 3);
    EXPECT_EQ(thirds::encode(1e-45f), 0);
}

TEST(Codebook, NanGivesTheCodeOfTheLowestValueAndInfinitySaturates) {
    EXPECT_EQ(thirds::encode(std::numeric_limits<float>::quiet_NaN()), 1);
    EXPECT_EQ(thirds::encode(std::numeric_limits<float>::infinity()), 2);
    EXPECT_EQ(thirds::encode(-std::numeric_limits<float>::infinity()), 1);
}

TEST(Codebook, OrderAndMidpointsAreThoseOfTheSortedValues) {
    EXPECT_EQ(thirds::order, (std::array<std::uint8_t, 4>{1, 3, 0, 2}));
    EXPECT_EQ(thirds::midpoints, (std::array<float, 3>{(-1.0f + -1.0f / 3) * 0.5f, 0.0f, (1.0f / 3 + 1.0f) * 0.5f}));
}

TEST(Codebook, BitsAboveTheCodeAreIgnored) {
    EXPECT_EQ(thirds::decode(0xF2), thirds::decode(2));
}

struct lopsided_values {
    static constexpr int bits = 1;
    static constexpr std::array<float, 2> values{-127.0f, 113.0f};
};

TEST(Codebook, LargestIsAMagnitude) {
    EXPECT_EQ(codebook<lopsided_values>::largest, 127.0f);
}

static_assert(thirds::encode(0.9f) == 2, "codebooks encode in constant expressions");

} // namespace

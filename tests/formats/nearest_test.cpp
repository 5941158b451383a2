#include "tersor/formats/nearest.hpp"

#include "tersor/core/rounding.hpp"

#include "tests/common/reference.hpp"
#include "tests/formats/float_constants.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace {

using namespace tersor;


template <std::size_t Count>
void expect_same_as_counting(const std::array<float, Count>& values) {
    const auto order = detail::sorted_order(values);
    const auto midpoints = detail::sorted_midpoints(values, order);
    const detail::nearest_search<Count> search(midpoints);
    const auto check = [&](float value) {
        ASSERT_EQ(static_cast<int>(search(value)), reference::midpoints_below(midpoints, value)) << value;
    };
    for (std::uint64_t pattern = 0; pattern <= 0xFFFFFFFFu; pattern += 65521) {
        check(std::bit_cast<float>(static_cast<std::uint32_t>(pattern)));
    }
    for (const float midpoint : midpoints) {
        check(std::nextafter(midpoint, -infinity));
        check(midpoint);
        check(std::nextafter(midpoint, infinity));
    }
    for (const float value : values) {
        check(value);
    }
    for (const float value : {0.0f, -0.0f, 1e-45f, -1e-45f, infinity, -infinity}) {
        check(value);
    }
    EXPECT_EQ(search(std::numeric_limits<float>::quiet_NaN()), 0u);
    EXPECT_EQ(search(-std::numeric_limits<float>::quiet_NaN()), 0u);
}

template <std::size_t Count, class Function>
std::array<float, Count> made(const Function& function) {
    std::array<float, Count> values{};
    for (std::size_t i = 0; i < Count; ++i) {
        values[i] = function(static_cast<float>(i));
    }
    return values;
}

TEST(NearestSearch, EvenlySpacedValues) {
    expect_same_as_counting(made<2>([](float i) { return i - 0.5f; }));
    expect_same_as_counting(made<8>([](float i) { return i - 3.0f; }));
    expect_same_as_counting(made<64>([](float i) { return i; }));
    expect_same_as_counting(made<256>([](float i) { return (i - 128.0f) * 0.01f; }));
}

TEST(NearestSearch, PowersOfTwoOverTheWholeFloatRange) {
    expect_same_as_counting(made<256>([](float i) { return std::ldexp(1.0f, static_cast<int>(i) - 128); }));
    expect_same_as_counting(made<16>([](float i) { return std::ldexp(-1.0f, 10 * static_cast<int>(i) - 140); }));
}

TEST(NearestSearch, ValuesCrowdedIntoFewBuckets) {
    expect_same_as_counting(made<256>([](float i) { return 1.0f + i * 0x1p-23f; }));
    expect_same_as_counting(made<256>([](float i) { return i == 0.0f ? -3e38f : 1.0f - i * 0x1p-24f; }));
    expect_same_as_counting(made<256>([](float i) { return i * 0x1p-149f; }));
}

TEST(NearestSearch, EqualValues) {
    expect_same_as_counting(made<256>([](float) { return 0.0f; }));
    expect_same_as_counting(made<256>([](float) { return -2.5f; }));
    expect_same_as_counting(made<16>([](float i) { return std::floor(i / 4.0f) - 1.0f; }));
}

TEST(NearestSearch, RandomValuesOfRandomExponents) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        expect_same_as_counting(made<256>([seed](float i) {
            const auto index = 2 * static_cast<std::uint64_t>(i);
            const float fraction = uniform(seed, index) - 0.5f;
            return std::ldexp(fraction, static_cast<int>(uniform(seed, index + 1) * static_cast<float>(5 * seed + 1)));
        }));
    }
}

TEST(NearestSearch, ValuesWhoseSumOverflows) {
    expect_same_as_counting(made<16>([](float i) { return (i - 7.5f) * 4e37f; }));
}

TEST(SortedOrder, EqualValuesKeepTheOrderOfTheirCodes) {
    constexpr std::array<float, 6> values{1.0f, 0.0f, -0.0f, -1.0f, 0.0f, 1.0f};
    EXPECT_EQ(detail::sorted_order(values), (std::array<std::uint8_t, 6>{3, 1, 2, 4, 0, 5}));
}

} // namespace

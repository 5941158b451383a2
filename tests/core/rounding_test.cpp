#include "tersor/core/rounding.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <set>

namespace {

using namespace tersor;

TEST(Uniform, IsTheSameEverywhere) {
    // splitmix64 of the state mix(seed + golden ratio), its upper 24 bits; computed by another program from the
    // definition.
    EXPECT_EQ(uniform(0, 0), 0x1p-24f * 10946269);
    EXPECT_EQ(uniform(0, 1), 0x1p-24f * 11764387);
    EXPECT_EQ(uniform(42, 1000000), 0x1p-24f * 8717786);
    EXPECT_EQ(uniform(~0ull, ~0ull), 0x1p-24f * 4476952);
    static_assert(uniform(7, 7) == uniform(7, 7), "usable in constant expressions");
}

TEST(Uniform, StaysInTheHalfOpenUnitInterval) {
    for (std::uint64_t i = 0; i < 200000; ++i) {
        const float u = uniform(3, i);
        ASSERT_GE(u, 0.0f);
        ASSERT_LT(u, 1.0f);
    }
}

TEST(Uniform, FillsEveryBinAlike) {
    // chi-squared with 255 degrees of freedom: mean 255, deviation sqrt(510) = 22.6; six deviations either way.
    constexpr int bins = 256;
    constexpr int samples = bins * 1000;
    for (const std::uint64_t seed : {0ull, 1ull, 2ull, 0x9E3779B97F4A7C15ull, ~0ull}) {
        std::array<int, bins> count{};
        for (int i = 0; i < samples; ++i) {
            ++count[static_cast<std::size_t>(uniform(seed, static_cast<std::uint64_t>(i)) * bins)];
        }
        double chi_squared = 0.0;
        for (const int n : count) {
            chi_squared += (n - 1000.0) * (n - 1000.0) / 1000.0;
        }
        EXPECT_NEAR(chi_squared, 255.0, 6 * 22.6) << seed;
    }
}

double correlation(std::uint64_t seed_a, std::uint64_t seed_b, std::uint64_t shift) {
    constexpr int samples = 100000;
    double sum = 0.0;
    for (std::uint64_t i = 0; i < samples; ++i) {
        sum += (uniform(seed_a, i) - 0.5) * (uniform(seed_b, i + shift) - 0.5);
    }
    return 12.0 * sum / samples;
}

TEST(Uniform, NeighbouringIndicesAndSeedsAreUncorrelated) {
    constexpr double six_deviations = 6.0 / 316.2; // 1 / sqrt(100000)
    EXPECT_NEAR(correlation(5, 5, 0), 1.0, six_deviations);
    EXPECT_NEAR(correlation(5, 5, 1), 0.0, six_deviations);
    EXPECT_NEAR(correlation(5, 5, 64), 0.0, six_deviations);
    EXPECT_NEAR(correlation(5, 6, 0), 0.0, six_deviations);
    EXPECT_NEAR(correlation(5, 6, 1), 0.0, six_deviations);
    EXPECT_NEAR(correlation(0, 1ull << 63, 0), 0.0, six_deviations);
}

TEST(Uniform, DoesNotRepeatWithinShortRuns) {
    std::set<float> seen;
    for (std::uint64_t i = 0; i < 1000; ++i) {
        seen.insert(uniform(9, i));
    }
    EXPECT_GT(seen.size(), 990u); // 1000 of 2^24 numbers: 0.03 equal pairs expected
}

} // namespace

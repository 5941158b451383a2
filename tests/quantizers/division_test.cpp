// What encode_groups-inl.hpp says of its quotients: fma(x, h, x * l) with h = 1 / b and l = fma(-b, h, 1) * h rounds to any
// number of at most 8 significant bits as the IEEE quotient x / b does, for every significand of b but that of all
// ones.
//
// A rounding to 8 bits changes at the points T / 2 with odd T < 512 (scaled by powers of two), and the two can differ
// only for x next to b * T / 2. All divisors take two minutes: they run where TERSOR_EXHAUSTIVE is set in the
// environment, every 251st one otherwise.

#include "tersor/quantizers/codec.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>

namespace {

constexpr std::uint32_t significands = 1u << 23;

/// The side of `point` on which a number lies: -1, 0 or 1.
int side(float number, float point) {
    return number < point ? -1 : number > point ? 1 : 0;
}

/// For how many x near its 256 points the corrected product by this significand is on another side than the quotient.
int failures_of(std::uint32_t significand) {
    const auto b = std::bit_cast<float>(0x3F800000u | significand);
    const float h = 1.0f / b, l = std::fma(-b, h, 1.0f) * h;
    int failures = 0;
    for (int odd = 1; odd < 512; odd += 2) {
        const auto point = static_cast<float>(odd);
        const auto middle = std::bit_cast<std::int32_t>(point * b);
        for (std::int32_t i = middle - 2; i <= middle + 2; ++i) {
            const auto x = std::bit_cast<float>(i);
            const float correction = x * l;
            failures += side(std::fma(x, h, correction), point) != side(x / b, point);
        }
    }
    return failures;
}

TEST(CorrectedProduct, RoundsLikeTheQuotientForEveryDivisorButOne) {
    const std::uint32_t step = std::getenv("TERSOR_EXHAUSTIVE") != nullptr ? 1 : 251;
    for (std::uint32_t significand = 0; significand < significands - 1; significand += step) {
        ASSERT_EQ(failures_of(significand), 0) << "significand " << significand;
    }
    // The last ones, which are the hardest.
    for (std::uint32_t significand = significands - 1000; significand < significands - 1; ++significand) {
        ASSERT_EQ(failures_of(significand), 0) << "significand " << significand;
    }
    EXPECT_GT(failures_of(significands - 1), 0);
}

TEST(CorrectedProduct, IsNotUsedForTheDivisorThatFailsNorWhereItCouldOverflow) {
    using tersor::simd::TERSOR_GENERIC_NAMESPACE::is_safe_divisor;
    EXPECT_TRUE(is_safe_divisor(1.0f));
    EXPECT_TRUE(is_safe_divisor(0x1.fffffcp0f));
    for (const float power : {0x1p-60f, 1.0f, 0x1p60f}) {
        EXPECT_FALSE(is_safe_divisor(0x1.fffffep0f * power));
    }
    for (const float extreme : {0.0f, 0x1p-149f, 0x1p-120f, 0x1p120f, HUGE_VALF, std::nanf("")}) {
        EXPECT_FALSE(is_safe_divisor(extreme)) << extreme;
    }
}

} // namespace

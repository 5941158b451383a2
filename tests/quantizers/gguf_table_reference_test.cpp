// Mode reference of the formats with a table of values against naive versions of the rules.

#include "tersor/quantizers/gguf/iq4_nl.hpp"
#include "tersor/quantizers/gguf/iq4_xs.hpp"
#include "tersor/quantizers/gguf/mxfp4.hpp"
#include "tersor/quantizers/gguf/nvfp4.hpp"

#include "tests/quantizers/gguf_table_blocks.hpp"
#include "tests/quantizers/gguf_table_reference.hpp"

#include <gtest/gtest.h>

#include <bit>

namespace {

using namespace tersor;

std::array<std::uint8_t, 18> naive(gguf::iq4_nl, std::span<const float> x, std::span<const float> w) {
    return gguf_reference::iq4_nl(x, w, true);
}
std::array<std::uint8_t, 136> naive(gguf::iq4_xs, std::span<const float> x, std::span<const float> w) {
    return gguf_reference::iq4_xs(x, w);
}
std::array<std::uint8_t, 17> naive(gguf::mxfp4, std::span<const float> x, std::span<const float>) {
    return gguf_reference::mxfp4(x);
}
std::array<std::uint8_t, 36> naive(gguf::nvfp4, std::span<const float> x, std::span<const float>) {
    return gguf_reference::nvfp4(x);
}

template <class Q>
void expect_naive_bytes(const std::vector<float>& x, const std::vector<float>& w, const char* what) {
    constexpr auto size = static_cast<std::size_t>(Q::group);
    const std::vector<typename Q::block> blocks = gguf_blocks::encode<Q>(x, w, quantize_mode::reference);
    for (std::size_t b = 0; b < blocks.size(); ++b) {
        const std::span<const float> weights =
            w.empty() ? std::span<const float>() : std::span(w).subspan(b * size, size);
        const auto expected = naive(Q{}, std::span(x).subspan(b * size, size), weights);
        ASSERT_EQ(std::memcmp(&blocks[b], expected.data(), expected.size()), 0)
            << Q::name << ' ' << what << ", block " << b << " of " << blocks.size();
    }
}

template <class Q>
class GgufTableReference : public testing::Test {};
using naive_formats = testing::Types<gguf::iq4_nl, gguf::iq4_xs, gguf::mxfp4, gguf::nvfp4>;
TYPED_TEST_SUITE(GgufTableReference, naive_formats);

TYPED_TEST(GgufTableReference, WritesTheNaiveBytesForValuesOfEveryKindAndMagnitude) {
    const auto size = static_cast<std::size_t>(TypeParam::group);
    const std::size_t blocks = 2048 * 32 / size;
    const std::vector<float> x = gguf_blocks::mixed_values(blocks, size, 1);
    const std::vector<float> w = gguf_blocks::weights(x.size(), 2);
    gguf_blocks::for_each_isa([&](isa set) {
        expect_naive_bytes<TypeParam>(x, {}, to_string(set));
        expect_naive_bytes<TypeParam>(x, w, to_string(set));
    });
}

TYPED_TEST(GgufTableReference, WritesTheNaiveBytesForAnyNumberOfBlocks) {
    const auto size = static_cast<std::size_t>(TypeParam::group);
    for (const std::size_t blocks : {1u, 2u, 3u, 5u, 15u, 16u, 17u, 33u}) {
        const std::vector<float> x = gguf_blocks::ordinary_values(blocks, size, static_cast<unsigned>(blocks));
        const std::vector<float> w = gguf_blocks::weights(x.size(), 3);
        gguf_blocks::for_each_isa([&](isa set) {
            expect_naive_bytes<TypeParam>(x, {}, to_string(set));
            expect_naive_bytes<TypeParam>(x, w, to_string(set));
        });
    }
}

TYPED_TEST(GgufTableReference, WritesTheNaiveBytesForWeightsOfExtremeMagnitudes) {
    const auto size = static_cast<std::size_t>(TypeParam::group);
    const std::vector<float> x = gguf_blocks::mixed_values(16, size, 4);
    for (const float factor : {0.0f, 1e-38f, 1e-20f, 1e20f, 1e37f}) {
        std::vector<float> w = gguf_blocks::weights(x.size(), 5);
        for (float& v : w) {
            v *= factor;
        }
        gguf_blocks::for_each_isa([&](isa set) { expect_naive_bytes<TypeParam>(x, w, to_string(set)); });
    }
}

TEST(GgufIq4NlFirstFit, WritesTheNaiveBytes) {
    const std::vector<float> x = gguf_blocks::mixed_values(999, 32, 6);
    gguf_blocks::for_each_isa([&](isa set) {
        std::vector<gguf::iq4_nl::block> blocks(999);
        gguf::iq4_nl::encode_blocks_first_fit(x, blocks.data());
        for (std::size_t b = 0; b < blocks.size(); ++b) {
            const auto expected = gguf_reference::iq4_nl(std::span(x).subspan(32 * b, 32), {}, false);
            ASSERT_EQ(std::memcmp(&blocks[b], expected.data(), expected.size()), 0) << to_string(set) << ' ' << b;
        }
    });
}

TEST(GgufIq4Levels, TheNearestLevelIsTheOneOfABisectionForEveryFloatNearAMidpoint) {
    for (const float midpoint : gguf::detail::iq4_midpoints) {
        float below = midpoint, above = midpoint;
        for (int step = 0; step < 1000; ++step) {
            EXPECT_EQ(gguf::detail::nearest_iq4(below), gguf_reference::nearest_iq4(below)) << below;
            EXPECT_EQ(gguf::detail::nearest_iq4(above), gguf_reference::nearest_iq4(above)) << above;
            below = std::nextafter(below, -1e30f);
            above = std::nextafter(above, 1e30f);
        }
    }
}

// Blocks with a largest magnitude at and just below every power of two: the logarithm rounds up to the integer for
// some.
TEST(GgufMxfp4Exponent, IsThatOfTheRoundedLogarithmAboutEveryPowerOfTwo) {
    for (int exponent = -149; exponent <= 128; ++exponent) {
        const float power = exponent == 128 ? 3.40282347e38f : std::ldexp(1.0f, exponent);
        const auto pattern = std::bit_cast<std::uint32_t>(power);
        for (std::uint32_t step = 0; step < 200 && step < pattern; ++step) {
            const auto below = std::bit_cast<float>(pattern - step);
            ASSERT_EQ(gguf::detail::mxfp4_exponent(below), gguf_reference::mxfp4_exponent(below)) << below;
        }
    }
    EXPECT_EQ(gguf::detail::mxfp4_exponent(0.0f), 0);
}

TEST(GgufMxfp4Exponent, IsThatOfTheLogarithmOfTheCLibraryForRandomFloats) {
    std::mt19937 random(7);
    for (int k = 0; k < 200000; ++k) {
        const auto x = std::bit_cast<float>(static_cast<std::uint32_t>(random()) % 0x7F800000u);
        if (x > 0.0f) {
            const int expected = static_cast<int>(std::floor(std::log2(x))) - 2 + 127;
            ASSERT_EQ(gguf::detail::mxfp4_exponent(x), static_cast<std::uint8_t>(expected)) << x;
        }
    }
}

TEST(GgufNvfp4Scale, IsTheNaiveOneForEveryPatternOfSixteenBits) {
    for (std::uint32_t high = 0; high < 0x7F80u; ++high) {
        for (const std::uint32_t low : {0x0000u, 0x0001u, 0x7FFFu, 0x8000u, 0xFFFFu}) {
            const auto v = std::bit_cast<float>(high << 16 | low);
            ASSERT_EQ(gguf::detail::nvfp4_scale(v), gguf_reference::nvfp4_scale(v)) << v;
        }
    }
}

TEST(GgufMxfp4, LevelsThatOverflowAreNotChosen) {
    const std::vector<float> x(32, 3.40282347e38f);
    const auto blocks = gguf_blocks::encode<gguf::mxfp4>(x, {}, quantize_mode::reference);
    const auto expected = gguf_reference::mxfp4(x);
    EXPECT_EQ(std::memcmp(blocks.data(), expected.data(), expected.size()), 0);
    for (const float y : gguf_blocks::decode<gguf::mxfp4>(blocks)) {
        EXPECT_TRUE(std::isfinite(y)) << y;
    }
}

} // namespace

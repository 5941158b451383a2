// Mode reference of TQ1_0, TQ2_0, Q2_0 and Q1_0 against naive versions of the rules.

#include "tersor/quantizers/gguf/q1_0.hpp"
#include "tersor/quantizers/gguf/q2_0.hpp"
#include "tersor/quantizers/gguf/tq1_0.hpp"
#include "tersor/quantizers/gguf/tq2_0.hpp"

#include "tests/quantizers/gguf_table_blocks.hpp"

#include <gtest/gtest.h>

#include <type_traits>

namespace {

using namespace tersor;

// The scale and the codes of -1, 0, 1 by the largest magnitude: half away from zero; what overflows counts as zero, in
// Q2_0 as -1.
template <class Q>
typename Q::block naive_by_largest(std::span<const float> x) {
    float d = 0.0f;
    for (const float v : x) {
        d = std::fabs(v) > d ? std::fabs(v) : d;
    }
    const float id = d > 0.0f ? 1.0f / d : 0.0f;
    std::vector<std::uint8_t> codes(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
        const float v = x[i] * id;
        const int overflow = std::is_same_v<Q, gguf::q2_0> ? 0 : 1;
        codes[i] = static_cast<std::uint8_t>(std::isfinite(v) ? std::lround(v) + 1 : overflow);
    }
    return Q::assemble({fp16::encode(d)}, codes.data());
}

template <class Q>
typename Q::block naive(std::span<const float> x) {
    return naive_by_largest<Q>(x);
}

template <>
gguf::q1_0::block naive<gguf::q1_0>(std::span<const float> x) {
    float sum = 0.0f;
    std::vector<std::uint8_t> codes(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
        sum += std::fabs(x[i]);
        codes[i] = x[i] >= 0.0f ? 1 : 0;
    }
    return gguf::q1_0::assemble({fp16::encode(sum / 128.0f)}, codes.data());
}

template <class Q>
class GgufTernaryReference : public testing::Test {
protected:
    static constexpr auto size = static_cast<std::size_t>(Q::group);

    // Importance plays no part in these rules.
    static void expect_naive_bytes(const std::vector<float>& x, isa set) {
        for (const std::vector<float>& w : {std::vector<float>(), gguf_blocks::weights(x.size(), 1)}) {
            const auto blocks = gguf_blocks::encode<Q>(x, w, quantize_mode::reference);
            for (std::size_t b = 0; b < blocks.size(); ++b) {
                const auto expected = naive<Q>(std::span(x).subspan(b * size, size));
                ASSERT_TRUE(blocks[b] == expected) << to_string(set) << ", block " << b << " of " << blocks.size();
            }
        }
    }
};
using formats = testing::Types<gguf::tq1_0, gguf::tq2_0, gguf::q2_0, gguf::q1_0>;
TYPED_TEST_SUITE(GgufTernaryReference, formats);

TYPED_TEST(GgufTernaryReference, WritesTheNaiveBytesForValuesOfEveryKindAndMagnitude) {
    const std::vector<float> x = gguf_blocks::mixed_values(1000, this->size, 1);
    gguf_blocks::for_each_isa([&](isa set) { this->expect_naive_bytes(x, set); });
}

TYPED_TEST(GgufTernaryReference, WritesTheNaiveBytesForAnyNumberOfBlocks) {
    for (const std::size_t blocks : {1u, 2u, 3u, 5u, 7u, 8u, 9u, 16u, 17u, 33u}) {
        const std::vector<float> x = gguf_blocks::ordinary_values(blocks, this->size, static_cast<unsigned>(blocks));
        gguf_blocks::for_each_isa([&](isa set) { this->expect_naive_bytes(x, set); });
    }
}

TYPED_TEST(GgufTernaryReference, RoundsHalfWayAwayFromZero) {
    std::vector<float> x(this->size, 0.5f);
    for (std::size_t i = 0; i < x.size(); ++i) {
        x[i] = i == 0 ? 1.0f : i % 4 == 1 ? -0.5f : i % 4 == 2 ? std::nextafter(0.5f, 0.0f) : i % 4 == 3 ? -0.0f : 0.5f;
    }
    gguf_blocks::for_each_isa([&](isa set) { this->expect_naive_bytes(x, set); });
}

TEST(GgufTrits, EveryFiveTritsComeBackFromTheirByte) {
    for (int v = 0; v < 243; ++v) {
        const int t[5] = {v / 81, v / 27 % 3, v / 9 % 3, v / 3 % 3, v % 3};
        const std::uint8_t byte = gguf::detail::pack_trits(t[0], t[1], t[2], t[3], t[4]);
        for (int k = 0; k < 5; ++k) {
            EXPECT_EQ(gguf::detail::trit_of(byte, k), t[k]) << v << ' ' << k;
        }
    }
}

} // namespace

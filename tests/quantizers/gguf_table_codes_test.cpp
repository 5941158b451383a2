// What the formats with a table of values and the ternary ones offer to solvers: parameters, codes, and their opposite.

#include "tersor/quantizers/gguf/iq4_nl.hpp"
#include "tersor/quantizers/gguf/iq4_xs.hpp"
#include "tersor/quantizers/gguf/mxfp4.hpp"
#include "tersor/quantizers/gguf/nvfp4.hpp"
#include "tersor/quantizers/gguf/q1_0.hpp"
#include "tersor/quantizers/gguf/q2_0.hpp"
#include "tersor/quantizers/gguf/tq1_0.hpp"
#include "tersor/quantizers/gguf/tq2_0.hpp"

#include "tests/quantizers/gguf_table_blocks.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <limits>

namespace {

using namespace tersor;

static_assert(block_quantizer<gguf::iq4_nl> && block_quantizer<gguf::iq4_xs> && block_quantizer<gguf::mxfp4> &&
              block_quantizer<gguf::nvfp4> && block_quantizer<gguf::tq1_0> && block_quantizer<gguf::tq2_0> &&
              block_quantizer<gguf::q1_0> && block_quantizer<gguf::q2_0>);
static_assert(number_format<gguf::one_bit>);

// How many codes a value may get. The fourth of TQ2_0 decodes, but is not used.
template <class Q>
constexpr bool is_ternary = std::is_same_v<Q, gguf::tq1_0> || std::is_same_v<Q, gguf::tq2_0>;
template <class Q>
constexpr int code_count = is_ternary<Q> ? 3 : 1 << Q::format::bits;

// Blocks of random bytes, which of TQ1_0 only the bytes of trits are.
template <class Q>
std::vector<typename Q::block> any_blocks(std::size_t count, unsigned seed) {
    auto blocks = gguf_blocks::random_blocks<typename Q::block>(count, seed);
    if constexpr (std::is_same_v<Q, gguf::tq1_0>) {
        for (auto& b : blocks) {
            std::uint8_t codes[256];
            Q::codes_of(b, codes);
            b = Q::assemble(Q::parameters_of(b), codes);
        }
    }
    return blocks;
}

template <class Q>
class GgufTableCodes : public testing::Test {
protected:
    static constexpr auto size = static_cast<std::size_t>(Q::group);
};
using coded_formats = testing::Types<gguf::iq4_nl, gguf::iq4_xs, gguf::mxfp4, gguf::nvfp4, gguf::tq1_0, gguf::tq2_0,
                               gguf::q2_0, gguf::q1_0>;
TYPED_TEST_SUITE(GgufTableCodes, coded_formats);

TYPED_TEST(GgufTableCodes, BlocksDecodeToTheBitsOfTheScalarDefinition) {
    using Q = TypeParam;
    auto blocks = gguf_blocks::random_blocks<typename Q::block>(5000, 1);
    if constexpr (requires { blocks[0].d = std::uint16_t{0}; }) {
        constexpr std::uint16_t halves[] = {0x0000, 0x8000, 0x0001, 0x83FF, 0x7BFF,
                                            0x7C00, 0xFC00, 0x7E00, 0xFE01, 0x7C01};
        for (std::size_t b = 0; b < std::size(halves); ++b) {
            blocks[b].d = halves[b];
        }
    }
    std::vector<float> expected;
    for (const auto& b : blocks) {
        std::uint8_t codes[this->size];
        Q::codes_of(b, codes);
        const auto p = Q::parameters_of(b);
        for (std::size_t i = 0; i < this->size; ++i) {
            expected.push_back(Q::decode(codes[i], p, static_cast<tersor::index>(i)));
        }
    }
    gguf_blocks::for_each_isa([&](isa set) {
        const std::vector<float> y = gguf_blocks::decode<Q>(blocks);
        for (std::size_t i = 0; i < y.size(); ++i) {
            ASSERT_EQ(std::bit_cast<std::uint32_t>(y[i]), std::bit_cast<std::uint32_t>(expected[i]))
                << to_string(set) << " value " << i << ": " << y[i] << " instead of " << expected[i];
        }
    });
}

TYPED_TEST(GgufTableCodes, AnyNumberOfBlocksIsDecodedAndNothingBehindThem) {
    using Q = TypeParam;
    const auto blocks = gguf_blocks::random_blocks<typename Q::block>(40, 2);
    const std::vector<float> all = gguf_blocks::decode<Q>(blocks);
    gguf_blocks::for_each_isa([&](isa set) {
        for (std::size_t count = 0; count < 20; ++count) {
            std::vector<float> y(count * this->size + 1, -77.0f);
            Q::decode_blocks(blocks.data(), count, y.data());
            EXPECT_EQ(y.back(), -77.0f) << to_string(set) << ' ' << count;
            EXPECT_EQ(std::memcmp(y.data(), all.data(), count * this->size * sizeof(float)), 0) << to_string(set);
        }
    });
}

TYPED_TEST(GgufTableCodes, ParametersAndCodesAssembleToTheSameBytes) {
    using Q = TypeParam;
    for (const auto& b : any_blocks<Q>(2000, 3)) {
        std::uint8_t codes[this->size];
        Q::codes_of(b, codes);
        const typename Q::block again = Q::assemble(Q::parameters_of(b), codes);
        ASSERT_TRUE(gguf_blocks::same_bytes(again, b));
    }
}

TYPED_TEST(GgufTableCodes, AValueGetsTheCodeOfTheNearestValue) {
    using Q = TypeParam;
    std::mt19937 random(4);
    std::normal_distribution<float> normal;
    for (const auto& b : any_blocks<Q>(400, 5)) {
        const auto p = Q::parameters_of(b);
        for (tersor::index i = 0; i < Q::group; i += 7) {
            const float unit = Q::decode(code_count<Q> - 1, p, i);
            if (!std::isfinite(unit) || std::fabs(unit) > 1e37f || std::fabs(unit) < 1e-30f) {
                continue;
            }
            const float value = normal(random) * unit;
            const std::uint8_t code = Q::encode(value, p, i);
            ASSERT_LT(code, code_count<Q>);
            const double reached = std::fabs(static_cast<double>(Q::decode(code, p, i)) - static_cast<double>(value));
            for (int other = 0; other < code_count<Q>; ++other) {
                const float y = Q::decode(static_cast<std::uint8_t>(other), p, i);
                const double distance = std::fabs(static_cast<double>(y) - static_cast<double>(value));
                // The quotient is rounded: two levels may be equally far to that precision.
                ASSERT_LE(reached, distance + 1e-6 * std::fabs(static_cast<double>(value))) << value << ' ' << other;
            }
        }
    }
}

TYPED_TEST(GgufTableCodes, EncodingTheValueOfACodeGivesThatValue) {
    using Q = TypeParam;
    for (const auto& b : any_blocks<Q>(400, 6)) {
        const auto p = Q::parameters_of(b);
        for (int code = 0; code < code_count<Q>; ++code) {
            for (const tersor::index i : {tersor::index{0}, Q::group / 2, Q::group - 1}) {
                const float y = Q::decode(static_cast<std::uint8_t>(code), p, i);
                if (std::isfinite(y)) {
                    ASSERT_EQ(Q::decode(Q::encode(y, p, i), p, i), y) << code;
                }
            }
        }
    }
}

TYPED_TEST(GgufTableCodes, EveryParameterTakesAnyValue) {
    using Q = TypeParam;
    constexpr float infinity = std::numeric_limits<float>::infinity();
    for (const auto& b : any_blocks<Q>(2000, 7)) {
        for (const float value : {0.0f, -0.0f, 1e-45f, 3.4e38f, -3.4e38f, infinity, -infinity}) {
            ASSERT_LT(Q::encode(value, Q::parameters_of(b), 0), code_count<Q>) << value;
        }
    }
}

TEST(GgufLayout, HalvesOfBytesHoldTheCodesAsTheFormatSays) {
    gguf::iq4_nl::block nl{0x3C00, {}};
    nl.qs[3] = 0x5A;
    const std::vector<float> y = gguf_blocks::decode<gguf::iq4_nl>({nl});
    EXPECT_EQ(y[3], 25.0f);
    EXPECT_EQ(y[19], -35.0f);
    gguf::nvfp4::block nv{};
    nv.d[1] = 0x38; // 1
    nv.qs[8 + 2] = 0x7F;
    const std::vector<float> z = gguf_blocks::decode<gguf::nvfp4>({nv});
    EXPECT_EQ(z[16 + 2], -6.0f);
    EXPECT_EQ(z[16 + 8 + 2], 6.0f);
}

} // namespace

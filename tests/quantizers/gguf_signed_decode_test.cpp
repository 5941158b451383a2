// Decoding of the signed block formats, and the seam through which others choose codes.

#include "tests/quantizers/gguf_signed_cases.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <type_traits>
#include <vector>

namespace {

using namespace tersor;
using namespace gguf_signed;

static_assert(block_quantizer<gguf::q4_0> && block_quantizer<gguf::q5_0> && block_quantizer<gguf::q8_0>);
static_assert(block_quantizer<gguf::q8_1> && block_quantizer<gguf::q8_k>);
static_assert(block_quantizer<gguf::q3_k> && block_quantizer<gguf::q6_k>);

template <class Q>
class GgufSignedDecode : public testing::Test {
protected:
    static constexpr auto group = static_cast<std::size_t>(Q::group);

    // Blocks of random bytes, among them each kind of half: NaN, infinite, subnormal and zero ones.
    static std::vector<std::uint8_t> random_blocks(std::size_t count, unsigned seed) {
        std::mt19937 random(seed);
        std::vector<std::uint8_t> bytes(count * sizeof(typename Q::block));
        for (auto& byte : bytes) {
            byte = static_cast<std::uint8_t>(random() & 255);
        }
        constexpr std::uint16_t halves[] = {0x0000, 0x8000, 0x0001, 0x83FF, 0x7C00, 0xFC00, 0x7C01, 0x7E00, 0xFE12};
        for (std::size_t b = 0; b < count; b += 2) {
            typename Q::block block;
            std::memcpy(&block, bytes.data() + b * sizeof block, sizeof block);
            const std::uint16_t half = halves[b / 2 % std::size(halves)];
            if constexpr (std::is_same_v<decltype(block.d), std::uint16_t>) {
                block.d = half;
            } else {
                const float d = fp16::decode(half) * 0x1p-120f;
                std::memcpy(block.d, &d, sizeof d);
            }
            std::memcpy(bytes.data() + b * sizeof block, &block, sizeof block);
        }
        return bytes;
    }

    static typename Q::block block_at(const std::vector<std::uint8_t>& bytes, std::size_t b) {
        typename Q::block block;
        std::memcpy(&block, bytes.data() + b * sizeof block, sizeof block);
        return block;
    }
};

TYPED_TEST_SUITE(GgufSignedDecode, formats, format_names);

TYPED_TEST(GgufSignedDecode, HasTheBitsOfTheDefinitionOnEveryInstructionSet) {
    using Q = TypeParam;
    for (const std::size_t count : {1u, 2u, 3u, 5u, 16u, 17u, 33u, 400u}) {
        const auto bytes = this->random_blocks(count, static_cast<unsigned>(count));
        for_each_isa([&] {
            const auto given = decode<Q>(bytes);
            for (std::size_t b = 0; b < count; ++b) {
                const auto block = this->block_at(bytes, b);
                const auto p = Q::parameters_of(block);
                std::uint8_t codes[this->group];
                Q::codes_of(block, codes);
                for (std::size_t i = 0; i < this->group; ++i) {
                    const float expected = Q::decode(codes[i], p, static_cast<tersor::index>(i));
                    const float value = given[b * this->group + i];
                    ASSERT_TRUE(std::bit_cast<std::uint32_t>(value) == std::bit_cast<std::uint32_t>(expected) ||
                                (std::isnan(value) && std::isnan(expected)))
                        << "block " << b << ", value " << i << ": " << value << " instead of " << expected;
                }
            }
        });
    }
}

TYPED_TEST(GgufSignedDecode, CodesHaveTheBitsOfTheirFormat) {
    using Q = TypeParam;
    const auto bytes = this->random_blocks(200, 3);
    std::vector<bool> seen(256);
    for (std::size_t b = 0; b < 200; ++b) {
        std::uint8_t codes[this->group];
        Q::codes_of(this->block_at(bytes, b), codes);
        for (const std::uint8_t code : codes) {
            seen[code] = true;
        }
    }
    for (int code = 0; code < 256; ++code) {
        EXPECT_EQ(seen[static_cast<std::size_t>(code)], code < 1 << Q::format::bits) << code;
    }
}

TYPED_TEST(GgufSignedDecode, AssembleReversesTheParts) {
    using Q = TypeParam;
    // The sums that q8_1 and q8_k store follow from the codes, so that only whole blocks come back.
    const bool has_sums = std::string_view(Q::name) == "q8_k";
    const auto bytes = has_sums ? encode<Q>(values_of(0, 1.0f, 50 * this->group, 3), {}, quantize_mode::reference)
                                : this->random_blocks(50, 4);
    for_each_isa([&] {
        for (std::size_t b = 0; b < 50; ++b) {
            const auto block = this->block_at(bytes, b);
            std::uint8_t codes[this->group];
            Q::codes_of(block, codes);
            const auto again = Q::assemble(Q::parameters_of(block), codes);
            EXPECT_EQ(std::memcmp(&again, &block, sizeof block), 0) << b;
        }
    });
}

TYPED_TEST(GgufSignedDecode, EncodeFindsTheNearestCode) {
    using Q = TypeParam;
    const auto x = values_of(2, 1.0f, 8 * this->group, 11);
    const auto bytes = encode<Q>(x, {}, quantize_mode::best);
    for (std::size_t b = 0; b < 8; ++b) {
        const auto p = Q::parameters_of(this->block_at(bytes, b));
        for (std::size_t i = 0; i < this->group; ++i) {
            const auto at = static_cast<tersor::index>(i);
            // Beyond what the codes reach, too.
            const float value = 3.0f * x[b * this->group + i];
            const float distance = std::fabs(Q::decode(Q::encode(value, p, at), p, at) - value);
            for (int code = 0; code < 1 << Q::format::bits; ++code) {
                // -128 is left to readers.
                const bool is_used = Q::format::bits < 8 || code != 128;
                const float other = std::fabs(Q::decode(static_cast<std::uint8_t>(code), p, at) - value);
                ASSERT_TRUE(!is_used || distance <= other * 1.000001f) << value << ", code " << code;
            }
        }
    }
}

TYPED_TEST(GgufSignedDecode, EncodeGivesZeroWithoutAScale) {
    using Q = TypeParam;
    typename Q::block block{};
    const auto p = Q::parameters_of(block);
    for (const float value : {0.0f, 1.0f, -1e30f}) {
        EXPECT_EQ(Q::decode(Q::encode(value, p, 0), p, 0), 0.0f);
    }
}

TEST(GgufQ81, AssembleRenewsTheSumForOtherCodes) {
    using Q = gguf::q8_1;
    gguf::q8_1::block block{};
    block.d = fp16::encode(0.5f);
    block.s = fp16::encode(123.0f);
    const auto p = Q::parameters_of(block);
    std::uint8_t codes[32] = {10, 0xFE};
    EXPECT_EQ(fp16::decode(Q::assemble(p, codes).s), 4.0f);
}

TEST(GgufQ8K, StoresTheSumOfEachSixteenCodes) {
    const auto x = values_of(0, 1.0f, 512, 5);
    for (const quantize_mode mode : {quantize_mode::reference, quantize_mode::fast, quantize_mode::best}) {
        std::vector<gguf::q8_k::block> blocks(2);
        gguf::q8_k::encode_blocks(x, {}, mode, blocks.data());
        for (const auto& block : blocks) {
            for (int k = 0; k < 16; ++k) {
                int sum = 0;
                for (int i = 0; i < 16; ++i) {
                    sum += block.qs[16 * k + i];
                }
                EXPECT_EQ(block.bsums[k], sum);
            }
        }
    }
}

} // namespace

// Blocks that are quantized in one pass, sixteen at a time: each has the bytes that it has alone.

#include "tersor/quantizers/gguf/q1_0.hpp"
#include "tersor/quantizers/gguf/q4_0.hpp"
#include "tersor/quantizers/gguf/q4_1.hpp"
#include "tersor/quantizers/gguf/q5_0.hpp"
#include "tersor/quantizers/gguf/q5_1.hpp"
#include "tersor/quantizers/gguf/q8_0.hpp"

#include "tests/common/isas.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <vector>

namespace {

using namespace tersor;

/// Normal values; every third block a few levels of both signs, zeros of both signs among them, so that extremes tie;
/// some blocks of one sign, of zeros, very large or very small.
std::vector<float> blocks_of(std::size_t size, std::size_t count) {
    std::mt19937 random(11);
    std::normal_distribution<float> normal;
    std::vector<float> x;
    for (std::size_t b = 0; b < count; ++b) {
        for (std::size_t i = 0; i < size; ++i) {
            const float value = normal(random);
            switch (b % 9) {
            case 0:
            case 3:
                x.push_back(std::copysign(std::fmin(std::floor(std::fabs(value)), 2.0f), value));
                break;
            case 4:
                x.push_back(std::fabs(value));
                break;
            case 5:
                x.push_back(value < 0.0f ? -0.0f : 0.0f);
                break;
            case 6:
                x.push_back(value * 1e35f);
                break;
            case 7:
                x.push_back(value * 1e-40f);
                break;
            default:
                x.push_back(value);
            }
        }
    }
    return x;
}

template <class Q>
std::vector<std::uint8_t> encode(std::span<const float> x) {
    constexpr auto size = static_cast<std::size_t>(Q::group);
    std::vector<typename Q::block> blocks(x.size() / size);
    Q::encode_blocks(x, {}, quantize_mode::reference, blocks.data());
    const auto* const bytes = reinterpret_cast<const std::uint8_t*>(blocks.data());
    return std::vector<std::uint8_t>(bytes, bytes + blocks.size() * sizeof(typename Q::block));
}

template <class Q>
struct GgufOnePass : testing::Test {};
struct names {
    template <class Q>
    static std::string GetName(int) {
        return Q::name;
    }
};
using types = testing::Types<gguf::q4_0, gguf::q4_1, gguf::q5_0, gguf::q5_1, gguf::q8_0, gguf::q1_0>;
TYPED_TEST_SUITE(GgufOnePass, types, names);

TYPED_TEST(GgufOnePass, GivesABlockTheBytesThatItHasAlone) {
    constexpr auto size = static_cast<std::size_t>(TypeParam::group);
    constexpr std::size_t most = 50;
    const std::vector<float> x = blocks_of(size, most);
    isas::for_each_isa([&] {
        std::vector<std::uint8_t> alone;
        for (std::size_t b = 0; b < most; ++b) {
            const std::vector<std::uint8_t> bytes = encode<TypeParam>(std::span(x).subspan(b * size, size));
            alone.insert(alone.end(), bytes.begin(), bytes.end());
        }
        for (std::size_t count = 0; count <= most; ++count) {
            const std::vector<std::uint8_t> together = encode<TypeParam>(std::span(x).first(count * size));
            ASSERT_TRUE(std::equal(together.begin(), together.end(), alone.begin())) << count << " blocks";
        }
    });
}

TYPED_TEST(GgufOnePass, WritesNoBlockButItsOwn) {
    constexpr auto size = static_cast<std::size_t>(TypeParam::group);
    using block = typename TypeParam::block;
    const std::vector<float> x = blocks_of(size, 21);
    isas::for_each_isa([&] {
        for (std::size_t count = 0; count < 21; ++count) {
            std::vector<std::uint8_t> bytes((count + 1) * sizeof(block), 0xA5);
            TypeParam::encode_blocks(std::span(x).first(count * size), {}, quantize_mode::reference,
                                     reinterpret_cast<block*>(bytes.data()));
            const std::vector<std::uint8_t> untouched(sizeof(block), 0xA5);
            ASSERT_TRUE(std::equal(untouched.begin(), untouched.end(), bytes.end() - sizeof(block))) << count;
        }
    });
}

} // namespace

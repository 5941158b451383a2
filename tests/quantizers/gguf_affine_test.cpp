#include "common/golden.hpp"
#include "quantizers/gguf_affine_cases.hpp"
#include "quantizers/gguf_affine_rules.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cctype>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <span>
#include <string>
#include <vector>

using namespace tersor;

namespace {

using gguf_cases::block_size;
using gguf_cases::blocks_of;
using gguf_cases::encode;

template <class Type>
std::vector<float> decode(const blocks_of<Type>& blocks) {
    std::vector<float> values(blocks.size() * block_size<Type>);
    Type::decode_blocks(blocks.data(), blocks.size(), values.data());
    return values;
}

template <class Type>
bool same_bytes(const typename Type::block& a, const typename Type::block& b) {
    return std::memcmp(&a, &b, sizeof a) == 0;
}

template <class Type>
std::string golden_name() {
    std::string name = Type::name;
    for (char& c : name) {
        c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    }
    return name;
}

template <class Type>
golden::file recorded() {
    return gguf_cases::recorded(block_size<Type> == 32 ? "ggml/legacy" : "ggml/kquants");
}

// The blocks of a row as the rules give them, one value at a time.
template <class Type>
blocks_of<Type> encode_by_rules(std::span<const float> x, std::span<const float> importance) {
    constexpr std::size_t n = block_size<Type>;
    blocks_of<Type> blocks;
    for (std::size_t i = 0; i < x.size(); i += n) {
        const float* const w = importance.empty() ? nullptr : importance.data() + i;
        if constexpr (n == 32) {
            const float sigma2 = gguf_rules::sum_of_squares(x.data(), x.size()) / static_cast<float>(x.size());
            const auto r = gguf_rules::simple_block(x.data() + i, w, sigma2, Type::top);
            blocks.push_back(Type::assemble({r.d, r.m}, r.codes.data()));
        } else {
            constexpr auto settings = Type::shape.groups == 16 ? gguf_rules::q2_k
                                      : Type::shape.top == 15  ? gguf_rules::q4_k
                                                               : gguf_rules::q5_k;
            const auto r = gguf_rules::super_block(x.data() + i, w, settings);
            std::uint8_t packed[16];
            Type::pairs::pack(r.scales.data(), r.minima.data(), packed);
            blocks.push_back(Type::assemble({r.d, r.m, packed}, r.codes.data()));
        }
    }
    return blocks;
}

template <class Type>
class GgufAffine : public testing::Test {};

TYPED_TEST_SUITE(GgufAffine, gguf_cases::types);

} // namespace

TYPED_TEST(GgufAffine, DecodesToTheRecordedValues) {
    using type = TypeParam;
    const golden::file file = recorded<type>();
    const auto bytes = file.tensor<std::uint8_t>("q." + golden_name<type>());
    const auto values = file.tensor<float>("y." + golden_name<type>());
    blocks_of<type> blocks(bytes.size() / sizeof(typename type::block));
    std::memcpy(blocks.data(), bytes.data(), bytes.size());
    gguf_cases::for_each_isa([&](isa set) {
        auto decoded = decode<type>(blocks);
        ASSERT_GE(decoded.size(), values.size());
        for (std::size_t i = 0; i < values.size(); ++i) {
            // NaN where a scale that is too large for its type meets a level of 0.
            ASSERT_TRUE(decoded[i] == values[i] || (std::isnan(decoded[i]) && std::isnan(values[i])))
                << to_string(set) << ", value " << i << ": " << decoded[i] << " instead of " << values[i];
        }
    });
}

TYPED_TEST(GgufAffine, ReferenceModeWritesTheRecordedBytes) {
    using type = TypeParam;
    const golden::file file = recorded<type>(), inputs = gguf_cases::recorded("ggml/inputs");
    const auto x = inputs.tensor<float>("x"), importance = inputs.tensor<float>("imatrix");
    for (const bool weighted : {false, true}) {
        const auto bytes = file.tensor<std::uint8_t>((weighted ? "q_im." : "q.") + golden_name<type>());
        const std::size_t row = importance.size(), row_bytes = row / block_size<type> * sizeof(typename type::block);
        ASSERT_EQ(bytes.size(), x.size() / row * row_bytes);
        gguf_cases::for_each_isa([&](isa set) {
            for (std::size_t r = 0; r < x.size() / row; ++r) {
                const auto blocks = encode<type>(
                    std::span(x).subspan(r * row, row),
                    weighted ? std::span<const float>(importance) : std::span<const float>(), quantize_mode::reference);
                EXPECT_EQ(std::memcmp(blocks.data(), bytes.data() + r * row_bytes, row_bytes), 0)
                    << to_string(set) << ", row " << r << (weighted ? " with importance" : "");
            }
        });
    }
}

TYPED_TEST(GgufAffine, ReferenceModeFollowsTheRulesForAnyKindOfValues) {
    using type = TypeParam;
    constexpr std::size_t counts[] = {1, 2, 3, 5, 16, 17, 33};
    std::uint32_t seed = 1;
    for (int kind = 0; kind < gguf_cases::kinds; ++kind) {
        for (const float magnitude : gguf_cases::magnitudes) {
            const std::size_t n = counts[++seed % 7] * block_size<type>;
            const auto x = gguf_cases::values(kind, magnitude, n, seed), w = gguf_cases::weights(n, seed);
            for (const bool weighted : {false, true}) {
                const std::span<const float> importance = weighted ? std::span(w) : std::span<const float>();
                const auto wanted = encode_by_rules<type>(x, importance);
                gguf_cases::for_each_isa([&](isa set) {
                    const auto blocks = encode<type>(x, importance, quantize_mode::reference);
                    std::size_t wrong = 0;
                    for (std::size_t b = 0; b < blocks.size(); ++b) {
                        wrong += !same_bytes<type>(blocks[b], wanted[b]);
                    }
                    EXPECT_EQ(wrong, 0u) << to_string(set) << ", kind " << kind << ", magnitude " << magnitude
                                         << (weighted ? ", with importance" : "");
                });
            }
        }
    }
}

TYPED_TEST(GgufAffine, DecodingBlocksIsDecodingEachCodeForAnyBytes) {
    using type = TypeParam;
    std::mt19937 random(5);
    for (const std::size_t count : {1u, 2u, 3u, 5u, 16u, 17u, 33u, 200u}) {
        blocks_of<type> blocks(count);
        std::vector<std::uint8_t> bytes(count * sizeof(typename type::block));
        for (std::uint8_t& b : bytes) {
            b = static_cast<std::uint8_t>(random());
        }
        std::memcpy(blocks.data(), bytes.data(), bytes.size());
        std::vector<float> wanted;
        for (const auto& block : blocks) {
            std::uint8_t codes[block_size<type>];
            type::codes_of(block, codes);
            const auto p = type::parameters_of(block);
            for (std::size_t i = 0; i < block_size<type>; ++i) {
                wanted.push_back(type::decode(codes[i], p, static_cast<tersor::index>(i)));
            }
            EXPECT_TRUE(same_bytes<type>(type::assemble(p, codes), block));
        }
        gguf_cases::for_each_isa([&](isa set) {
            const auto values = decode<type>(blocks);
            for (std::size_t i = 0; i < values.size(); ++i) {
                const bool same = std::isnan(wanted[i]) ? std::isnan(values[i])
                                                        : std::bit_cast<std::uint32_t>(values[i]) ==
                                                              std::bit_cast<std::uint32_t>(wanted[i]);
                ASSERT_TRUE(same) << to_string(set) << ", value " << i << ": " << values[i] << ", not " << wanted[i];
            }
        });
    }
}

TYPED_TEST(GgufAffine, EncodesAValueToTheNearestCode) {
    using type = TypeParam;
    const auto x = gguf_cases::values(1, 1.0f, 8 * block_size<type>, 3);
    for (const auto& block : encode<type>(x, {}, quantize_mode::reference)) {
        const auto p = type::parameters_of(block);
        const int top = (1 << type::format::bits) - 1;
        for (std::size_t i = 0; i < block_size<type>; i += 5) {
            const auto at = static_cast<tersor::index>(i);
            const int chosen = type::encode(x[i], p, at);
            const float off = std::fabs(type::decode(static_cast<std::uint8_t>(chosen), p, at) - x[i]);
            const float step = std::fabs(type::decode(1, p, at) - type::decode(0, p, at));
            for (int code = 0; code <= top; ++code) {
                const float other = std::fabs(type::decode(static_cast<std::uint8_t>(code), p, at) - x[i]);
                EXPECT_LE(off, other + 1e-4f * step);
            }
        }
        EXPECT_EQ(type::encode(1e30f, p, 0), top);
        EXPECT_EQ(type::encode(-1e30f, p, 0), 0);
    }
    const typename type::block zero{};
    EXPECT_EQ(type::encode(0.0f, type::parameters_of(zero), 0), 0);
}

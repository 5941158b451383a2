// Mode reference of the signed block formats: the recorded bytes, and the rules on many other values.

#include "tests/quantizers/gguf_signed_cases.hpp"
#include "tests/quantizers/gguf_signed_rules.hpp"
#include "tests/quantizers/gguf_signed_super_rules.hpp"

#include <gtest/gtest.h>

#include <cctype>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace tersor;
using namespace gguf_signed;

template <class Q>
bytes by_rule(const row& x, const row& importance) {
    const std::string_view name = Q::name;
    return name == "q4_0"   ? nibbles(8, x, importance)
           : name == "q5_0" ? nibbles(16, x, importance)
           : name == "q8_0" ? eights(x, false)
           : name == "q8_1" ? eights(x, true)
           : name == "q8_k" ? eights_k(x)
           : name == "q3_k" ? gguf_signed::q3_k(x, importance)
                            : gguf_signed::q6_k(x, importance);
}

// Where two runs of blocks differ first, or an empty string.
template <class Q>
std::string difference(const bytes& given, const bytes& expected) {
    if (given.size() != expected.size()) {
        return "sizes differ";
    }
    for (std::size_t i = 0; i < given.size(); ++i) {
        if (given[i] != expected[i]) {
            return "block " + std::to_string(i / sizeof(typename Q::block)) + ", byte " +
                   std::to_string(i % sizeof(typename Q::block)) + ": " + std::to_string(given[i]) + " instead of " +
                   std::to_string(expected[i]);
        }
    }
    return {};
}

template <class Q>
class GgufSignedReference : public testing::Test {
protected:
    static std::string recorded_name() {
        std::string name = Q::name;
        for (char& c : name) {
            c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
        }
        return name;
    }
};

TYPED_TEST_SUITE(GgufSignedReference, formats, format_names);

TYPED_TEST(GgufSignedReference, WritesTheRecordedBytes) {
    const golden::file inputs = recorded("inputs");
    const bool is_k = std::string_view(TypeParam::name).substr(3) == "k";
    const golden::file results = recorded(is_k ? "kquants" : "legacy");
    const row x = inputs.tensor<float>("x"), importance = inputs.tensor<float>("imatrix");
    const std::size_t columns = importance.size();
    for (const bool weighted : {false, true}) {
        const std::string name = (weighted ? "q_im." : "q.") + this->recorded_name();
        ASSERT_EQ(results.has(name), !weighted || uses_importance<TypeParam>);
        if (!results.has(name)) {
            continue;
        }
        const bytes expected = results.tensor<std::uint8_t>(name);
        for_each_isa([&] {
            bytes given;
            for (std::size_t start = 0; start < x.size(); start += columns) {
                const row values(x.begin() + static_cast<std::ptrdiff_t>(start),
                                 x.begin() + static_cast<std::ptrdiff_t>(start + columns));
                const bytes one = encode<TypeParam>(values, weighted ? importance : row{}, quantize_mode::reference);
                given.insert(given.end(), one.begin(), one.end());
            }
            EXPECT_EQ(difference<TypeParam>(given, expected), "");
        });
    }
}

TYPED_TEST(GgufSignedReference, ReadsTheRecordedValues) {
    const bool is_k = std::string_view(TypeParam::name).substr(3) == "k";
    const golden::file results = recorded(is_k ? "kquants" : "legacy");
    const bytes blocks = results.tensor<std::uint8_t>("q." + this->recorded_name());
    const row expected = results.tensor<float>("y." + this->recorded_name());
    for_each_isa([&] {
        const row given = decode<TypeParam>(blocks);
        ASSERT_GE(given.size(), expected.size());
        ASSERT_GE(expected.size(), 512u);
        for (std::size_t i = 0; i < expected.size(); ++i) {
            ASSERT_TRUE(given[i] == expected[i] || (given[i] != given[i] && expected[i] != expected[i])) << i;
        }
    });
}

TYPED_TEST(GgufSignedReference, FollowsTheRuleForEveryKindAndMagnitude) {
    const auto group = static_cast<std::size_t>(TypeParam::group);
    const std::size_t counts[] = {1, 2, 3, 5, 16, 17, 33};
    unsigned seed = 1;
    for (int kind = 0; kind < kinds; ++kind) {
        for (const float magnitude : magnitudes) {
            const std::size_t count = counts[seed % 7];
            const row x = values_of(kind, magnitude, group * (group == 32 ? count : count % 6 + 1), ++seed);
            for (const int weights : {0, 1, 2}) {
                const row importance = weights == 0 ? row{} : importance_of(weights - 1, x.size(), seed);
                const bytes expected = by_rule<TypeParam>(x, importance);
                for_each_isa([&] {
                    const bytes given = encode<TypeParam>(x, importance, quantize_mode::reference);
                    EXPECT_EQ(difference<TypeParam>(given, expected), "")
                        << "kind " << kind << ", magnitude " << magnitude << ", weights " << weights;
                });
            }
        }
    }
}

TYPED_TEST(GgufSignedReference, FollowsTheRuleForThousandsOfBlocks) {
    const auto group = static_cast<std::size_t>(TypeParam::group);
    const std::size_t count = group == 32 ? 2000 : 250;
    for (const int kind : {0, 2, 9, 13}) {
        const row x = values_of(kind, 0.05f, group * count, 99);
        for (const bool weighted : {false, true}) {
            const row importance = weighted ? importance_of(0, x.size(), 5) : row{};
            const bytes expected = by_rule<TypeParam>(x, importance);
            for_each_isa([&] {
                const bytes given = encode<TypeParam>(x, importance, quantize_mode::reference);
                EXPECT_EQ(difference<TypeParam>(given, expected), "") << "kind " << kind;
            });
        }
    }
}

TEST(GgufQ80, RoundsHalvesAwayFromZeroAndNothingElse) {
    // d is 1, so that the codes are the rounded values.
    row x(32, 0.0f);
    x[0] = 127.0f;
    for (std::size_t i = 1; i < 31; i += 2) {
        const float half = static_cast<float>(i * 8 % 128 + 1) / 2.0f;
        x[i] = half;
        x[i + 1] = -std::nextafter(half, 0.0f);
    }
    x[31] = 0x1.fffffep-2f; // the sum with a half is 1
    for_each_isa([&] {
        gguf::q8_0::block block;
        gguf::q8_0::encode_blocks(x, {}, quantize_mode::reference, &block);
        for (std::size_t i = 0; i < 32; ++i) {
            EXPECT_EQ(static_cast<float>(block.qs[i]), std::round(x[i])) << i;
        }
    });
}

} // namespace

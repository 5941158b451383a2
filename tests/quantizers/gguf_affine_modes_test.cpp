#include "quantizers/gguf_affine_cases.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>
#include <vector>

using namespace tersor;

namespace {

using gguf_cases::block_size;
using gguf_cases::blocks_of;
using gguf_cases::encode;

// Sum w (decoded - x)^2 of one block.
template <class Type>
double error_of(const typename Type::block& block, const float* x, const float* w) {
    float values[block_size<Type>];
    Type::decode_blocks(&block, 1, values);
    double error = 0.0;
    for (std::size_t i = 0; i < block_size<Type>; ++i) {
        const double off = static_cast<double>(values[i]) - x[i];
        error += (w == nullptr ? 1.0 : static_cast<double>(w[i])) * off * off;
    }
    return error;
}

template <class Type>
double sqnr(std::span<const float> x, std::span<const float> importance, quantize_mode mode) {
    double signal = 0.0, noise = 0.0;
    constexpr std::size_t row = 4096;
    for (std::size_t first = 0; first < x.size(); first += row) {
        const auto blocks = encode<Type>(x.subspan(first, row), importance, mode);
        for (std::size_t b = 0; b < blocks.size(); ++b) {
            noise += error_of<Type>(blocks[b], x.data() + first + b * block_size<Type>, nullptr);
        }
    }
    for (const float v : x) {
        signal += static_cast<double>(v) * v;
    }
    return 10.0 * std::log10(signal / noise);
}

template <class Type>
class GgufAffineModes : public testing::Test {};

TYPED_TEST_SUITE(GgufAffineModes, gguf_cases::types);

} // namespace

TYPED_TEST(GgufAffineModes, GiveTheSameBytesWithAnyInstructionSet) {
    using type = TypeParam;
    constexpr std::size_t counts[] = {1, 2, 3, 5, 16, 17, 33};
    std::uint32_t seed = 1;
    for (int kind = 0; kind < gguf_cases::kinds; ++kind) {
        for (const float magnitude : {1.0f, 1e-8f, 1e-40f, 1e37f}) {
            const std::size_t n = counts[++seed % 7] * block_size<type>;
            const auto x = gguf_cases::values(kind, magnitude, n, seed), w = gguf_cases::weights(n, seed);
            for (const quantize_mode mode : {quantize_mode::fast, quantize_mode::best}) {
                for (const bool weighted : {false, true}) {
                    const std::span<const float> importance = weighted ? std::span(w) : std::span<const float>();
                    std::vector<blocks_of<type>> results;
                    gguf_cases::for_each_isa([&](isa) { results.push_back(encode<type>(x, importance, mode)); });
                    for (const auto& result : results) {
                        EXPECT_EQ(
                            std::memcmp(result.data(), results[0].data(), n / block_size<type> * sizeof result[0]), 0)
                            << "kind " << kind << ", magnitude " << magnitude << (weighted ? ", with importance" : "");
                    }
                }
            }
        }
    }
}

TYPED_TEST(GgufAffineModes, BlocksDoNotDependOnTheirNeighbours) {
    using type = TypeParam;
    const auto x = gguf_cases::values(1, 1.0f, 21 * block_size<type>, 9);
    const auto w = gguf_cases::weights(x.size(), 9);
    for (const quantize_mode mode : {quantize_mode::fast, quantize_mode::best}) {
        for (const bool weighted : {false, true}) {
            if (weighted && mode == quantize_mode::best) {
                continue; // the reference rules, which are compared with, look at the whole row
            }
            const std::span<const float> importance = weighted ? std::span(w) : std::span<const float>();
            const auto together = encode<type>(x, importance, mode);
            for (std::size_t b = 0; b < together.size(); ++b) {
                const std::size_t first = b * block_size<type>;
                const auto alone =
                    encode<type>(std::span(x).subspan(first, block_size<type>),
                                 weighted ? importance.subspan(first, block_size<type>) : importance, mode);
                EXPECT_EQ(std::memcmp(&alone[0], &together[b], sizeof alone[0]), 0) << "block " << b;
            }
        }
    }
}

TYPED_TEST(GgufAffineModes, BestIsNeverWorseThanReferenceOnAnyBlock) {
    using type = TypeParam;
    std::uint32_t seed = 100;
    for (int kind = 0; kind < gguf_cases::kinds; ++kind) {
        for (const float magnitude : gguf_cases::magnitudes) {
            const std::size_t n = 6 * block_size<type>;
            const auto x = gguf_cases::values(kind, magnitude, n, ++seed), w = gguf_cases::weights(n, seed);
            for (const bool weighted : {false, true}) {
                const std::span<const float> importance = weighted ? std::span(w) : std::span<const float>();
                const auto reference = encode<type>(x, importance, quantize_mode::reference);
                const auto best = encode<type>(x, importance, quantize_mode::best);
                for (std::size_t b = 0; b < best.size(); ++b) {
                    const std::size_t first = b * block_size<type>;
                    const float* const weight = weighted ? w.data() + first : nullptr;
                    const double was = error_of<type>(reference[b], x.data() + first, weight);
                    const double is = error_of<type>(best[b], x.data() + first, weight);
                    double size = 0.0;
                    for (std::size_t i = first; i < first + block_size<type>; ++i) {
                        size += (weighted ? static_cast<double>(w[i]) : 1.0) * x[i] * static_cast<double>(x[i]);
                    }
                    ASSERT_TRUE(std::isfinite(is)) << "kind " << kind << ", magnitude " << magnitude;
                    // The error is compared in floats: what differs by less than they can tell is equal.
                    EXPECT_TRUE(!(is > was * (1.0 + 1e-5) + 1e-13 * size))
                        << "kind " << kind << ", magnitude " << magnitude << ", block " << b
                        << (weighted ? " with importance: " : ": ") << is << " > " << was;
                }
            }
        }
    }
}

TYPED_TEST(GgufAffineModes, BestIsNoWorseOnAnyRecordedRow) {
    using type = TypeParam;
    const golden::file inputs = gguf_cases::recorded("ggml/inputs");
    const auto x = inputs.tensor<float>("x"), importance = inputs.tensor<float>("imatrix");
    const std::size_t row = importance.size();
    for (std::size_t r = 0; r < x.size() / row; ++r) {
        for (const bool weighted : {false, true}) {
            const auto error_in = [&](quantize_mode mode) {
                const auto values = std::span(x).subspan(r * row, row);
                const auto blocks =
                    encode<type>(values, weighted ? std::span(importance) : std::span<const float>(), mode);
                double error = 0.0;
                for (std::size_t b = 0; b < blocks.size(); ++b) {
                    const std::size_t first = b * block_size<type>;
                    error += error_of<type>(blocks[b], values.data() + first, weighted ? &importance[first] : nullptr);
                }
                return error;
            };
            const double reference = error_in(quantize_mode::reference);
            // NaN or infinite where the reference's scales do not fit their type.
            EXPECT_TRUE(error_in(quantize_mode::best) <= reference * (1.0 + 1e-6) || !std::isfinite(reference))
                << "row " << r << ", " << weighted;
        }
    }
}

TYPED_TEST(GgufAffineModes, ZerosStayZero) {
    using type = TypeParam;
    const std::vector<float> x(3 * block_size<type>, 0.0f), w(x.size(), 0.0f);
    for (const quantize_mode mode : {quantize_mode::reference, quantize_mode::fast, quantize_mode::best}) {
        for (const bool weighted : {false, true}) {
            const auto blocks = encode<type>(x, weighted ? std::span<const float>(w) : std::span<const float>(), mode);
            std::vector<float> values(x.size(), 1.0f);
            type::decode_blocks(blocks.data(), blocks.size(), values.data());
            EXPECT_EQ(values, x);
        }
    }
}

TYPED_TEST(GgufAffineModes, WeightsOfZeroDoNoHarm) {
    using type = TypeParam;
    const auto x = gguf_cases::values(0, 1.0f, 4 * block_size<type>, 11);
    auto w = gguf_cases::weights(x.size(), 11);
    for (std::size_t i = 0; i < w.size(); ++i) {
        w[i] = i < w.size() / 2 || i % 3 == 0 ? 0.0f : w[i];
    }
    for (const quantize_mode mode : {quantize_mode::fast, quantize_mode::best}) {
        const auto blocks = encode<type>(x, w, mode);
        for (std::size_t b = 0; b < blocks.size(); ++b) {
            const double error = error_of<type>(blocks[b], x.data() + b * block_size<type>, nullptr);
            EXPECT_LT(error, 0.4 * static_cast<double>(block_size<type>)) << b;
        }
    }
}

// Recorded of ggml (quality.json, the better of its columns), and what the modes reach here on 2^17 normal numbers.
TYPED_TEST(GgufAffineModes, ReachTheirQualityOnNormalValues) {
    using type = TypeParam;
    struct wanted {
        double fast, best;
    };
    constexpr wanted least = std::is_same_v<type, gguf::q4_1>   ? wanted{23.12, 23.25}
                             : std::is_same_v<type, gguf::q5_1> ? wanted{29.43, 29.55}
                             : std::is_same_v<type, gguf::q2_k> ? wanted{11.70, 11.73}
                             : std::is_same_v<type, gguf::q4_k> ? wanted{23.10, 23.165}
                                                                : wanted{29.20, 29.40};
    const auto x = gguf_cases::values(0, 1.0f, 1u << 17, 2);
    EXPECT_GT(sqnr<type>(x, {}, quantize_mode::fast), least.fast);
    EXPECT_GT(sqnr<type>(x, {}, quantize_mode::best), least.best);
}

#ifndef TERSOR_TESTS_QUANTIZERS_GGUF_AFFINE_CASES_HPP
#define TERSOR_TESTS_QUANTIZERS_GGUF_AFFINE_CASES_HPP

// Rows of values of many kinds and magnitudes, what ggml made of some rows, and the instruction sets to run them on.

#include "common/golden.hpp"
#include "tersor/core/concepts.hpp"
#include "tersor/quantizers/gguf/q2_k.hpp"
#include "tersor/quantizers/gguf/q4_1.hpp"
#include "tersor/quantizers/gguf/q4_k.hpp"
#include "tersor/quantizers/gguf/q5_1.hpp"
#include "tersor/quantizers/gguf/q5_k.hpp"
#include "tersor/simd/isa.hpp"
#include "tests/common/isas.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <span>
#include <string_view>
#include <vector>

namespace gguf_cases {

using isas::for_each_isa;

template <class Type>
inline constexpr std::size_t block_size = static_cast<std::size_t>(Type::group);

template <class Type>
using blocks_of = std::vector<typename Type::block>;

template <class Type>
blocks_of<Type> encode(std::span<const float> x, std::span<const float> importance, tersor::quantize_mode mode) {
    blocks_of<Type> blocks(x.size() / block_size<Type>);
    Type::encode_blocks(x, importance, mode, blocks.data());
    return blocks;
}

/// A recorded set of ggml's, or the small cut of it that holds the affine types and their inputs.
inline golden::file recorded(std::string_view set) {
    return golden::file(golden::available(set) ? set : std::string_view("ggml/affine_types"));
}

#ifdef TERSOR_TEST_FEWER_TYPES // for sanitizers, which look for what hardly depends on the values
inline constexpr int kinds = 4;
inline constexpr float magnitudes[] = {1.0f, 1e-38f, 1e37f};
using types = testing::Types<tersor::gguf::q5_1, tersor::gguf::q2_k, tersor::gguf::q4_k>;
#else
inline constexpr int kinds = 12;
inline constexpr float magnitudes[] = {1.0f, 0.02f, 1e-8f, 1e-30f, 1e-38f, 1e-40f, 1e4f, 1e20f, 1e37f};
using types = testing::Types<tersor::gguf::q4_1, tersor::gguf::q5_1, tersor::gguf::q2_k, tersor::gguf::q4_k, tersor::gguf::q5_k>;
#endif

/// `count` finite values of a kind, times `magnitude`.
inline std::vector<float> values(int kind, float magnitude, std::size_t count, std::uint32_t seed) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    std::uniform_real_distribution<float> uniform(0.0f, 1.0f);
    std::student_t_distribution<float> heavy(3.0f);
    std::vector<float> x(count);
    for (std::size_t i = 0; i < count; ++i) {
        float v = normal(random);
        switch (kind) {
        case 0:
            break;
        case 1:
            v = heavy(random);
            break;
        case 2:
            v = uniform(random);
            break;
        case 3:
            v = -uniform(random);
            break;
        case 4:
            v = random() % 40 == 0 ? 30.0f * v : v;
            break;
        case 5:
            v = random() % 7 != 0 ? 0.0f : v;
            break;
        case 6:
            v = 0.37f;
            break;
        case 7:
            v = std::round(8.0f * v) / 8.0f;
            break;
        case 8:
            v = i / 32 % 3 == 0 ? 0.0f : v;
            break;
        case 9:
            v = i % 2 == 0 ? 0.75f : -0.75f;
            break;
        case 10:
            v = random() % 2 == 0 ? -0.0f : random() % 60 == 0 ? 1.0f : 0.0f;
            break;
        default:
            v = -1.0f + (random() % 4 == 0 ? 1e-6f * v : 0.0f);
            break;
        }
        x[i] = std::clamp(v * magnitude, -3e38f, 3e38f);
    }
    return x;
}

/// One positive weight per value.
inline std::vector<float> weights(std::size_t count, std::uint32_t seed) {
    std::mt19937 random(seed);
    std::lognormal_distribution<float> distribution(0.0f, 1.5f);
    std::vector<float> w(count);
    for (float& v : w) {
        v = distribution(random);
    }
    return w;
}

} // namespace gguf_cases

#endif // TERSOR_TESTS_QUANTIZERS_GGUF_AFFINE_CASES_HPP

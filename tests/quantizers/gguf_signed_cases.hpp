#ifndef TERSOR_TESTS_QUANTIZERS_GGUF_SIGNED_CASES_HPP
#define TERSOR_TESTS_QUANTIZERS_GGUF_SIGNED_CASES_HPP

// The signed block formats as test cases, and rows of values of many kinds and magnitudes.

#include "tersor/quantizers/gguf/q3_k.hpp"
#include "tersor/quantizers/gguf/q4_0.hpp"
#include "tersor/quantizers/gguf/q5_0.hpp"
#include "tersor/quantizers/gguf/q6_k.hpp"
#include "tersor/quantizers/gguf/q8_0.hpp"
#include "tersor/quantizers/gguf/q8_1.hpp"
#include "tersor/quantizers/gguf/q8_k.hpp"

#include "tests/common/golden.hpp"
#include "tests/common/isas.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace gguf_signed {

using formats = testing::Types<tersor::gguf::q4_0, tersor::gguf::q5_0, tersor::gguf::q8_0, tersor::gguf::q8_1,
                               tersor::gguf::q8_k, tersor::gguf::q3_k, tersor::gguf::q6_k>;

struct format_names {
    template <class Q>
    static std::string GetName(int) {
        return Q::name;
    }
};

/// The recorded set "ggml/<name>", or the bundled cut of all sets.
inline golden::file recorded(std::string_view set) {
    const std::string name = "ggml/" + std::string(set);
    return golden::file(golden::available(name) ? name : "ggml/signed_types");
}

using isas::for_each_isa;

/// The bytes of a run of values in one mode.
template <class Q>
std::vector<std::uint8_t> encode(const std::vector<float>& x, const std::vector<float>& importance,
                                 tersor::quantize_mode mode) {
    std::vector<typename Q::block> blocks(x.size() / static_cast<std::size_t>(Q::group));
    Q::encode_blocks(x, importance, mode, blocks.data());
    const auto* const first = reinterpret_cast<const std::uint8_t*>(blocks.data());
    return {first, first + blocks.size() * sizeof(typename Q::block)};
}

/// The values of the bytes of blocks.
template <class Q>
std::vector<float> decode(const std::vector<std::uint8_t>& bytes) {
    std::vector<typename Q::block> blocks(bytes.size() / sizeof(typename Q::block));
    std::memcpy(blocks.data(), bytes.data(), bytes.size());
    std::vector<float> values(blocks.size() * static_cast<std::size_t>(Q::group));
    Q::decode_blocks(blocks.data(), blocks.size(), values.data());
    return values;
}

inline constexpr int kinds = 15;
inline constexpr float magnitudes[] = {1.0f,   0.02f,  1e-4f, 1e-8f, 1e-14f, 1e-16f, 1e-30f, 1e-37f, 1e-38f,
                                       1e-40f, 1e-44f, 1e4f,  1e7f,  1e12f,  1e18f,  1e19f,  1e30f,  1e38f};

/// `count` values of one kind, times `magnitude`; none is infinite.
inline std::vector<float> values_of(int kind, float magnitude, std::size_t count, unsigned seed) {
    std::mt19937_64 random(seed * 1000003u + static_cast<unsigned>(kind));
    std::normal_distribution<float> gauss;
    std::uniform_real_distribution<float> uniform(0.0f, 1.0f);
    std::student_t_distribution<float> student(3.0f);
    std::vector<float> x(count);
    for (std::size_t i = 0; i < count; ++i) {
        float v = gauss(random);
        switch (kind) {
        case 1:
            v = std::log(uniform(random) + 1e-9f) * (uniform(random) < 0.5f ? -1.0f : 1.0f);
            break;
        case 2:
            v = student(random);
            break;
        case 3:
            v = uniform(random) < 0.01f ? 30.0f * v : v;
            break;
        case 4:
            v = uniform(random);
            break;
        case 5:
            v = -uniform(random);
            break;
        case 6:
            v = 0.37f;
            break;
        case 7:
            v = i % 2 == 0 ? 0.75f : -0.75f;
            break;
        case 8:
            v = uniform(random) < 0.02f ? v : 0.0f;
            break;
        case 9:
            v = std::nearbyint(8.0f * v) / 8.0f;
            break;
        case 10:
            v = i / 16 % 3 == 0 ? (i % 2 == 0 ? 0.0f : -0.0f) : v;
            break;
        case 11:
            v = std::nearbyint(2.0f * uniform(random) - 1.0f);
            break;
        case 12:
            v = i / 32 % 2 == 0 ? v : 1e-7f * v;
            break;
        case 13:
            v = v * std::exp2(std::nearbyint(20.0f * uniform(random) - 10.0f));
            break;
        case 14:
            v = i / 32 % 3 == 2 ? v : (i / 32 % 3 == 1 && i % 3 == 0 ? 0.0f : -0.0f);
            break;
        default:
            break;
        }
        const float scaled = v * magnitude;
        constexpr float most = std::numeric_limits<float>::max();
        x[i] = scaled > most ? most : scaled < -most ? -most : scaled;
    }
    return x;
}

/// Positive weights, some of them zero for kind 1.
inline std::vector<float> importance_of(int kind, std::size_t count, unsigned seed) {
    std::mt19937_64 random(seed);
    std::uniform_real_distribution<float> uniform(0.0f, 1.0f);
    std::vector<float> w(count);
    for (float& weight : w) {
        weight = uniform(random) * uniform(random) * 4.0f + 1e-3f;
        weight = kind == 1 && uniform(random) < 0.3f ? 0.0f : weight;
    }
    return w;
}

/// What a format keeps of ggml's rules in test cases: its name there, and whether it uses weights.
template <class Q>
inline constexpr bool uses_importance = std::string_view(Q::name).substr(0, 2) != "q8";

} // namespace gguf_signed

#endif // TERSOR_TESTS_QUANTIZERS_GGUF_SIGNED_CASES_HPP

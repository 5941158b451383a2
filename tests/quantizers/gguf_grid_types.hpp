#ifndef TERSOR_TESTS_QUANTIZERS_GGUF_GRID_TYPES_HPP
#define TERSOR_TESTS_QUANTIZERS_GGUF_GRID_TYPES_HPP

// The grid types side by side: which rules they have in naive form, and rows of many kinds to try them on.

#include "tersor/quantizers/gguf/iq1_m.hpp"
#include "tersor/quantizers/gguf/iq1_s.hpp"
#include "tersor/quantizers/gguf/iq2_s.hpp"
#include "tersor/quantizers/gguf/iq2_xs.hpp"
#include "tersor/quantizers/gguf/iq2_xxs.hpp"
#include "tersor/quantizers/gguf/iq3_s.hpp"
#include "tersor/quantizers/gguf/iq3_xxs.hpp"

#include "tests/quantizers/gguf_grid_naive.hpp"
#include "tests/quantizers/gguf_grid_naive_iq1.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <type_traits>
#include <vector>

namespace grid_types {

namespace gguf = tersor::gguf;

using all =
    ::testing::Types<gguf::iq2_xxs, gguf::iq2_xs, gguf::iq2_s, gguf::iq3_xxs, gguf::iq3_s, gguf::iq1_s, gguf::iq1_m>;

template <class Type>
inline constexpr bool is_iq1 = Type::rules::is_ternary;

template <class Type>
constexpr naive::magnitude_rules magnitudes() {
    return std::is_same_v<Type, gguf::iq2_xxs>   ? naive::iq2_xxs
           : std::is_same_v<Type, gguf::iq2_xs>  ? naive::iq2_xs
           : std::is_same_v<Type, gguf::iq2_s>   ? naive::iq2_s
           : std::is_same_v<Type, gguf::iq3_xxs> ? naive::iq3_xxs
                                                 : naive::iq3_s;
}

template <class Type>
naive::neighbourhood& near() {
    using rules = typename Type::rules;
    static naive::neighbourhood made(naive::grid_of(rules::words, rules::positions, rules::bits), rules::shells);
    return made;
}

/// The numbers of a block, in naive form.
template <class Type>
naive::super_block numbers_of(const typename Type::block& block) {
    const auto codes = Type::unpack(block);
    naive::super_block b;
    b.d = codes.d;
    b.points.assign(codes.points, codes.points + 256 / Type::rules::positions);
    b.scales.assign(codes.scales, codes.scales + 256 / Type::rules::group);
    if constexpr (is_iq1<Type>) {
        b.minus.assign(codes.minus, codes.minus + 32);
    } else {
        b.signs.assign(codes.signs, codes.signs + 32);
    }
    return b;
}

/// The block of numbers in naive form.
template <class Type>
typename Type::block block_of(const naive::super_block& b) {
    typename Type::codes codes;
    codes.d = b.d;
    for (std::size_t k = 0; k < b.points.size(); ++k) {
        codes.points[k] = static_cast<std::uint16_t>(b.points[k]);
    }
    for (std::size_t g = 0; g < b.scales.size(); ++g) {
        codes.scales[g] = static_cast<std::uint8_t>(b.scales[g]);
    }
    for (std::size_t k = 0; k < 32; ++k) {
        if constexpr (is_iq1<Type>) {
            codes.minus[k] = b.minus[k] != 0;
        } else {
            codes.signs[k] = static_cast<std::uint8_t>(b.signs[k]);
        }
    }
    return Type::pack(codes);
}

template <class Block>
bool same_bytes(const std::vector<Block>& a, const std::vector<Block>& b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(Block)) == 0;
}

inline constexpr int kinds = 12;

/// A super-block of some kind; its magnitude is about `size`.
inline std::vector<float> values_of_kind(int kind, float size, std::mt19937& random) {
    std::normal_distribution<float> normal;
    std::vector<float> x(256);
    for (std::size_t i = 0; i < x.size(); ++i) {
        const float g = normal(random);
        const float h = normal(random);
        switch (kind) {
        case 0:
            x[i] = g;
            break;
        case 1:
            x[i] = g * h;
            break; // heavy tails
        case 2:
            x[i] = random() % 50 == 0 ? 30.0f * g : g;
            break; // outliers
        case 3:
            x[i] = std::round(4.0f * g) / 8.0f;
            break; // ties
        case 4:
            x[i] = 0.37f;
            break; // constant
        case 5:
            x[i] = i % 2 == 0 ? 0.75f : -0.75f;
            break; // alternating
        case 6:
            x[i] = random() % 20 == 0 ? g : 0.0f;
            break; // sparse
        case 7:
            x[i] = (i / 32) % 3 == 0 ? 0.0f : g;
            break; // zero groups
        case 8:
            x[i] = std::fabs(g);
            break; // positive
        case 9:
            x[i] = -std::fabs(h) - 0.1f;
            break; // negative
        case 10:
            x[i] = random() % 2 == 0 ? -0.0f : g * std::exp(3.0f * h);
            break; // negative zeros, wide
        default:
            x[i] = (i / 16 % 2 == 0 ? 1.0f : 1e-3f) * g;
            break; // uneven groups
        }
        x[i] *= size;
    }
    return x;
}

/// Weights of some kind: uniform, wide, partly zero.
inline std::vector<float> weights_of_kind(int kind, std::mt19937& random) {
    std::normal_distribution<float> normal;
    std::vector<float> w(256);
    for (float& one : w) {
        const float g = normal(random);
        one = kind == 0 ? 1.0f : kind == 1 ? std::exp(2.0f * g) : random() % 8 == 0 ? 0.0f : g * g;
    }
    return w;
}

} // namespace grid_types

#endif // TERSOR_TESTS_QUANTIZERS_GGUF_GRID_TYPES_HPP

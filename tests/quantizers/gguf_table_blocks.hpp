#ifndef TERSOR_TESTS_QUANTIZERS_GGUF_TABLE_BLOCKS_HPP
#define TERSOR_TESTS_QUANTIZERS_GGUF_TABLE_BLOCKS_HPP

// Data for the tests of block formats: values of many kinds and magnitudes, weights, random bytes; instruction sets.

#include "tersor/core/concepts.hpp"
#include "tersor/simd/isa.hpp"

#include "tests/common/golden.hpp"
#include "tests/common/isas.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <span>
#include <string>
#include <vector>

namespace gguf_blocks {

/// The golden file "ggml/<name>", or the cut of it that goes with the tests.
inline golden::file recorded(const std::string& name) {
    return golden::file(golden::available("ggml/" + name) ? "ggml/" + name : std::string("ggml/table_types"));
}

/// How many kinds of values `fill` knows.
inline constexpr int kinds = 13;

/// Fills a run with values of one kind; their magnitude is about `scale`. All are finite.
inline void fill(std::span<float> x, int kind, float scale, std::mt19937& random) {
    std::normal_distribution<float> normal;
    std::uniform_real_distribution<float> uniform(0.0f, 1.0f);
    const float constant = normal(random);
    const std::size_t single = random() % x.size();
    for (std::size_t i = 0; i < x.size(); ++i) {
        const float g = normal(random), u = uniform(random);
        float v = g;
        switch (kind) {
        case 1:
            v = -std::log(u + 1e-6f) * (random() % 2 == 0 ? 1.0f : -1.0f);
            break;
        case 2:
            v = g / (std::fabs(normal(random)) + 0.05f);
            break;
        case 3:
            v = u;
            break;
        case 4:
            v = -u;
            break;
        case 5:
            v = 0.0f;
            break;
        case 6:
            v = constant;
            break;
        case 7:
            v = i == single ? constant : 0.0f;
            break;
        case 8:
            v = i % 2 == 0 ? constant : -constant;
            break;
        case 9:
            v = std::round(g * 8.0f) / 8.0f;
            break;
        case 10:
            v = random() % 8 == 0 ? g : -0.0f;
            break;
        case 11:
            v = i == single ? 100.0f * g : g;
            break;
        case 12:
            v = std::ldexp(random() % 2 == 0 ? 1.0f : -1.0f, static_cast<int>(random() % 12) - 6);
            break;
        default:
            break;
        }
        const float scaled = v * scale;
        x[i] = std::isfinite(scaled) ? scaled : std::copysign(3.4e38f, v);
    }
}

/// Values of `blocks` blocks, each of another kind and magnitude, subnormal to nearly the largest.
inline std::vector<float> mixed_values(std::size_t blocks, std::size_t size, unsigned seed) {
    static const float scales[] = {1.0f, 0.02f, 1e-4f, 1e-8f, 1e-16f, 1e-30f, 1e-40f,
                                   7.0f, 1e4f,  1e7f,  1e13f, 1e20f,  2e38f};
    std::mt19937 random(seed);
    std::vector<float> x(blocks * size);
    for (std::size_t b = 0; b < blocks; ++b) {
        const float scale = scales[random() % std::size(scales)];
        // Blocks of one kind at times, of runs of several kinds at others.
        const std::size_t run = random() % 2 == 0 ? size : std::max<std::size_t>(size / 8, 8);
        for (std::size_t i = 0; i < size; i += run) {
            fill(std::span(x).subspan(b * size + i, run), static_cast<int>(random() % kinds), scale, random);
        }
    }
    return x;
}

/// Values of ordinary magnitudes: 1e-3 to 1e3.
inline std::vector<float> ordinary_values(std::size_t blocks, std::size_t size, unsigned seed) {
    std::mt19937 random(seed);
    std::vector<float> x(blocks * size);
    for (std::size_t b = 0; b < blocks; ++b) {
        const float scale = std::pow(10.0f, static_cast<float>(random() % 7) - 3.0f);
        fill(std::span(x).subspan(b * size, size), static_cast<int>(random() % kinds), scale, random);
    }
    return x;
}

/// A weight for each value: positive, of several magnitudes.
inline std::vector<float> weights(std::size_t count, unsigned seed) {
    std::mt19937 random(seed);
    std::uniform_real_distribution<float> exponent(-3.0f, 3.0f);
    std::vector<float> w(count);
    for (float& v : w) {
        v = std::exp(exponent(random));
    }
    return w;
}

using isas::for_each_isa;

/// The blocks of some values.
template <class Q>
std::vector<typename Q::block> encode(std::span<const float> x, std::span<const float> importance,
                                      tersor::quantize_mode mode) {
    std::vector<typename Q::block> blocks(x.size() / static_cast<std::size_t>(Q::group));
    Q::encode_blocks(x, importance, mode, blocks.data());
    return blocks;
}

/// The values of some blocks.
template <class Q>
std::vector<float> decode(const std::vector<typename Q::block>& blocks) {
    std::vector<float> y(blocks.size() * static_cast<std::size_t>(Q::group));
    Q::decode_blocks(blocks.data(), blocks.size(), y.data());
    return y;
}

/// Whether the stored bytes are the same.
template <class Block>
bool same_bytes(const Block& a, const Block& b) {
    return std::memcmp(&a, &b, sizeof a) == 0;
}

/// sum w (x - y)^2 over a run, in double; w may be empty.
inline double squared_error(std::span<const float> x, std::span<const float> y, std::span<const float> w) {
    double sum = 0.0;
    for (std::size_t i = 0; i < x.size(); ++i) {
        const double e = static_cast<double>(x[i]) - static_cast<double>(y[i]);
        sum += (w.empty() ? 1.0 : static_cast<double>(w[i])) * e * e;
    }
    return sum;
}

/// Blocks of random bytes.
template <class Block>
std::vector<Block> random_blocks(std::size_t count, unsigned seed) {
    std::mt19937 random(seed);
    std::vector<Block> blocks(count);
    auto* const bytes = reinterpret_cast<std::uint8_t*>(blocks.data());
    for (std::size_t i = 0; i < count * sizeof(Block); ++i) {
        bytes[i] = static_cast<std::uint8_t>(random());
    }
    return blocks;
}

} // namespace gguf_blocks

#endif // TERSOR_TESTS_QUANTIZERS_GGUF_TABLE_BLOCKS_HPP

#ifndef TERSOR_TESTS_QUANTIZERS_GGUF_SIGNED_SUPER_RULES_HPP
#define TERSOR_TESTS_QUANTIZERS_GGUF_SIGNED_SUPER_RULES_HPP

// What ggml writes for q3_k and q6_k, value by value: naive versions of its rules. Each returns the
// bytes of one row.

#include "tests/quantizers/gguf_signed_rules.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace gguf_signed {

// The codes of a super-block with the stored d; `levels` of the search stay where the scale is zero.
inline std::vector<int> requantized(int n, const float* x, float d, const std::vector<int>& scales,
                                    std::vector<int> levels) {
    for (std::size_t i = 0; i < 256; ++i) {
        const float scale = mul(d, static_cast<float>(scales[i / 16]));
        if (scale != 0.0f) {
            levels[i] = std::clamp(rn(x[i] / scale), -n, n - 1) + n;
        }
    }
    return levels;
}

inline float first_largest(const row& scales) {
    return signed_largest(scales.data(), static_cast<int>(scales.size()));
}

inline bytes q6_k(const row& x, const row& importance) {
    bytes out;
    for (std::size_t start = 0; start < x.size(); start += 256) {
        const float* const v = x.data() + start;
        std::vector<int> levels;
        row scales;
        for (std::size_t j = 0; j < 16; ++j) {
            row w(16);
            for (std::size_t i = 0; i < 16; ++i) {
                const float value = v[16 * j + i];
                w[i] = importance.empty() ? mul(value, value) : importance[start + 16 * j + i];
            }
            const fitted f = search(16, 32, v + 16 * j, w.data());
            scales.push_back(f.scale);
            levels.insert(levels.end(), f.levels.begin(), f.levels.end());
        }
        const float m = first_largest(scales);
        if (std::fabs(m) < 1e-15f) {
            out.insert(out.end(), 210, 0);
            continue;
        }
        const float is = -128.0f / m;
        const std::uint16_t d = fp16::encode(1.0f / is);
        std::vector<int> integers;
        for (const float scale : scales) {
            integers.push_back(static_cast<std::int8_t>(std::min(127, rn(mul(is, scale))) & 255));
        }
        const auto q = requantized(32, v, fp16::decode(d), integers, levels);
        bytes block(210);
        for (std::size_t i = 0; i < 256; ++i) {
            const std::size_t h = i / 128, p = (i % 128) / 32, l = i % 32;
            std::uint8_t& low = block[64 * h + 32 * (p % 2) + l];
            std::uint8_t& high = block[128 + 32 * h + l];
            low = static_cast<std::uint8_t>(low | (q[i] & 15) << (p < 2 ? 0 : 4));
            high = static_cast<std::uint8_t>(high | (q[i] >> 4) << (2 * p));
        }
        for (std::size_t j = 0; j < 16; ++j) {
            block[192 + j] = static_cast<std::uint8_t>(integers[j]);
        }
        block[208] = static_cast<std::uint8_t>(d & 255);
        block[209] = static_cast<std::uint8_t>(d >> 8);
        out.insert(out.end(), block.begin(), block.end());
    }
    return out;
}

// Coordinate descent, N = 4, w = x * x, 16 values.
inline fitted descend(const float* x) {
    const float m = signed_largest(x, 16);
    fitted f;
    f.levels.assign(16, 0);
    if (std::fabs(m) < 1e-15f) {
        return f;
    }
    float a = 0.0f, b = 0.0f;
    std::vector<int> l;
    for (int i = 0; i < 16; ++i) {
        l.push_back(std::clamp(rn(mul(-4.0f / m, x[i])), -4, 3));
        const float w = mul(x[i], x[i]), level = static_cast<float>(l.back());
        a += mul(mul(w, x[i]), level);
        b += mul(mul(w, level), level);
    }
    bool changed = true;
    for (int sweep = 0; sweep < 5 && changed; ++sweep) {
        changed = false;
        for (std::size_t i = 0; i < 16; ++i) {
            const float w = mul(x[i], x[i]), old = static_cast<float>(l[i]);
            float a2 = a - mul(mul(w, x[i]), old);
            if (!(a2 > 0.0f)) {
                continue;
            }
            float b2 = b - mul(mul(w, old), old);
            const int next = std::clamp(rn(mul(x[i], b2) / a2), -4, 3);
            if (next == l[i]) {
                continue;
            }
            const float level = static_cast<float>(next);
            a2 += mul(mul(w, x[i]), level);
            b2 += mul(mul(w, level), level);
            if (b2 > 0.0f && mul(mul(a2, a2), b) > mul(mul(a, a), b2)) {
                l[i] = next;
                a = a2;
                b = b2;
                changed = true;
            }
        }
    }
    f.scale = b > 0.0f ? a / b : 0.0f;
    std::transform(l.begin(), l.end(), f.levels.begin(), [](int k) { return k + 4; });
    return f;
}

inline bytes q3_k(const row& x, const row& importance) {
    bytes out;
    for (std::size_t start = 0; start < x.size(); start += 256) {
        const float* const v = x.data() + start;
        const float sigma2 = mul(2.0f, sum_of_squares(v, 256)) / 256.0f;
        std::vector<int> levels, numbers(16, 0);
        row scales, sums;
        for (std::size_t j = 0; j < 16; ++j) {
            const float* const own = v + 16 * j;
            fitted f;
            if (importance.empty()) {
                f = descend(own);
            } else {
                const row w = weights_of(own, importance.data() + start + 16 * j, 16, sigma2);
                f = search(16, 4, own, w.data());
                float sum = 0.0f;
                for (const float weight : w) {
                    sum += weight;
                }
                sums.push_back(sum);
            }
            scales.push_back(f.scale);
            levels.insert(levels.end(), f.levels.begin(), f.levels.end());
        }
        float d = 0.0f;
        if (!importance.empty()) {
            const fitted f = search(16, 32, scales.data(), sums.data());
            d = f.scale;
            numbers = f.levels;
        } else if (const float m = first_largest(scales); m != 0.0f) {
            const float is = -32.0f / m;
            d = 1.0f / is;
            for (std::size_t j = 0; j < 16; ++j) {
                numbers[j] = std::clamp(rn(mul(is, scales[j])), -32, 31) + 32;
            }
        }
        const std::uint16_t half = fp16::encode(d);
        std::vector<int> integers;
        for (const int number : numbers) {
            integers.push_back(number - 32);
        }
        const auto q = requantized(4, v, fp16::decode(half), integers, levels);
        bytes block(110);
        for (std::size_t i = 0; i < 256; ++i) {
            const std::size_t h = i / 128, p = (i % 128) / 32, l = i % 32;
            block[32 + 32 * h + l] = static_cast<std::uint8_t>(block[32 + 32 * h + l] | (q[i] & 3) << (2 * p));
            block[l] = static_cast<std::uint8_t>(block[l] | (q[i] >> 2) << (i / 32));
        }
        for (std::size_t j = 0; j < 16; ++j) {
            std::uint8_t& low = block[96 + j % 8];
            std::uint8_t& high = block[104 + j % 4];
            low = static_cast<std::uint8_t>(low | (numbers[j] & 15) << (j < 8 ? 0 : 4));
            high = static_cast<std::uint8_t>(high | (numbers[j] >> 4) << (2 * (j / 4)));
        }
        block[108] = static_cast<std::uint8_t>(half & 255);
        block[109] = static_cast<std::uint8_t>(half >> 8);
        out.insert(out.end(), block.begin(), block.end());
    }
    return out;
}

} // namespace gguf_signed

#endif // TERSOR_TESTS_QUANTIZERS_GGUF_SIGNED_SUPER_RULES_HPP

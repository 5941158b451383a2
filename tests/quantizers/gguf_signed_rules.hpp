#ifndef TERSOR_TESTS_QUANTIZERS_GGUF_SIGNED_RULES_HPP
#define TERSOR_TESTS_QUANTIZERS_GGUF_SIGNED_RULES_HPP

// What ggml writes for the signed block formats, value by value: naive versions of the rules in
// shared/golden/ggml/README.md, sections 2, 3.1, 3.2 and 3.3. Each returns the bytes of one row.

#include "tersor/core/exact.hpp"
#include "tersor/formats/half.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

namespace gguf_signed {

using bytes = std::vector<std::uint8_t>;
using row = std::vector<float>;
using tersor::fp16;

// Every product is rounded before it is used, whatever the flags.
inline float mul(float a, float b) {
    return tersor::exact::product(a, b);
}

inline int rn(float v) {
    return static_cast<int>(std::bit_cast<std::uint32_t>(v + 12582912.0f) & 0x7FFFFFu) - 0x400000;
}

// A conversion to an integer of 8 bits, as x86-64 does it: what does not fit in 32 bits gives 0.
inline int to_int8(float v) {
    return std::fabs(v) < 0x1p31f ? static_cast<std::int8_t>(static_cast<std::int32_t>(v)) : 0;
}

inline void put(bytes& out, std::uint16_t half) {
    out.push_back(static_cast<std::uint8_t>(half & 255));
    out.push_back(static_cast<std::uint8_t>(half >> 8));
}

inline float signed_largest(const float* x, int n) {
    float size = 0.0f, value = 0.0f;
    for (int i = 0; i < n; ++i) {
        if (std::fabs(x[i]) > size) {
            size = std::fabs(x[i]);
            value = x[i];
        }
    }
    return value;
}

struct fitted {
    float scale = 0.0f;
    std::vector<int> levels; // stored: plus N
};

// The search S(n, N, x, w).
inline fitted search(int n, int levels, const float* x, const float* w) {
    const float m = signed_largest(x, n);
    fitted f;
    f.levels.assign(static_cast<std::size_t>(n), 0);
    if (std::fabs(m) < 1e-15f) {
        return f;
    }
    float best = 0.0f;
    for (const int t : {0, -9, -8, -7, -6, -5, -4, -3, -2, -1, 1, 2, 3, 4, 5, 6, 7, 8, 9}) {
        const float is = -(static_cast<float>(levels) + mul(0.1f, static_cast<float>(t))) / m;
        float a = 0.0f, b = 0.0f;
        std::vector<int> l;
        for (int i = 0; i < n; ++i) {
            l.push_back(std::clamp(rn(mul(is, x[i])), -levels, levels - 1));
            const float level = static_cast<float>(l.back());
            a += mul(mul(w[i], x[i]), level);
            b += mul(mul(w[i], level), level);
        }
        if (t == 0 || (b > 0.0f && mul(a, a) > mul(best, b))) {
            f.scale = b == 0.0f ? 0.0f : a / b;
            best = mul(f.scale, a);
            std::transform(l.begin(), l.end(), f.levels.begin(), [&](int k) { return k + levels; });
        }
    }
    return f;
}

inline row weights_of(const float* x, const float* importance, std::size_t n, float sigma2) {
    row w(n);
    for (std::size_t i = 0; i < n; ++i) {
        w[i] = mul(importance[i], std::sqrt(sigma2 + mul(x[i], x[i])));
    }
    return w;
}

inline float sum_of_squares(const float* x, std::size_t n) {
    float sum = 0.0f;
    for (std::size_t i = 0; i < n; ++i) {
        sum += mul(x[i], x[i]);
    }
    return sum;
}

// Q4_0 (N = 8) and Q5_0 (N = 16).
inline bytes nibbles(int levels, const row& x, const row& importance) {
    bytes out;
    const float sigma2 = sum_of_squares(x.data(), x.size()) / static_cast<float>(x.size());
    for (std::size_t start = 0; start < x.size(); start += 32) {
        const float* const v = x.data() + start;
        std::vector<int> q;
        if (importance.empty()) {
            const float d = signed_largest(v, 32) / static_cast<float>(-levels), id = d != 0.0f ? 1.0f / d : 0.0f;
            put(out, fp16::encode(d));
            for (int i = 0; i < 32; ++i) {
                q.push_back(std::min(2 * levels - 1, to_int8(mul(v[i], id) + static_cast<float>(levels) + 0.5f)));
            }
        } else {
            const row w = weights_of(v, importance.data() + start, 32, sigma2);
            const fitted f = search(32, levels, v, w.data());
            put(out, fp16::encode(f.scale));
            q = f.levels;
        }
        if (levels == 16) {
            std::uint32_t high = 0;
            for (unsigned i = 0; i < 32; ++i) {
                high |= static_cast<std::uint32_t>(q[i] >> 4) << i;
            }
            put(out, static_cast<std::uint16_t>(high & 65535));
            put(out, static_cast<std::uint16_t>(high >> 16));
        }
        for (std::size_t j = 0; j < 16; ++j) {
            out.push_back(static_cast<std::uint8_t>((q[j] & 15) | (q[j + 16] & 15) << 4));
        }
    }
    return out;
}

// Q8_0, and Q8_1 with the sum.
inline bytes eights(const row& x, bool with_sum) {
    bytes out;
    for (std::size_t start = 0; start < x.size(); start += 32) {
        const float d = std::fabs(signed_largest(x.data() + start, 32)) / 127.0f, id = d != 0.0f ? 1.0f / d : 0.0f;
        int sum = 0;
        bytes q;
        for (std::size_t i = 0; i < 32; ++i) {
            const int level = to_int8(std::round(mul(x[start + i], id)));
            sum += level;
            q.push_back(static_cast<std::uint8_t>(level));
        }
        put(out, fp16::encode(d));
        if (with_sum) {
            put(out, fp16::encode(mul(static_cast<float>(sum), d)));
        }
        out.insert(out.end(), q.begin(), q.end());
    }
    return out;
}

inline bytes eights_k(const row& x) {
    bytes out;
    for (std::size_t start = 0; start < x.size(); start += 256) {
        const float m = signed_largest(x.data() + start, 256), is = -127.0f / m, d = m != 0.0f ? 1.0f / is : 0.0f;
        std::uint8_t four[4];
        std::memcpy(four, &d, 4);
        out.insert(out.end(), four, four + 4);
        int sums[16] = {};
        for (std::size_t i = 0; i < 256; ++i) {
            const int v = m != 0.0f ? std::min(127, rn(mul(is, x[start + i]))) : 0;
            const auto level = static_cast<std::int8_t>(v & 255);
            sums[i / 16] += level;
            out.push_back(static_cast<std::uint8_t>(level));
        }
        for (const int sum : sums) {
            put(out, static_cast<std::uint16_t>(sum & 65535));
        }
    }
    return out;
}

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

#endif // TERSOR_TESTS_QUANTIZERS_GGUF_SIGNED_RULES_HPP

#ifndef TERSOR_TESTS_QUANTIZERS_GGUF_SIGNED_RULES_HPP
#define TERSOR_TESTS_QUANTIZERS_GGUF_SIGNED_RULES_HPP

// What ggml writes for the signed block formats, value by value: naive versions of its
// rules. Each returns the bytes of one row.

#include "tersor/core/exact.hpp"
#include "tersor/formats/half.hpp"

#include <algorithm>
#include <bit>
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

} // namespace gguf_signed

#endif // TERSOR_TESTS_QUANTIZERS_GGUF_SIGNED_RULES_HPP

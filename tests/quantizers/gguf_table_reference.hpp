#ifndef TERSOR_TESTS_QUANTIZERS_GGUF_TABLE_REFERENCE_HPP
#define TERSOR_TESTS_QUANTIZERS_GGUF_TABLE_REFERENCE_HPP

// Naive versions of the rules by which ggml encodes the formats with a table of values, one block at a time in scalar
// floats. Every product that is added is rounded first.

#include "tersor/core/exact.hpp"
#include "tersor/formats/half.hpp"

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace gguf_reference {

inline constexpr std::array<int, 16> iq4_values = {-127, -104, -83, -65, -49, -35, -22, -10,
                                                   1,    13,   25,  38,  53,  69,  89,  113};

inline float mul(float a, float b) {
    return tersor::exact::product(a, b);
}

/// As a search by bisection finds it; NaN is below nothing.
inline int nearest_iq4(float v) {
    const auto value = [](int k) { return static_cast<float>(iq4_values[static_cast<std::size_t>(k)]); };
    if (v <= value(0)) {
        return 0;
    }
    if (v >= value(15)) {
        return 15;
    }
    int upper = 1;
    while (upper < 15 && !(v < value(upper))) {
        ++upper;
    }
    return v - value(upper - 1) < value(upper) - v ? upper - 1 : upper;
}

/// Half to even by adding and subtracting 1.5 * 2^23 in the bits.
inline int round_by_addition(float v) {
    const float sum = v + 12582912.0f;
    std::int32_t pattern;
    std::memcpy(&pattern, &sum, sizeof pattern);
    return (pattern & 0x007FFFFF) - 0x00400000;
}

struct iq4_group {
    float scale;
    std::array<int, 32> first_codes; ///< of the first fit
};

/// The scale of a group of 32 with its weights.
inline iq4_group iq4_scale(std::span<const float> x, std::span<const float> w, bool searches) {
    iq4_group result{0.0f, {}};
    result.first_codes.fill(8);
    float m = 0.0f, amax = 0.0f;
    for (const float v : x) {
        if (std::fabs(v) > amax) {
            amax = std::fabs(v);
            m = v;
        }
    }
    if (amax < 1e-15f) {
        return result;
    }
    const auto fit = [&](float id, float& a, float& b, std::array<int, 32>* codes) {
        a = b = 0.0f;
        for (std::size_t i = 0; i < 32; ++i) {
            const int code = nearest_iq4(mul(id, x[i]));
            const auto q = static_cast<float>(iq4_values[static_cast<std::size_t>(code)]);
            a += mul(mul(w[i], q), x[i]);
            b += mul(mul(w[i], q), q);
            if (codes != nullptr) {
                (*codes)[i] = code;
            }
        }
    };
    const float d0 = searches ? -m / -127.0f : m / -127.0f;
    float a, b;
    fit(1.0f / d0, a, b, &result.first_codes);
    result.scale = b > 0.0f ? a / b : 0.0f;
    if (!searches) {
        return result;
    }
    float best = mul(result.scale, a);
    for (int t = -7; t <= 7; ++t) {
        fit((static_cast<float>(t) + -127.0f) / m, a, b, nullptr);
        if (b > 0.0f && mul(a, a) > mul(best, b)) {
            result.scale = a / b;
            best = mul(result.scale, a);
        }
    }
    return result;
}

/// The weights of the search for a run whose mean square is taken over all of it.
inline std::vector<float> iq4_weights(std::span<const float> x, std::span<const float> importance) {
    std::vector<float> w(x.size());
    float sum = 0.0f;
    for (const float v : x) {
        sum += mul(v, v);
    }
    const float sigma2 = mul(sum, 2.0f / static_cast<float>(x.size()));
    for (std::size_t i = 0; i < x.size(); ++i) {
        w[i] = importance.empty() ? mul(x[i], x[i]) : mul(importance[i], std::sqrt(sigma2 + mul(x[i], x[i])));
    }
    return w;
}

/// Nibbles of 32 codes: j and j + 16 in byte j.
inline void pack_nibbles(std::span<const int> codes, std::uint8_t* out) {
    for (std::size_t j = 0; j < 16; ++j) {
        out[j] = static_cast<std::uint8_t>(codes[j] | codes[j + 16] << 4);
    }
}

/// The 18 bytes of a block of IQ4_NL.
inline std::array<std::uint8_t, 18> iq4_nl(std::span<const float> x, std::span<const float> importance, bool searches) {
    const iq4_group group = iq4_scale(x, iq4_weights(x, importance), searches);
    std::array<int, 32> codes = group.first_codes;
    if (searches) {
        const float id = group.scale != 0.0f ? 1.0f / group.scale : 0.0f;
        for (std::size_t i = 0; i < 32; ++i) {
            codes[i] = nearest_iq4(mul(id, x[i]));
        }
    }
    std::array<std::uint8_t, 18> bytes{};
    const std::uint16_t half = tersor::fp16::encode(group.scale);
    std::memcpy(bytes.data(), &half, 2);
    pack_nibbles(codes, bytes.data() + 2);
    return bytes;
}

/// The 136 bytes of a super-block of IQ4_XS.
inline std::array<std::uint8_t, 136> iq4_xs(std::span<const float> x, std::span<const float> importance) {
    const std::vector<float> w = iq4_weights(x, importance);
    std::array<float, 8> scales{};
    float largest = 0.0f, m = 0.0f;
    for (std::size_t g = 0; g < 8; ++g) {
        scales[g] = iq4_scale(x.subspan(32 * g, 32), std::span(w).subspan(32 * g, 32), true).scale;
        if (std::fabs(scales[g]) > largest) {
            largest = std::fabs(scales[g]);
            m = scales[g];
        }
    }
    const float d = -m / 32.0f;
    const float id = d != 0.0f ? 1.0f / d : 0.0f;
    std::array<std::uint8_t, 136> bytes{};
    unsigned high = 0;
    for (std::size_t g = 0; g < 8; ++g) {
        const int rounded = round_by_addition(mul(id, scales[g]));
        const int multiplier = rounded < -32 ? -32 : rounded > 31 ? 31 : rounded;
        const float dl = mul(d, static_cast<float>(multiplier));
        const float idl = dl != 0.0f ? 1.0f / dl : 0.0f;
        std::array<int, 32> codes{};
        for (std::size_t i = 0; i < 32; ++i) {
            codes[i] = nearest_iq4(mul(idl, x[32 * g + i]));
        }
        pack_nibbles(codes, bytes.data() + 8 + 16 * g);
        const auto six = static_cast<unsigned>(multiplier + 32);
        bytes[4 + g / 2] = static_cast<std::uint8_t>(bytes[4 + g / 2] | (six & 15u) << (4 * (g % 2)));
        high |= (six >> 4) << (2 * g);
    }
    const std::uint16_t half = tersor::fp16::encode(d);
    std::memcpy(bytes.data(), &half, 2);
    const auto high16 = static_cast<std::uint16_t>(high);
    std::memcpy(bytes.data() + 2, &high16, 2);
    return bytes;
}

inline constexpr std::array<int, 16> e2m1_doubled = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

/// The first code of least distance.
inline int nearest_fp4(float x, float half_scale) {
    int best = 0;
    for (int k = 1; k < 16; ++k) {
        const auto distance = [&](int code) {
            return std::fabs(mul(static_cast<float>(e2m1_doubled[static_cast<std::size_t>(code)]), half_scale) - x);
        };
        best = distance(k) < distance(best) ? k : best;
    }
    return best;
}

inline float largest_magnitude(std::span<const float> x) {
    float largest = 0.0f;
    for (const float v : x) {
        largest = std::fabs(v) > largest ? std::fabs(v) : largest;
    }
    return largest;
}

/// The scale byte of MXFP4: the logarithm is rounded to a float from one of more precision.
inline std::uint8_t mxfp4_exponent(float largest) {
    const auto logarithm = static_cast<float>(std::log2(static_cast<long double>(largest)));
    return static_cast<std::uint8_t>(largest > 0.0f ? static_cast<int>(std::floor(logarithm)) - 2 + 127 : 0);
}

/// The 17 bytes of a block of MXFP4.
inline std::array<std::uint8_t, 17> mxfp4(std::span<const float> x) {
    std::array<std::uint8_t, 17> bytes{};
    bytes[0] = mxfp4_exponent(largest_magnitude(x));
    const auto half_scale = static_cast<float>(std::ldexp(1.0, bytes[0] - 128));
    std::array<int, 32> codes{};
    for (std::size_t i = 0; i < 32; ++i) {
        codes[i] = nearest_fp4(x[i], half_scale);
    }
    pack_nibbles(codes, bytes.data() + 1);
    return bytes;
}

/// The value of a scale byte of NVFP4 in 0..126.
inline double ue4m3(int code) {
    const int exponent = code >> 3, mantissa = code & 7;
    return exponent == 0 ? std::ldexp(mantissa, -9) : std::ldexp(8 + mantissa, exponent - 10);
}

/// The scale byte of NVFP4 for a wanted scale: half up in the mantissa, 256 and more to the largest.
inline int nvfp4_scale(float wanted) {
    if (!(wanted > 0.0f)) {
        return 0;
    }
    if (wanted > 448.0f) {
        return 0x7E;
    }
    int exponent;
    const float fraction = std::frexp(wanted, &exponent); // wanted = fraction * 2^exponent, fraction in [0.5, 1)
    int biased = exponent - 1 + 7;
    if (biased <= 0) {
        const int mantissa = static_cast<int>(mul(wanted, 512.0f) + 0.5f);
        return mantissa > 7 ? 7 : mantissa;
    }
    int mantissa = static_cast<int>(std::floor(static_cast<double>(fraction) * 16.0 + 0.5)) - 8;
    if (mantissa == 8) {
        mantissa = 0;
        ++biased;
    }
    return biased >= 15 ? 0x7E : biased << 3 | mantissa;
}

/// The 36 bytes of a block of NVFP4.
inline std::array<std::uint8_t, 36> nvfp4(std::span<const float> x) {
    std::array<std::uint8_t, 36> bytes{};
    for (std::size_t g = 0; g < 4; ++g) {
        const std::span<const float> group = x.subspan(16 * g, 16);
        const int code = nvfp4_scale(largest_magnitude(group) / 6.0f);
        bytes[g] = static_cast<std::uint8_t>(code);
        const auto half_scale = static_cast<float>(ue4m3(code) / 2.0);
        for (std::size_t j = 0; j < 8; ++j) {
            bytes[4 + 8 * g + j] = static_cast<std::uint8_t>(nearest_fp4(group[j], half_scale) |
                                                             nearest_fp4(group[j + 8], half_scale) << 4);
        }
    }
    return bytes;
}

} // namespace gguf_reference

#endif // TERSOR_TESTS_QUANTIZERS_GGUF_TABLE_REFERENCE_HPP

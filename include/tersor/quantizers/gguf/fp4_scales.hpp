#ifndef TERSOR_QUANTIZERS_GGUF_FP4_SCALES_HPP
#define TERSOR_QUANTIZERS_GGUF_FP4_SCALES_HPP

// The one-byte scales of GGUF's MXFP4 and NVFP4, halved to go with the doubled levels (fp4_levels.hpp).
//
//   MXFP4   half scale = 2^(e - 128), all 256 codes;  e = floor(log2(max|x|)) + 125, its low byte; 0 for zeros
//           log2 is the correctly rounded one: just below 2^k it may round up to k. With x = 2^k (1 - j 2^-24) that is
//           where j <= floor(ln 2 * 2^m), 2^m being the binade of log2 below k. Below 2^-125 the byte wraps around.
//   NVFP4   half scale = ue4m3(c) / 2: 4 exponent bits, bias 7, 3 mantissa bits; 0 for codes 0 and 127; bit 7 of a
//           byte is no part of the number.  c = v rounded half up at the fourth mantissa bit, v = max|x| / 6;
//           from 248 on 0x7E (448); below 2^-6 trunc(v * 512 + 0.5), at most 7

#include "tersor/core/exact.hpp"

#include <bit>
#include <cstdint>

namespace tersor::inline v0::gguf::detail {

/// Half the scale of MXFP4: 2^(e - 128).
constexpr float half_of_e8m0(std::uint8_t e) noexcept {
    const std::uint32_t pattern = e < 2 ? 0x00200000u << e : static_cast<std::uint32_t>(e - 1) << 23;
    return std::bit_cast<float>(pattern);
}

/// floor(log2f(x)) for a positive finite x, log2f being correctly rounded.
constexpr int floor_of_rounded_log2(float x) noexcept {
    // A subnormal becomes normal by an exact product.
    const bool small = x < 0x1p-126f;
    const auto pattern = std::bit_cast<std::uint32_t>(small ? x * 0x1p24f : x);
    const int floor = static_cast<int>(pattern >> 23) - (small ? 127 + 24 : 127);
    const std::uint32_t below = 0x800000u - (pattern & 0x7FFFFFu); // x = 2^(floor + 1) * (1 - below * 2^-24)
    const int next = floor + 1;
    const auto magnitude = static_cast<unsigned>(next > 0 ? next - 1 : -next);
    if (magnitude == 0) {
        return floor;
    }
    const int binade = static_cast<int>(std::bit_width(magnitude)) - 1;
    // ln 2 * 2^24 = 11629079.9...
    return below <= (11629079u << binade) >> 24 && binade < 8 ? next : floor;
}

/// The scale byte of MXFP4 for the largest magnitude of a block.
constexpr std::uint8_t mxfp4_exponent(float largest) noexcept {
    return static_cast<std::uint8_t>(largest > 0.0f ? floor_of_rounded_log2(largest) + 125 : 0);
}

/// Half the scale of NVFP4.
constexpr float half_of_ue4m3(std::uint8_t code) noexcept {
    if (code == 0 || code == 0x7F) {
        return 0.0f;
    }
    const auto mantissa = static_cast<float>(code & 7);
    const int exponent = (code >> 3) & 15;
    // 8 mantissa units make the implied bit; the unit is 2^(exponent - 7 - 3), halved.
    const auto unit = std::bit_cast<float>(static_cast<std::uint32_t>((exponent > 0 ? exponent : 1) + 127 - 11) << 23);
    return (exponent > 0 ? 8.0f + mantissa : mantissa) * unit;
}

/// The scale byte of NVFP4 for a wanted scale.
constexpr std::uint8_t nvfp4_scale(float wanted) noexcept {
    if (!(wanted > 0.0f)) {
        return 0;
    }
    const float v = wanted < 448.0f ? wanted : 448.0f;
    if (v < 0x1p-6f) {
        const int mantissa = static_cast<int>(exact::product(v, 512.0f) + 0.5f);
        return static_cast<std::uint8_t>(mantissa < 7 ? mantissa : 7);
    }
    const auto pattern = std::bit_cast<std::uint32_t>(v) - (120u << 23);
    const std::uint32_t code = (pattern + 0x80000u) >> 20;
    return static_cast<std::uint8_t>(code < 0x78u ? code : 0x7Eu);
}

} // namespace tersor::inline v0::gguf::detail

#endif // TERSOR_QUANTIZERS_GGUF_FP4_SCALES_HPP

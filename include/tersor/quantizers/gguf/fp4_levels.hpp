#ifndef TERSOR_QUANTIZERS_GGUF_FP4_LEVELS_HPP
#define TERSOR_QUANTIZERS_GGUF_FP4_LEVELS_HPP

// The levels that GGUF's MXFP4 and NVFP4 share, and the nearest of them.
//
// A level is twice an E2M1 value, an integer, and stands with half the scale; the negative zero of E2M1 is a plain
// zero.
//
//   code(x) = the first of least |level * s - x|, s being half the scale: a midpoint belongs to the level nearer to
//             zero, and no code is negative zero
//
// Near a midpoint both differences are exact, so that comparing |x| with midpoint * s is the same, unless |x| is so
// large against s that the differences round to the same float; then the first code, 0, is the rule's. A level that
// overflows is never nearest.

#include <cstdint>
#include <limits>

namespace tersor::inline v0::gguf::detail {

/// Twice the value of each code of E2M1.
inline constexpr float fp4_levels[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

/// Half way between level k and level k + 1.
inline constexpr float fp4_midpoints[7] = {0.5f, 1.5f, 2.5f, 3.5f, 5.0f, 7.0f, 10.0f};

/// What |x| must exceed for a code above k, for half the scale s; never if s is 0 or level k + 1 overflows.
constexpr float fp4_threshold(int k, float s) noexcept {
    constexpr float infinity = std::numeric_limits<float>::infinity();
    const bool reachable = s > 0.0f && fp4_levels[k + 1] * s < infinity;
    return reachable ? fp4_midpoints[k] * s : infinity;
}

/// The code of the level nearest to x for half the scale s, saturated.
constexpr std::uint8_t nearest_fp4(float x, float s) noexcept {
    const float magnitude = x < 0.0f ? -x : x;
    int code = 0;
    for (int k = 0; k < 7; ++k) {
        code += magnitude > fp4_threshold(k, s) ? 1 : 0;
    }
    return static_cast<std::uint8_t>(code > 0 && x < 0.0f ? code + 8 : code);
}

/// The codes of 32 values in 16 bytes: byte j holds code j and, in its high half, code j + Distance of its group of
/// 2 * Distance.
template <int Distance>
constexpr void unpack_halves(const std::uint8_t* bytes, int count, std::uint8_t* codes) noexcept {
    for (int k = 0; k < count; ++k) {
        const int at = 2 * Distance * (k / Distance) + k % Distance;
        codes[at] = bytes[k] & 15;
        codes[at + Distance] = bytes[k] >> 4;
    }
}

/// The opposite, `count` bytes.
template <int Distance>
constexpr void pack_halves(const std::uint8_t* codes, int count, std::uint8_t* bytes) noexcept {
    for (int k = 0; k < count; ++k) {
        const int at = 2 * Distance * (k / Distance) + k % Distance;
        bytes[k] = static_cast<std::uint8_t>((codes[at] & 15) | codes[at + Distance] << 4);
    }
}

} // namespace tersor::inline v0::gguf::detail

#endif // TERSOR_QUANTIZERS_GGUF_FP4_LEVELS_HPP

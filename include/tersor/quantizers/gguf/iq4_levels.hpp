#ifndef TERSOR_QUANTIZERS_GGUF_IQ4_LEVELS_HPP
#define TERSOR_QUANTIZERS_GGUF_IQ4_LEVELS_HPP

// The sixteen levels of IQ4_NL and IQ4_XS, and the nearest of them.
//
//   nearest(v) = how many midpoints of neighbouring levels are not above v: a midpoint belongs to the upper level
//
// The midpoints are multiples of a half, and near one the differences to both levels are exact floats, so that counting
// is the same as comparing rounded differences. NaN gives the last code, as a search by bisection does.
// Source: the tables that llama.cpp publishes with its formats.

#include <cstdint>

namespace tersor::inline v0::gguf::detail {

/// The levels, ascending.
inline constexpr float iq4_levels[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

/// Half way between level k and level k + 1; the last one is never reached.
inline constexpr float iq4_midpoints[16] = {-115.5f, -93.5f, -74.0f, -57.0f, -42.0f, -28.5f, -16.0f, -4.5f,
                                            7.0f,    19.0f,  31.5f,  45.5f,  61.0f,  79.0f,  101.0f, 3e38f};

/// The code of the level nearest to v, a midpoint going up.
constexpr std::uint8_t nearest_iq4(float v) noexcept {
    int code = 0;
    for (int k = 0; k < 15; ++k) {
        code += v < iq4_midpoints[k] ? 0 : 1;
    }
    return static_cast<std::uint8_t>(code);
}

} // namespace tersor::inline v0::gguf::detail

#endif // TERSOR_QUANTIZERS_GGUF_IQ4_LEVELS_HPP

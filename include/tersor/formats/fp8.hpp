#ifndef TERSOR_FORMATS_FP8_HPP
#define TERSOR_FORMATS_FP8_HPP

// The 8-bit floats: e4m3 (OCP, called fn: no infinity), e5m2 (OCP, IEEE-like) and their fnuz variants.

#include "tersor/formats/minifloat.hpp"

namespace tersor::inline v0 {

/// 4 exponent bits, 3 mantissa bits, bias 7; largest 448, NaN 0x7F and 0xFF.
using fp8_e4m3 = minifloat<4, 3, 7, specials::fn>;

/// 5 exponent bits, 2 mantissa bits, bias 15; largest 57344, infinity 0x7C, NaN 0x7D to 0x7F.
using fp8_e5m2 = minifloat<5, 2, 15, specials::ieee>;

/// As e4m3 with bias 8; largest 240, NaN 0x80, no -0.
using fp8_e4m3fnuz = minifloat<4, 3, 8, specials::fnuz>;

/// As e5m2 with bias 16; largest 57344, NaN 0x80, no infinity, no -0.
using fp8_e5m2fnuz = minifloat<5, 2, 16, specials::fnuz>;

} // namespace tersor::inline v0

#endif // TERSOR_FORMATS_FP8_HPP

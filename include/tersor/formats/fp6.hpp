#ifndef TERSOR_FORMATS_FP6_HPP
#define TERSOR_FORMATS_FP6_HPP

// The 6-bit floats of OCP Microscaling Formats 1.0; every code is a number, NaN encodes to 0.

#include "tersor/formats/minifloat.hpp"

namespace tersor::inline v0 {

/// 2 exponent bits, 3 mantissa bits, bias 1; largest 7.5.
using fp6_e2m3 = minifloat<2, 3, 1, specials::finite>;

/// 3 exponent bits, 2 mantissa bits, bias 3; largest 28.
using fp6_e3m2 = minifloat<3, 2, 3, specials::finite>;

} // namespace tersor::inline v0

#endif // TERSOR_FORMATS_FP6_HPP

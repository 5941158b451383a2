#ifndef TERSOR_FORMATS_FP4_E2M1_HPP
#define TERSOR_FORMATS_FP4_E2M1_HPP

// The 4-bit float of OCP Microscaling Formats 1.0 and of NVFP4: 0, 0.5, 1, 1.5, 2, 3, 4, 6 and their negatives.
// Not to be confused with `fp4`, the 4-bit type of bitsandbytes, which has other values.

#include "tersor/formats/minifloat.hpp"

namespace tersor::inline v0 {

/// 2 exponent bits, 1 mantissa bit, bias 1; largest 6; every code is a number, NaN encodes to 0.
using fp4_e2m1 = minifloat<2, 1, 1, specials::finite>;

} // namespace tersor::inline v0

#endif // TERSOR_FORMATS_FP4_E2M1_HPP

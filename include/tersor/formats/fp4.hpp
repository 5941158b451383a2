#ifndef TERSOR_FORMATS_FP4_HPP
#define TERSOR_FORMATS_FP4_HPP

// FP4 of bitsandbytes: a sign bit and eight magnitudes {0, 1/192, 2/3, 1, 1/3, 1/2, 1/6, 1/4}, not ascending with the
// code. Both codes 0 and 8 are zero: what rounds to zero gives code 0 if it is <= 0 and code 8 if it is positive.
// Not the OCP float, which is fp4_e2m1.

#include "tersor/formats/codebook.hpp"

#include <array>

namespace tersor::inline v0 {

/// The values of bitsandbytes' FP4, by code.
struct fp4_values {
    static constexpr int bits = 4;
    static constexpr bool high_nibble_first = true;
    static constexpr std::array<float, 16> values{
        0.0f, 0.0052083335f,  0.6666667f,  1.0f,  0.33333334f,  0.5f,  0.16666667f,  0.25f,
        0.0f, -0.0052083335f, -0.6666667f, -1.0f, -0.33333334f, -0.5f, -0.16666667f, -0.25f};
};

/// The 4-bit float of bitsandbytes; two codes a byte, the first in the high nibble.
using fp4 = codebook<fp4_values>;

} // namespace tersor::inline v0

#endif // TERSOR_FORMATS_FP4_HPP

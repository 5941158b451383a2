// Ranges for integers with a zero point.

#include "calibrate_range_of.hpp"

#include "tersor/formats/integer.hpp"
#include "tersor/quantizers/zero_point.hpp"

namespace cli {

namespace {

template <class Format>
using quantizer = tersor::zero_point<Format>;

} // namespace

found_range find_zero_point_range(const any_calibrator& seen, int bits, bool is_signed) {
    using namespace tersor;
    return is_signed ? range_of_bits<quantizer, int2, int3, int4, int5, int6, int7, int8>(seen, bits)
                     : range_of_bits<quantizer, uint2, uint3, uint4, uint5, uint6, uint7, uint8>(seen, bits);
}

} // namespace cli

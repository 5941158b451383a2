// Ranges for integers with a zero point.

#include "calibrate_range_of.hpp"

#include "tersor/formats/integer.hpp"
#include "tersor/quantizers/zero_point.hpp"

namespace cli {

// The name stands in those of the functions made with it: no other file may use it.
template <class Format>
using zero_point_of = tersor::zero_point<Format>;

found_range find_zero_point_range(const any_calibrator& seen, int bits, bool is_signed) {
    using namespace tersor;
    return is_signed ? range_of_bits<zero_point_of, int2, int3, int4, int5, int6, int7, int8>(seen, bits)
                     : range_of_bits<zero_point_of, uint2, uint3, uint4, uint5, uint6, uint7, uint8>(seen, bits);
}

} // namespace cli

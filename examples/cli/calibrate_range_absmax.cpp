// Ranges for integers without a zero point.

#include "calibrate_range_of.hpp"

#include "tersor/formats/integer.hpp"
#include "tersor/quantizers/absmax.hpp"

namespace cli {

// The name stands in those of the functions made with it: no other file may use it.
template <class Format>
using absmax_of = tersor::absmax<Format>;

found_range find_absmax_range(const any_calibrator& seen, int bits, bool is_signed) {
    using namespace tersor;
    return is_signed ? range_of_bits<absmax_of, int2, int3, int4, int5, int6, int7, int8>(seen, bits)
                     : range_of_bits<absmax_of, uint2, uint3, uint4, uint5, uint6, uint7, uint8>(seen, bits);
}

} // namespace cli

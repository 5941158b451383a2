// Ranges for integers with a zero point.

#include "calibrate_range_of.hpp"

#include "tersor/quantizers/zero_point.hpp"

namespace cli {

struct zero_point_family {
    template <class Format>
    using quantizer = tersor::zero_point<Format>;
};

found_range find_zero_point_range(const any_calibrator& seen, int bits, bool is_signed) {
    return range_of_integers<zero_point_family>(seen, bits, is_signed);
}

} // namespace cli

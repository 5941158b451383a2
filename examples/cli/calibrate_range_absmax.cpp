// Ranges for integers without a zero point.

#include "calibrate_range_of.hpp"

#include "tersor/quantizers/absmax.hpp"

namespace cli {

struct absmax_family {
    template <class Format>
    using quantizer = tersor::absmax<Format>;
};

found_range find_absmax_range(const any_calibrator& seen, int bits, bool is_signed) {
    return range_of_integers<absmax_family>(seen, bits, is_signed);
}

} // namespace cli

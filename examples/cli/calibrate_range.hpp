#ifndef TERSOR_EXAMPLES_CLI_CALIBRATE_RANGE_HPP
#define TERSOR_EXAMPLES_CLI_CALIBRATE_RANGE_HPP

// The library's calibrators behind one run-time choice: of the method, and of the integers that a range is for. Each
// family of integers is one source file, so that they compile side by side.

#include "tersor/calibrators/kl_divergence.hpp"
#include "tersor/calibrators/min_max.hpp"
#include "tersor/calibrators/moving_average.hpp"
#include "tersor/calibrators/mse.hpp"
#include "tersor/calibrators/percentile.hpp"

#include <cstdint>
#include <variant>

namespace cli {

using any_calibrator =
    std::variant<tersor::min_max, tersor::moving_average, tersor::percentile, tersor::mse, tersor::kl_divergence>;

/// The integers that values are to become.
struct integer_kind {
    int bits = 8; ///< 2 to 8
    bool is_signed = true;
    bool is_symmetric = true;
};

/// What a calibrator found: a range that contains 0, and its scale and zero point.
struct found_range {
    float lo = 0.0f;
    float hi = 0.0f;
    double scale = 0.0;
    std::int64_t zero_point = 0;
};

/// The range that a calibrator, which has seen all its batches, gives for integers without and with a zero point; `bits`
/// is 2 to 8.
[[nodiscard]] found_range find_absmax_range(const any_calibrator& seen, int bits, bool is_signed);
[[nodiscard]] found_range find_zero_point_range(const any_calibrator& seen, int bits, bool is_signed);

} // namespace cli

#endif // TERSOR_EXAMPLES_CLI_CALIBRATE_RANGE_HPP

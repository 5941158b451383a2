#ifndef TERSOR_CALIBRATORS_OPTIONS_HPP
#define TERSOR_CALIBRATORS_OPTIONS_HPP

// What a caller may choose for every calibrator.

#include "tersor/core/concepts.hpp"
#include "tersor/core/execution.hpp"

#include <optional>

namespace tersor::inline v0 {

/// Options of the calibrators.
struct calibration_options {
    /// The axis whose positions have a range each, from 0; negative ones count from the last. None: one range.
    std::optional<int> channel_axis{};
    /// Leaves values that are not finite out and counts them, instead of an error.
    bool skip_non_finite = false;
    /// Bins of the histogram of `percentile`, `mse` and `kl_divergence`, a power of two from 16 to 65536, 8 bytes each
    /// per range; 0 is 4096, or 2048 with a channel axis.
    index bins = 0;
    /// Threads, progress, cancellation of `observe`.
    tersor::execution execution{};
};

} // namespace tersor::inline v0

#endif // TERSOR_CALIBRATORS_OPTIONS_HPP

#ifndef TERSOR_CALIBRATORS_COMPATIBILITY_COUNTS_HPP
#define TERSOR_CALIBRATORS_COMPATIBILITY_COUNTS_HPP

// What the histograms of other tools share: checks of a batch, of a percentile and of counts, and the bin in which the
// cumulated share, in double and in order, reaches a number.

#include "tersor/core/error.hpp"
#include "tersor/formats/format.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace tersor::inline v0::compatibility::detail {

/// Errors: `non_finite` naming the first bad position.
inline void require_finite(std::span<const float> batch) {
    for (std::size_t i = 0; i < batch.size(); ++i) {
        if (tersor::detail::magnitude_bits(batch[i]) >= 0x7F800000u) {
            raise(error_code::non_finite, "value " + std::to_string(i) + " of a batch is not finite");
        }
    }
}

/// Errors: `invalid_argument` unless 0 <= percent <= 100.
inline void require_percent(double percent) {
    if (!(percent >= 0.0 && percent <= 100.0)) {
        raise(error_code::invalid_argument, "percentile " + std::to_string(percent) + ": expected 0 to 100");
    }
}

/// The sum of the counts. Errors: `invalid_argument` if it is 0.
[[nodiscard]] inline std::int64_t checked_total(std::span<const std::int64_t> counts) {
    std::int64_t total = 0;
    for (const std::int64_t n : counts) {
        total += n;
    }
    if (total == 0) {
        raise(error_code::invalid_argument, "the histogram has no counts");
    }
    return total;
}

/// A bin and the share of the counts up to its end.
struct cumulated_share {
    std::size_t bin = 0;
    double share = 0.0;
};

/// The first bin up to whose end at least `wanted` of the counts are; if rounding keeps the shares below that, how many
/// bins there are. Errors: `invalid_argument` if there are no counts.
[[nodiscard]] inline cumulated_share first_reaching(std::span<const std::int64_t> counts, double wanted) {
    const auto total = static_cast<double>(checked_total(counts));
    cumulated_share found;
    for (; found.bin < counts.size(); ++found.bin) {
        found.share += static_cast<double>(counts[found.bin]) / total;
        if (found.share >= wanted) {
            break;
        }
    }
    return found;
}

} // namespace tersor::inline v0::compatibility::detail

#endif // TERSOR_CALIBRATORS_COMPATIBILITY_COUNTS_HPP

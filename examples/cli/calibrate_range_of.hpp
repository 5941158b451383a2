#ifndef TERSOR_EXAMPLES_CLI_CALIBRATE_RANGE_OF_HPP
#define TERSOR_EXAMPLES_CLI_CALIBRATE_RANGE_OF_HPP

// Asks a calibrator for the range of one quantizer; for the files of the families.

#include "calibrate_range.hpp"

#include "tersor/core/concepts.hpp"

namespace cli {

template <tersor::range_quantizer Quantizer>
[[nodiscard]] found_range range_of(const any_calibrator& seen) {
    const Quantizer q{};
    const tersor::clipping_range range = std::visit([&q](const auto& calibrator) { return calibrator.range(q); }, seen);
    const auto p = q.from_range(range.lo, range.hi);
    found_range found{range.lo, range.hi, static_cast<double>(p.scale), 0};
    if constexpr (tersor::affine_quantizer<Quantizer>) {
        found.zero_point = static_cast<std::int64_t>(p.zero);
    }
    return found;
}

/// Calls range_of for the quantizer over the format of that number of bits, the first format having 2.
template <template <class> class Quantizer, class... Formats>
[[nodiscard]] found_range range_of_bits(const any_calibrator& seen, int bits) {
    found_range found;
    int each = 1;
    static_cast<void>(((++each == bits && (found = range_of<Quantizer<Formats>>(seen), true)) || ...));
    return found;
}

} // namespace cli

#endif // TERSOR_EXAMPLES_CLI_CALIBRATE_RANGE_OF_HPP

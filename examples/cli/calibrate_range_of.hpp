#ifndef TERSOR_EXAMPLES_CLI_CALIBRATE_RANGE_OF_HPP
#define TERSOR_EXAMPLES_CLI_CALIBRATE_RANGE_OF_HPP

// Asks a calibrator for the range of one quantizer, of those of a family; for the files of the families.

#include "calibrate_range.hpp"

#include "tersor/core/concepts.hpp"
#include "tersor/formats/integer.hpp"

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

/// Calls range_of for the quantizer that Family names of the format of that number of bits, the first format having 2.
/// Family is a type of the program's, for the names of templates of templates are alike in two files.
template <class Family, class... Formats>
[[nodiscard]] found_range range_of_bits(const any_calibrator& seen, int bits) {
    found_range found;
    int each = 1;
    static_cast<void>(
        ((++each == bits && (found = range_of<typename Family::template quantizer<Formats>>(seen), true)) || ...));
    return found;
}

/// The range for the integers of a family of quantizers; `bits` is 2 to 8.
template <class Family>
[[nodiscard]] found_range range_of_integers(const any_calibrator& seen, int bits, bool is_signed) {
    using namespace tersor;
    return is_signed ? range_of_bits<Family, int2, int3, int4, int5, int6, int7, int8>(seen, bits)
                     : range_of_bits<Family, uint2, uint3, uint4, uint5, uint6, uint7, uint8>(seen, bits);
}

} // namespace cli

#endif // TERSOR_EXAMPLES_CLI_CALIBRATE_RANGE_OF_HPP

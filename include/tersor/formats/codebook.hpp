#ifndef TERSOR_FORMATS_CODEBOOK_HPP
#define TERSOR_FORMATS_CODEBOOK_HPP

// A format given by the list of its values.
//
//   struct thirds_values {
//       static constexpr int bits = 2;
//       static constexpr std::array<float, 4> values{-1.0f, -1.0f / 3, 1.0f / 3, 1.0f}; // index = code
//   };
//   using thirds = tersor::codebook<thirds_values>;
//
// encode: p = number of midpoints strictly below v (ties go to the lower value); code = order[p].
// midpoints[i] = (a + b) * 0.5 of neighbours a, b in sorted order, rounded to float. This is bitsandbytes' rule.

#include "tersor/formats/format.hpp"
#include "tersor/formats/nearest.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace tersor::inline v0 {

/// A format whose values are listed in `Values`: `bits` (1 to 8) and `std::array<float, 1 << bits> values`, in any
/// order; optionally `high_nibble_first`.
template <class Values>
struct codebook {
    static constexpr int bits = Values::bits;
    static_assert(bits >= 1 && bits <= 8, "a codebook has 1 to 8 bits");
    using code_type = std::uint8_t;
    static constexpr std::size_t size = std::size_t{1} << bits;

    /// Code to value.
    static constexpr std::array<float, size> values = Values::values;
    /// Sorted position to code; of equal values the one with the smaller code comes first.
    static constexpr std::array<std::uint8_t, size> order = detail::sorted_order(values);
    /// The decision points between neighbours in sorted order, ascending.
    static constexpr std::array<float, size - 1> midpoints = detail::sorted_midpoints(values, order);
    /// The largest magnitude among the values.
    static constexpr float largest = [] {
        const float low = -values[order[0]];
        const float high = values[order[size - 1]];
        return low > high ? low : high;
    }();
    static_assert(largest > 0.0f && largest <= 0x1.FFFFFEp127f && midpoints[0] == midpoints[0],
                  "the values of a codebook are finite and not all zero");
    /// Whether the first of two codes stands in the high nibble of a byte.
    static constexpr bool high_nibble_first = [] {
        if constexpr (requires { Values::high_nibble_first; }) {
            return static_cast<bool>(Values::high_nibble_first);
        } else {
            return false;
        }
    }();
    static_assert(!high_nibble_first || bits == 4, "only 4-bit codes have nibbles to order");

    /// The code of the nearest value, ties to the lower value. NaN gives the code of the lowest value.
    static constexpr code_type encode(float value) noexcept { return order[search(value)]; }

    /// The value of a code; bits above `bits` are ignored.
    static constexpr float decode(code_type code) noexcept { return values[code & (size - 1)]; }

    /// The codes that enclose `value`.
    static constexpr code_pair<code_type> neighbours(float value) noexcept {
        return detail::sorted_neighbours(values, order, search(value), value);
    }

    friend constexpr bool operator==(codebook, codebook) = default;

private:
    static constexpr detail::nearest_search<size> search{midpoints};
};

} // namespace tersor::inline v0

#endif // TERSOR_FORMATS_CODEBOOK_HPP

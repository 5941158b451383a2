#ifndef TERSOR_FORMATS_BITSANDBYTES_CPU_HPP
#define TERSOR_FORMATS_BITSANDBYTES_CPU_HPP

// The rule of bitsandbytes' compiled CPU quantizer: nearest on a grid of 65536 points instead of true nearest.
//
//   v = clamp(x, -1, 1);  h = (v + 1) * 0.5;  t = trunc(fma(h, 65535, 0.5));  code = nearest(-1 + (2 t) / 65535)
//
// in float, one rounding per operation. Zero falls on t = 32768 and so does not get the code of zero. The codes that
// this gives are valid for the map; they differ from the nearest ones around zero. Use it only to reproduce files.

#include "tersor/formats/format.hpp"

#include <cstdint>

namespace tersor::inline v0 {

/// The format `Map` (a codebook or table_format over [-1, 1]) with the codes of bitsandbytes' CPU quantizer.
template <number_format Map>
struct bitsandbytes_cpu {
    static constexpr int bits = Map::bits;
    using code_type = code_t<Map>;
    static constexpr float largest = 1.0f;
    static constexpr bool high_nibble_first = is_high_nibble_first<Map>;

    /// The values and the nearest rule on the grid.
    [[no_unique_address]] Map map{};

    /// The grid point of a value: 0 for -1 and below and for NaN, 65535 for 1 and above.
    static constexpr std::int32_t grid_point(float value) noexcept {
        const float above = value > -1.0f ? value : -1.0f;
        const float inside = above < 1.0f ? above : 1.0f;
        const float half = (inside + 1.0f) * 0.5f;
        // `half` is a multiple of 2^-25, so that the product and the sum are exact in double: one rounding, as an fma.
        return static_cast<std::int32_t>(static_cast<float>(static_cast<double>(half) * 65535.0 + 0.5));
    }

    /// The value that stands for a grid point.
    static constexpr float grid_value(std::int32_t point) noexcept {
        return -1.0f + static_cast<float>(2 * point) / 65535.0f;
    }

    /// The code of value = x * (1 / absmax). NaN, which an all-zero block gives, has the code of the lowest value.
    constexpr code_type encode(float value) const noexcept { return map.encode(grid_value(grid_point(value))); }

    /// The value of a code.
    constexpr float decode(code_type code) const noexcept { return map.decode(code); }

    /// The codes of the map that enclose `value`.
    constexpr code_pair<code_type> neighbours(float value) const noexcept requires requires(const Map m) {
        m.neighbours(value);
    }
    { return map.neighbours(value); }

    friend constexpr bool operator==(const bitsandbytes_cpu&, const bitsandbytes_cpu&) = default;
};

} // namespace tersor::inline v0

#endif // TERSOR_FORMATS_BITSANDBYTES_CPU_HPP

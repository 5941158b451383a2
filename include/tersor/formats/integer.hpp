#ifndef TERSOR_FORMATS_INTEGER_HPP
#define TERSOR_FORMATS_INTEGER_HPP

// Integers of 2 to 8 bits: code = clamp(round(v), lowest, highest), rounding half to even; value = code.
//
// Signed codes are two's complement: -2^(Bits-1) .. 2^(Bits-1)-1; unsigned ones 0 .. 2^Bits-1.

#include "tersor/core/exact.hpp"
#include "tersor/formats/format.hpp"

#include <bit>
#include <cstdint>
#include <type_traits>

namespace tersor::inline v0 {

namespace detail {

// Half to even, for magnitudes up to 2^22. 1.5 * 2^23: the sum's unit in the last place is 1, so that the addition
// itself rounds; the value must not be fused into it if it is a product.
constexpr std::int32_t round_to_int(float value) noexcept {
    return static_cast<std::int32_t>(float_bits(exact::product(value, 1.0f) + 12582912.0f) - 0x4B400000u);
}

} // namespace detail

/// An integer of `Bits` bits. NaN encodes to 0, infinities saturate.
template <int Bits, bool Signed>
struct integer {
    static_assert(Bits >= 2 && Bits <= 8, "an integer format has 2 to 8 bits");

    static constexpr int bits = Bits;
    using code_type = std::conditional_t<Signed, std::int8_t, std::uint8_t>;

    /// The smallest code; quantizers with a narrow range use -highest instead.
    static constexpr int lowest = Signed ? -(1 << (Bits - 1)) : 0;
    /// The largest code.
    static constexpr int highest = Signed ? (1 << (Bits - 1)) - 1 : (1 << Bits) - 1;
    static constexpr float largest = static_cast<float>(highest);

    /// The nearest integer, ties to even, saturated to lowest..highest.
    static constexpr code_type encode(float value) noexcept {
        constexpr float low = static_cast<float>(lowest);
        constexpr float high = static_cast<float>(highest);
        const float above = value > low ? value : low;
        const float inside = above < high ? above : high;
        return static_cast<code_type>(detail::is_nan(value) ? 0 : detail::round_to_int(inside));
    }

    /// The code as a number.
    static constexpr float decode(code_type code) noexcept { return static_cast<float>(code); }

    /// The codes that enclose `value`.
    static constexpr code_pair<code_type> neighbours(float value) noexcept {
        const code_type nearest = encode(value);
        const int up = decode(nearest) < value && nearest < highest;
        const int down = decode(nearest) > value && nearest > lowest;
        return {static_cast<code_type>(nearest - down), static_cast<code_type>(nearest + up)};
    }

    friend constexpr bool operator==(integer, integer) = default;
};

using int2 = integer<2, true>;
using int3 = integer<3, true>;
using int4 = integer<4, true>;
using int5 = integer<5, true>;
using int6 = integer<6, true>;
using int7 = integer<7, true>;
using int8 = integer<8, true>;
using uint2 = integer<2, false>;
using uint3 = integer<3, false>;
using uint4 = integer<4, false>;
using uint5 = integer<5, false>;
using uint6 = integer<6, false>;
using uint7 = integer<7, false>;
using uint8 = integer<8, false>;

} // namespace tersor::inline v0

#endif // TERSOR_FORMATS_INTEGER_HPP

#ifndef TERSOR_FORMATS_HALF_HPP
#define TERSOR_FORMATS_HALF_HPP

// The 16-bit floats, by bit arithmetic: fp16 (IEEE binary16) and bf16 (the upper half of a float).
//
// Encoding rounds to the nearest value, ties to even, subnormals included; beyond the range it gives infinity, as every
// conversion instruction does. NaN stays NaN with its sign.

#include "tersor/formats/format.hpp"
#include "tersor/formats/minifloat.hpp"

#include <bit>
#include <cstdint>

namespace tersor::inline v0 {

namespace detail {

// The codes around a value for a format whose codes without sign ascend with the magnitude.
template <class Format>
constexpr code_pair<std::uint16_t> half_neighbours(float value) noexcept {
    const std::uint16_t nearest = Format::encode(value);
    const std::uint32_t wanted = magnitude_bits(value);
    const std::uint32_t given = magnitude_bits(Format::decode(nearest));
    if (wanted == given || is_nan(value)) {
        return {nearest, nearest};
    }
    if (wanted > magnitude_bits(Format::largest)) {
        const auto saturated = static_cast<std::uint16_t>((nearest & 0x8000u) | Format::largest_code);
        return {saturated, saturated};
    }
    const auto inner = static_cast<std::uint16_t>(wanted > given ? nearest : nearest - 1);
    const auto outer = static_cast<std::uint16_t>(wanted > given ? nearest + 1 : nearest);
    return (nearest & 0x8000u) != 0 ? code_pair<std::uint16_t>{outer, inner} : code_pair<std::uint16_t>{inner, outer};
}

} // namespace detail

/// IEEE binary16: 5 exponent bits, 10 mantissa bits; largest 65504. A NaN keeps the upper bits of its mantissa and
/// becomes quiet, as the instructions of x86 and Arm do.
struct fp16 {
    static constexpr int bits = 16;
    using code_type = std::uint16_t;
    static constexpr float largest = 65504.0f;
    static constexpr unsigned largest_code = 0x7BFFu;

    /// The nearest code, ties to even; magnitudes of 65520 and more give infinity.
    static constexpr code_type encode(float value) noexcept {
        const std::uint32_t magnitude = detail::magnitude_bits(value);
        const std::uint32_t sign = (detail::float_bits(value) >> 16) & 0x8000u;
        const std::uint32_t rounded = detail::round_to_code<10, 15>(magnitude);
        const std::uint32_t number = rounded < 0x7C00u ? rounded : 0x7C00u;
        const std::uint32_t quiet = 0x7E00u | ((magnitude >> 13) & 0x3FFu);
        return static_cast<code_type>(sign | (magnitude > 0x7F800000u ? quiet : number));
    }

    /// The value of a code, exactly; NaN comes out quiet.
    static constexpr float decode(code_type code) noexcept {
        const std::uint32_t sign = static_cast<std::uint32_t>(code & 0x8000u) << 16;
        const std::uint32_t magnitude = code & 0x7FFFu;
        const std::uint32_t normal = (magnitude << 13) + (112u << 23);
        const std::uint32_t subnormal = detail::float_bits(static_cast<float>(magnitude) * 0x1p-24f);
        const std::uint32_t special = (magnitude << 13) | 0x7F800000u | (magnitude > 0x7C00u ? 0x400000u : 0u);
        const std::uint32_t result = magnitude >= 0x7C00u ? special : magnitude < 0x400u ? subnormal : normal;
        return std::bit_cast<float>(sign | result);
    }

    /// The codes that enclose `value`; both are the largest value beyond the range, infinity for infinity.
    static constexpr code_pair<code_type> neighbours(float value) noexcept {
        return detail::half_neighbours<fp16>(value);
    }

    friend constexpr bool operator==(fp16, fp16) = default;
};

/// bfloat16: the upper 16 bits of a float; 8 exponent bits, 7 mantissa bits. NaN encodes to 0x7FC0 with its sign.
struct bf16 {
    static constexpr int bits = 16;
    using code_type = std::uint16_t;
    static constexpr float largest = 0x1.FEp127f;
    static constexpr unsigned largest_code = 0x7F7Fu;

    /// The nearest code, ties to even; what rounds to 2^128 gives infinity.
    static constexpr code_type encode(float value) noexcept {
        const std::uint32_t pattern = detail::float_bits(value);
        const std::uint32_t rounded = (pattern + 0x7FFFu + ((pattern >> 16) & 1u)) >> 16;
        const std::uint32_t quiet = ((pattern >> 16) & 0x8000u) | 0x7FC0u;
        return static_cast<code_type>(detail::is_nan(value) ? quiet : rounded);
    }

    /// The value of a code, exactly.
    static constexpr float decode(code_type code) noexcept {
        return std::bit_cast<float>(static_cast<std::uint32_t>(code) << 16);
    }

    /// The codes that enclose `value`; both are the largest value beyond the range, infinity for infinity.
    static constexpr code_pair<code_type> neighbours(float value) noexcept {
        return detail::half_neighbours<bf16>(value);
    }

    friend constexpr bool operator==(bf16, bf16) = default;
};

} // namespace tersor::inline v0

#endif // TERSOR_FORMATS_HALF_HPP

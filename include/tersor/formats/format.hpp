#ifndef TERSOR_FORMATS_FORMAT_HPP
#define TERSOR_FORMATS_FORMAT_HPP

// What a number format is: the meaning of one code.
//
// A format is a small regular struct, usually empty. `encode` gives the code of an already scaled value by the format's
// own nearest rule, `decode` gives back the value. These scalar functions are the definition: a vector kernel must give
// the same bits. They assume the default floating-point environment (round to nearest, no flushing of subnormals).

#include <bit>
#include <concepts>
#include <cstdint>
#include <type_traits>

namespace tersor::inline v0 {

/// A struct with the bits of a code, its type, the largest magnitude that a scale should map to, encode and decode.
// clang-format off
template <class Format>
concept number_format =
    std::semiregular<Format> && std::integral<typename Format::code_type> &&
    requires(const Format format, float value, typename Format::code_type code) {
        { Format::bits } -> std::convertible_to<int>;
        { format.largest } -> std::convertible_to<float>;
        { format.encode(value) } noexcept -> std::same_as<typename Format::code_type>;
        { format.decode(code) } noexcept -> std::same_as<float>;
    };
// clang-format on

/// The type of one code of a format: int8_t, uint8_t or uint16_t.
template <number_format Format>
using code_t = typename Format::code_type;

/// How many codes a format has.
template <number_format Format>
inline constexpr int code_count = 1 << Format::bits;

/// Whether the first of two 4-bit codes is stored in the high nibble of a byte (as bitsandbytes does).
template <class Format>
inline constexpr bool is_high_nibble_first = false;
template <class Format>
requires(Format::high_nibble_first) inline constexpr bool is_high_nibble_first<Format> = true;

/// Two codes whose values enclose a number: decode(below) <= v <= decode(above), equal where v is exact or outside the
/// range of the format.
template <class Code>
struct code_pair {
    Code below;
    Code above;
    friend constexpr bool operator==(const code_pair&, const code_pair&) = default;
};

namespace detail {

constexpr std::uint32_t float_bits(float value) noexcept {
    return std::bit_cast<std::uint32_t>(value);
}

constexpr std::uint32_t magnitude_bits(float value) noexcept {
    return float_bits(value) & 0x7FFFFFFFu;
}

// By the bits, so that -ffast-math does not remove it.
constexpr bool is_nan(float value) noexcept {
    return magnitude_bits(value) > 0x7F800000u;
}

} // namespace detail

} // namespace tersor::inline v0

#endif // TERSOR_FORMATS_FORMAT_HPP

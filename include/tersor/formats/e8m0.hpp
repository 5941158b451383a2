#ifndef TERSOR_FORMATS_E8M0_HPP
#define TERSOR_FORMATS_E8M0_HPP

// E8M0, the power-of-two scale of the OCP Microscaling Formats 1.0: value = 2^(code - 127); code 255 is NaN.
//
// From a float x the sign is ignored: floor takes the exponent of |x|, ceil the smallest power of two not below |x|,
// nearest the one nearest in value, ties up. NaN and infinity give 255. |x| below 2^-127, zero too, gives code 0.

#include "tersor/formats/format.hpp"

#include <bit>
#include <cstdint>

namespace tersor::inline v0 {

/// A power of two in one byte: a value type for scales, and a number format.
struct e8m0 {
    static constexpr int bits = 8;
    using code_type = std::uint8_t;
    static constexpr float largest = 0x1p127f;
    static constexpr std::uint8_t nan_code = 255;

    /// The biased exponent.
    std::uint8_t code = 0;

    /// 2^-127.
    constexpr e8m0() noexcept = default;

    /// The nearest power of two, saturated (see `encode`).
    constexpr explicit e8m0(float value) noexcept : code(encode(value)) {}

    /// The scale with that biased exponent.
    static constexpr e8m0 from_code(std::uint8_t exponent) noexcept {
        e8m0 scale;
        scale.code = exponent;
        return scale;
    }

    /// The largest power of two that is not above |value|.
    static constexpr e8m0 floor(float value) noexcept {
        return from_code(static_cast<std::uint8_t>(biased(detail::magnitude_bits(value))));
    }

    /// The smallest power of two that is not below |value|; NaN (255) above 2^127.
    static constexpr e8m0 ceil(float value) noexcept {
        const std::uint32_t magnitude = detail::magnitude_bits(value);
        const bool up = magnitude < 0x00800000u ? magnitude > 0x00400000u : (magnitude & 0x7FFFFFu) != 0;
        return from_code(rounded(magnitude, up));
    }

    /// The nearest power of two in value, ties up; NaN (255) from 1.5 * 2^127 on.
    static constexpr e8m0 nearest(float value) noexcept {
        const std::uint32_t magnitude = detail::magnitude_bits(value);
        const bool up = magnitude < 0x00800000u ? magnitude >= 0x00600000u : (magnitude & 0x400000u) != 0;
        return from_code(rounded(magnitude, up));
    }

    /// 2^(code - 127), exactly; NaN for 255.
    constexpr explicit operator float() const noexcept { return decode(code); }

    /// The code of the nearest power of two to |value|, ties up, at most 254, infinity too; only NaN gives 255.
    static constexpr code_type encode(float value) noexcept {
        const std::uint8_t exponent = nearest(value).code;
        return exponent == nan_code && !detail::is_nan(value) ? std::uint8_t{254} : exponent;
    }

    /// The value of a code.
    static constexpr float decode(code_type exponent) noexcept {
        const std::uint32_t normal = static_cast<std::uint32_t>(exponent) << 23;
        return std::bit_cast<float>(exponent == 0 ? 0x00400000u : exponent == nan_code ? 0x7FC00000u : normal);
    }

    /// The codes that enclose |value|.
    static constexpr code_pair<code_type> neighbours(float value) noexcept {
        if (detail::magnitude_bits(value) > detail::float_bits(largest)) {
            return {encode(value), encode(value)};
        }
        return {floor(value).code, ceil(value).code};
    }

    friend constexpr bool operator==(e8m0, e8m0) = default;

private:
    static constexpr std::uint32_t biased(std::uint32_t magnitude) noexcept {
        return magnitude >= 0x7F800000u ? 255u : magnitude >> 23;
    }
    static constexpr std::uint8_t rounded(std::uint32_t magnitude, bool up) noexcept {
        const std::uint32_t exponent = biased(magnitude);
        return static_cast<std::uint8_t>(exponent + (up && exponent < 255u ? 1u : 0u));
    }
};

} // namespace tersor::inline v0

#endif // TERSOR_FORMATS_E8M0_HPP

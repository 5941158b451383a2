#ifndef TERSOR_FORMATS_MINIFLOAT_HPP
#define TERSOR_FORMATS_MINIFLOAT_HPP

// Floating-point numbers of at most 8 bits: sign, exponent, mantissa.
//
//   value = (-1)^s * 2^(e - Bias) * (1 + m / 2^M)        e > 0
//   value = (-1)^s * 2^(1 - Bias) * (m / 2^M)            e = 0 (subnormal)
//
// Encoding rounds to the nearest value, ties to the even code; the sign is kept, also of zero where the format has -0.
// Sources: OCP 8-bit Floating Point 1.0, OCP Microscaling Formats 1.0; the fnuz variants: Noune et al.,
// arXiv:2206.02915.

#include "tersor/formats/format.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace tersor::inline v0 {

/// Which codes of a small float are not numbers.
enum class specials {
    finite, ///< none
    ieee,   ///< the top exponent holds infinity (mantissa 0) and NaN
    fn,     ///< only the code of all ones is NaN; no infinity
    fnuz    ///< only the code of negative zero is NaN; no infinity, no -0
};

namespace detail {

// The code (without sign) nearest to a positive float given by its bits, ties to even, as if the exponent had no upper
// end. Rounding up carries into the exponent by itself. A subnormal float is taken for a normal one: either gives 0.
template <int MantissaBits, int Bias>
constexpr std::uint32_t round_to_code(std::uint32_t magnitude) noexcept {
    static_assert(Bias + MantissaBits <= 124, "float subnormals must lie far below the smallest code");
    constexpr int smallest_normal = 128 - Bias; // the biased float exponent of 2^(1 - Bias)
    constexpr int dropped = 23 - MantissaBits;
    const std::uint32_t significand = (magnitude & 0x7FFFFFu) | 0x800000u;
    const int steps = static_cast<int>(magnitude >> 23) - smallest_normal;
    const int shift = std::min(dropped - std::min(steps, 0), 31);
    const std::uint32_t odd = (significand >> shift) & 1u;
    const std::uint32_t rounded = (significand + (1u << (shift - 1)) - 1u + odd) >> shift;
    return rounded + (static_cast<std::uint32_t>(std::max(steps, 0)) << MantissaBits);
}

} // namespace detail

/// A float of 1 + ExponentBits + MantissaBits bits with the given bias and special codes.
template <int ExponentBits, int MantissaBits, int Bias, specials Specials>
struct minifloat {
    static_assert(ExponentBits >= 1 && MantissaBits >= 1 && ExponentBits + MantissaBits <= 7,
                  "a minifloat has a sign, at least one exponent bit and one mantissa bit, and at most 8 bits");
    static_assert(Bias + MantissaBits <= 124, "every value of a minifloat must be a normal float");

    static constexpr int bits = 1 + ExponentBits + MantissaBits;
    using code_type = std::uint8_t;
    static constexpr int exponent_bits = ExponentBits;
    static constexpr int mantissa_bits = MantissaBits;
    static constexpr int bias = Bias;
    static constexpr specials special_codes = Specials;

    /// The bit of a code that holds the sign.
    static constexpr unsigned sign_bit = 1u << (bits - 1);
    /// The code of the largest finite value.
    static constexpr unsigned largest_code = Specials == specials::ieee
                                                 ? (((1u << ExponentBits) - 1u) << MantissaBits) - 1u
                                             : Specials == specials::fn ? sign_bit - 2u
                                                                        : sign_bit - 1u;
    /// The code that NaN encodes to (where the format has more than one sign of it, with the sign of the NaN); formats
    /// without NaN have 0 here.
    static constexpr unsigned nan_code = Specials == specials::finite ? 0u
                                         : Specials == specials::fnuz ? sign_bit
                                                                      : sign_bit - 1u;
    /// What `encode_nonsaturating` gives beyond the largest value: infinity, else NaN, else the largest value.
    static constexpr unsigned overflow_code = Specials == specials::ieee     ? largest_code + 1u
                                              : Specials == specials::finite ? largest_code
                                                                             : nan_code;

private:
    static constexpr float value_of(unsigned code) noexcept {
        const unsigned magnitude = code & (sign_bit - 1u);
        const bool negative = (code & sign_bit) != 0;
        const auto signed_bits = [negative](std::uint32_t pattern) {
            return std::bit_cast<float>(pattern | (negative ? 0x80000000u : 0u));
        };
        if (Specials == specials::fnuz && code == nan_code) {
            return std::bit_cast<float>(0x7FC00000u);
        }
        if (magnitude > largest_code) {
            return signed_bits(Specials == specials::ieee && magnitude == overflow_code ? 0x7F800000u : 0x7FC00000u);
        }
        const unsigned field = magnitude >> MantissaBits;
        const unsigned mantissa = magnitude & ((1u << MantissaBits) - 1u);
        const unsigned significand = mantissa + (field > 0 ? 1u << MantissaBits : 0u);
        const int exponent = static_cast<int>(std::max(field, 1u)) - Bias - MantissaBits;
        const auto power = std::bit_cast<float>(static_cast<std::uint32_t>(exponent + 127) << 23);
        return signed_bits(detail::float_bits(static_cast<float>(significand) * power));
    }

    template <bool Saturate>
    static constexpr code_type encode_as(float value) noexcept {
        const std::uint32_t magnitude = detail::magnitude_bits(value);
        const unsigned sign = (detail::float_bits(value) >> 31) * sign_bit;
        const std::uint32_t rounded = detail::round_to_code<MantissaBits, Bias>(magnitude);
        const std::uint32_t code = rounded <= largest_code ? rounded : (Saturate ? largest_code : overflow_code);
        const bool nan = detail::is_nan(value);
        const std::uint32_t result = nan ? nan_code : code;
        constexpr bool has_negative_zero = Specials != specials::fnuz;
        const bool keep_sign = (has_negative_zero || code != 0) && !(Specials == specials::finite && nan);
        return static_cast<code_type>(result | (keep_sign ? sign : 0u));
    }

    static constexpr std::array<float, std::size_t{1} << bits> make_values() noexcept {
        std::array<float, std::size_t{1} << bits> table{};
        for (unsigned code = 0; code < table.size(); ++code) {
            table[code] = value_of(code);
        }
        return table;
    }

public:
    static constexpr float largest = value_of(largest_code);

    /// The value of every code.
    static constexpr std::array<float, std::size_t{1} << bits> values = make_values();

    /// The nearest code, ties to the even code; values beyond the largest one, infinities too, give the largest one.
    /// NaN gives `nan_code`: NaN where the format has one, else 0.
    static constexpr code_type encode(float value) noexcept { return encode_as<true>(value); }

    /// As `encode`, but what rounds beyond the largest value gives `overflow_code`.
    static constexpr code_type encode_nonsaturating(float value) noexcept { return encode_as<false>(value); }

    /// The value of a code; bits above `bits` are ignored.
    static constexpr float decode(code_type code) noexcept { return values[code & (values.size() - 1)]; }

    /// The codes that enclose `value`; zero is the code 0 when approached from above, -0 from below where there is one.
    static constexpr code_pair<code_type> neighbours(float value) noexcept {
        const code_type nearest = encode(value);
        const std::uint32_t wanted = detail::magnitude_bits(value);
        const std::uint32_t given = detail::magnitude_bits(decode(nearest));
        if (wanted == given || wanted > detail::magnitude_bits(largest)) {
            return {nearest, nearest};
        }
        const bool negative = (detail::float_bits(value) >> 31) != 0;
        const unsigned magnitude = nearest & (sign_bit - 1u);
        const auto with_sign = [negative](unsigned code) {
            const bool plain = !negative || (Specials == specials::fnuz && code == 0);
            return static_cast<code_type>(plain ? code : code | sign_bit);
        };
        const code_type inner = with_sign(wanted > given ? magnitude : magnitude - 1u);
        const code_type outer = with_sign(wanted > given ? magnitude + 1u : magnitude);
        return negative ? code_pair<code_type>{outer, inner} : code_pair<code_type>{inner, outer};
    }

    friend constexpr bool operator==(minifloat, minifloat) = default;
};

} // namespace tersor::inline v0

#endif // TERSOR_FORMATS_MINIFLOAT_HPP

#ifndef TERSOR_QUANTIZERS_GGUF_TERNARY_LEVELS_HPP
#define TERSOR_QUANTIZERS_GGUF_TERNARY_LEVELS_HPP

// Codes of the ternary, two-bit and one-bit formats, and how a byte holds five trits.
//
//   five trits t0 .. t4     v = 81 t0 + 27 t1 + 9 t2 + 3 t3 + t4, stored as ceil(256 v / 243)
//   trit k of a byte b      (3 * (3^k b mod 256)) >> 8

#include "tersor/formats/format.hpp"

#include <cstdint>

namespace tersor::inline v0::gguf {

/// The number format of one-bit codes: 0 and 1.
struct one_bit {
    static constexpr int bits = 1;
    using code_type = std::uint8_t;
    static constexpr int lowest = 0;
    static constexpr int highest = 1;
    static constexpr float largest = 1.0f;

    /// 1 above a half, else 0; NaN gives 0.
    static constexpr code_type encode(float value) noexcept { return value > 0.5f ? 1 : 0; }
    static constexpr float decode(code_type code) noexcept { return static_cast<float>(code & 1); }

    /// The codes that enclose `value`.
    static constexpr code_pair<code_type> neighbours(float value) noexcept {
        return {static_cast<code_type>(value >= 1.0f), static_cast<code_type>(value > 0.0f)};
    }

    friend constexpr bool operator==(one_bit, one_bit) = default;
};

namespace detail {

/// The byte of five trits, each 0, 1 or 2.
constexpr std::uint8_t pack_trits(int t0, int t1, int t2, int t3, int t4) noexcept {
    const int v = (((t0 * 3 + t1) * 3 + t2) * 3 + t3) * 3 + t4;
    return static_cast<std::uint8_t>((v * 256 + 242) / 243);
}

/// Trit k of a byte.
constexpr std::uint8_t trit_of(std::uint8_t byte, int k) noexcept {
    constexpr int powers[5] = {1, 3, 9, 27, 81};
    return static_cast<std::uint8_t>((((byte * powers[k]) & 255) * 3) >> 8);
}

/// The nearest of the integers -1 .. highest to v, plus 1; half way goes to the even one, NaN to 0.
constexpr std::uint8_t nearest_ternary(float v, int highest) noexcept {
    int code = (v >= -0.5f ? 1 : 0) + (v > 0.5f ? 1 : 0);
    code += highest > 1 && v >= 1.5f ? 1 : 0;
    return static_cast<std::uint8_t>(v == v ? code : 1);
}

} // namespace detail

} // namespace tersor::inline v0::gguf

#endif // TERSOR_QUANTIZERS_GGUF_TERNARY_LEVELS_HPP

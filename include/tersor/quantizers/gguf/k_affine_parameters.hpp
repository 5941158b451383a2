#ifndef TERSOR_QUANTIZERS_GGUF_K_AFFINE_PARAMETERS_HPP
#define TERSOR_QUANTIZERS_GGUF_K_AFFINE_PARAMETERS_HPP

// The headers of q2_k, q4_k and q5_k: two halves, and an integer for the scale and the minimum of each group.
//
// value = (d * scale) * code - (dmin * minimum): the products are taken once per group.

#include "tersor/core/concepts.hpp"
#include "tersor/core/exact.hpp"
#include "tersor/formats/half.hpp"

#include <cstddef>
#include <cstdint>

namespace tersor::inline v0::gguf::detail {

/// Eight scales and minima of six bits, as q4_k and q5_k keep them. j < 4: byte j is scale j, byte j + 4 minimum j.
/// j >= 4: byte j + 4 has the low four bits of both (the scale's in the low half); the high two bits are bits 6 and 7
/// of byte j - 4 (scale) and of byte j (minimum).
struct six_bit_pairs {
    static constexpr std::size_t groups = 8, bytes = 12;

    static constexpr void pack(const std::uint8_t* scales, const std::uint8_t* minima, std::uint8_t* out) noexcept {
        for (std::size_t j = 0; j < 4; ++j) {
            out[j] = static_cast<std::uint8_t>((scales[j] & 63) | (scales[j + 4] & 0x30) << 2);
            out[j + 4] = static_cast<std::uint8_t>((minima[j] & 63) | (minima[j + 4] & 0x30) << 2);
            out[j + 8] = static_cast<std::uint8_t>((scales[j + 4] & 15) | (minima[j + 4] & 15) << 4);
        }
    }
    static constexpr void unpack(const std::uint8_t* in, std::uint8_t* scales, std::uint8_t* minima) noexcept {
        for (std::size_t j = 0; j < 4; ++j) {
            scales[j] = in[j] & 63;
            minima[j] = in[j + 4] & 63;
            scales[j + 4] = static_cast<std::uint8_t>((in[j + 8] & 15) | in[j] >> 6 << 4);
            minima[j + 4] = static_cast<std::uint8_t>(in[j + 8] >> 4 | in[j + 4] >> 6 << 4);
        }
    }
};

/// Sixteen scales and minima of four bits: a byte each pair, the scale in its low half, as q2_k keeps them.
struct four_bit_pairs {
    static constexpr std::size_t groups = 16, bytes = 16;

    static constexpr void pack(const std::uint8_t* scales, const std::uint8_t* minima, std::uint8_t* out) noexcept {
        for (std::size_t j = 0; j < groups; ++j) {
            out[j] = static_cast<std::uint8_t>((scales[j] & 15) | (minima[j] & 15) << 4);
        }
    }
    static constexpr void unpack(const std::uint8_t* in, std::uint8_t* scales, std::uint8_t* minima) noexcept {
        for (std::size_t j = 0; j < groups; ++j) {
            scales[j] = in[j] & 15;
            minima[j] = in[j] >> 4;
        }
    }
};

/// A header, and what follows from it for each group.
template <class Pairs>
struct k_affine_parameters {
    std::uint16_t d = 0, dmin = 0;
    std::uint8_t pairs[Pairs::bytes] = {};
    float scale[Pairs::groups] = {};   ///< d times the integer of the group
    float minimum[Pairs::groups] = {}; ///< dmin times its other integer

    k_affine_parameters() noexcept = default;
    k_affine_parameters(std::uint16_t d_bits, std::uint16_t dmin_bits, const std::uint8_t* packed) noexcept
        : d(d_bits), dmin(dmin_bits) {
        std::uint8_t scales[Pairs::groups], minima[Pairs::groups];
        Pairs::unpack(packed, scales, minima);
        const float step = fp16::decode(d), minimum_step = fp16::decode(dmin);
        for (std::size_t j = 0; j < Pairs::bytes; ++j) {
            pairs[j] = packed[j];
        }
        for (std::size_t j = 0; j < Pairs::groups; ++j) {
            scale[j] = step * static_cast<float>(scales[j]);
            minimum[j] = minimum_step * static_cast<float>(minima[j]);
        }
    }

    /// (scale * code) - minimum of group j, each rounded.
    [[nodiscard]] float decode(std::uint8_t code, std::size_t j) const noexcept {
        return exact::product(scale[j], static_cast<float>(code)) - minimum[j];
    }

    /// rn((value + minimum) / scale) within 0..top; 0 where that is not a number.
    [[nodiscard]] std::uint8_t encode(float value, std::size_t j, float top) const noexcept {
        const float quotient = (value + minimum[j]) / scale[j];
        const float bounded = quotient > 0.0f ? (quotient < top ? quotient : top) : 0.0f;
        // The sum has no place after the point, so that it rounds half to even.
        return static_cast<std::uint8_t>((bounded + 12582912.0f) - 12582912.0f);
    }

    friend bool operator==(const k_affine_parameters&, const k_affine_parameters&) = default;
};

} // namespace tersor::inline v0::gguf::detail

#endif // TERSOR_QUANTIZERS_GGUF_K_AFFINE_PARAMETERS_HPP

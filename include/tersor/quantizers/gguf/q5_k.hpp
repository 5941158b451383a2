#ifndef TERSOR_QUANTIZERS_GGUF_Q5_K_HPP
#define TERSOR_QUANTIZERS_GGUF_Q5_K_HPP

// Q5_K: super-blocks of 256 values, 8 groups of 32 with a scale and a minimum of six bits; 5.5 bits per value.
//
//   value = (d * scale) * code - (dmin * minimum), each operation rounded; codes 0..31
//
// The low four bits of code i are in byte 32 (i / 64) + i % 32 of qs, in the low half if i % 64 < 32; the high bit is
// bit i / 32 of byte i % 32 of qh. Searches: k_affine_reference-inl.hpp, k_affine_best-inl.hpp. Format: ggml,
// block_q5_K.

#include "tersor/core/concepts.hpp"
#include "tersor/formats/integer.hpp"
#include "tersor/quantizers/gguf/k_affine.hpp"
#include "tersor/quantizers/gguf/k_affine_parameters.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

namespace tersor::inline v0::gguf {

/// The block quantizer of GGUF's type Q5_K.
struct q5_k {
    /// What a file holds for 256 values.
    struct block {
        std::uint16_t d;         ///< step of the scales, a half
        std::uint16_t dmin;      ///< step of the minima, a half
        std::uint8_t scales[12]; ///< detail::six_bit_pairs
        std::uint8_t qh[32];
        std::uint8_t qs[128];
    };
    static_assert(sizeof(block) == 176);

    using format = uint5;
    using pairs = detail::six_bit_pairs;
    using parameters = detail::k_affine_parameters<pairs>;
    static constexpr index group = 256;
    static constexpr const char* name = "q5_k";
    static constexpr std::uint32_t type_id = 13;
    static constexpr bool needs_importance = false;
    static constexpr detail::k_affine_shape shape = detail::q5_k_shape;

    /// Quantizes whole super-blocks; `importance` is empty or one weight per value.
    static void encode_blocks(std::span<const float> values, std::span<const float> importance, quantize_mode mode,
                              block* out) {
        detail::encode_k_affine<q5_k>(values, importance, mode, out);
    }

    /// `count` blocks to 256 * count floats.
    static void decode_blocks(const block* blocks, std::size_t count, float* out) noexcept;

    /// What the header of a block says.
    [[nodiscard]] static parameters parameters_of(const block& b) noexcept { return {b.d, b.dmin, b.scales}; }

    /// The nearest code for the value at position i of a block.
    [[nodiscard]] static std::uint8_t encode(float value, const parameters& p, index i) noexcept {
        return p.encode(value, static_cast<std::size_t>(i / 32), 31.0f);
    }

    /// The value of a code at position i of a block.
    [[nodiscard]] static float decode(std::uint8_t code, const parameters& p, index i) noexcept {
        return p.decode(code, static_cast<std::size_t>(i / 32));
    }

    /// The 256 codes of a block, a byte each.
    static void codes_of(const block& b, std::uint8_t* codes) noexcept {
        for (std::size_t i = 0; i < 128; ++i) {
            const std::size_t c = i / 32, l = i % 32;
            const int high = b.qh[l] >> (2 * c);
            codes[64 * c + l] = static_cast<std::uint8_t>((b.qs[i] & 15) | (high & 1) << 4);
            codes[64 * c + 32 + l] = static_cast<std::uint8_t>(b.qs[i] >> 4 | (high & 2) << 3);
        }
    }

    /// The block of a header and 256 codes.
    [[nodiscard]] static block assemble(const parameters& p, const std::uint8_t* codes) noexcept {
        block b;
        b.d = p.d;
        b.dmin = p.dmin;
        std::copy_n(p.pairs, sizeof p.pairs, b.scales);
        for (std::size_t i = 0; i < 128; ++i) {
            const std::size_t at = i / 32 * 64 + i % 32;
            b.qs[i] = static_cast<std::uint8_t>((codes[at] & 15) | (codes[at + 32] & 15) << 4);
        }
        for (std::size_t l = 0; l < 32; ++l) {
            int high = 0;
            for (std::size_t j = 0; j < 8; ++j) {
                high |= codes[32 * j + l] >> 4 << j;
            }
            b.qh[l] = static_cast<std::uint8_t>(high);
        }
        return b;
    }

    friend bool operator==(const q5_k&, const q5_k&) = default;
};

} // namespace tersor::inline v0::gguf

#define TERSOR_KERNELS "tersor/quantizers/gguf/q5_k-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"

inline void tersor::v0::gguf::q5_k::decode_blocks(const block* blocks, std::size_t count, float* out) noexcept {
    TERSOR_DISPATCH(gguf::decode_q5_k(blocks, count, out));
}

#endif // TERSOR_QUANTIZERS_GGUF_Q5_K_HPP

#ifndef TERSOR_QUANTIZERS_GGUF_Q4_K_HPP
#define TERSOR_QUANTIZERS_GGUF_Q4_K_HPP

// Q4_K: super-blocks of 256 values, 8 groups of 32 with a scale and a minimum of six bits; 4.5 bits per value.
//
//   value = (d * scale) * code - (dmin * minimum), each operation rounded; codes 0..15
//
// Code i is in byte 32 (i / 64) + i % 32, in the low half if i % 64 < 32. Searches: k_affine_reference-inl.hpp,
// k_affine_best-inl.hpp. Format: ggml, block_q4_K.

#include "tersor/core/concepts.hpp"
#include "tersor/formats/integer.hpp"
#include "tersor/quantizers/gguf/k_affine.hpp"
#include "tersor/quantizers/gguf/k_affine_parameters.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

namespace tersor::inline v0::gguf {

/// The block quantizer of GGUF's type Q4_K.
struct q4_k {
    /// What a file holds for 256 values.
    struct block {
        std::uint16_t d;         ///< step of the scales, a half
        std::uint16_t dmin;      ///< step of the minima, a half
        std::uint8_t scales[12]; ///< detail::six_bit_pairs
        std::uint8_t qs[128];
    };
    static_assert(sizeof(block) == 144);

    using format = uint4;
    using pairs = detail::six_bit_pairs;
    using parameters = detail::k_affine_parameters<pairs>;
    static constexpr index group = 256;
    static constexpr const char* name = "q4_k";
    static constexpr std::uint32_t type_id = 12;
    static constexpr bool needs_importance = false;
    static constexpr detail::k_affine_shape shape = detail::q4_k_shape;

    /// Quantizes whole super-blocks; `importance` is empty or one weight per value.
    static void encode_blocks(std::span<const float> values, std::span<const float> importance, quantize_mode mode,
                              block* out) {
        detail::encode_k_affine<q4_k>(values, importance, mode, out);
    }

    /// `count` blocks to 256 * count floats.
    static void decode_blocks(const block* blocks, std::size_t count, float* out) noexcept;

    /// What the header of a block says.
    [[nodiscard]] static parameters parameters_of(const block& b) noexcept { return {b.d, b.dmin, b.scales}; }

    /// The nearest code for the value at position i of a block.
    [[nodiscard]] static std::uint8_t encode(float value, const parameters& p, index i) noexcept {
        return p.encode(value, static_cast<std::size_t>(i / 32), 15.0f);
    }

    /// The value of a code at position i of a block.
    [[nodiscard]] static float decode(std::uint8_t code, const parameters& p, index i) noexcept {
        return p.decode(code, static_cast<std::size_t>(i / 32));
    }

    /// The 256 codes of a block, a byte each.
    static void codes_of(const block& b, std::uint8_t* codes) noexcept {
        for (std::size_t i = 0; i < 128; ++i) {
            codes[i / 32 * 64 + i % 32] = b.qs[i] & 15;
            codes[i / 32 * 64 + 32 + i % 32] = b.qs[i] >> 4;
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
            b.qs[i] = static_cast<std::uint8_t>(codes[at] | codes[at + 32] << 4);
        }
        return b;
    }

    friend bool operator==(const q4_k&, const q4_k&) = default;
};

} // namespace tersor::inline v0::gguf

#define TERSOR_KERNELS "tersor/quantizers/gguf/q4_k-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"

inline void tersor::v0::gguf::q4_k::decode_blocks(const block* blocks, std::size_t count, float* out) noexcept {
    TERSOR_DISPATCH(gguf::decode_q4_k(blocks, count, out));
}

#endif // TERSOR_QUANTIZERS_GGUF_Q4_K_HPP

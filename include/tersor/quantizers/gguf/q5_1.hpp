#ifndef TERSOR_QUANTIZERS_GGUF_Q5_1_HPP
#define TERSOR_QUANTIZERS_GGUF_Q5_1_HPP

// Q5_1: blocks of 32 values with a scale and a minimum, both halves; 6 bits per value.
//
//   value = code * d + m, each operation rounded; codes 0..31
//
// The low four bits of codes j and j + 16 are in byte j of qs, those of code j in its low half; the fifth bit of code j
// is bit j of qh. Searches: block_affine-inl.hpp, block_affine_best-inl.hpp.
// Format: ggml, block_q5_1.

#include "tersor/core/concepts.hpp"
#include "tersor/formats/integer.hpp"
#include "tersor/quantizers/gguf/block_affine.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace tersor::inline v0::gguf {

/// The block quantizer of GGUF's type Q5_1.
struct q5_1 {
    /// What a file holds for 32 values.
    struct block {
        std::uint16_t d; ///< the scale, a half
        std::uint16_t m; ///< the value of code 0, a half
        std::uint8_t qh[4];
        std::uint8_t qs[16];
    };
    static_assert(sizeof(block) == 24);

    using format = uint5;
    using parameters = detail::block_affine_parameters;
    static constexpr index group = 32;
    static constexpr const char* name = "q5_1";
    static constexpr std::uint32_t type_id = 7;
    static constexpr bool needs_importance = false;
    /// The largest code.
    static constexpr int top = 31;

    /// Quantizes whole blocks; `importance` is empty or one weight per value of a row.
    static void encode_blocks(std::span<const float> values, std::span<const float> importance, quantize_mode mode,
                              block* out) {
        detail::encode_block_affine<q5_1>(values, importance, mode, out);
    }

    /// `count` blocks to 32 * count floats.
    static void decode_blocks(const block* blocks, std::size_t count, float* out) noexcept {
        TERSOR_DISPATCH(gguf::decode_block_affine<q5_1>(blocks, count, out));
    }

    /// What the header of a block says.
    [[nodiscard]] static parameters parameters_of(const block& b) noexcept { return {b.d, b.m}; }

    /// The nearest code for a value of the block.
    [[nodiscard]] static std::uint8_t encode(float value, const parameters& p, index) noexcept {
        return p.encode(value, 31.0f);
    }

    /// The value of a code.
    [[nodiscard]] static float decode(std::uint8_t code, const parameters& p, index) noexcept { return p.decode(code); }

    /// The 32 codes of a block, a byte each.
    static void codes_of(const block& b, std::uint8_t* codes) noexcept {
        for (std::size_t j = 0; j < 16; ++j) {
            codes[j] = static_cast<std::uint8_t>((b.qs[j] & 15) | (b.qh[j / 8] >> j % 8 & 1) << 4);
            codes[j + 16] = static_cast<std::uint8_t>(b.qs[j] >> 4 | (b.qh[2 + j / 8] >> j % 8 & 1) << 4);
        }
    }

    /// The block of a header and 32 codes.
    [[nodiscard]] static block assemble(const parameters& p, const std::uint8_t* codes) noexcept {
        block b;
        write(p.d, p.m, codes, b);
        return b;
    }

    /// The bytes of two halves and 32 codes.
    static void write(std::uint16_t d, std::uint16_t m, const std::uint8_t* codes, block& out) noexcept {
        out.d = d;
        out.m = m;
        detail::pack_halves(codes, out.qs);
        detail::pack_fifth_bits(codes, out.qh);
    }

    friend bool operator==(const q5_1&, const q5_1&) = default;
};

} // namespace tersor::inline v0::gguf

#endif // TERSOR_QUANTIZERS_GGUF_Q5_1_HPP

#ifndef TERSOR_QUANTIZERS_GGUF_Q5_0_HPP
#define TERSOR_QUANTIZERS_GGUF_Q5_0_HPP

// Q5_0: 32 values share a half d; 5-bit codes q, value (q - 16) * d.
//
//   reference   d = m / -16 with m the value of largest magnitude; with importance the search of signed_search-inl.hpp
//   best        d of least squared error among the halves, of either sign; signed_best-inl.hpp
//   fast        the same with few trials
//
// Layout: GGUF specification. Rules of mode reference: signed_nibbles-inl.hpp.

#include "tersor/formats/integer.hpp"
#include "tersor/quantizers/gguf/signed_nibbles.hpp"

#include <cstdint>
#include <span>

namespace tersor::inline v0::gguf {

/// Blocks of 32 values, 5 bits each and a half: 22 bytes.
struct q5_0 {
    /// The stored bytes.
    struct block {
        std::uint16_t d;
        std::uint8_t qh[4];  ///< bit 4 of code j is bit j of the little-endian number
        std::uint8_t qs[16]; ///< low four bits of codes j and j + 16 in the low and high half of byte j
    };
    static_assert(sizeof(block) == 22 && alignof(block) == 2);

    static constexpr index group = 32;
    static constexpr const char* name = "q5_0";
    /// The number of the type in GGUF files.
    static constexpr std::uint32_t type_id = 6;
    static constexpr bool needs_importance = false;

    /// The format of the stored codes; code q means (q - 16) * d.
    using format = uint5;

    /// What a block's codes share.
    struct parameters {
        float scale;
        std::uint16_t d; ///< scale as a half
        friend bool operator==(const parameters&, const parameters&) = default;
    };

    /// The parameters that a block stores.
    [[nodiscard]] static parameters parameters_of(const block& b) noexcept { return {fp16::decode(b.d), b.d}; }

    /// The nearest code, half to even on value / d.
    [[nodiscard]] static std::uint8_t encode(float value, const parameters& p, index) noexcept {
        return static_cast<std::uint8_t>(p.scale == 0.0f ? 16 : int5::encode(value / p.scale) + 16);
    }

    /// The value of a code.
    [[nodiscard]] static float decode(std::uint8_t code, const parameters& p, index) noexcept {
        return static_cast<float>(code - 16) * p.scale;
    }

    /// The 32 codes of a block.
    static void codes_of(const block& b, std::uint8_t* codes) noexcept {
        for (int j = 0; j < 16; ++j) {
            codes[j] = static_cast<std::uint8_t>((b.qs[j] & 15) | ((b.qh[j / 8] >> (j % 8)) & 1) << 4);
            codes[j + 16] = static_cast<std::uint8_t>((b.qs[j] >> 4) | ((b.qh[2 + j / 8] >> (j % 8)) & 1) << 4);
        }
    }

    /// The block of parameters and 32 codes.
    [[nodiscard]] static block assemble(const parameters& p, const std::uint8_t* codes) noexcept {
        block b{};
        b.d = p.d;
        for (int j = 0; j < 16; ++j) {
            b.qs[j] = static_cast<std::uint8_t>((codes[j] & 15) | (codes[j + 16] & 15) << 4);
        }
        for (int j = 0; j < 32; ++j) {
            b.qh[j / 8] = static_cast<std::uint8_t>(b.qh[j / 8] | ((codes[j] >> 4) & 1) << (j % 8));
        }
        return b;
    }

    /// Blocks of a run of values; `importance` is empty or holds a weight for each value of what is then one row.
    static void encode_blocks(std::span<const float> values, std::span<const float> importance, quantize_mode mode,
                              block* out) noexcept {
        const float* const weights = importance.empty() ? nullptr : importance.data();
        TERSOR_DISPATCH(
            gguf::signed_blocks::encode_nibbles<16>(values.data(), weights, values.size() / group, mode, out));
    }

    /// The values of `count` blocks.
    static void decode_blocks(const block* blocks, std::size_t count, float* out) noexcept {
        TERSOR_DISPATCH(gguf::signed_blocks::decode_nibbles<16>(blocks, count, out));
    }

    friend bool operator==(const q5_0&, const q5_0&) = default;
};

} // namespace tersor::inline v0::gguf

#endif // TERSOR_QUANTIZERS_GGUF_Q5_0_HPP

#ifndef TERSOR_QUANTIZERS_GGUF_Q1_0_HPP
#define TERSOR_QUANTIZERS_GGUF_Q1_0_HPP

// Q1_0: 128 signs and their common magnitude in fp16.
//
//   value = bit ? d : -d;  bit i % 8 of byte i / 8
//
// The format's own rule, d = mean |x| and bit = x >= 0, is the optimum for equal weights; mode `best` takes the
// weighted mean where there is importance. Source: llama.cpp, type 41.

#include "tersor/core/concepts.hpp"
#include "tersor/formats/half.hpp"
#include "tersor/quantizers/gguf/ternary_kernels.hpp"
#include "tersor/quantizers/gguf/ternary_levels.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace tersor::inline v0::gguf {

/// Q1_0, 1.125 bits per value.
struct q1_0 {
    using format = one_bit;
    static constexpr index group = 128;
    static constexpr const char* name = "q1_0";
    static constexpr std::uint32_t type_id = 41;
    static constexpr bool needs_importance = false;

    /// The stored bytes.
    struct block {
        std::uint16_t d; ///< magnitude, fp16
        std::uint8_t qs[16];
        friend bool operator==(const block&, const block&) = default;
    };
    static_assert(sizeof(block) == 18);

    /// The scale, as stored.
    struct parameters {
        std::uint16_t d;
        friend bool operator==(const parameters&, const parameters&) = default;
    };

    /// Encodes values.size() / 128 blocks.
    static void encode_blocks(std::span<const float> values, std::span<const float> importance, quantize_mode mode,
                              block* out) noexcept {
        const std::size_t count = values.size() / 128;
        if (mode != quantize_mode::best) {
            TERSOR_DISPATCH(gguf::encode_q1_0<false>(values.data(), count, out));
        } else if (importance.empty()) {
            TERSOR_DISPATCH(gguf::encode_q1_0<true>(values.data(), count, out));
        } else {
            TERSOR_DISPATCH(gguf::encode_q1_0_weighted(values.data(), importance.data(), count, out));
        }
    }

    /// `count` blocks to count * 128 floats.
    static void decode_blocks(const block* blocks, std::size_t count, float* out) noexcept {
        TERSOR_DISPATCH(gguf::decode_q1_0(blocks, count, out));
    }

    [[nodiscard]] static parameters parameters_of(const block& b) noexcept { return {b.d}; }

    /// Whether the value is on the side of d, that is not below zero where d is not.
    [[nodiscard]] static std::uint8_t encode(float value, const parameters& p, index) noexcept {
        return static_cast<std::uint8_t>((p.d & 0x8000u) != 0 ? value <= 0.0f : value >= 0.0f);
    }

    [[nodiscard]] static float decode(std::uint8_t code, const parameters& p, index) noexcept {
        const float d = fp16::decode(p.d);
        return (code & 1) != 0 ? d : -d;
    }

    /// The 128 codes of a block.
    static void codes_of(const block& b, std::uint8_t* codes) noexcept {
        for (std::size_t i = 0; i < 128; ++i) {
            codes[i] = (b.qs[i / 8] >> (i % 8)) & 1;
        }
    }

    /// The block of a scale and 128 codes.
    [[nodiscard]] static block assemble(const parameters& p, const std::uint8_t* codes) noexcept {
        block b{p.d, {}};
        for (std::size_t i = 0; i < 128; ++i) {
            b.qs[i / 8] = static_cast<std::uint8_t>(b.qs[i / 8] | (codes[i] & 1) << (i % 8));
        }
        return b;
    }

    friend bool operator==(const q1_0&, const q1_0&) = default;
};

} // namespace tersor::inline v0::gguf

#endif // TERSOR_QUANTIZERS_GGUF_Q1_0_HPP

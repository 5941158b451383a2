#ifndef TERSOR_QUANTIZERS_GGUF_TQ2_0_HPP
#define TERSOR_QUANTIZERS_GGUF_TQ2_0_HPP

// TQ2_0: 256 values -1, 0 or 1 (2 is possible, but not written) times a scale in fp16, two bits each.
//
//   value = (q - 1) * d
//   byte 32 h + l of qs holds the values 128 h + 32 p + l, p = 0..3, from the low bits on
//
// The format's own rule takes d = max|x|, which suits weights that are ternary already, and so does mode `fast`; mode
// `best` finds the exact optimum of d and codes -1, 0, 1. Source: llama.cpp, type 35 (Compilade).

#include "tersor/core/concepts.hpp"
#include "tersor/formats/integer.hpp"
#include "tersor/quantizers/gguf/ternary_kernels.hpp"
#include "tersor/quantizers/gguf/ternary_parameters.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace tersor::inline v0::gguf {

/// TQ2_0, 2.0625 bits per value.
struct tq2_0 {
    using format = uint2;
    using parameters = detail::ternary_parameters;
    static constexpr index group = 256;
    static constexpr const char* name = "tq2_0";
    static constexpr std::uint32_t type_id = 35;
    static constexpr bool needs_importance = false;

    /// The stored bytes.
    struct block {
        std::uint8_t qs[64];
        std::uint16_t d; ///< scale, fp16
        friend bool operator==(const block&, const block&) = default;
    };
    static_assert(sizeof(block) == 66);

    /// Encodes values.size() / 256 blocks.
    static void encode_blocks(std::span<const float> values, std::span<const float> importance, quantize_mode mode,
                              block* out) noexcept {
        detail::encode_ternary(values, importance, mode, out);
    }

    /// `count` blocks to count * 256 floats.
    static void decode_blocks(const block* blocks, std::size_t count, float* out) noexcept {
        TERSOR_DISPATCH(gguf::decode_tq2_0(blocks, count, out));
    }

    [[nodiscard]] static parameters parameters_of(const block& b) noexcept { return {b.d}; }

    /// The nearest code for a value of the block; half way the even one.
    [[nodiscard]] static std::uint8_t encode(float value, const parameters& p, index) noexcept { return p.encode(value); }

    /// The value of a code.
    [[nodiscard]] static float decode(std::uint8_t code, const parameters& p, index) noexcept { return p.decode(code); }

    /// The 256 codes of a block.
    static void codes_of(const block& b, std::uint8_t* codes) noexcept {
        for (std::size_t i = 0; i < 256; ++i) {
            codes[i] = (b.qs[32 * (i / 128) + i % 32] >> (2 * (i % 128 / 32))) & 3;
        }
    }

    /// The block of a scale and 256 codes.
    [[nodiscard]] static block assemble(const parameters& p, const std::uint8_t* codes) noexcept {
        block b{{}, p.d};
        for (std::size_t i = 0; i < 256; ++i) {
            std::uint8_t& byte = b.qs[32 * (i / 128) + i % 32];
            byte = static_cast<std::uint8_t>(byte | (codes[i] & 3) << (2 * (i % 128 / 32)));
        }
        return b;
    }

    friend bool operator==(const tq2_0&, const tq2_0&) = default;
};

} // namespace tersor::inline v0::gguf

#endif // TERSOR_QUANTIZERS_GGUF_TQ2_0_HPP

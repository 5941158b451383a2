#ifndef TERSOR_QUANTIZERS_GGUF_Q2_0_HPP
#define TERSOR_QUANTIZERS_GGUF_Q2_0_HPP

// Q2_0: 64 values -1, 0, 1 or 2 times a scale in fp16, two bits each.
//
//   value = (q - 1) * d;  value i at bits 2 (i % 4) of byte i / 4
//
// The format's own rule takes d = max|x| and never the level 2, and so does mode `fast`; mode `best` searches d of
// either sign for the least squared error over all four levels. Source: llama.cpp, type 42.

#include "tersor/core/concepts.hpp"
#include "tersor/formats/half.hpp"
#include "tersor/formats/integer.hpp"
#include "tersor/quantizers/gguf/ternary_kernels.hpp"
#include "tersor/quantizers/gguf/ternary_levels.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace tersor::inline v0::gguf {

/// Q2_0, 2.25 bits per value.
struct q2_0 {
    using format = uint2;
    static constexpr index group = 64;
    static constexpr const char* name = "q2_0";
    static constexpr std::uint32_t type_id = 42;
    static constexpr bool needs_importance = false;

    /// The stored bytes.
    struct block {
        std::uint16_t d; ///< scale, fp16
        std::uint8_t qs[16];
        friend bool operator==(const block&, const block&) = default;
    };
    static_assert(sizeof(block) == 18);

    /// The scale, as stored.
    struct parameters {
        std::uint16_t d;
        friend bool operator==(const parameters&, const parameters&) = default;
    };

    /// Encodes values.size() / 64 blocks.
    static void encode_blocks(std::span<const float> values, std::span<const float> importance, quantize_mode mode,
                              block* out) noexcept {
        const std::size_t count = values.size() / 64;
        if (mode == quantize_mode::best) {
            const float* const weights = importance.empty() ? nullptr : importance.data();
            TERSOR_DISPATCH(gguf::encode_q2_0_best(values.data(), weights, count, out));
        } else {
            TERSOR_DISPATCH(gguf::encode_q2_0(values.data(), count, out));
        }
    }

    /// `count` blocks to count * 64 floats.
    static void decode_blocks(const block* blocks, std::size_t count, float* out) noexcept {
        TERSOR_DISPATCH(gguf::decode_q2_0(blocks, count, out));
    }

    [[nodiscard]] static parameters parameters_of(const block& b) noexcept { return {b.d}; }

    /// The code of the one of -1, 0, 1, 2 nearest to value / d, half way going to the even one; for d = 0 that of 0.
    [[nodiscard]] static std::uint8_t encode(float value, const parameters& p, index) noexcept {
        const float d = fp16::decode(p.d);
        return detail::nearest_ternary(d == 0.0f ? 0.0f : value / d, 2);
    }

    [[nodiscard]] static float decode(std::uint8_t code, const parameters& p, index) noexcept {
        return static_cast<float>(static_cast<int>(code) - 1) * fp16::decode(p.d);
    }

    /// The 64 codes of a block.
    static void codes_of(const block& b, std::uint8_t* codes) noexcept {
        for (std::size_t i = 0; i < 64; ++i) {
            codes[i] = (b.qs[i / 4] >> (2 * (i % 4))) & 3;
        }
    }

    /// The block of a scale and 64 codes.
    [[nodiscard]] static block assemble(const parameters& p, const std::uint8_t* codes) noexcept {
        block b{p.d, {}};
        for (std::size_t i = 0; i < 64; ++i) {
            b.qs[i / 4] = static_cast<std::uint8_t>(b.qs[i / 4] | (codes[i] & 3) << (2 * (i % 4)));
        }
        return b;
    }

    friend bool operator==(const q2_0&, const q2_0&) = default;
};

} // namespace tersor::inline v0::gguf

#endif // TERSOR_QUANTIZERS_GGUF_Q2_0_HPP

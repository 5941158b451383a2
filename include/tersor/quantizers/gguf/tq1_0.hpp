#ifndef TERSOR_QUANTIZERS_GGUF_TQ1_0_HPP
#define TERSOR_QUANTIZERS_GGUF_TQ1_0_HPP

// TQ1_0: 256 values -1, 0 or 1 times a scale in fp16, five of them in a byte.
//
//   value = (trit - 1) * d
//   bytes 0..31 of qs: trits k of byte m are values 32 k + m; bytes 32..47: 160 + 16 k + m
//   byte j of qh: four trits, values 240 + 4 k + j
//
// How a byte holds trits: ternary_levels.hpp. The format's own rule takes d = max|x|, which suits weights that are
// ternary already, and so does mode `fast`; mode `best` finds the exact optimum of d and codes. Source: llama.cpp, type
// 34 (Compilade).

#include "tersor/core/concepts.hpp"
#include "tersor/formats/integer.hpp"
#include "tersor/quantizers/gguf/ternary_kernels.hpp"
#include "tersor/quantizers/gguf/ternary_levels.hpp"
#include "tersor/quantizers/gguf/ternary_parameters.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace tersor::inline v0::gguf {

/// TQ1_0, 1.6875 bits per value.
struct tq1_0 {
    using format = uint2;
    using parameters = detail::ternary_parameters;
    static constexpr index group = 256;
    static constexpr const char* name = "tq1_0";
    static constexpr std::uint32_t type_id = 34;
    static constexpr bool needs_importance = false;

    /// The stored bytes.
    struct block {
        std::uint8_t qs[48];
        std::uint8_t qh[4];
        std::uint16_t d; ///< scale, fp16
        friend bool operator==(const block&, const block&) = default;
    };
    static_assert(sizeof(block) == 54);

    /// Encodes values.size() / 256 blocks.
    static void encode_blocks(std::span<const float> values, std::span<const float> importance, quantize_mode mode,
                              block* out) noexcept {
        detail::encode_ternary(values, importance, mode, out);
    }

    /// `count` blocks to count * 256 floats.
    static void decode_blocks(const block* blocks, std::size_t count, float* out) noexcept {
        TERSOR_DISPATCH(gguf::decode_tq1_0(blocks, count, out));
    }

    [[nodiscard]] static parameters parameters_of(const block& b) noexcept { return {b.d}; }

    /// The nearest code for a value of the block; half way the even one.
    [[nodiscard]] static std::uint8_t encode(float value, const parameters& p, index) noexcept { return p.encode(value); }

    /// The value of a code.
    [[nodiscard]] static float decode(std::uint8_t code, const parameters& p, index) noexcept { return p.decode(code); }

    /// The 256 codes of a block.
    static void codes_of(const block& b, std::uint8_t* codes) noexcept {
        for (std::size_t k = 0; k < 5; ++k) {
            for (std::size_t m = 0; m < 32; ++m) {
                codes[32 * k + m] = detail::trit_of(b.qs[m], static_cast<int>(k));
            }
            for (std::size_t m = 0; m < 16; ++m) {
                codes[160 + 16 * k + m] = detail::trit_of(b.qs[32 + m], static_cast<int>(k));
            }
        }
        for (std::size_t i = 0; i < 16; ++i) {
            codes[240 + i] = detail::trit_of(b.qh[i % 4], static_cast<int>(i / 4));
        }
    }

    /// The block of a scale and 256 codes.
    [[nodiscard]] static block assemble(const parameters& p, const std::uint8_t* codes) noexcept {
        block b{{}, {}, p.d};
        for (std::size_t m = 0; m < 48; ++m) {
            const std::size_t step = m < 32 ? 32 : 16;
            const std::uint8_t* const t = codes + (m < 32 ? m : 160 + m - 32);
            b.qs[m] = detail::pack_trits(t[0], t[step], t[2 * step], t[3 * step], t[4 * step]);
        }
        for (std::size_t j = 0; j < 4; ++j) {
            const std::uint8_t* const t = codes + 240 + j;
            b.qh[j] = detail::pack_trits(t[0], t[4], t[8], t[12], 0);
        }
        return b;
    }

    friend bool operator==(const tq1_0&, const tq1_0&) = default;
};

} // namespace tersor::inline v0::gguf

#endif // TERSOR_QUANTIZERS_GGUF_TQ1_0_HPP

#ifndef TERSOR_QUANTIZERS_GGUF_IQ1_S_HPP
#define TERSOR_QUANTIZERS_GGUF_IQ1_S_HPP

// IQ1_S: super-blocks of 256 values, 1.5625 bits per value.
//
//   value = (d * (2 s + 1)) * (level - 1 +- 0.125), each operation rounded
//
// Groups of 32 values have a scale s and a shift; points are of eight values, with 11-bit indices.
// Searches: iq1_reference-inl.hpp, iq1_best-inl.hpp. Format: ggml, block_iq1_s.

#include "tersor/core/concepts.hpp"
#include "tersor/quantizers/gguf/grid_blocks.hpp"
#include "tersor/quantizers/gguf/iq1_kernels.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace tersor::inline v0::gguf {

/// The block quantizer of GGUF's type IQ1_S.
struct iq1_s {
    /// What a file holds for 256 values.
    struct block {
        std::uint16_t d;         ///< step of the scales, a half
        std::uint8_t points[32]; ///< low bits, of eight values each
        std::uint16_t qh[8];     ///< of 32 values: four times three high bits, three of s, whether shifted down
    };
    static_assert(sizeof(block) == 50);

    using rules = tersor::detail::iq1_s_rules;
    using codes = tersor::detail::iq1_codes;
    static constexpr index group = 256;
    static constexpr const char* name = "iq1_s";
    static constexpr std::uint32_t type_id = 19;
    static constexpr bool needs_importance = true;

    /// Quantizes whole super-blocks; `importance` is empty or one weight per value.
    /// Errors: `unsupported` in mode reference without importance.
    static void encode_blocks(std::span<const float> values, std::span<const float> importance, quantize_mode mode,
                              block* out) {
        tersor::detail::encode_grid_blocks<iq1_s>(values, importance, mode, out);
    }

    /// `count` blocks to 256 * count floats.
    static void decode_blocks(const block* blocks, std::size_t count, float* out) noexcept {
        TERSOR_DISPATCH(gguf::decode_grid<iq1_s>(blocks, count, out));
    }

    /// The block of these numbers.
    [[nodiscard]] static block pack(const codes& c) noexcept {
        block b{};
        b.d = c.d;
        for (std::size_t g = 0; g < 8; ++g) {
            unsigned high = static_cast<unsigned>(c.scales[g]) << 12 | (c.minus[4 * g] ? 0x8000u : 0u);
            for (std::size_t k = 0; k < 4; ++k) {
                b.points[4 * g + k] = static_cast<std::uint8_t>(c.points[4 * g + k]);
                high |= static_cast<unsigned>(c.points[4 * g + k] >> 8) << (3 * k);
            }
            b.qh[g] = static_cast<std::uint16_t>(high);
        }
        return b;
    }

    /// The numbers of a block.
    [[nodiscard]] static codes unpack(const block& b) noexcept {
        codes c;
        c.d = b.d;
        for (std::size_t g = 0; g < 8; ++g) {
            const unsigned high = b.qh[g];
            for (std::size_t k = 0; k < 4; ++k) {
                c.points[4 * g + k] = static_cast<std::uint16_t>(b.points[4 * g + k] | (high >> (3 * k) & 7) << 8);
                c.minus[4 * g + k] = high >> 15 != 0;
            }
            c.scales[g] = static_cast<std::uint8_t>(high >> 12 & 7);
        }
        return c;
    }

    friend bool operator==(const iq1_s&, const iq1_s&) = default;
};

} // namespace tersor::inline v0::gguf

#endif // TERSOR_QUANTIZERS_GGUF_IQ1_S_HPP

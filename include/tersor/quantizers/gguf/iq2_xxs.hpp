#ifndef TERSOR_QUANTIZERS_GGUF_IQ2_XXS_HPP
#define TERSOR_QUANTIZERS_GGUF_IQ2_XXS_HPP

// IQ2_XXS: super-blocks of 256 values, 2.0625 bits per value.
//
//   value = ((d * (0.5 + s)) * 0.25) * grid * sign, each operation rounded
//
// Of the four 16-bit words of 32 values the first two hold four 8-bit indices of points of eight values, the others
// four times seven signs and, on top, s. Searches: grid_reference-inl.hpp, grid_best-inl.hpp. Format: ggml,
// block_iq2_xxs.

#include "tersor/core/concepts.hpp"
#include "tersor/quantizers/gguf/grid_blocks.hpp"
#include "tersor/quantizers/gguf/grid_kernels.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace tersor::inline v0::gguf {

/// The block quantizer of GGUF's type IQ2_XXS.
struct iq2_xxs {
    /// What a file holds for 256 values.
    struct block {
        std::uint16_t d;      ///< step of the scales, a half
        std::uint16_t qs[32]; ///< four for each 32 values
    };
    static_assert(sizeof(block) == 66);

    using rules = tersor::detail::iq2_xxs_rules;
    using codes = tersor::detail::grid_codes;
    static constexpr index group = 256;
    static constexpr const char* name = "iq2_xxs";
    static constexpr std::uint32_t type_id = 16;
    static constexpr bool needs_importance = true;

    /// Quantizes whole super-blocks; `importance` is empty or one weight per value.
    /// Errors: `unsupported` in mode reference without importance.
    static void encode_blocks(std::span<const float> values, std::span<const float> importance, quantize_mode mode,
                              block* out) {
        tersor::detail::encode_grid_blocks<iq2_xxs>(values, importance, mode, out);
    }

    /// `count` blocks to 256 * count floats.
    static void decode_blocks(const block* blocks, std::size_t count, float* out) noexcept {
        TERSOR_DISPATCH(gguf::decode_grid<iq2_xxs>(blocks, count, out));
    }

    /// The block of these numbers.
    [[nodiscard]] static block pack(const codes& c) noexcept {
        block b{};
        b.d = c.d;
        for (std::size_t g = 0; g < 8; ++g) {
            std::uint32_t points = 0, signs = static_cast<std::uint32_t>(c.scales[g]) << 28;
            for (std::size_t k = 0; k < 4; ++k) {
                points |= static_cast<std::uint32_t>(c.points[4 * g + k]) << (8 * k);
                signs |= static_cast<std::uint32_t>(c.signs[4 * g + k]) << (7 * k);
            }
            b.qs[4 * g] = static_cast<std::uint16_t>(points & 0xFFFF);
            b.qs[4 * g + 1] = static_cast<std::uint16_t>(points >> 16);
            b.qs[4 * g + 2] = static_cast<std::uint16_t>(signs);
            b.qs[4 * g + 3] = static_cast<std::uint16_t>(signs >> 16);
        }
        return b;
    }

    /// The numbers of a block.
    [[nodiscard]] static codes unpack(const block& b) noexcept {
        codes c;
        c.d = b.d;
        for (std::size_t g = 0; g < 8; ++g) {
            const std::uint32_t points = b.qs[4 * g] | static_cast<std::uint32_t>(b.qs[4 * g + 1]) << 16;
            const std::uint32_t signs = b.qs[4 * g + 2] | static_cast<std::uint32_t>(b.qs[4 * g + 3]) << 16;
            for (std::size_t k = 0; k < 4; ++k) {
                c.points[4 * g + k] = static_cast<std::uint16_t>(points >> (8 * k) & 255);
                c.signs[4 * g + k] = static_cast<std::uint8_t>(signs >> (7 * k) & 127);
            }
            c.scales[g] = static_cast<std::uint8_t>(signs >> 28);
        }
        return c;
    }

    friend bool operator==(const iq2_xxs&, const iq2_xxs&) = default;
};

} // namespace tersor::inline v0::gguf

#endif // TERSOR_QUANTIZERS_GGUF_IQ2_XXS_HPP

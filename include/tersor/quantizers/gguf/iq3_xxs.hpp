#ifndef TERSOR_QUANTIZERS_GGUF_IQ3_XXS_HPP
#define TERSOR_QUANTIZERS_GGUF_IQ3_XXS_HPP

// IQ3_XXS: super-blocks of 256 values, 3.0625 bits per value.
//
//   value = ((d * (0.5 + s)) * 0.5) * grid * sign, each operation rounded
//
// Groups of 32 values have a scale s; points are of four values.
// Searches: grid_reference-inl.hpp, grid_best-inl.hpp. Format: ggml, block_iq3_xxs.

#include "tersor/core/concepts.hpp"
#include "tersor/quantizers/gguf/grid_blocks.hpp"
#include "tersor/quantizers/gguf/grid_kernels.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace tersor::inline v0::gguf {

/// The block quantizer of GGUF's type IQ3_XXS.
struct iq3_xxs {
    /// What a file holds for 256 values.
    struct block {
        std::uint16_t d;         ///< step of the scales, a half
        std::uint8_t points[64]; ///< of four values each
        std::uint16_t signs[16]; ///< two for each 32 values: four times seven signs, s on top
    };
    static_assert(sizeof(block) == 98);

    using rules = tersor::detail::iq3_xxs_rules;
    using codes = tersor::detail::grid_codes;
    static constexpr index group = 256;
    static constexpr const char* name = "iq3_xxs";
    static constexpr std::uint32_t type_id = 18;
    static constexpr bool needs_importance = false;

    /// Quantizes whole super-blocks; `importance` is empty or one weight per value.
    static void encode_blocks(std::span<const float> values, std::span<const float> importance, quantize_mode mode,
                              block* out) {
        tersor::detail::encode_grid_blocks<iq3_xxs>(values, importance, mode, out);
    }

    /// `count` blocks to 256 * count floats.
    static void decode_blocks(const block* blocks, std::size_t count, float* out) noexcept {
        TERSOR_DISPATCH(gguf::decode_grid<iq3_xxs>(blocks, count, out));
    }

    /// The block of these numbers.
    [[nodiscard]] static block pack(const codes& c) noexcept {
        block b{};
        b.d = c.d;
        for (std::size_t k = 0; k < 64; ++k) {
            b.points[k] = static_cast<std::uint8_t>(c.points[k]);
        }
        for (std::size_t g = 0; g < 8; ++g) {
            std::uint32_t signs = static_cast<std::uint32_t>(c.scales[g]) << 28;
            for (std::size_t k = 0; k < 4; ++k) {
                signs |= static_cast<std::uint32_t>(c.signs[4 * g + k]) << (7 * k);
            }
            b.signs[2 * g] = static_cast<std::uint16_t>(signs);
            b.signs[2 * g + 1] = static_cast<std::uint16_t>(signs >> 16);
        }
        return b;
    }

    /// The numbers of a block.
    [[nodiscard]] static codes unpack(const block& b) noexcept {
        codes c;
        c.d = b.d;
        for (std::size_t k = 0; k < 64; ++k) {
            c.points[k] = b.points[k];
        }
        for (std::size_t g = 0; g < 8; ++g) {
            const std::uint32_t signs = b.signs[2 * g] | static_cast<std::uint32_t>(b.signs[2 * g + 1]) << 16;
            for (std::size_t k = 0; k < 4; ++k) {
                c.signs[4 * g + k] = static_cast<std::uint8_t>(signs >> (7 * k) & 127);
            }
            c.scales[g] = static_cast<std::uint8_t>(signs >> 28);
        }
        return c;
    }

    friend bool operator==(const iq3_xxs&, const iq3_xxs&) = default;
};

} // namespace tersor::inline v0::gguf

#endif // TERSOR_QUANTIZERS_GGUF_IQ3_XXS_HPP

#ifndef TERSOR_QUANTIZERS_GGUF_IQ1_M_HPP
#define TERSOR_QUANTIZERS_GGUF_IQ1_M_HPP

// IQ1_M: super-blocks of 256 values, 1.75 bits per value.
//
//   value = (d * (2 s + 1)) * (level - 1 +- 0.125), each operation rounded
//
// Groups of 16 values have a scale s; points are of eight values, with 11-bit indices and a shift each.
// Searches: iq1_reference-inl.hpp, iq1_best-inl.hpp. Format: ggml, block_iq1_m.

#include "tersor/core/concepts.hpp"
#include "tersor/quantizers/gguf/grid_blocks.hpp"
#include "tersor/quantizers/gguf/iq1_kernels.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace tersor::inline v0::gguf {

/// The block quantizer of GGUF's type IQ1_M.
struct iq1_m {
    /// What a file holds for 256 values.
    struct block {
        std::uint8_t points[32]; ///< low bits, of eight values each
        std::uint8_t qh[16];     ///< a half byte for eight values: three high bits, whether shifted down
        std::uint16_t scales[4]; ///< four times three bits of s, on top four bits of d, a half
    };
    static_assert(sizeof(block) == 56);

    using rules = tersor::detail::iq1_m_rules;
    using codes = tersor::detail::iq1_codes;
    static constexpr index group = 256;
    static constexpr const char* name = "iq1_m";
    static constexpr std::uint32_t type_id = 29;
    static constexpr bool needs_importance = false;

    /// Quantizes whole super-blocks; `importance` is empty or one weight per value.
    static void encode_blocks(std::span<const float> values, std::span<const float> importance, quantize_mode mode,
                              block* out) {
        tersor::detail::encode_grid_blocks<iq1_m>(values, importance, mode, out);
    }

    /// `count` blocks to 256 * count floats.
    static void decode_blocks(const block* blocks, std::size_t count, float* out) noexcept {
        TERSOR_DISPATCH(gguf::decode_grid<iq1_m>(blocks, count, out));
    }

    /// The block of these numbers.
    [[nodiscard]] static block pack(const codes& c) noexcept {
        block b{};
        for (std::size_t k = 0; k < 32; ++k) {
            const unsigned high = static_cast<unsigned>(c.points[k] >> 8) | (c.minus[k] ? 8u : 0u);
            b.points[k] = static_cast<std::uint8_t>(c.points[k]);
            b.qh[k / 2] = static_cast<std::uint8_t>(b.qh[k / 2] | high << (4 * (k % 2)));
        }
        for (std::size_t g = 0; g < 16; ++g) {
            b.scales[g / 4] = static_cast<std::uint16_t>(b.scales[g / 4] | c.scales[g] << (3 * (g % 4)));
        }
        for (std::size_t k = 0; k < 4; ++k) {
            b.scales[k] = static_cast<std::uint16_t>(b.scales[k] | (c.d >> (4 * k) & 15) << 12);
        }
        return b;
    }

    /// The numbers of a block.
    [[nodiscard]] static codes unpack(const block& b) noexcept {
        codes c;
        for (std::size_t k = 0; k < 32; ++k) {
            const unsigned high = static_cast<unsigned>(b.qh[k / 2]) >> (4 * (k % 2));
            c.points[k] = static_cast<std::uint16_t>(b.points[k] | (high & 7) << 8);
            c.minus[k] = (high & 8) != 0;
        }
        for (std::size_t g = 0; g < 16; ++g) {
            c.scales[g] = static_cast<std::uint8_t>(b.scales[g / 4] >> (3 * (g % 4)) & 7);
        }
        for (std::size_t k = 0; k < 4; ++k) {
            c.d = static_cast<std::uint16_t>(c.d | (b.scales[k] >> 12) << (4 * k));
        }
        return c;
    }

    friend bool operator==(const iq1_m&, const iq1_m&) = default;
};

} // namespace tersor::inline v0::gguf

#endif // TERSOR_QUANTIZERS_GGUF_IQ1_M_HPP

#ifndef TERSOR_QUANTIZERS_GGUF_IQ2_S_HPP
#define TERSOR_QUANTIZERS_GGUF_IQ2_S_HPP

// IQ2_S: super-blocks of 256 values, 2.5625 bits per value.
//
//   value = ((d * (0.5 + s)) * 0.25) * grid * sign, each operation rounded
//
// Groups of 16 values have a scale s; points are of eight values, with 10-bit indices.
// Searches: grid_reference-inl.hpp, grid_best-inl.hpp. Format: ggml, block_iq2_s.

#include "tersor/core/concepts.hpp"
#include "tersor/quantizers/gguf/grid_blocks.hpp"
#include "tersor/quantizers/gguf/grid_kernels.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace tersor::inline v0::gguf {

/// The block quantizer of GGUF's type IQ2_S.
struct iq2_s {
    /// What a file holds for 256 values.
    struct block {
        std::uint16_t d;         ///< step of the scales, a half
        std::uint8_t points[32]; ///< low bits
        std::uint8_t signs[32];
        std::uint8_t qh[8];     ///< high bits of four points, two each
        std::uint8_t scales[8]; ///< of the groups 2 k (low half) and 2 k + 1
    };
    static_assert(sizeof(block) == 82);

    using rules = tersor::detail::iq2_s_rules;
    using codes = tersor::detail::grid_codes;
    static constexpr index group = 256;
    static constexpr const char* name = "iq2_s";
    static constexpr std::uint32_t type_id = 22;
    static constexpr bool needs_importance = false;

    /// Quantizes whole super-blocks; `importance` is empty or one weight per value.
    static void encode_blocks(std::span<const float> values, std::span<const float> importance, quantize_mode mode,
                              block* out) {
        tersor::detail::encode_grid_blocks<iq2_s>(values, importance, mode, out);
    }

    /// `count` blocks to 256 * count floats.
    static void decode_blocks(const block* blocks, std::size_t count, float* out) noexcept {
        TERSOR_DISPATCH(gguf::decode_grid<iq2_s>(blocks, count, out));
    }

    /// The block of these numbers.
    [[nodiscard]] static block pack(const codes& c) noexcept {
        block b{};
        b.d = c.d;
        for (std::size_t k = 0; k < 32; ++k) {
            b.points[k] = static_cast<std::uint8_t>(c.points[k]);
            b.signs[k] = c.signs[k];
            b.qh[k / 4] = static_cast<std::uint8_t>(b.qh[k / 4] | (c.points[k] >> 8) << (2 * (k % 4)));
        }
        for (std::size_t k = 0; k < 8; ++k) {
            b.scales[k] = static_cast<std::uint8_t>(c.scales[2 * k] | c.scales[2 * k + 1] << 4);
        }
        return b;
    }

    /// The numbers of a block.
    [[nodiscard]] static codes unpack(const block& b) noexcept {
        codes c;
        c.d = b.d;
        for (std::size_t k = 0; k < 32; ++k) {
            c.points[k] = static_cast<std::uint16_t>(b.points[k] | (b.qh[k / 4] >> (2 * (k % 4)) & 3) << 8);
            c.signs[k] = b.signs[k];
        }
        for (std::size_t k = 0; k < 8; ++k) {
            c.scales[2 * k] = b.scales[k] & 15;
            c.scales[2 * k + 1] = static_cast<std::uint8_t>(b.scales[k] >> 4);
        }
        return c;
    }

    friend bool operator==(const iq2_s&, const iq2_s&) = default;
};

} // namespace tersor::inline v0::gguf

#endif // TERSOR_QUANTIZERS_GGUF_IQ2_S_HPP

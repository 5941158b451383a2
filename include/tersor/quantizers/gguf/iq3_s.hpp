#ifndef TERSOR_QUANTIZERS_GGUF_IQ3_S_HPP
#define TERSOR_QUANTIZERS_GGUF_IQ3_S_HPP

// IQ3_S: super-blocks of 256 values, 3.4375 bits per value.
//
//   value = (d * (1 + 2 s)) * grid * sign, each operation rounded
//
// Groups of 32 values have a scale s; points are of four values, with 9-bit indices.
// Searches: grid_reference-inl.hpp, grid_best-inl.hpp. Format: ggml, block_iq3_s.

#include "tersor/core/concepts.hpp"
#include "tersor/quantizers/gguf/grid_blocks.hpp"
#include "tersor/quantizers/gguf/grid_kernels.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace tersor::inline v0::gguf {

/// The block quantizer of GGUF's type IQ3_S.
struct iq3_s {
    /// What a file holds for 256 values.
    struct block {
        std::uint16_t d;         ///< step of the scales, a half
        std::uint8_t points[64]; ///< low bits, of four values each
        std::uint8_t qh[8];      ///< high bits of eight points
        std::uint8_t signs[32];
        std::uint8_t scales[4]; ///< of the groups 2 k (low half) and 2 k + 1
    };
    static_assert(sizeof(block) == 110);

    using rules = tersor::detail::iq3_s_rules;
    using codes = tersor::detail::grid_codes;
    static constexpr index group = 256;
    static constexpr const char* name = "iq3_s";
    static constexpr std::uint32_t type_id = 21;
    static constexpr bool needs_importance = false;

    /// Quantizes whole super-blocks; `importance` is empty or one weight per value.
    static void encode_blocks(std::span<const float> values, std::span<const float> importance, quantize_mode mode,
                              block* out) {
        tersor::detail::encode_grid_blocks<iq3_s>(values, importance, mode, out);
    }

    /// `count` blocks to 256 * count floats.
    static void decode_blocks(const block* blocks, std::size_t count, float* out) noexcept {
        TERSOR_DISPATCH(gguf::decode_grid<iq3_s>(blocks, count, out));
    }

    /// The block of these numbers.
    [[nodiscard]] static block pack(const codes& c) noexcept {
        block b{};
        b.d = c.d;
        for (std::size_t k = 0; k < 64; ++k) {
            b.points[k] = static_cast<std::uint8_t>(c.points[k]);
            b.qh[k / 8] = static_cast<std::uint8_t>(b.qh[k / 8] | (c.points[k] >> 8) << (k % 8));
        }
        for (std::size_t k = 0; k < 32; ++k) {
            b.signs[k] = c.signs[k];
        }
        for (std::size_t k = 0; k < 4; ++k) {
            b.scales[k] = static_cast<std::uint8_t>(c.scales[2 * k] | c.scales[2 * k + 1] << 4);
        }
        return b;
    }

    /// The numbers of a block.
    [[nodiscard]] static codes unpack(const block& b) noexcept {
        codes c;
        c.d = b.d;
        for (std::size_t k = 0; k < 64; ++k) {
            c.points[k] = static_cast<std::uint16_t>(b.points[k] | (b.qh[k / 8] >> (k % 8) & 1) << 8);
        }
        for (std::size_t k = 0; k < 32; ++k) {
            c.signs[k] = b.signs[k];
        }
        for (std::size_t k = 0; k < 4; ++k) {
            c.scales[2 * k] = b.scales[k] & 15;
            c.scales[2 * k + 1] = static_cast<std::uint8_t>(b.scales[k] >> 4);
        }
        return c;
    }

    friend bool operator==(const iq3_s&, const iq3_s&) = default;
};

} // namespace tersor::inline v0::gguf

#endif // TERSOR_QUANTIZERS_GGUF_IQ3_S_HPP

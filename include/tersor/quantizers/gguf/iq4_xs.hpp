#ifndef TERSOR_QUANTIZERS_GGUF_IQ4_XS_HPP
#define TERSOR_QUANTIZERS_GGUF_IQ4_XS_HPP

// IQ4_XS: super-blocks of 256 values in eight groups of 32; a group's scale is d, in fp16, times a six-bit number.
//
//   value = (d * (s - 32)) * level[code]      two rounded products; levels as in IQ4_NL
//   s: four low bits in scales_l (even groups in low halves), two high bits in scales_h at 2 * group
//   codes: 16 bytes per group, as IQ4_NL
//
// Encoding by the format's own rule finds the groups' scales as IQ4_NL does and then d = -M / 32 for the one of largest
// magnitude; mode `best` chooses d, the six-bit numbers and the codes together, mode `fast` by estimates of their
// errors. Source: llama.cpp, type 23.

#include "tersor/core/concepts.hpp"
#include "tersor/formats/half.hpp"
#include "tersor/formats/integer.hpp"
#include "tersor/quantizers/gguf/iq4_kernels.hpp"
#include "tersor/quantizers/gguf/iq4_levels.hpp"
#include "tersor/quantizers/gguf/table_decode.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace tersor::inline v0::gguf {

/// IQ4_XS, 4.25 bits per value.
struct iq4_xs {
    using format = uint4;
    static constexpr index group = 256;
    static constexpr const char* name = "iq4_xs";
    static constexpr std::uint32_t type_id = 23;
    static constexpr bool needs_importance = false;
    /// The value of each code under scale 1.
    static constexpr const float (&levels)[16] = detail::iq4_levels;

    /// The stored bytes.
    struct block {
        std::uint16_t d; ///< scale, fp16
        std::uint16_t scales_h;
        std::uint8_t scales_l[4];
        std::uint8_t qs[128];
        friend bool operator==(const block&, const block&) = default;
    };
    static_assert(sizeof(block) == 136);

    /// The header as stored, and the scale of each group of 32.
    struct parameters {
        float scales[8]; ///< d * (s - 32)
        std::uint16_t d, scales_h;
        std::uint8_t scales_l[4];
    };

    /// Encodes values.size() / 256 blocks.
    static void encode_blocks(std::span<const float> values, std::span<const float> importance, quantize_mode mode,
                              block* out) noexcept {
        const std::size_t count = values.size() / 256;
        const float* const weights = importance.empty() ? nullptr : importance.data();
        TERSOR_DISPATCH(gguf::encode_iq4_xs(values.data(), weights, count, mode, out));
    }

    /// `count` blocks to count * 256 floats.
    static void decode_blocks(const block* blocks, std::size_t count, float* out) noexcept {
        TERSOR_DISPATCH(gguf::decode_table_superblocks<iq4_xs>(blocks, count, out));
    }

    [[nodiscard]] static parameters parameters_of(const block& b) noexcept {
        parameters p{};
        p.d = b.d;
        p.scales_h = b.scales_h;
        std::memcpy(p.scales_l, b.scales_l, sizeof p.scales_l);
        const float d = fp16::decode(b.d);
        for (int g = 0; g < 8; ++g) {
            const int low = (b.scales_l[g / 2] >> (4 * (g % 2))) & 15, high = (b.scales_h >> (2 * g)) & 3;
            p.scales[g] = d * static_cast<float>((low | high << 4) - 32);
        }
        return p;
    }

    /// The code of the level nearest to value / scale, half way going up; for a scale of 0 the smallest level.
    [[nodiscard]] static std::uint8_t encode(float value, const parameters& p, index i) noexcept {
        const float scale = p.scales[i / 32];
        return detail::nearest_iq4(scale == 0.0f ? 0.0f : value / scale);
    }

    [[nodiscard]] static float decode(std::uint8_t code, const parameters& p, index i) noexcept {
        return p.scales[i / 32] * levels[code & 15];
    }

    /// The 256 codes of a block.
    static void codes_of(const block& b, std::uint8_t* codes) noexcept {
        for (std::size_t k = 0; k < 128; ++k) {
            const std::size_t at = 32 * (k / 16) + k % 16;
            codes[at] = b.qs[k] & 15;
            codes[at + 16] = b.qs[k] >> 4;
        }
    }

    /// The block of a header and 256 codes.
    [[nodiscard]] static block assemble(const parameters& p, const std::uint8_t* codes) noexcept {
        block b{p.d, p.scales_h, {}, {}};
        std::memcpy(b.scales_l, p.scales_l, sizeof b.scales_l);
        for (std::size_t k = 0; k < 128; ++k) {
            const std::size_t at = 32 * (k / 16) + k % 16;
            b.qs[k] = static_cast<std::uint8_t>((codes[at] & 15) | codes[at + 16] << 4);
        }
        return b;
    }

    friend bool operator==(const iq4_xs&, const iq4_xs&) = default;
};

} // namespace tersor::inline v0::gguf

#endif // TERSOR_QUANTIZERS_GGUF_IQ4_XS_HPP

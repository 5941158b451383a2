#ifndef TERSOR_QUANTIZERS_GGUF_IQ4_NL_HPP
#define TERSOR_QUANTIZERS_GGUF_IQ4_NL_HPP

// IQ4_NL: 32 values share a scale in fp16; each is one of sixteen levels that lie closer together near zero.
//
//   value = d * level[code]                                         one rounded product
//   code of value i < 16: low half of byte i; of i + 16: high half
//
// Encoding by the format's own rule (iq4_search-inl.hpp) takes d from 16 trials weighted by x^2; mode `best` searches
// both signs of d finely for the least squared error with d as stored, mode `fast` coarsely. Source: llama.cpp,
// type 20.

#include "tersor/core/concepts.hpp"
#include "tersor/formats/half.hpp"
#include "tersor/formats/integer.hpp"
#include "tersor/quantizers/gguf/iq4_kernels.hpp"
#include "tersor/quantizers/gguf/iq4_levels.hpp"
#include "tersor/quantizers/gguf/table_decode.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace tersor::inline v0::gguf {

/// IQ4_NL, 4.5 bits per value.
struct iq4_nl {
    using format = uint4;
    static constexpr index group = 32;
    static constexpr const char* name = "iq4_nl";
    static constexpr std::uint32_t type_id = 20;
    static constexpr bool needs_importance = false;
    /// The value of each code under scale 1.
    static constexpr const float (&levels)[16] = detail::iq4_levels;

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

    /// The scale of a block.
    [[nodiscard]] static float scale_of(const block& b) noexcept { return fp16::decode(b.d); }

    /// Encodes values.size() / 32 blocks.
    static void encode_blocks(std::span<const float> values, std::span<const float> importance, quantize_mode mode,
                              block* out) noexcept {
        const std::size_t count = values.size() / 32;
        const float* const weights = importance.empty() ? nullptr : importance.data();
        TERSOR_DISPATCH(gguf::encode_iq4_nl(values.data(), weights, count, mode, out));
    }

    /// Encodes values.size() / 32 blocks as llama.cpp's row function without a search does, which its programs use
    /// where they convert on the fly: the scale of least squares, weighted by x^2, for one set of codes.
    static void encode_blocks_first_fit(std::span<const float> values, block* out) noexcept {
        TERSOR_DISPATCH(gguf::encode_iq4_nl_first_fit(values.data(), values.size() / 32, out));
    }

    /// `count` blocks to count * 32 floats.
    static void decode_blocks(const block* blocks, std::size_t count, float* out) noexcept {
        TERSOR_DISPATCH(gguf::decode_table_blocks<iq4_nl>(blocks, count, out));
    }

    [[nodiscard]] static parameters parameters_of(const block& b) noexcept { return {b.d}; }

    /// The code of the level nearest to value / d, half way going up; for d = 0 the smallest level.
    [[nodiscard]] static std::uint8_t encode(float value, const parameters& p, index) noexcept {
        const float d = fp16::decode(p.d);
        return detail::nearest_iq4(d == 0.0f ? 0.0f : value / d);
    }

    [[nodiscard]] static float decode(std::uint8_t code, const parameters& p, index) noexcept {
        return fp16::decode(p.d) * levels[code & 15];
    }

    /// The 32 codes of a block.
    static void codes_of(const block& b, std::uint8_t* codes) noexcept {
        for (std::size_t j = 0; j < 16; ++j) {
            codes[j] = b.qs[j] & 15;
            codes[j + 16] = b.qs[j] >> 4;
        }
    }

    /// The block of a scale and 32 codes.
    [[nodiscard]] static block assemble(const parameters& p, const std::uint8_t* codes) noexcept {
        block b{p.d, {}};
        for (std::size_t j = 0; j < 16; ++j) {
            b.qs[j] = static_cast<std::uint8_t>((codes[j] & 15) | codes[j + 16] << 4);
        }
        return b;
    }

    friend bool operator==(const iq4_nl&, const iq4_nl&) = default;
};

} // namespace tersor::inline v0::gguf

#endif // TERSOR_QUANTIZERS_GGUF_IQ4_NL_HPP

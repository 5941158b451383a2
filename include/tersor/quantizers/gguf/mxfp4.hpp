#ifndef TERSOR_QUANTIZERS_GGUF_MXFP4_HPP
#define TERSOR_QUANTIZERS_GGUF_MXFP4_HPP

// GGUF's MXFP4: 32 values of E2M1 share a power of two, stored before them.
//
//   value = level[code] * 2^(e - 128), level being twice the E2M1 value     exact, unless it underflows
//   code of value i < 16: low half of byte i; of i + 16: high half
//
// Encoding by the format's own rule takes e = floor(log2(max|x|)) - 2 + 127 (fp4_scales.hpp has its corners) and the
// nearest level, and so does mode `fast`; mode `best` tries every sensible e. Importance is only used by `best`. Not
// `tersor::mxfp4`: other bytes, another e. Sources: OCP Microscaling Formats 1.0; llama.cpp, type 39.

#include "tersor/core/concepts.hpp"
#include "tersor/formats/fp4_e2m1.hpp"
#include "tersor/quantizers/gguf/fp4_kernels.hpp"
#include "tersor/quantizers/gguf/table_decode.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace tersor::inline v0::gguf {

/// MXFP4 in GGUF's layout, 4.25 bits per value.
struct mxfp4 {
    using format = fp4_e2m1;
    static constexpr index group = 32;
    static constexpr const char* name = "mxfp4";
    static constexpr std::uint32_t type_id = 39;
    static constexpr bool needs_importance = false;
    /// The value of each code under half scale 1.
    static constexpr const float (&levels)[16] = detail::fp4_levels;

    /// The stored bytes.
    struct block {
        std::uint8_t e; ///< exponent of the scale, biased by 127
        std::uint8_t qs[16];
        friend bool operator==(const block&, const block&) = default;
    };
    static_assert(sizeof(block) == 17);

    /// The exponent as stored.
    struct parameters {
        std::uint8_t e;
        friend bool operator==(const parameters&, const parameters&) = default;
    };

    /// Half the scale of a block.
    [[nodiscard]] static float scale_of(const block& b) noexcept { return detail::half_of_e8m0(b.e); }

    /// Encodes values.size() / 32 blocks.
    static void encode_blocks(std::span<const float> values, std::span<const float> importance, quantize_mode mode,
                              block* out) noexcept {
        const std::size_t count = values.size() / 32;
        if (mode != quantize_mode::best) {
            TERSOR_DISPATCH(gguf::encode_mxfp4(values.data(), count, out));
        } else if (importance.empty()) {
            TERSOR_DISPATCH(gguf::encode_mxfp4_best<false>(values.data(), nullptr, count, out));
        } else {
            TERSOR_DISPATCH(gguf::encode_mxfp4_best<true>(values.data(), importance.data(), count, out));
        }
    }

    /// `count` blocks to count * 32 floats.
    static void decode_blocks(const block* blocks, std::size_t count, float* out) noexcept {
        TERSOR_DISPATCH(gguf::decode_table_blocks<mxfp4>(blocks, count, out));
    }

    [[nodiscard]] static parameters parameters_of(const block& b) noexcept { return {b.e}; }

    /// The code of the nearest level, half way toward zero, saturated; never that of negative zero.
    [[nodiscard]] static std::uint8_t encode(float value, const parameters& p, index) noexcept {
        return detail::nearest_fp4(value, detail::half_of_e8m0(p.e));
    }

    [[nodiscard]] static float decode(std::uint8_t code, const parameters& p, index) noexcept {
        return levels[code & 15] * detail::half_of_e8m0(p.e);
    }

    /// The 32 codes of a block.
    static void codes_of(const block& b, std::uint8_t* codes) noexcept { detail::unpack_halves<16>(b.qs, 16, codes); }

    /// The block of an exponent and 32 codes.
    [[nodiscard]] static block assemble(const parameters& p, const std::uint8_t* codes) noexcept {
        block b{p.e, {}};
        detail::pack_halves<16>(codes, 16, b.qs);
        return b;
    }

    friend bool operator==(const mxfp4&, const mxfp4&) = default;
};

} // namespace tersor::inline v0::gguf

#endif // TERSOR_QUANTIZERS_GGUF_MXFP4_HPP

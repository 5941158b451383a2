#ifndef TERSOR_QUANTIZERS_GGUF_NVFP4_HPP
#define TERSOR_QUANTIZERS_GGUF_NVFP4_HPP

// GGUF's NVFP4: blocks of 64 values of E2M1 in four groups of 16, each with a scale in a byte.
//
//   value = level[code] * (ue4m3(c) / 2), level being twice the E2M1 value     exact
//   group g: byte 8 g + j holds the codes of its values j and j + 8
//
// There is no scale for the tensor: groups beyond 2688 saturate. Encoding by the format's own rule takes
// c = ue4m3(max|x| / 6) (fp4_scales.hpp has its corners) and the nearest level, and so does mode `fast`; mode `best`
// tries all c about that. Importance is only used by `best`. Not `tersor::nvfp4`. Sources: NVIDIA, "Introducing
// NVFP4", 2025; llama.cpp, type 40.

#include "tersor/core/concepts.hpp"
#include "tersor/formats/fp4_e2m1.hpp"
#include "tersor/quantizers/gguf/fp4_kernels.hpp"
#include "tersor/quantizers/gguf/table_decode.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace tersor::inline v0::gguf {

/// NVFP4 in GGUF's layout, 4.5 bits per value.
struct nvfp4 {
    using format = fp4_e2m1;
    static constexpr index group = 64;
    static constexpr const char* name = "nvfp4";
    static constexpr std::uint32_t type_id = 40;
    static constexpr bool needs_importance = false;
    /// The value of each code under half scale 1.
    static constexpr const float (&levels)[16] = detail::fp4_levels;

    /// The stored bytes.
    struct block {
        std::uint8_t d[4]; ///< scale of each group, ue4m3
        std::uint8_t qs[32];
        friend bool operator==(const block&, const block&) = default;
    };
    static_assert(sizeof(block) == 36);

    /// The scales as stored.
    struct parameters {
        std::uint8_t d[4];
        friend bool operator==(const parameters&, const parameters&) = default;
    };

    /// Half the scale of a group.
    [[nodiscard]] static float scale_of(const block& b, std::size_t g) noexcept {
        return detail::half_of_ue4m3(b.d[g]);
    }

    /// Encodes values.size() / 64 blocks.
    static void encode_blocks(std::span<const float> values, std::span<const float> importance, quantize_mode mode,
                              block* out) noexcept {
        const std::size_t count = values.size() / 64;
        if (mode != quantize_mode::best) {
            TERSOR_DISPATCH(gguf::encode_nvfp4(values.data(), count, out));
        } else if (importance.empty()) {
            TERSOR_DISPATCH(gguf::encode_nvfp4_best<false>(values.data(), nullptr, count, out));
        } else {
            TERSOR_DISPATCH(gguf::encode_nvfp4_best<true>(values.data(), importance.data(), count, out));
        }
    }

    /// `count` blocks to count * 64 floats.
    static void decode_blocks(const block* blocks, std::size_t count, float* out) noexcept {
        TERSOR_DISPATCH(gguf::decode_short_groups<nvfp4>(blocks, count, out));
    }

    [[nodiscard]] static parameters parameters_of(const block& b) noexcept {
        return {{b.d[0], b.d[1], b.d[2], b.d[3]}};
    }

    /// The code of the nearest level, half way toward zero, saturated; never that of negative zero.
    [[nodiscard]] static std::uint8_t encode(float value, const parameters& p, index i) noexcept {
        return detail::nearest_fp4(value, detail::half_of_ue4m3(p.d[i / 16]));
    }

    [[nodiscard]] static float decode(std::uint8_t code, const parameters& p, index i) noexcept {
        return levels[code & 15] * detail::half_of_ue4m3(p.d[i / 16]);
    }

    /// The 64 codes of a block.
    static void codes_of(const block& b, std::uint8_t* codes) noexcept { detail::unpack_halves<8>(b.qs, 32, codes); }

    /// The block of four scales and 64 codes.
    [[nodiscard]] static block assemble(const parameters& p, const std::uint8_t* codes) noexcept {
        block b{};
        std::memcpy(b.d, p.d, sizeof b.d);
        detail::pack_halves<8>(codes, 32, b.qs);
        return b;
    }

    friend bool operator==(const nvfp4&, const nvfp4&) = default;
};

} // namespace tersor::inline v0::gguf

#endif // TERSOR_QUANTIZERS_GGUF_NVFP4_HPP

#ifndef TERSOR_QUANTIZERS_GGUF_Q3_K_HPP
#define TERSOR_QUANTIZERS_GGUF_Q3_K_HPP

// Q3_K: 256 values share a half d, and each 16 of them an integer s of -32..31; 3-bit codes q, value (d * s) * (q - 4).
//
//   reference   the scale of each 16 by coordinate descent, with importance by a search; then d from the largest of
//   them best        d and the integers of least squared error; signed_super_best-inl.hpp fast        the same with one
//   d and fewer integers
//
// Layout: GGUF specification. Rules of mode reference: q3_k-inl.hpp.

#include "tersor/formats/integer.hpp"
#include "tersor/quantizers/gguf/signed_super.hpp"

#include <cstdint>
#include <cstring>
#include <span>

#define TERSOR_KERNELS "tersor/quantizers/gguf/q3_k-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"

namespace tersor::inline v0::gguf {

/// Blocks of 256 values, 3 bits each and 14 bytes of scales: 110 bytes.
struct q3_k {
    /// The stored bytes. Value i = 128 h + 32 p + l has its low two bits in byte 32 h + l of qs from bit 2 p on, and
    /// the third in bit i / 32 of byte l of hmask. Integer j is stored plus 32: the low four bits in byte j % 8 of
    /// scales, in the low half for j < 8, the other two in byte 8 + j % 4 from bit 2 (j / 4) on.
    struct block {
        std::uint8_t hmask[32];
        std::uint8_t qs[64];
        std::uint8_t scales[12];
        std::uint16_t d;
    };
    static_assert(sizeof(block) == 110 && alignof(block) == 2);

    static constexpr index group = 256;
    static constexpr const char* name = "q3_k";
    /// The number of the type in GGUF files.
    static constexpr std::uint32_t type_id = 11;
    static constexpr bool needs_importance = false;

    /// The format of the stored codes; code q of value i means (d * s[i / 16]) * (q - 4).
    using format = uint3;

    /// What a block's codes share.
    struct parameters {
        float scale[16];         ///< d * s
        std::uint8_t scales[12]; ///< the integers as they are stored
        std::uint16_t d;
        friend bool operator==(const parameters&, const parameters&) = default;
    };

    /// The parameters that a block stores.
    [[nodiscard]] static parameters parameters_of(const block& b) noexcept {
        parameters p;
        p.d = b.d;
        std::memcpy(p.scales, b.scales, sizeof p.scales);
        for (std::size_t j = 0; j < 16; ++j) {
            const int low = (b.scales[j % 8] >> (j < 8 ? 0 : 4)) & 15;
            const int high = (b.scales[8 + j % 4] >> (2 * (j / 4))) & 3;
            p.scale[j] = fp16::decode(b.d) * static_cast<float>((low | high << 4) - 32);
        }
        return p;
    }

    /// The nearest code for value i of a block, half to even on the quotient.
    [[nodiscard]] static std::uint8_t encode(float value, const parameters& p, index i) noexcept {
        const float scale = p.scale[i / 16];
        return static_cast<std::uint8_t>(scale == 0.0f ? 4 : int3::encode(value / scale) + 4);
    }

    /// The value of code i of a block.
    [[nodiscard]] static float decode(std::uint8_t code, const parameters& p, index i) noexcept {
        return p.scale[i / 16] * static_cast<float>(code - 4);
    }

    /// The 256 codes of a block.
    static void codes_of(const block& b, std::uint8_t* codes) noexcept {
        for (int i = 0; i < 256; ++i) {
            const int h = i / 128, p = (i % 128) / 32, l = i % 32;
            const int low = (b.qs[32 * h + l] >> (2 * p)) & 3, high = (b.hmask[l] >> (i / 32)) & 1;
            codes[i] = static_cast<std::uint8_t>(low | high << 2);
        }
    }

    /// The block of parameters and 256 codes.
    [[nodiscard]] static block assemble(const parameters& p, const std::uint8_t* codes) noexcept {
        block b{};
        TERSOR_DISPATCH(gguf::signed_blocks::pack_q3(codes, b));
        std::memcpy(b.scales, p.scales, sizeof b.scales);
        b.d = p.d;
        return b;
    }

    /// Blocks of a run of values; `importance` is empty or holds a weight for each value of what is then one row.
    static void encode_blocks(std::span<const float> values, std::span<const float> importance, quantize_mode mode,
                              block* out) noexcept {
        const float* const weights = importance.empty() ? nullptr : importance.data();
        TERSOR_DISPATCH(gguf::signed_blocks::encode_q3(values.data(), weights, values.size() / group, mode, out));
    }

    /// The values of `count` blocks.
    static void decode_blocks(const block* blocks, std::size_t count, float* out) noexcept {
        TERSOR_DISPATCH(gguf::signed_blocks::decode_q3(blocks, count, out));
    }

    friend bool operator==(const q3_k&, const q3_k&) = default;
};

} // namespace tersor::inline v0::gguf

#endif // TERSOR_QUANTIZERS_GGUF_Q3_K_HPP

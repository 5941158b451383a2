#ifndef TERSOR_QUANTIZERS_GGUF_Q6_K_HPP
#define TERSOR_QUANTIZERS_GGUF_Q6_K_HPP

// Q6_K: 256 values share a half d, and each 16 of them an integer s of 8 bits; 6-bit codes q, value (d * s) * (q - 32).
//
//   reference   a search for the scale of each 16, then d from the largest of them
//   best        d and the integers of least squared error; signed_super_best-inl.hpp
//   fast        the same with one d and fewer integers
//
// Layout: GGUF specification. Rules of mode reference: q6_k-inl.hpp.

#include "tersor/formats/integer.hpp"
#include "tersor/quantizers/gguf/signed_super.hpp"

#include <cstdint>
#include <cstring>
#include <span>

#define TERSOR_KERNELS "tersor/quantizers/gguf/q6_k-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"

namespace tersor::inline v0::gguf {

/// Blocks of 256 values, 6 bits each and 18 bytes of scales: 210 bytes.
struct q6_k {
    /// The stored bytes. Value i = 128 h + 32 p + l has its low four bits in byte 64 h + 32 (p % 2) + l of ql, in the
    /// low half for p < 2, and the other two in byte 32 h + l of qh from bit 2 p on.
    struct block {
        std::uint8_t ql[128];
        std::uint8_t qh[64];
        std::int8_t scales[16];
        std::uint16_t d;
    };
    static_assert(sizeof(block) == 210 && alignof(block) == 2);

    static constexpr index group = 256;
    static constexpr const char* name = "q6_k";
    /// The number of the type in GGUF files.
    static constexpr std::uint32_t type_id = 14;
    static constexpr bool needs_importance = false;

    /// The format of the stored codes; code q of value i means (d * s[i / 16]) * (q - 32).
    using format = uint6;

    /// What a block's codes share.
    struct parameters {
        float scale[16]; ///< d * s
        std::int8_t integers[16];
        std::uint16_t d;
        friend bool operator==(const parameters&, const parameters&) = default;
    };

    /// The parameters that a block stores.
    [[nodiscard]] static parameters parameters_of(const block& b) noexcept {
        parameters p;
        p.d = b.d;
        std::memcpy(p.integers, b.scales, sizeof p.integers);
        for (int j = 0; j < 16; ++j) {
            p.scale[j] = fp16::decode(b.d) * static_cast<float>(b.scales[j]);
        }
        return p;
    }

    /// The nearest code for value i of a block, half to even on the quotient.
    [[nodiscard]] static std::uint8_t encode(float value, const parameters& p, index i) noexcept {
        const float scale = p.scale[i / 16];
        return static_cast<std::uint8_t>(scale == 0.0f ? 32 : int6::encode(value / scale) + 32);
    }

    /// The value of code i of a block.
    [[nodiscard]] static float decode(std::uint8_t code, const parameters& p, index i) noexcept {
        return p.scale[i / 16] * static_cast<float>(code - 32);
    }

    /// The 256 codes of a block.
    static void codes_of(const block& b, std::uint8_t* codes) noexcept {
        for (int i = 0; i < 256; ++i) {
            const int h = i / 128, p = (i % 128) / 32, l = i % 32;
            const int low = (b.ql[64 * h + 32 * (p % 2) + l] >> (p < 2 ? 0 : 4)) & 15;
            codes[i] = static_cast<std::uint8_t>(low | ((b.qh[32 * h + l] >> (2 * p)) & 3) << 4);
        }
    }

    /// The block of parameters and 256 codes.
    [[nodiscard]] static block assemble(const parameters& p, const std::uint8_t* codes) noexcept {
        block b{};
        TERSOR_DISPATCH(gguf::signed_blocks::pack_q6(codes, b));
        std::memcpy(b.scales, p.integers, sizeof b.scales);
        b.d = p.d;
        return b;
    }

    /// Blocks of a run of values; `importance` is empty or holds a weight for each value of what is then one row.
    static void encode_blocks(std::span<const float> values, std::span<const float> importance, quantize_mode mode,
                              block* out) noexcept {
        const float* const weights = importance.empty() ? nullptr : importance.data();
        TERSOR_DISPATCH(gguf::signed_blocks::encode_q6(values.data(), weights, values.size() / group, mode, out));
    }

    /// The values of `count` blocks.
    static void decode_blocks(const block* blocks, std::size_t count, float* out) noexcept {
        TERSOR_DISPATCH(gguf::signed_blocks::decode_q6(blocks, count, out));
    }

    friend bool operator==(const q6_k&, const q6_k&) = default;
};

} // namespace tersor::inline v0::gguf

#endif // TERSOR_QUANTIZERS_GGUF_Q6_K_HPP

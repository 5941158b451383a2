#ifndef TERSOR_QUANTIZERS_GGUF_Q8_1_HPP
#define TERSOR_QUANTIZERS_GGUF_Q8_1_HPP

// Q8_1: 32 values share a half d; codes q of 8 bits, value q * d; a second half holds the sum of the values.
//
//   reference, fast   d = max|x| / 127
//   best              d of least squared error among trials below and above that, with levels -127..127
//
// Layout: GGUF specification. Rules: signed_bytes-inl.hpp.

#include "tersor/formats/integer.hpp"
#include "tersor/quantizers/gguf/signed_bytes.hpp"

#include <cstdint>
#include <span>

namespace tersor::inline v0::gguf {

/// Blocks of 32 values, 8 bits each: 36 bytes.
struct q8_1 {
    /// The stored bytes.
    struct block {
        std::uint16_t d;
        std::uint16_t s; ///< sum of the codes times d, which integer products of affine formats use
        std::int8_t qs[32];
    };
    static_assert(sizeof(block) == 36 && alignof(block) == 2);

    static constexpr index group = 32;
    static constexpr const char* name = "q8_1";
    /// The number of the type in GGUF files.
    static constexpr std::uint32_t type_id = 9;
    static constexpr bool needs_importance = false;

    /// The format of the stored codes: a code is the byte of a signed number q that means q * d.
    using format = uint8;

    /// What a block's codes share.
    struct parameters {
        float scale;
        std::uint16_t d; ///< scale as a half
        std::uint16_t s; ///< what the block stored for codes of sum `sum`
        int sum;
        friend bool operator==(const parameters&, const parameters&) = default;
    };

    /// The parameters that a block stores.
    [[nodiscard]] static parameters parameters_of(const block& b) noexcept {
        int sum = 0;
        for (const std::int8_t q : b.qs) {
            sum += q;
        }
        return {fp16::decode(b.d), b.d, b.s, sum};
    }

    /// The nearest code of -127..127, half to even on value / d.
    [[nodiscard]] static std::uint8_t encode(float value, const parameters& p, index) noexcept {
        const int level = p.scale == 0.0f ? 0 : int8::encode(value / p.scale);
        return static_cast<std::uint8_t>(level < -127 ? -127 : level);
    }

    /// The value of a code.
    [[nodiscard]] static float decode(std::uint8_t code, const parameters& p, index) noexcept {
        return static_cast<float>(static_cast<std::int8_t>(code)) * p.scale;
    }

    /// The 32 codes of a block.
    static void codes_of(const block& b, std::uint8_t* codes) noexcept {
        for (int i = 0; i < 32; ++i) {
            codes[i] = static_cast<std::uint8_t>(b.qs[i]);
        }
    }

    /// The block of parameters and 32 codes; s is the stored one for codes of the same sum, else that sum times d.
    [[nodiscard]] static block assemble(const parameters& p, const std::uint8_t* codes) noexcept {
        block b{};
        int sum = 0;
        for (int i = 0; i < 32; ++i) {
            b.qs[i] = static_cast<std::int8_t>(codes[i]);
            sum += b.qs[i];
        }
        b.d = p.d;
        b.s = sum == p.sum ? p.s : fp16::encode(static_cast<float>(sum) * p.scale);
        return b;
    }

    /// Blocks of a run of values; `importance` is empty or holds a weight for each value of what is then one row.
    static void encode_blocks(std::span<const float> values, std::span<const float> importance, quantize_mode mode,
                              block* out) noexcept {
        const float* const weights = importance.empty() ? nullptr : importance.data();
        TERSOR_DISPATCH(gguf::signed_blocks::encode_bytes(values.data(), weights, values.size() / group, mode, out));
    }

    /// The values of `count` blocks.
    static void decode_blocks(const block* blocks, std::size_t count, float* out) noexcept {
        TERSOR_DISPATCH(gguf::signed_blocks::decode_bytes(blocks, count, out));
    }

    friend bool operator==(const q8_1&, const q8_1&) = default;
};

} // namespace tersor::inline v0::gguf

#endif // TERSOR_QUANTIZERS_GGUF_Q8_1_HPP

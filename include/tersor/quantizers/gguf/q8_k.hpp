#ifndef TERSOR_QUANTIZERS_GGUF_Q8_K_HPP
#define TERSOR_QUANTIZERS_GGUF_Q8_K_HPP

// Q8_K: 256 values share a float d; codes q of 8 bits, value d * q; sums of codes serve integer products.
//
//   reference, fast   d = m / -127 with m the value of largest magnitude
//   best              d of least squared error among trials below and above that, with levels -127..127
//
// Layout: GGUF specification. Rules: signed_bytes-inl.hpp.

#include "tersor/formats/integer.hpp"
#include "tersor/quantizers/gguf/signed_bytes.hpp"

#include <cstdint>
#include <cstring>
#include <span>

namespace tersor::inline v0::gguf {

/// Blocks of 256 values, 8 bits each: 292 bytes.
struct q8_k {
    /// The stored bytes.
    struct block {
        std::uint8_t d[4]; ///< the bytes of a float
        std::int8_t qs[256];
        std::int16_t bsums[16]; ///< the sum of each 16 codes
    };
    static_assert(sizeof(block) == 292 && alignof(block) == 2);

    static constexpr index group = 256;
    static constexpr const char* name = "q8_k";
    /// The number of the type in GGUF files.
    static constexpr std::uint32_t type_id = 15;
    static constexpr bool needs_importance = false;

    /// The format of the stored codes: a code is the byte of a signed number q that means q * d.
    using format = uint8;

    /// What a block's codes share.
    struct parameters {
        float scale;
        friend bool operator==(const parameters&, const parameters&) = default;
    };

    /// The parameters that a block stores.
    [[nodiscard]] static parameters parameters_of(const block& b) noexcept {
        parameters p;
        std::memcpy(&p.scale, b.d, sizeof p.scale);
        return p;
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

    /// The 256 codes of a block.
    static void codes_of(const block& b, std::uint8_t* codes) noexcept {
        for (int i = 0; i < 256; ++i) {
            codes[i] = static_cast<std::uint8_t>(b.qs[i]);
        }
    }

    /// The block of parameters and 256 codes, with the sums of these codes.
    [[nodiscard]] static block assemble(const parameters& p, const std::uint8_t* codes) noexcept {
        block b{};
        std::memcpy(b.d, &p.scale, sizeof p.scale);
        for (int i = 0; i < 256; ++i) {
            b.qs[i] = static_cast<std::int8_t>(codes[i]);
            b.bsums[i / 16] = static_cast<std::int16_t>(b.bsums[i / 16] + b.qs[i]);
        }
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

    friend bool operator==(const q8_k&, const q8_k&) = default;
};

} // namespace tersor::inline v0::gguf

#endif // TERSOR_QUANTIZERS_GGUF_Q8_K_HPP

#ifndef TERSOR_QUANTIZERS_GGUF_BLOCK_AFFINE_HPP
#define TERSOR_QUANTIZERS_GGUF_BLOCK_AFFINE_HPP

// What q4_1 and q5_1 share: blocks of 32 values with a scale and a minimum in half precision,
// value = code * d + m, each operation rounded.

#include "tersor/core/concepts.hpp"
#include "tersor/core/exact.hpp"
#include "tersor/formats/half.hpp"
#include "tersor/quantizers/gguf/affine_models.hpp"
#include "tersor/quantizers/gguf/affine_search.hpp"
#include "tersor/quantizers/gguf/one_pass.hpp"
#include "tersor/quantizers/gguf/panel.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace tersor::inline v0::gguf::detail {

/// How many values a block has.
inline constexpr std::size_t block_values = 32;

/// A header, and what it says.
struct block_affine_parameters {
    std::uint16_t d = 0, m = 0;
    float scale = 0.0f, minimum = 0.0f;

    block_affine_parameters() noexcept = default;
    block_affine_parameters(std::uint16_t d_bits, std::uint16_t m_bits) noexcept
        : d(d_bits), m(m_bits), scale(fp16::decode(d_bits)), minimum(fp16::decode(m_bits)) {}

    /// (code * scale) + minimum, each rounded.
    [[nodiscard]] float decode(std::uint8_t code) const noexcept {
        return exact::product(static_cast<float>(code), scale) + minimum;
    }

    /// rn((value - minimum) / scale) within 0..top; 0 where that is not a number.
    [[nodiscard]] std::uint8_t encode(float value, float top) const noexcept {
        const float quotient = (value - minimum) / scale;
        const float bounded = quotient > 0.0f ? (quotient < top ? quotient : top) : 0.0f;
        // The sum has no place after the point, so that it rounds half to even.
        return static_cast<std::uint8_t>((bounded + 12582912.0f) - 12582912.0f);
    }

    friend bool operator==(const block_affine_parameters&, const block_affine_parameters&) = default;
};

/// Byte j of `qs`: the low four bits of codes j and j + 16.
inline void pack_halves(const std::uint8_t* codes, std::uint8_t* qs) noexcept {
    constexpr std::uint64_t nibbles = 0x0F0F0F0F0F0F0F0Fu;
    for (std::size_t j = 0; j < 16; j += 8) {
        std::uint64_t low, high;
        std::memcpy(&low, codes + j, sizeof low);
        std::memcpy(&high, codes + j + 16, sizeof high);
        low = (low & nibbles) | (high & nibbles) << 4;
        std::memcpy(qs + j, &low, sizeof low);
    }
}

/// The lowest bit of each of eight bytes, that of the first byte lowest.
inline std::uint8_t gather_low_bits(std::uint64_t bytes) noexcept {
    // The product moves the lowest bit of byte k to bit 56 + k.
    return static_cast<std::uint8_t>((bytes & 0x0101010101010101u) * 0x0102040810204080u >> 56);
}

/// Bit j of `qh`: the fifth bit of code j.
inline void pack_fifth_bits(const std::uint8_t* codes, std::uint8_t* qh) noexcept {
    for (std::size_t j = 0; j < 32; j += 8) {
        std::uint64_t word;
        std::memcpy(&word, codes + j, sizeof word);
        qh[j / 8] = gather_low_bits(word >> 4);
    }
}

} // namespace tersor::inline v0::gguf::detail

#define TERSOR_KERNELS "tersor/quantizers/gguf/block_affine-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"
#define TERSOR_KERNELS "tersor/quantizers/gguf/block_affine_best-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"

namespace tersor::inline v0::gguf::detail {

/// Quantizes whole blocks; `Type::write` puts the bytes where they belong.
template <class Type>
void encode_block_affine(std::span<const float> values, std::span<const float> importance, quantize_mode mode,
                         typename Type::block* out) {
    const std::size_t blocks = values.size() / block_values;
    const bool weighted = !importance.empty();
    if (mode == quantize_mode::reference && !weighted) {
        TERSOR_DISPATCH(gguf::encode_in_one_pass<Type>(values.data(), blocks, out));
        return;
    }
    constexpr std::size_t width = 16;
    const float sigma2 = weighted ? TERSOR_DISPATCH(gguf::mean_square(values.data(), values.size())) : 0.0f;
    for (std::size_t first = 0; first < blocks; first += width) {
        float x[block_values * width], weights[block_values * width], levels[block_values * width];
        std::uint16_t d[width], m[width];
        const std::size_t count = blocks - first < width ? blocks - first : width;
        TERSOR_DISPATCH(gguf::fill_panel(values.data() + first * block_values, count, block_values, x));
        if (weighted) {
            TERSOR_DISPATCH(gguf::fill_panel(importance.data() + first * block_values, count, block_values, weights));
        }
        if (mode == quantize_mode::reference) {
            float scale[width], minimum[width];
            TERSOR_DISPATCH(gguf::fit_as_reference(x, weights, sigma2, count, Type::top, levels, scale, minimum));
            for (std::size_t g = 0; g < count; ++g) {
                d[g] = fp16::encode(scale[g]);
                m[g] = fp16::encode(-minimum[g]);
            }
        } else {
            const float* const given = weighted ? weights : nullptr;
            TERSOR_DISPATCH(gguf::fit_by_error(x, given, mode, sigma2, count, Type::top, levels, d, m));
        }
        for (std::size_t g = 0; g < count; ++g) {
            std::uint8_t codes[block_values];
            for (std::size_t i = 0; i < block_values; ++i) {
                codes[i] = static_cast<std::uint8_t>(levels[i * width + g]);
            }
            Type::write(d[g], m[g], codes, out[first + g]);
        }
    }
}

} // namespace tersor::inline v0::gguf::detail

#endif // TERSOR_QUANTIZERS_GGUF_BLOCK_AFFINE_HPP

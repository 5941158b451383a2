// Encoding of TQ1_0, TQ2_0, Q2_0 and Q1_0 by the formats' own rules, compiled once per instruction set by
// ternary_kernels.hpp, and the packing of their codes.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf {

/// 1 / d; 0 where d is 0 or so small that the quotient overflows: every code is then that of zero.
inline float ternary_inverse(float d) noexcept {
    return d > 0x1p-128f ? 1.0f / d : 0.0f;
}

/// The codes 0, 1, 2 of -1, 0, 1: x * inverse rounded, half way away from zero.
template <std::size_t Count>
inline void encode_ternary(const float* x, float inverse, std::uint8_t* codes) noexcept {
    const vf factor = splat(inverse), half = splat(0.5f), minus_half = splat(-0.5f);
    const auto code = [&](std::size_t i) {
        const vf v = load(x + i) * factor;
        return increment_if(increment_if(splat(std::int32_t{0}), v > minus_half), !(half > v));
    };
    for (std::size_t i = 0; i < Count; i += 4 * lanes) {
        store_u8(codes + i, code(i), code(i + lanes), code(i + 2 * lanes), code(i + 3 * lanes));
    }
}

/// 64 bytes of four codes each: byte 32 h + l holds the codes 128 h + 32 p + l, p = 0..3, from the low bits on.
inline void pack_planes(const std::uint8_t* codes, std::uint8_t* bytes) noexcept {
    for (std::size_t k = 0; k < 64; k += 8) {
        const std::uint8_t* const from = codes + 128 * (k / 32) + k % 32;
        std::uint64_t plane[4];
        for (std::size_t p = 0; p < 4; ++p) {
            std::memcpy(&plane[p], from + 32 * p, sizeof plane[p]);
        }
        const std::uint64_t word = plane[0] | plane[1] << 2 | plane[2] << 4 | plane[3] << 6;
        std::memcpy(bytes + k, &word, sizeof word);
    }
}

/// The bytes of five codes 0..2 each, code k at codes + k * distance; `Count` bytes.
template <std::size_t Count>
inline void pack_trit_planes(const std::uint8_t* codes, std::size_t distance, std::uint8_t* bytes) noexcept {
    for (std::size_t i = 0; i < Count; ++i) {
        unsigned v = 0;
        for (std::size_t k = 0; k < 5; ++k) {
            v = 3 * v + codes[k * distance + i];
        }
        // ceil(256 v / 243) = v + ceil(13 v / 243), the division by a product that is exact for these.
        bytes[i] = static_cast<std::uint8_t>(v + (((13 * v + 242) * 17261) >> 22));
    }
}

/// The bytes of 256 codes of TQ1_0.
inline void pack_tq1_0(const std::uint8_t* codes, std::uint8_t* qs, std::uint8_t* qh) noexcept {
    pack_trit_planes<32>(codes, 32, qs);
    pack_trit_planes<16>(codes + 160, 16, qs + 32);
    std::uint8_t last[20] = {};
    std::memcpy(last, codes + 240, 16);
    pack_trit_planes<4>(last, 4, qh);
}

/// 16 bytes of 64 codes of two bits.
inline void pack_pairs(const std::uint8_t* codes, std::uint8_t* bytes) noexcept {
    for (std::size_t k = 0; k < 8; ++k) {
        std::uint64_t word;
        std::memcpy(&word, codes + 8 * k, sizeof word);
        word = (word | word >> 6) & 0x000F000F000F000Fu;
        word |= word >> 12;
        bytes[2 * k] = static_cast<std::uint8_t>(word);
        bytes[2 * k + 1] = static_cast<std::uint8_t>(word >> 32);
    }
}

/// 16 bytes of 128 bits: whether each value is not below zero.
inline void pack_signs(const float* x, std::uint8_t* bytes) noexcept {
    alignas(64) std::uint8_t codes[128];
    const vf zero = splat(0.0f);
    const auto code = [&](std::size_t i) { return increment_if(splat(std::int32_t{0}), !(zero > load(x + i))); };
    for (std::size_t i = 0; i < 128; i += 4 * lanes) {
        store_saturated<false, 0, 255>(codes + i, code(i), code(i + lanes), code(i + 2 * lanes), code(i + 3 * lanes));
    }
    for (std::size_t i = 0; i < 128; i += 4 * lanes) {
        const std::uint64_t bits = collect_bits<0>(codes + i);
        std::memcpy(bytes + i / 8, &bits, lanes / 2);
    }
}

template <class Block>
inline void pack_ternary(const std::uint8_t* codes, Block& block) noexcept {
    if constexpr (requires { block.qh; }) {
        pack_tq1_0(codes, block.qs, block.qh);
    } else {
        pack_planes(codes, block.qs);
    }
}

/// TQ1_0 and TQ2_0: d is the largest magnitude.
template <class Block>
void encode_tq(const float* values, std::size_t count, Block* out) noexcept {
    for (std::size_t b = 0; b < count; ++b) {
        const float* const x = values + 256 * b;
        const float d = largest_magnitude<256>(x);
        std::uint8_t codes[256];
        encode_ternary<256>(x, ternary_inverse(d), codes);
        out[b].d = ::tersor::fp16::encode(d);
        pack_ternary(codes, out[b]);
    }
}

/// Q2_0: d is the largest magnitude, so that the code of 2 d is not used.
template <class Block>
void encode_q2_0(const float* values, std::size_t count, Block* out) noexcept {
    for (std::size_t b = 0; b < count; ++b) {
        const float* const x = values + 64 * b;
        const float d = largest_magnitude<64>(x);
        std::uint8_t codes[64];
        encode_ternary<64>(x, ternary_inverse(d), codes);
        if (d > 0.0f && ternary_inverse(d) == 0.0f) {
            std::memset(codes, 0, sizeof codes); // as ggml on x86 converts what overflows; the stored scale is 0
        }
        out[b].d = ::tersor::fp16::encode(d);
        pack_pairs(codes, out[b].qs);
    }
}

/// sums[g] = the sum of |x| over block g of 128 values, in order, of up to 16 blocks; 0 for the others.
inline void sum_magnitudes(const float* values, std::size_t blocks, float* sums) noexcept {
    constexpr std::ptrdiff_t size = 128;
    std::memset(sums, 0, 16 * sizeof(float));
    if (blocks < 16) {
        for (std::size_t g = 0; g < blocks; ++g) {
            for (std::size_t i = 0; i < size; ++i) {
                sums[g] += __builtin_fabsf(values[size * g + i]);
            }
        }
        return;
    }
    // Side by side, 32 values of each at a time: so many that all are written before they are read.
    for (std::size_t i = 0; i < size; i += 32) {
        alignas(64) float panel[32 * panel_width];
        for (std::size_t k = 0; k < 32; k += square) {
            for (std::size_t g = 0; g < panel_width; g += square) {
                transpose_square(values + size * g + i + k, size, panel + k * panel_width + g, panel_width);
            }
        }
        for (std::size_t at = 0; at < panel_width; at += lanes) {
            vf sum = load(sums + at);
            for (std::size_t e = at; e < 32 * panel_width; e += panel_width) {
                sum = sum + abs(load(panel + e));
            }
            store(sums + at, sum);
        }
    }
}

/// Q1_0: d is the mean magnitude; Saturates: at most 65504.
template <bool Saturates, class Block>
void encode_q1_0(const float* values, std::size_t count, Block* out) noexcept {
    for (std::size_t b = 0; b < count; b += 16) {
        const std::size_t some = count - b < 16 ? count - b : 16;
        float means[16];
        std::uint16_t halves[16];
        sum_magnitudes(values + 128 * b, some, means);
        for (std::size_t g = 0; g < 16; g += lanes) {
            const vf mean = load(means + g) / splat(128.0f);
            store(means + g, Saturates ? min(mean, splat(65504.0f)) : mean);
        }
        encode_halves(means, halves);
        for (std::size_t g = 0; g < some; ++g) {
            out[b + g].d = halves[g];
            pack_signs(values + 128 * (b + g), out[b + g].qs);
        }
    }
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf

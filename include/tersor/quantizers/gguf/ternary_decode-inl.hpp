// Decoding of TQ1_0, TQ2_0, Q2_0 and Q1_0, compiled once per instruction set by ternary_kernels.hpp.
//
// The values are (code - 1) * d, of Q1_0 d or -d.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf {

/// (code - 1) * d for codes in the low bits.
inline vf ternary_value(vi code, vf d) noexcept {
    return convert(code - splat(std::int32_t{1})) * d;
}

template <class Block>
void decode_tq2_0(const Block* blocks, std::size_t count, float* out) noexcept {
    const vi mask = splat(std::int32_t{3});
    for (std::size_t b = 0; b < count; ++b, out += 256) {
        const vf d = splat(::tersor::fp16::decode(blocks[b].d));
        for (std::size_t h = 0; h < 2; ++h) {
            for (std::size_t i = 0; i < 32; i += lanes) {
                const vi four = load_u8(blocks[b].qs + 32 * h + i);
                float* const to = out + 128 * h + i;
                store(to, ternary_value(four & mask, d));
                store(to + 32, ternary_value(shr<2>(four) & mask, d));
                store(to + 64, ternary_value(shr<4>(four) & mask, d));
                store(to + 96, ternary_value(shr<6>(four), d));
            }
        }
    }
}

/// The first Planes trits of `lanes` bytes, plane k to out + k * distance.
template <int Planes>
inline void decode_trits(const std::uint8_t* bytes, vf d, std::size_t distance, float* out) noexcept {
    const vi low = splat(std::int32_t{255});
    vi byte = load_u8(bytes);
    for (int k = 0; k < Planes; ++k) {
        const vi thrice = byte + byte + byte;
        store(out + static_cast<std::size_t>(k) * distance, ternary_value(shr<8>(thrice), d));
        byte = thrice & low;
    }
}

template <class Block>
void decode_tq1_0(const Block* blocks, std::size_t count, float* out) noexcept {
    for (std::size_t b = 0; b < count; ++b, out += 256) {
        const float scale = ::tersor::fp16::decode(blocks[b].d);
        const vf d = splat(scale);
        for (std::size_t i = 0; i < 32; i += lanes) {
            decode_trits<5>(blocks[b].qs + i, d, 32, out + i);
        }
        for (std::size_t i = 0; i < 16; i += lanes) {
            decode_trits<5>(blocks[b].qs + 32 + i, d, 16, out + 160 + i);
        }
        for (std::size_t j = 0; j < 4; ++j) {
            unsigned byte = blocks[b].qh[j];
            for (std::size_t k = 0; k < 4; ++k) {
                byte *= 3;
                out[240 + 4 * k + j] = static_cast<float>(static_cast<int>(byte >> 8) - 1) * scale;
                byte &= 255;
            }
        }
    }
}

template <class Block>
void decode_q2_0(const Block* blocks, std::size_t count, float* out) noexcept {
    // A product with 2^(30 - 2 j) moves code j of a word to its two highest bits.
    alignas(64) std::int32_t factors[16];
    for (int j = 0; j < 16; ++j) {
        factors[j] = std::int32_t{1} << (30 - 2 * j);
    }
    for (std::size_t b = 0; b < count; ++b) {
        const vf d = splat(::tersor::fp16::decode(blocks[b].d));
        for (std::size_t g = 0; g < 4; ++g, out += 16) {
            std::int32_t word;
            std::memcpy(&word, blocks[b].qs + 4 * g, sizeof word);
            for (std::size_t j = 0; j < 16; j += lanes) {
                store(out + j, ternary_value(shr<30>(splat(word) * load(factors + j)), d));
            }
        }
    }
}

template <class Block>
void decode_q1_0(const Block* blocks, std::size_t count, float* out) noexcept {
    alignas(64) std::int32_t masks[32];
    for (int j = 0; j < 32; ++j) {
        masks[j] = static_cast<std::int32_t>(1u << j);
    }
    for (std::size_t b = 0; b < count; ++b) {
        const vf plus = splat(::tersor::fp16::decode(blocks[b].d));
        const vf minus = as_float(bits(plus) ^ splat(std::int32_t(-2147483647 - 1)));
        for (std::size_t g = 0; g < 4; ++g, out += 32) {
            std::int32_t word;
            std::memcpy(&word, blocks[b].qs + 4 * g, sizeof word);
            for (std::size_t j = 0; j < 32; j += lanes) {
                const vi mask = load(masks + j);
                store(out + j, select((splat(word) & mask) == mask, plus, minus));
            }
        }
    }
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf

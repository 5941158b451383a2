// Kernels of q6_k, compiled once per instruction set.
//
//   reference   each group of 16 by the search of signed_search-inl.hpp with N = 32, weights importance or x x;
//               M = the scale of largest magnitude, below 1e-15 a block of zero bytes; is = -128 / M, d = h(1 / is),
//               s_j = min(127, rn(is scale_j)); then q = clamp(rn(x / (d s_j)), -32, 31) + 32 with the stored d
//
// Source: ggml, quantize_row_q6_K_ref.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf::signed_blocks {

template <class Block>
inline void pack_q6(const std::uint8_t* codes, Block& out) noexcept {
    for (std::size_t h = 0; h < 2; ++h, codes += 128) {
        for (std::size_t l = 0; l < 64; l += 8) {
            const std::uint64_t low = load_bytes(codes + l) & repeated(15);
            store_bytes(out.ql + 64 * h + l, low | (load_bytes(codes + l + 64) & repeated(15)) << 4);
        }
        for (std::size_t l = 0; l < 32; l += 8) {
            std::uint64_t high = 0;
            for (std::size_t p = 0; p < 4; ++p) {
                high |= (load_bytes(codes + 32 * p + l) >> 4 & repeated(3)) << (2 * p);
            }
            store_bytes(out.qh + 32 * h + l, high);
        }
    }
}

template <class Block>
inline void reference_q6(const float* x, const float* panel, const float* importance, Block& out) noexcept {
    float weights[super_size], scales[16], inverses[16];
    const float* given = importance;
    if (importance == nullptr) {
        for (std::size_t e = 0; e < super_size; e += lanes) {
            store(weights + e, load(panel + e) * load(panel + e));
        }
        given = weights;
    }
    search_signed<32>(panel, given, super_group, scales, inverses);
    const float largest = largest_scale(scales);
    if (largest < least_magnitude && largest > -least_magnitude) {
        std::memset(&out, 0, sizeof out);
        return;
    }
    const float inverse = -128.0f / largest;
    out.d = fp16::encode(1.0f / inverse);
    const float d = fp16::decode(out.d);
    std::int32_t integers[16];
    // Not below -2^22, so that the low byte is what a conversion to a byte gives.
    round_scales(scales, inverse, -4194304, 127, integers);
    bool any_zero = false;
    for (std::size_t j = 0; j < 16; ++j) {
        out.scales[j] = static_cast<std::int8_t>(integers[j]);
        integers[j] = out.scales[j];
        any_zero = any_zero || d * static_cast<float>(integers[j]) == 0.0f;
    }
    std::uint8_t codes[super_size];
    requantize<32>(x, d, integers, codes);
    if (any_zero) {
        std::uint8_t levels[super_size];
        encode_panel<-32, 31>(panel, inverses, super_group, levels);
        clear_zero_groups(inverses, super_group, levels);
        keep_levels(d, integers, levels, codes);
    }
    pack_q6(codes, out);
}

/// values = (d * s_j) * (q - 32).
template <class Block>
inline void decode_q6(const Block* blocks, std::size_t count, float* out) noexcept {
    for (const Block* end = blocks + count; blocks != end; ++blocks) {
        const float d = fp16::decode(blocks->d);
        float scales[16];
        for (std::size_t j = 0; j < 16; j += lanes) {
            store(scales + j, splat(d) * convert(load_i8(blocks->scales + j)));
        }
        for (std::size_t h = 0; h < 2; ++h) {
            for (std::size_t l = 0; l < 32; l += lanes, out += lanes) {
                const vi a = load_u8(blocks->ql + 64 * h + l), b = load_u8(blocks->ql + 64 * h + 32 + l);
                const vi high = load_u8(blocks->qh + 32 * h + l);
                const vi low_mask = splat(15), high_mask = splat(48);
                const float* const s = scales + 8 * h + l / 16;
                const auto value = [&](vi low, vi top, float scale) {
                    return splat(scale) * convert((low | (top & high_mask)) - splat(32));
                };
                store(out, value(a & low_mask, shl<4>(high), s[0]));
                store(out + 32, value(b & low_mask, shl<2>(high), s[2]));
                store(out + 64, value(shr<4>(a), high, s[4]));
                store(out + 96, value(shr<4>(b), shr<2>(high), s[6]));
            }
            out += 96;
        }
    }
}

inline constexpr super_plan q6_fast_plan = {1, 1.0f, 0.0f, 28.0f, 33.0f, 0, 0.0f};
inline constexpr super_plan q6_best_plan = {4, 0.91f, 0.03f, 26.0f, 33.0f, 1, 1.0f};

template <bool Weighted, class Block>
inline void searched_q6(const float* x, const float* panel, const float* weights, quantize_mode mode,
                        Block& out) noexcept {
    super_search<32, -128, 127, Weighted> search(panel, weights,
                                                 mode == quantize_mode::best ? q6_best_plan : q6_fast_plan);
    search.run();
    std::uint8_t codes[super_size];
    search.encode(x, codes);
    pack_q6(codes, out);
    for (std::size_t j = 0; j < 16; ++j) {
        out.scales[j] = static_cast<std::int8_t>(search.integers[j]);
    }
    out.d = fp16::encode(search.d);
}

template <class Block>
inline void encode_q6(const float* x, const float* importance, std::size_t count, quantize_mode mode,
                      Block* out) noexcept {
    encode_super(x, importance, count, mode, out, reference_q6<Block>, searched_q6<true, Block>,
                 searched_q6<false, Block>, decode_q6<Block>);
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf::signed_blocks

// Kernels of q3_k, compiled once per instruction set.
//
//   reference             each group of 16 by coordinate descent (below) with w = x x; M = the scale of largest
//                         magnitude, is = -32 / M, six = clamp(rn(is scale), -32, 31) + 32, d = h(1 / is), or zeros
//   reference, weighted   each group by the search of signed_search-inl.hpp with N = 4 and w = importance *
//                         sqrt(sigma2 + x^2), sigma2 twice the mean square of the block; d and the six by the same
//                         search with N = 32 over the scales, weighted by the sum of w of each group
//   both                  then q = clamp(rn(x / (d (six - 32))), -4, 3) + 4 with the stored d
//
// Coordinate descent: l = clamp(rn(-4 / m x), -4, 3), A = sum w x l, B = sum w l l; up to five sweeps: for each i
// A' = A - w x l and, if A' > 0, B' = B - w l l, l' = clamp(rn(x B' / A'), -4, 3); if that is another level, A' += w x
// l' and B' += w l' l', accepted if B' > 0 and A' A' B > A A B'. scale = A / B if B > 0, else 0. Source: ggml,
// make_q3_quants and quantize_row_q3_K_ref.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf::signed_blocks {

/// Packs sixteen numbers of six bits as q3_k stores them.
inline void pack_six_bits(const std::int32_t* numbers, std::uint8_t* out) noexcept {
    std::uint8_t bytes[16];
    for (std::size_t j = 0; j < 16; ++j) {
        bytes[j] = static_cast<std::uint8_t>(numbers[j]);
    }
    const std::uint64_t first = load_bytes(bytes), second = load_bytes(bytes + 8);
    store_bytes(out, (first & repeated(15)) | (second & repeated(15)) << 4);
    const std::uint64_t high = (first >> 4 & repeated(3)) | (second >> 4 & repeated(3)) << 4;
    const std::uint64_t all = high | high >> 30;
    std::memcpy(out + 8, &all, 4);
}

/// The number of six bits of group j.
inline int six_bits(const std::uint8_t* scales, std::size_t j) noexcept {
    return ((scales[j % 8] >> (j < 8 ? 0 : 4)) & 15) | ((scales[8 + j % 4] >> (2 * (j / 4))) & 3) << 4;
}

template <class Block>
inline void pack_q3(const std::uint8_t* codes, Block& out) noexcept {
    for (std::size_t l = 0; l < 32; l += 8) {
        std::uint64_t mask = 0;
        TERSOR_UNROLL
        for (std::size_t h = 0; h < 2; ++h) {
            std::uint64_t low = 0;
            TERSOR_UNROLL
            for (std::size_t p = 0; p < 4; ++p) {
                const std::uint64_t code = load_bytes(codes + 128 * h + 32 * p + l);
                low |= (code & repeated(3)) << (2 * p);
                mask |= (code >> 2 & repeated(1)) << (4 * h + p);
            }
            store_bytes(out.qs + 32 * h + l, low);
        }
        store_bytes(out.hmask + l, mask);
    }
}

/// One step of the descent for a row of a panel.
struct descent {
    vf a, b;
    descent() noexcept : a(splat(0.0f)), b(splat(0.0f)) {}

    void add(vf x, vf level) noexcept {
        const vf w = x * x;
        a = a + w * x * level;
        b = b + w * level * level;
    }

    /// Returns the level and whether any lane changed it.
    bool step(vf x, float* stored) noexcept {
        const vf w = x * x, product = w * x, level = load(stored);
        const vf rest_a = a - product * level, rest_b = b - w * level * level;
        const vi wanted = min(max(nearest_any(x * rest_b / rest_a), splat(-4)), splat(3));
        const vf other = convert(wanted);
        const vm differs = (rest_a > splat(0.0f)) & !(other == level);
        if (!any(differs)) {
            return false;
        }
        const vf new_a = rest_a + product * other, new_b = rest_b + w * other * other;
        const vm better = differs & (new_b > splat(0.0f)) & (new_a * new_a * b > a * a * new_b);
        a = select(better, new_a, a);
        b = select(better, new_b, b);
        store(stored, select(better, other, level));
        return any(better);
    }
};

/// Scales and levels of sixteen groups by coordinate descent.
inline void descend(const float* panel, float* scales, float* levels) noexcept {
    for (std::size_t g = 0; g < panel_width; g += lanes) {
        const extreme largest(panel + g, super_group);
        const vm is_zero = splat(least_magnitude) > largest.size;
        const vf inverse = splat(-4.0f) / select(is_zero, splat(1.0f), largest.value);
        descent state;
        for (std::size_t e = g; e < super_size; e += panel_width) {
            const vf x = load(panel + e), level = clamp(nearest(inverse * x), -4.0f, 3.0f);
            state.add(x, level);
            store(levels + e, level);
        }
        bool changed = true;
        for (int sweep = 0; sweep < 5 && changed; ++sweep) {
            changed = false;
            for (std::size_t e = g; e < super_size; e += panel_width) {
                changed = state.step(load(panel + e), levels + e) || changed;
            }
        }
        const vm is_good = state.b > splat(0.0f);
        const vf scale = select(is_good, state.a / state.b, splat(0.0f));
        store(scales + g, select(is_zero, splat(0.0f), scale));
        for (std::size_t e = g; e < super_size; e += panel_width) {
            store(levels + e, select(is_zero, splat(-4.0f), load(levels + e)));
        }
    }
}

/// The search with N = 32 over sixteen scales; fills their numbers of six bits and returns d.
inline float search_scale_of_scales(const float* scales, const float* weights, std::int32_t* numbers) noexcept {
    const float largest = largest_scale(scales);
    for (std::size_t j = 0; j < 16; ++j) {
        numbers[j] = 0;
    }
    if (largest < least_magnitude && largest > -least_magnitude) {
        return 0.0f;
    }
    // Trials stand side by side, in their order: 0, -9, ..., -1, 1, ..., 9.
    float factors[32], a[32], b[32];
    for (int t = 0; t < 32; ++t) {
        factors[t] = trial_factor(32, t == 0 || t > 18 ? 0 : t < 10 ? t - 10 : t - 9);
    }
    const auto level = [](vf inverse, float x) {
        return min(max(nearest_any(inverse * splat(x)), splat(-32)), splat(31));
    };
    for (std::size_t t = 0; t < 20; t += lanes) {
        const vf inverse = load(factors + t) / splat(largest);
        vf sum_a = splat(0.0f), sum_b = splat(0.0f);
        for (std::size_t j = 0; j < 16; ++j) {
            const vf l = convert(level(inverse, scales[j]));
            sum_a = sum_a + splat(weights[j] * scales[j]) * l;
            sum_b = sum_b + splat(weights[j]) * l * l;
        }
        store(a + t, sum_a);
        store(b + t, sum_b);
    }
    float scale = b[0] == 0.0f ? 0.0f : a[0] / b[0], best = scale * a[0];
    std::size_t chosen = 0;
    for (std::size_t t = 1; t < 19; ++t) {
        if (b[t] > 0.0f && a[t] * a[t] > best * b[t]) {
            scale = a[t] / b[t];
            best = scale * a[t];
            chosen = t;
        }
    }
    for (std::size_t j = 0; j < 16; j += lanes) {
        const vf product = splat(factors[chosen] / largest) * load(scales + j);
        store(numbers + j, min(max(nearest_any(product), splat(-32)), splat(31)) + splat(32));
    }
    return scale;
}

template <class Block>
inline void reference_q3(const float* x, const float* panel, const float* importance, Block& out) noexcept {
    float scales[16], levels[super_size];
    std::int32_t numbers[16], integers[16];
    if (importance == nullptr) {
        descend(panel, scales, levels);
        const float largest = largest_scale(scales);
        const float inverse = largest != 0.0f ? -32.0f / largest : 0.0f;
        round_scales(scales, inverse, -32, 31, numbers);
        for (std::size_t j = 0; j < 16; ++j) {
            numbers[j] = largest != 0.0f ? numbers[j] + 32 : 0;
        }
        out.d = fp16::encode(largest != 0.0f ? 1.0f / inverse : 0.0f);
    } else {
        float weights[super_size], sums[16], inverses[16];
        const float sigma2 = 2.0f * sum_squares(x, super_size) / 256.0f;
        weigh_panel(panel, importance, super_group, sigma2, weights);
        search_signed<4>(panel, weights, super_group, scales, inverses);
        for (std::size_t g = 0; g < 16; g += lanes) {
            vf sum = splat(0.0f);
            for (std::size_t e = g; e < super_size; e += panel_width) {
                sum = sum + load(weights + e);
            }
            store(sums + g, sum);
        }
        for (std::size_t e = 0; e < super_size; e += lanes) {
            const vf inverse = load(inverses + e % panel_width);
            const vf level = clamp(nearest(inverse * load(panel + e)), -4.0f, 3.0f);
            store(levels + e, select(inverse == splat(0.0f), splat(-4.0f), level));
        }
        out.d = fp16::encode(search_scale_of_scales(scales, sums, numbers));
    }
    pack_six_bits(numbers, out.scales);
    const float d = fp16::decode(out.d);
    vm zeros = splat(0) > splat(0);
    for (std::size_t j = 0; j < 16; j += lanes) {
        const vi integer = load(numbers + j) - splat(32);
        zeros = zeros | (splat(d) * convert(integer) == splat(0.0f));
        store(integers + j, integer);
    }
    std::uint8_t codes[super_size];
    requantize<4>(x, d, integers, codes);
    if (any(zeros)) {
        std::uint8_t kept[super_size];
        for (std::size_t e = 0; e < super_size; ++e) {
            kept[e] = static_cast<std::uint8_t>(levels[e] + 4.0f);
        }
        keep_levels(d, integers, kept, codes);
    }
    pack_q3(codes, out);
}

/// values = (d * (six - 32)) * (q - 4).
template <class Block>
inline void decode_q3(const Block* blocks, std::size_t count, float* out) noexcept {
    for (const Block* end = blocks + count; blocks != end; ++blocks) {
        const float d = fp16::decode(blocks->d);
        float scales[16];
        for (std::size_t j = 0; j < 16; ++j) {
            scales[j] = d * static_cast<float>(six_bits(blocks->scales, j) - 32);
        }
        for (std::size_t h = 0; h < 2; ++h) {
            for (std::size_t l = 0; l < 32; l += lanes, out += lanes) {
                const vi low = load_u8(blocks->qs + 32 * h + l);
                const vi high = load_u8(blocks->hmask + l);
                const vi mask = h == 0 ? high : shr<4>(high);
                const float* const s = scales + 8 * h + l / 16;
                const auto value = [&](vi two, vi one, float scale) {
                    return splat(scale) * convert(((two & splat(3)) | (one & splat(4))) - splat(4));
                };
                store(out, value(low, shl<2>(mask), s[0]));
                store(out + 32, value(shr<2>(low), shl<1>(mask), s[2]));
                store(out + 64, value(shr<4>(low), mask, s[4]));
                store(out + 96, value(shr<6>(low), shr<1>(mask), s[6]));
            }
            out += 96;
        }
    }
}

inline constexpr super_plan q3_fast_plan = {1, 1.0f, 0.0f, 2.8f, 5.2f, 0, 0.0f};
inline constexpr super_plan q3_best_plan = {2, 0.85f, 0.15f, 3.0f, 5.0f, 1, 1.0f};

template <bool Weighted, class Block>
inline void searched_q3(const float* x, const float* panel, const float* weights, quantize_mode mode,
                        Block& out) noexcept {
    super_search<4, -32, 31, Weighted> search(panel, weights,
                                              mode == quantize_mode::best ? q3_best_plan : q3_fast_plan);
    search.run();
    std::uint8_t codes[super_size];
    std::int32_t numbers[16];
    search.encode(x, codes);
    pack_q3(codes, out);
    for (std::size_t j = 0; j < 16; ++j) {
        numbers[j] = static_cast<std::int32_t>(search.integers[j]) + 32;
    }
    pack_six_bits(numbers, out.scales);
    out.d = fp16::encode(search.d);
}

template <class Block>
inline void encode_q3(const float* x, const float* importance, std::size_t count, quantize_mode mode,
                      Block* out) noexcept {
    encode_super(x, importance, count, mode, out, reference_q3<Block>, searched_q3<true, Block>,
                 searched_q3<false, Block>, decode_q3<Block>);
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf::signed_blocks

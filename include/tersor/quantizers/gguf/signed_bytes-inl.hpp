// Kernels of q8_0, q8_1 and q8_k, compiled once per instruction set. Importance is ignored in mode reference.
//
//   reference, q8_0 and q8_1   d = max|x| / 127, q = x (1 / d) rounded half away from zero, with d as a float; h(d) is
//                              stored, and in q8_1 h(sum(q) d)
//   reference, q8_k            is = -127 / m with m the value of largest magnitude (the first on ties), q = min(127,
//                              rn(is x)), d = 1 / is, a float
//   best                       trials of d from max|x| / 127.4 to max|x| / 108 with levels -127..127, each with the
//   error
//                              of what will be decoded, then d = sum w x q / sum w q q of the best one
//
// Source: ggml, quantize_row_q8_0_ref, quantize_row_q8_1_ref, quantize_row_q8_K_ref.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf::signed_blocks {

/// v rounded half away from zero, for magnitudes below 2^22.
inline vi round_away(vf v) noexcept {
    // The largest float below 0.5: 0.5 itself would lift 0.49999997 to 1.
    const vf half = splat(0x1.fffffep-2f);
    return truncate(v + as_float(bits(half) | (bits(v) & splat(std::int32_t(-2147483647 - 1)))));
}

/// Fills d, s and bsums of a block whose codes are set; d is what was multiplied with.
template <class Block>
inline void finish_block(Block& out, float d, std::uint16_t half) noexcept {
    if constexpr (requires { out.bsums; }) {
        std::memcpy(out.d, &d, sizeof d);
        for (std::size_t k = 0; k < 16; ++k) {
            int sum = 0;
            for (std::size_t i = 0; i < 16; ++i) {
                sum += out.qs[16 * k + i];
            }
            out.bsums[k] = static_cast<std::int16_t>(sum);
        }
    } else {
        out.d = half;
        if constexpr (requires { out.s; }) {
            int sum = 0;
            for (std::size_t i = 0; i < 32; ++i) {
                sum += out.qs[i];
            }
            out.s = fp16::encode(static_cast<float>(sum) * d);
        }
    }
}

/// Stores Size codes, of which code(i) are `lanes` from i on.
template <std::size_t Size, class Code>
inline void store_codes(const Code& code, std::int8_t* out) noexcept {
    const auto bytes = reinterpret_cast<std::uint8_t*>(out);
    if constexpr (Size % (4 * lanes) == 0) {
        for (std::size_t i = 0; i < Size; i += 4 * lanes) {
            store_saturated<true, -128, 127>(bytes + i, code(i), code(i + lanes), code(i + 2 * lanes),
                                             code(i + 3 * lanes));
        }
    } else {
        std::uint8_t codes[4 * lanes];
        store_saturated<true, -128, 127>(codes, code(0), code(lanes), splat(0), splat(0));
        std::memcpy(bytes, codes, Size);
    }
}

/// The largest d of q8_k that stays finite times 127.
inline constexpr float most_float = 2.679e36f;

/// Saturates: d is at most the largest half, or most_float, as ggml's is not.
template <bool Saturates, class Block>
inline void encode_bytes_one_pass(const float* x, std::size_t count, Block* out) noexcept {
    constexpr std::size_t size = sizeof(Block::qs);
    constexpr bool is_k = size == 256;
    for (std::size_t b = 0; b < count; b += 16) {
        const std::size_t blocks = count - b < 16 ? count - b : 16;
        float extremes[16] = {}, scales[16], inverses[16];
        std::uint16_t halves[16];
        signed_extremes<size>(x + b * size, blocks, extremes);
        for (std::size_t g = 0; g < 16; g += lanes) {
            const vf m = load(extremes + g);
            if constexpr (is_k) {
                const vf inverse = splat(-127.0f) / select(m == splat(0.0f), splat(1.0f), m);
                const vm is_zero = m == splat(0.0f);
                store(inverses + g, select(is_zero, splat(0.0f), inverse));
                const vf d = splat(1.0f) / inverse;
                store(scales + g, select(is_zero, splat(0.0f), Saturates ? clamp(d, -most_float, most_float) : d));
            } else {
                const vf d = Saturates ? min(abs(m) / splat(127.0f), splat(65504.0f)) : abs(m) / splat(127.0f);
                store(inverses + g, inverse_of(d));
                store(scales + g, d);
            }
        }
        encode_halves(scales, halves);
        for (std::size_t g = 0; g < blocks; ++g) {
            const float* const values = x + (b + g) * size;
            // An infinite inverse gives ggml codes of 0.
            const bool is_finite = inverses[g] - inverses[g] == 0.0f;
            const vf inverse = splat(is_finite ? inverses[g] : 0.0f);
            const auto code = [&](std::size_t i) {
                const vf product = inverse * load(values + i);
                const vf scaled = Saturates ? clamp(product, -127.0f, 127.0f) : product;
                return is_k ? min(round(scaled), splat(127)) : round_away(scaled);
            };
            store_codes<size>(code, out[b + g].qs);
            finish_block(out[b + g], scales[g], halves[g]);
        }
    }
}

/// A trial of d: the error with the nearest levels and what the best d for them follows from.
template <bool Weighted, bool Sums>
struct byte_trial {
    vf error, a, b;
    byte_trial(const float* x, const float* weights, std::size_t count, vf d) noexcept
        : error(splat(0.0f)), a(splat(0.0f)), b(splat(0.0f)) {
        const vf inverse = inverse_of(d);
        vf sum = splat(0.0f);
        for (std::size_t e = 0; e < count * panel_width; e += panel_width) {
            const vf scaled = load(x + e) * inverse;
            const vf level = clamp(nearest(scaled), -127.0f, 127.0f);
            const vf difference = scaled - level;
            const vf weighted = Weighted ? load(weights + e) * difference : difference;
            sum = sum + weighted * difference;
            if constexpr (Sums) {
                const vf product = Weighted ? load(weights + e) * level : level;
                a = a + product * load(x + e);
                b = b + product * level;
            }
        }
        error = select(d == splat(0.0f), splat(3.3e38f), sum * d * d);
    }
};

/// d for each group of a panel of Size rows; `scales` holds a first candidate on entry. IsHalf: d is a half. The panel
/// is multiplied by a power of two that brings each group near 1; `inverses` are 1 / d for what it holds then.
template <std::size_t Size, bool IsHalf, bool Weighted>
inline void search_bytes(float* x, const float* weights, int trials, float* scales, float* factors,
                         float* inverses) noexcept {
    for (std::size_t g = 0; g < panel_width; g += lanes) {
        const extreme largest(x + g, Size);
        const vf factor = power_below(largest.size), size = largest.size * factor;
        for (std::size_t e = g; e < Size * panel_width; e += panel_width) {
            store(x + e, load(x + e) * factor);
        }
        const float* const w = Weighted ? weights + g : nullptr;
        const auto stored = [&](vf d) {
            return IsHalf ? round_to_half(d / factor) : min(d / factor, splat(most_float));
        };
        vf least = splat(3.4e38f), chosen = splat(0.0f);
        const auto accept = [&](vf d, vf error) {
            const vm better = least > error;
            least = select(better, error, least);
            chosen = select(better, d, chosen);
        };
        const auto attempt = [&](vf d) { accept(d, byte_trial<Weighted, false>(x + g, w, Size, d * factor).error); };
        attempt(stored(load(scales + g) * factor));
        for (int t = 0; t < trials; t += 2) {
            const float step = 19.4f / static_cast<float>(trials - 1), levels = 108.0f + step * static_cast<float>(t);
            const vf d_0 = stored(size / splat(levels)), d_1 = stored(size / splat(levels + step));
            const vf inverse_0 = inverse_of(d_0 * factor), inverse_1 = inverse_of(d_1 * factor);
            if (any(size * max(inverse_0, inverse_1) > splat(127.499f)) || any(inverse_0 == splat(0.0f))) {
                attempt(d_0);
                attempt(d_1);
            } else {
                const trial_errors<128, Weighted, reach::inner> errors(x + g, w, Size, inverse_0, inverse_1);
                accept(d_0, errors.down_0 * (d_0 * factor) * (d_0 * factor));
                accept(d_1, errors.down_1 * (d_1 * factor) * (d_1 * factor));
            }
        }
        const byte_trial<Weighted, true> sums(x + g, w, Size, chosen * factor);
        const vf found = sums.a / select(sums.b > splat(0.0f), sums.b, splat(1.0f));
        attempt(stored(found));
        if constexpr (IsHalf) {
            attempt(stored(found * splat(1.0f + 0x1.8p-11f)));
            attempt(stored(found * splat(1.0f - 0x1.8p-11f)));
        }
        store(scales + g, chosen);
        store(factors + g, factor);
        store(inverses + g, inverse_of(chosen * factor));
    }
}

template <class Block>
inline void encode_bytes_searched(const float* x, const float* importance, std::size_t count, Block* out) noexcept {
    constexpr std::size_t size = sizeof(Block::qs);
    constexpr bool is_half = size == 32;
    constexpr int trials = 24;
    for (std::size_t b = 0; b < count; b += 16) {
        const std::size_t blocks = count - b < 16 ? count - b : 16;
        float panel[size * panel_width], scales[16], factors[16], inverses[16];
        std::uint16_t halves[16];
        fill_panel(x + b * size, blocks, size, panel);
        for (std::size_t g = 0; g < panel_width; g += lanes) {
            store(scales + g, extreme(panel + g, size).size / splat(127.0f));
        }
        if (importance != nullptr) {
            float weights[size * panel_width];
            fill_panel(importance + b * size, blocks, size, weights);
            search_bytes<size, is_half, true>(panel, weights, trials, scales, factors, inverses);
        } else {
            search_bytes<size, is_half, false>(panel, nullptr, trials, scales, factors, inverses);
        }
        encode_halves(scales, halves);
        for (std::size_t g = 0; g < blocks; ++g) {
            const auto code = [values = x + (b + g) * size, factor = factors[g], inverse = inverses[g]](std::size_t i) {
                return round(clamp(load(values + i) * splat(factor) * splat(inverse), -127.0f, 127.0f));
            };
            store_codes<size>(code, out[b + g].qs);
            finish_block(out[b + g], scales[g], halves[g]);
        }
    }
}

template <class Block>
inline void encode_bytes(const float* x, const float* importance, std::size_t count, quantize_mode mode,
                         Block* out) noexcept {
    if (mode == quantize_mode::best) {
        encode_bytes_searched(x, importance, count, out);
    } else if (mode == quantize_mode::fast) {
        encode_bytes_one_pass<true>(x, count, out);
    } else {
        encode_bytes_one_pass<false>(x, count, out);
    }
}

/// values = q * d.
template <class Block>
inline void decode_bytes(const Block* blocks, std::size_t count, float* out) noexcept {
    constexpr std::size_t size = sizeof(Block::qs);
    for (std::size_t b = 0; b < count; b += 16) {
        const std::size_t run = count - b < 16 ? count - b : 16;
        float scales[16] = {};
        std::uint16_t halves[16] = {};
        for (std::size_t g = 0; g < run; ++g) {
            if constexpr (size == 32) {
                halves[g] = blocks[b + g].d;
            } else {
                std::memcpy(scales + g, blocks[b + g].d, sizeof(float));
            }
        }
        if constexpr (size == 32) {
            decode_halves(halves, scales);
        }
        for (std::size_t g = 0; g < run; ++g, out += size) {
            const vf d = splat(scales[g]);
            for (std::size_t i = 0; i < size; i += lanes) {
                store(out + i, convert(load_i8(blocks[b + g].qs + i)) * d);
            }
        }
    }
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf::signed_blocks

// The scales of least squared error for TQ1_0, TQ2_0, Q2_0 and Q1_0, compiled once per instruction set by
// ternary_kernels.hpp.
//
//   ternary   the nearest codes under any d are 0 for the smallest magnitudes: with magnitudes sorted, largest first,
//             A = sum w |x| and B = sum w over the first k of them, d = A / B and the error is sum w x x - A A / B.
//             The k of largest A A / B is the exact optimum. A network sorts sixteen blocks side by side.
//   -1 .. 2   d of either sign is searched: codes nearest to r x / max|x|, d = A / B, then refitted
//   +1, -1    d = sum w |x| / sum w

namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf {

/// Puts the larger of two rows of magnitudes first, with their weights if there are any.
template <bool Weighted>
inline void order_rows(float* x, float* w, std::size_t first, std::size_t second) noexcept {
    float *const a = x + panel_width * first, *const b = x + panel_width * second;
    const vf va = load(a), vb = load(b);
    store(a, max(va, vb));
    store(b, min(va, vb));
    if constexpr (Weighted) {
        const vm swaps = vb > va;
        float *const wa = w + panel_width * first, *const wb = w + panel_width * second;
        const vf wva = load(wa), wvb = load(wb);
        store(wa, select(swaps, wvb, wva));
        store(wb, select(swaps, wva, wvb));
    }
}

/// Sorts 256 rows of magnitudes, the largest first: Batcher's odd-even merge sort.
template <bool Weighted>
inline void sort_rows(float* x, float* w) noexcept {
    for (std::size_t run = 1; run < 256; run *= 2) {
        for (std::size_t first = 0; first < 256; first += 2 * run) {
            for (std::size_t i = 0; i < run; ++i) {
                order_rows<Weighted>(x, w, first + i, first + i + run);
            }
        }
        for (std::size_t distance = run / 2; distance >= 1; distance /= 2) {
            for (std::size_t first = 0; first < 256; first += 2 * run) {
                for (std::size_t j = first + distance; j + distance < first + 2 * run; j += 2 * distance) {
                    for (std::size_t i = j; i < j + distance; ++i) {
                        order_rows<Weighted>(x, w, i, i + distance);
                    }
                }
            }
        }
    }
}

/// The stored scale of least error among the fp16 values next to `wanted` and the one next to the largest magnitude,
/// which the formats' own rules take, by Error(scale in the units of x).
template <class Error>
inline vf best_half(vf wanted, vf largest, vf power, const Error& error) noexcept {
    const vf inverse = reciprocal_of_power(power), half = round_to_half(wanted);
    vf best = half, least = error(half * inverse);
    for (const vf candidate : {other_half(wanted, half), round_to_half(largest)}) {
        const vf e = error(candidate * inverse);
        best = select(least > e, candidate, best);
        least = min(e, least);
    }
    return best;
}

/// The scale of least squares for sorted magnitudes.
template <bool Weighted>
inline vf best_ternary_scale(const float* sorted, const float* w) noexcept {
    vf a = splat(0.0f), b = splat(0.0f), scale = splat(0.0f), gain = splat(0.0f);
    for (std::size_t i = 0; i < 256; ++i) {
        const vf magnitude = load(sorted + panel_width * i);
        if constexpr (Weighted) {
            const vf weight = load(w + panel_width * i);
            a = a + weight * magnitude;
            b = b + weight;
        } else {
            a = a + magnitude;
            b = splat(static_cast<float>(i + 1));
        }
        const vm better = a * a > gain * b;
        const vf d = a / b;
        scale = select(better, d, scale);
        gain = select(better, d * a, gain);
    }
    return scale;
}

/// Blocks of TQ1_0 or TQ2_0, sixteen at a time. importance is null or a weight per value.
template <bool Weighted, class Block>
void encode_tq_best(const float* values, const float* importance, std::size_t count, Block* out) noexcept {
    alignas(64) float x[256 * panel_width], w[Weighted ? 256 * panel_width : 1];
    alignas(64) float powers[panel_width], halves[panel_width];
    for (std::size_t b = 0; b < count; b += panel_width) {
        const std::size_t some = count - b < panel_width ? count - b : panel_width;
        fill_panel(values + 256 * b, some, 256, x);
        normalize_panel(x, 256, 1, powers);
        if constexpr (Weighted) {
            fill_weights(importance + 256 * b, some, 256, 1, w);
        }
        for (std::size_t l = 0; l < panel_width; l += lanes) {
            for (std::size_t i = 0; i < 256; ++i) {
                store(x + panel_width * i + l, abs(load(x + panel_width * i + l)));
            }
            float* const weights = Weighted ? w + l : w;
            sort_rows<Weighted>(x + l, weights);
            const vf power = load(powers + l);
            const vf wanted = best_ternary_scale<Weighted>(x + l, weights) * power;
            const auto error = [&](vf d) {
                const vf middle = d * splat(0.5f);
                vf sum = splat(0.0f);
                for (std::size_t i = 0; i < 256; ++i) {
                    const vf magnitude = load(x + panel_width * i + l);
                    const vf e = select(magnitude > middle, magnitude - d, magnitude);
                    sum = sum + (Weighted ? load(weights + panel_width * i) * e * e : e * e);
                }
                return sum;
            };
            store(halves + l, best_half(wanted, load(x + l) * power, power, error));
        }
        for (std::size_t g = 0; g < some; ++g) {
            std::uint8_t codes[256];
            encode_ternary<256>(values + 256 * (b + g), ternary_inverse(halves[g]), codes);
            out[b + g].d = ::tersor::fp16::encode(halves[g]);
            pack_ternary(codes, out[b + g]);
        }
    }
}

/// The nearest of -1, 0, 1, 2 to v.
inline vf nearest_of_four(vf v) noexcept {
    const vf magic = splat(12582912.0f);
    return (min(max(v, splat(-1.0f)), splat(2.0f)) + magic) - magic;
}

/// The scale of least squares for levels -1 .. 2: trials of either sign, side by side, largest magnitude to 0.8 .. 3.
template <bool Weighted>
inline vf best_four_level_scale(const float* x, const float* w) noexcept {
    vf scale = splat(0.0f), gain = splat(0.0f);
    const auto keep = [&](vf a, vf b) {
        const vm better = a * a > gain * b;
        scale = select(better, a / b, scale);
        gain = select(better, scale * a, gain);
    };
    const auto offer = [&](vf inverse) {
        vf a = splat(0.0f), b = splat(0.0f), minus_a = splat(0.0f), minus_b = splat(0.0f);
        TERSOR_UNROLL
        for (std::size_t i = 0; i < 64; ++i) {
            const vf value = load(x + panel_width * i), v = value * inverse;
            const auto weigh = [&](vf level) { return Weighted ? load(w + panel_width * i) * level : level; };
            const vf q = nearest_of_four(v), wq = weigh(q);
            a = a + wq * value;
            b = b + wq * q;
            const vf p = nearest_of_four(splat(0.0f) - v), wp = weigh(p);
            minus_a = minus_a + wp * value;
            minus_b = minus_b + wp * p;
        }
        keep(a, b);
        keep(minus_a, minus_b);
    };
    const vf inverse = splat(1.0f) / weighted_peak(x, w, 64);
    float r = 0.8f;
    for (int t = 0; t < (Weighted ? 22 : 10); ++t) {
        offer(inverse * splat(r));
        // With weights large values may not matter: trials that clip ever more.
        r = t < 10 ? r + 0.23f : r * 1.25f;
    }
    offer(splat(1.0f) / scale);
    offer(splat(1.0f) / scale);
    return scale;
}

/// Blocks of Q2_0, sixteen at a time. importance is null or a weight per value.
template <class Block>
void encode_q2_0_best(const float* values, const float* importance, std::size_t count, Block* out) noexcept {
    alignas(64) float x[64 * panel_width], w[64 * panel_width], powers[panel_width], halves[panel_width];
    alignas(64) std::int32_t codes[64 * panel_width];
    for (std::size_t b = 0; b < count; b += panel_width) {
        const std::size_t some = count - b < panel_width ? count - b : panel_width;
        fill_panel(values + 64 * b, some, 64, x);
        fill_weights(importance != nullptr ? importance + 64 * b : nullptr, some, 64, 1, w);
        normalize_panel(x, 64, 1, powers);
        for (std::size_t l = 0; l < panel_width; l += lanes) {
            const vf power = load(powers + l);
            const vf wanted = power * (importance != nullptr ? best_four_level_scale<true>(x + l, w + l)
                                                             : best_four_level_scale<false>(x + l, w + l));
            vf peak = splat(0.0f);
            for (std::size_t i = 0; i < 64; ++i) {
                peak = max(abs(load(x + panel_width * i + l)), peak);
            }
            const auto error = [&](vf d) {
                const vf inverse = splat(1.0f) / d;
                vf sum = splat(0.0f);
                for (std::size_t i = 0; i < 64; ++i) {
                    const vf value = load(x + panel_width * i + l);
                    const vf e = value - nearest_of_four(value * inverse) * d;
                    sum = sum + load(w + panel_width * i + l) * e * e;
                }
                return sum;
            };
            const vf half = best_half(wanted, peak * power, power, error);
            store(halves + l, half);
            const vf d = half * reciprocal_of_power(power);
            const vf inverse = select(d == splat(0.0f), splat(0.0f), splat(1.0f) / d);
            for (std::size_t i = 0; i < 64; ++i) {
                const vf q = nearest_of_four(load(x + panel_width * i + l) * inverse);
                store(codes + panel_width * i + l, truncate(q + splat(1.0f)));
            }
        }
        for (std::size_t g = 0; g < some; ++g) {
            std::uint8_t bytes[64];
            for (std::size_t i = 0; i < 64; ++i) {
                bytes[i] = static_cast<std::uint8_t>(codes[panel_width * i + g]);
            }
            out[b + g].d = ::tersor::fp16::encode(halves[g]);
            pack_pairs(bytes, out[b + g].qs);
        }
    }
}

/// Blocks of Q1_0 with weights, sixteen at a time.
template <class Block>
void encode_q1_0_weighted(const float* values, const float* importance, std::size_t count, Block* out) noexcept {
    alignas(64) float x[128 * panel_width], w[128 * panel_width], powers[panel_width], halves[panel_width];
    for (std::size_t b = 0; b < count; b += panel_width) {
        const std::size_t some = count - b < panel_width ? count - b : panel_width;
        fill_panel(values + 128 * b, some, 128, x);
        fill_weights(importance + 128 * b, some, 128, 1, w);
        normalize_panel(x, 128, 1, powers);
        for (std::size_t l = 0; l < panel_width; l += lanes) {
            vf a = splat(0.0f), sum = splat(0.0f);
            for (std::size_t i = 0; i < 128; ++i) {
                const vf weight = load(w + panel_width * i + l);
                a = a + weight * abs(load(x + panel_width * i + l));
                sum = sum + weight;
            }
            store(halves + l, round_to_half(a / sum * load(powers + l)));
        }
        for (std::size_t g = 0; g < some; ++g) {
            out[b + g].d = ::tersor::fp16::encode(halves[g]);
            pack_signs(values + 128 * (b + g), out[b + g].qs);
        }
    }
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf

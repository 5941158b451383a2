// The scale of least squared error for groups with a half of their own, for sixteen groups side by side; compiled once
// per instruction set.
//
// For fixed levels the best scale is A / B with A = sum w x l, B = sum w l l, and the error is sum w x x - A A / B.
// Between two breakpoints of the inverse scale the levels do not change, so that trials close together find the levels
// of the least error. Levels are -N..N-1, one more below than above: each trial takes both signs of the scale. The best
// trial is refined by scale = A / B, levels of that scale, and so on; at last the halves around the scale, and the one
// that the reference would store, are compared by the error of what will be decoded.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf::signed_blocks {

/// How many trials of the inverse scale a mode makes, from `low` to `high` levels for the largest magnitude, and how
/// often it refines the best one.
struct trial_plan {
    int trials;
    float low, high;
    int refinements;
};

/// A and B of the levels that an inverse scale gives.
template <int N, bool Weighted>
struct level_sums {
    vf a, b;
    level_sums(const float* x, const float* weights, std::size_t count, vf inverse) noexcept
        : a(splat(0.0f)), b(splat(0.0f)) {
        for (std::size_t e = 0; e < count * panel_width; e += panel_width) {
            const vf v = load(x + e), level = clamp(nearest(inverse * v), -N, N - 1);
            const vf weighted = Weighted ? load(weights + e) * level : level;
            a = a + weighted * v;
            b = b + weighted * level;
        }
    }
};

/// sum w (x - scale l)^2 with the nearest levels.
template <int N, bool Weighted>
inline vf scale_error(const float* x, const float* weights, std::size_t count, vf scale, vf inverse) noexcept {
    vf sum = splat(0.0f);
    for (std::size_t e = 0; e < count * panel_width; e += panel_width) {
        const vf v = load(x + e), level = clamp(nearest(inverse * v), -N, N - 1), error = v - scale * level;
        sum = sum + (Weighted ? load(weights + e) * error * error : error * error);
    }
    return sum;
}

/// For each group of a panel of at most 32 rows the scale, a half, and its inverse. `scales` holds a first candidate on
/// entry. `weights` is a panel too, or null.
template <int N, bool Weighted>
inline void search_best(const float* x, const float* weights, std::size_t count, const trial_plan& plan, float* scales,
                        float* inverses) noexcept {
    for (std::size_t g = 0; g < panel_width; g += lanes) {
        // A power of two brings the group near 1, so that no square leaves the range.
        const extreme largest(x + g, count);
        const vf factor = power_below(largest.size);
        float scaled[32 * panel_width];
        for (std::size_t e = g; e < count * panel_width; e += panel_width) {
            store(scaled + e, load(x + e) * factor);
        }
        const float* const u = scaled + g;
        const float* const w = Weighted ? weights + g : nullptr;
        const vm is_zero = largest.size == splat(0.0f);
        const vf m = select(is_zero, splat(1.0f), largest.value * factor);

        vf best = splat(0.0f), scale = splat(0.0f);
        const float step = (plan.high - plan.low) / static_cast<float>(plan.trials - 1);
        const auto accept = [&](vf a, vf b) {
            const vf gain = a * a / b; // NaN if there is nothing to gain
            const vm better = gain > best;
            best = select(better, gain, best);
            scale = select(better, a / b, scale);
        };
        const auto take = [&](const auto& sums, bool both) {
            accept(sums.a_0, sums.b_0);
            accept(sums.a_1, sums.b_1);
            if (both) {
                accept(sums.c_0, sums.d_0);
                accept(sums.c_1, sums.d_1);
            }
        };
        for (int t = 0; t < plan.trials; t += 2) {
            const float first = plan.low + step * static_cast<float>(t), second = first + step;
            const vf inverse_0 = splat(-first) / m, inverse_1 = splat(-second) / m;
            if (second < N - 0.501f) {
                take(trial_sums<N, Weighted, reach::inner>(u, w, count, inverse_0, inverse_1), false);
            } else if (second < N + 0.499f) {
                take(trial_sums<N, Weighted, reach::edge>(u, w, count, inverse_0, inverse_1), true);
            } else {
                take(trial_sums<N, Weighted, reach::beyond>(u, w, count, inverse_0, inverse_1), true);
            }
        }
        for (int k = 0; k < plan.refinements; ++k) {
            const level_sums<N, Weighted> sums(u, w, count, inverse_of(scale));
            const vm better = sums.b > splat(0.0f);
            scale = select(better, sums.a / sums.b, scale);
        }

        // Now with halves: what is stored times `factor`.
        const vf found = scale / factor;
        const vf candidates[4] = {load(scales + g), found, found * splat(1.0f + 0x1.8p-11f),
                                  found * splat(1.0f - 0x1.8p-11f)};
        vf least = splat(3.4e38f), chosen = splat(0.0f);
        for (int k = 0; k < 4; ++k) {
            const vf half = round_to_half(candidates[k]), d = half * factor;
            const vf error = scale_error<N, Weighted>(u, w, count, d, inverse_of(d));
            const vm better = least > error;
            least = select(better, error, least);
            chosen = select(better, half, chosen);
        }
        chosen = select(is_zero, splat(0.0f), chosen);
        store(scales + g, chosen);
        store(inverses + g, inverse_of(chosen));
    }
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf::signed_blocks

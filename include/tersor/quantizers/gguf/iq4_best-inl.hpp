// The search for the least squared error of IQ4 groups, compiled once per instruction set by iq4_kernels.hpp.
//
//   a trial    codes nearest to r * x / max|x|, r of either sign; A = sum w q x, B = sum w q q; with the scale A / B of
//              least squares their error is sum w x x - A A / B
//   a scale    as stored: its error is sum w (x - scale * q)^2 with the codes nearest for it

namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf {

/// How finely the scale is searched.
struct iq4_effort {
    int trials;      ///< trials per sign
    float low, step; ///< the largest magnitude is mapped to low, low + step, ...
    int refits;      ///< how often codes and scale follow each other afterwards
    int tail;        ///< with weights, trials that clip ever more: large values may not matter
};

inline constexpr iq4_effort iq4_nl_thorough{24, 80.0f, 3.0f, 2, 12};
inline constexpr iq4_effort iq4_nl_quick{4, 92.0f, 16.0f, 1, 4};
inline constexpr iq4_effort iq4_xs_thorough{16, 85.0f, 4.5f, 2, 12};
inline constexpr iq4_effort iq4_xs_quick{4, 92.0f, 16.0f, 1, 4};

/// The scale of least error among the trials of one sign, and its gain A A / B.
struct iq4_fit {
    vf scale, gain;
    iq4_fit() noexcept : scale(splat(0.0f)), gain(splat(0.0f)) {}
    void offer(const iq4_sums& sums) noexcept {
        const vm better = sums.a * sums.a > gain * sums.b;
        scale = select(better, sums.a / sums.b, scale);
        gain = select(better, scale * sums.a, gain);
    }
};

/// The best fit of one sign, -1 or 1. weighted: whether w is anything but ones.
inline iq4_fit fit_iq4(const iq4_tables& tables, const float* x, const float* w, vf sign, bool weighted,
                       const iq4_effort& effort) noexcept {
    iq4_fit fit;
    const vf inverse = sign / weighted_peak(x, w, 32);
    float r = effort.low;
    for (int t = 0; t < effort.trials; ++t, r += effort.step) {
        fit.offer(fit_levels(tables, x, w, inverse * splat(r)));
    }
    for (int t = 0; weighted && t < effort.tail; ++t, r *= 1.25f) {
        fit.offer(fit_levels(tables, x, w, inverse * splat(r)));
    }
    for (int t = 0; t < effort.refits; ++t) {
        fit.offer(fit_levels(tables, x, w, splat(1.0f) / fit.scale));
    }
    return fit;
}

/// sum w (x - scale * q)^2 with the nearest codes.
inline vf iq4_error(const iq4_tables& tables, const float* x, const float* w, vf scale) noexcept {
    const vf inverse = splat(1.0f) / scale;
    vf sum = splat(0.0f);
    TERSOR_UNROLL
    for (std::size_t i = 0; i < 32; ++i) {
        const vf value = load(x + panel_width * i);
        const vf e = value - scale * nearest_level(tables, inverse * value);
        sum = sum + load(w + panel_width * i) * e * e;
    }
    return sum;
}

/// The stored scale of least error so far; `power` is what the values were divided by.
struct iq4_choice {
    vf half, error;
    iq4_choice(const float* x, const float* w) noexcept : half(splat(0.0f)), error(splat(0.0f)) {
        for (std::size_t i = 0; i < 32; ++i) {
            const vf value = load(x + panel_width * i);
            error = error + load(w + panel_width * i) * value * value;
        }
    }
    void offer(const iq4_tables& tables, const float* x, const float* w, vf power, vf candidate) noexcept {
        const vf e = iq4_error(tables, x, w, candidate * reciprocal_of_power(power));
        const vm better = error > e;
        half = select(better, candidate, half);
        error = select(better, e, error);
    }
};

/// The stored scales of IQ4_NL for one register of groups. reference: their scales by the format's own rule, which are
/// compared too.
inline vf best_iq4_scale(const iq4_tables& tables, const float* x, const float* w, vf power, bool weighted,
                         const float* reference) noexcept {
    iq4_choice choice(x, w);
    for (const float sign : {-1.0f, 1.0f}) {
        const vf wanted = fit_iq4(tables, x, w, splat(sign), weighted, iq4_nl_thorough).scale * power;
        const vf half = round_to_half(wanted);
        choice.offer(tables, x, w, power, half);
        choice.offer(tables, x, w, power, other_half(wanted, half));
    }
    choice.offer(tables, x, w, power, round_to_half(load(reference)));
    return choice.half;
}

/// The same in a hurry.
inline vf quick_iq4_scale(const iq4_tables& tables, const float* x, const float* w, vf power, bool weighted) noexcept {
    const iq4_fit minus = fit_iq4(tables, x, w, splat(-1.0f), weighted, iq4_nl_quick);
    const iq4_fit plus = fit_iq4(tables, x, w, splat(1.0f), weighted, iq4_nl_quick);
    return round_to_half(select(plus.gain > minus.gain, plus.scale, minus.scale) * power);
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf

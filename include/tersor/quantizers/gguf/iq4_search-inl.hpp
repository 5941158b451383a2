// Nearest levels of IQ4 and the search for a group's scale by the format's own rule, compiled once per instruction set
// by iq4_kernels.hpp. Groups of 32 values stand side by side in panels: value i of the group of a lane is x[16 * i].
//
//   scale(x, w)   m = the value of largest magnitude, the first on ties; below 1e-15 the scale is 0
//                 id = 1 / (-m / -127), then (t - 127) / m for t = -7..7; q = the level nearest to id * x
//                 A = sum w * q * x, B = sum w * q * q, in order and each product from the left
//                 scale = A / B of the first, 0 without any weight; then of those with A * A > best * B where
//                 best = scale * A so far

namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf {

/// The levels and their midpoints for look-ups.
struct iq4_tables {
    table16 levels, midpoints;
    iq4_tables() noexcept
        : levels(load_table16(::tersor::gguf::detail::iq4_levels)),
          midpoints(load_table16(::tersor::gguf::detail::iq4_midpoints)) {}
};

/// The code of the level nearest to v.
inline vi nearest_code(const iq4_tables& tables, vf v) noexcept {
    if constexpr (has_permutation) {
        // a + v (b - c |v|) lies between k - 1 and k at the midpoint below code k (with a third to spare on either
        // side), so that its integer part is the code or one less: one comparison decides.
        const vf inside = min(max(v, splat(-127.0f)), splat(113.0f));
        const vf guess = splat(7.88f) + inside * (splat(0.0955f) - splat(0.000285f) * abs(inside));
        const vi low = truncate(guess);
        const vi code = increment_if(low, !(lookup(tables.midpoints, low) > inside));
        return select(v == v, code, splat(std::int32_t{15}));
    } else {
        vi above = splat(std::int32_t{0});
        for (int k = 0; k < 15; ++k) {
            above = increment_if(above, splat(::tersor::gguf::detail::iq4_midpoints[k]) > v);
        }
        return splat(std::int32_t{15}) - above;
    }
}

/// The level nearest to v, which is not NaN.
inline vf nearest_level(const iq4_tables& tables, vf v) noexcept {
    if constexpr (has_permutation) {
        const vf inside = min(max(v, splat(-127.0f)), splat(113.0f));
        const vf guess = splat(7.88f) + inside * (splat(0.0955f) - splat(0.000285f) * abs(inside));
        const vi low = truncate(guess);
        return lookup(tables.levels, increment_if(low, !(lookup(tables.midpoints, low) > inside)));
    } else {
        using ::tersor::gguf::detail::iq4_levels;
        vf level = splat(iq4_levels[15]);
        for (int k = 0; k < 15; ++k) {
            const vm below = splat(::tersor::gguf::detail::iq4_midpoints[k]) > v;
            level = level - select(below, splat(iq4_levels[k + 1] - iq4_levels[k]), splat(0.0f));
        }
        return level;
    }
}

/// The sums sum w q x and sum w q q of a group.
struct iq4_sums {
    vf a, b;
    iq4_sums() noexcept : a(splat(0.0f)), b(splat(0.0f)) {}
};

/// The sums for the levels nearest to inverse * x.
inline iq4_sums fit_levels(const iq4_tables& tables, const float* x, const float* w, vf inverse) noexcept {
    iq4_sums sums;
    TERSOR_UNROLL
    for (std::size_t i = 0; i < 32; ++i) {
        const vf value = load(x + panel_width * i);
        const vf q = nearest_level(tables, inverse * value);
        const vf wq = load(w + panel_width * i) * q;
        sums.a = sums.a + wq * value;
        sums.b = sums.b + wq * q;
    }
    return sums;
}

/// The value of largest magnitude of each group and that magnitude.
struct iq4_peak {
    vf value, magnitude;
    explicit iq4_peak(const float* x) noexcept : value(splat(0.0f)), magnitude(splat(0.0f)) {
        for (std::size_t i = 0; i < 32; ++i) {
            const vf v = load(x + panel_width * i), m = abs(v);
            const vm larger = m > magnitude;
            value = select(larger, v, value);
            magnitude = select(larger, m, magnitude);
        }
    }
};

/// The scale by the format's own rule; without a search the first fit, which then has the other sign.
template <bool Searches>
inline vf iq4_reference_scale(const iq4_tables& tables, const float* x, const float* w) noexcept {
    const iq4_peak peak(x);
    const vf first = peak.value / splat(Searches ? 127.0f : -127.0f);
    const iq4_sums sums = fit_levels(tables, x, w, splat(1.0f) / first);
    vf scale = select(sums.b > splat(0.0f), sums.a / sums.b, splat(0.0f));
    vf best = scale * sums.a;
    if constexpr (Searches) {
        for (int t = -7; t <= 7; ++t) {
            const iq4_sums trial = fit_levels(tables, x, w, splat(static_cast<float>(t - 127)) / peak.value);
            const vm better = (trial.b > splat(0.0f)) & (trial.a * trial.a > best * trial.b);
            scale = select(better, trial.a / trial.b, scale);
            best = select(better, scale * trial.a, best);
        }
    }
    return select(splat(1e-15f) > peak.magnitude, splat(0.0f), scale);
}

/// bytes[16 * j + g] = the byte j of group g, codes j and j + 16: nearest to inverse * x.
inline void store_iq4_codes(const iq4_tables& tables, const float* x, vf inverse, std::int32_t* bytes) noexcept {
    for (std::size_t j = 0; j < 16; ++j) {
        const vi low = nearest_code(tables, inverse * load(x + panel_width * j));
        const vi high = nearest_code(tables, inverse * load(x + panel_width * (j + 16)));
        store(bytes + panel_width * j, low | shl<4>(high));
    }
}

/// The bytes of one group of a panel.
inline void take_bytes(const std::int32_t* bytes, std::size_t g, std::uint8_t* out) noexcept {
    for (std::size_t j = 0; j < 16; ++j) {
        out[j] = static_cast<std::uint8_t>(bytes[panel_width * j + g]);
    }
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf

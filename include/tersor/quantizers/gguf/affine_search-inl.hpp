// The search for a scale and a minimum, in panels; compiled once per instruction set.
//
// A(n, N, x, w, r0, dr, steps): levels 0..N, value = scale * level - minimum with minimum >= 0. lo = min(0, least x),
// hi the largest; equal: scale 0, levels 0. It starts from is = N / (hi - lo), scale 1 / is, level rn(is (x - lo))
// within 0..N and error sum w e e (or w |e|), e = scale level + lo - x. For s = 0..steps the levels of
// is = (r0 + dr s + N) / (hi - lo) get the scale and lo of least squares (if that lo is above 0: 0, and the scale that
// fits best with it); what lowers the error is kept, and the lo of later steps is then the one found. One rounding per
// operation, sums in order. Source: ggml v0.21.0 (make_qkx2_quants, make_qkx3_quants), as described in its golden data.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf {

/// What A finds for `lanes` groups; the levels are rn(inverse * (x - low)) within 0..N.
struct affine_fit {
    vf scale, minimum, inverse, low;
    affine_fit() noexcept : scale(splat(0.0f)), minimum(scale), inverse(scale), low(scale) {}
};

/// A group while it is searched: its values and weights, one row of the panel per value.
struct affine_group {
    const float* x;
    const float* w;
    std::size_t count;
    vf top, lowest, hi, weight_sum, weighted_sum;

    affine_group(const float* values, const float* weights, std::size_t n, float largest_level) noexcept
        : x(values), w(weights), count(n), top(splat(largest_level)), lowest(load(x)), hi(load(x)), weight_sum(load(w)),
          weighted_sum(load(w) * load(x)) {
        for (std::size_t i = 1; i < count; ++i) {
            const vf value = load(x + i * panel_width), weight = load(w + i * panel_width);
            lowest = min(value, lowest);
            hi = max(value, hi);
            weight_sum = weight_sum + weight;
            weighted_sum = weighted_sum + weight * value;
        }
    }
};

/// rn(v) within 0..top as a float; Checked: whatever v is, else for |v| < 2^22 only.
template <bool Checked>
inline vf affine_level(vf v, vf top) noexcept {
    const vf magic = splat(12582912.0f);
    return min(max(Checked ? convert(round_by_sum(v)) : (v + magic) - magic, splat(0.0f)), top);
}

/// The sums over levels that least squares needs; the levels themselves go to `levels`.
struct affine_sums {
    vf l, ll, xl;

    template <bool Checked>
    affine_sums(const affine_group& group, vf inverse, vf low, vf* levels, std::bool_constant<Checked>) noexcept
        : l(splat(0.0f)), ll(l), xl(l) {
        for (std::size_t i = 0; i < group.count; ++i) {
            const vf value = load(group.x + i * panel_width), weight = load(group.w + i * panel_width);
            const vf level = affine_level<Checked>(inverse * (value - low), group.top);
            const vf weighted = weight * level;
            levels[i] = level;
            l = l + weighted;
            ll = ll + weighted * level;
            xl = xl + weighted * value;
        }
    }
};

/// Sum w e e, or w |e| if Absolute, with e = scale * level + low - x.
template <bool Absolute>
inline vf affine_error(const affine_group& group, vf scale, vf low, const vf* levels) noexcept {
    vf error = splat(0.0f);
    for (std::size_t i = 0; i < group.count; ++i) {
        const vf off = scale * levels[i] + low - load(group.x + i * panel_width);
        error = error + load(group.w + i * panel_width) * (Absolute ? abs(off) : off * off);
    }
    return error;
}

/// A(count, largest, x, w, start, step, steps, Absolute) for `lanes` groups of at most 32 values:
/// x[i * panel_width + lane], w likewise.
template <bool Absolute>
inline affine_fit affine_search(const float* x, const float* w, std::size_t count, float largest, float start,
                                float step, int steps) noexcept {
    const vf zero = splat(0.0f), one = splat(1.0f), reach = splat(4194303.0f);
    const affine_group group(x, w, count, largest);
    vf levels[32];
    affine_fit best;
    vf low = select(group.lowest > zero, zero, group.lowest);
    const vm flat = group.hi == low;
    // A group of one value would only make a step slow for the other lanes.
    const auto inverse_for = [&](vf factor) { return factor / select(flat, one, group.hi - low); };
    const auto sums_for = [&](vf inverse) {
        // Products ascend with the values: those of the ends tell whether all are within reach.
        const vm inside = (reach > abs(inverse * (group.lowest - low))) & (reach > abs(inverse * (group.hi - low)));
        return any(!inside) ? affine_sums(group, inverse, low, levels, std::bool_constant<true>())
                            : affine_sums(group, inverse, low, levels, std::bool_constant<false>());
    };
    best.inverse = inverse_for(group.top);
    best.scale = one / best.inverse;
    best.low = low;
    sums_for(best.inverse);
    vf least = affine_error<Absolute>(group, best.scale, low, levels);
    for (int s = 0; s <= steps; ++s) {
        const vf inverse = inverse_for(splat(start + step * static_cast<float>(s) + largest));
        const affine_sums sums = sums_for(inverse);
        const vf d = group.weight_sum * sums.ll - sums.l * sums.l;
        const vf fitted = (sums.ll * group.weighted_sum - sums.l * sums.xl) / d;
        const vm above = fitted > zero;
        const vf new_low = select(above, zero, fitted);
        const vf scale =
            select(above, sums.xl / sums.ll, (group.weight_sum * sums.xl - group.weighted_sum * sums.l) / d);
        const vf error = affine_error<Absolute>(group, scale, new_low, levels);
        const vm better = (d > zero) & (least > error);
        least = select(better, error, least);
        best.scale = select(better, scale, best.scale);
        best.inverse = select(better, inverse, best.inverse);
        best.low = select(better, low, best.low);
        low = select(better, new_low, low);
    }
    best.scale = select(flat, zero, best.scale);
    best.inverse = select(flat, zero, best.inverse);
    best.minimum = as_float(bits(low) ^ splat(std::int32_t(-2147483647 - 1)));
    return best;
}

/// The levels of a fit as whole floats, to levels[i * panel_width + lane].
inline void store_levels(const affine_fit& fit, const float* x, std::size_t count, float largest,
                         float* levels) noexcept {
    for (std::size_t i = 0; i < count; ++i) {
        const vf v = fit.inverse * (load(x + i * panel_width) - fit.low);
        store(levels + i * panel_width, affine_level<true>(v, splat(largest)));
    }
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf

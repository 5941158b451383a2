// The search for one scale of values that are not negative, in panels; compiled once per instruction set.
//
// P(n, N, x, w): levels 0..N, value = scale * level. max < 1e-15 gives scale 0 and levels 0. Candidates for the inverse
// scale are N / max, then (0.1 t + N) / max for t = -4..4 without 0; the first of least sum w (x - l / is)^2 wins, the
// reciprocal being rounded first. From its levels A = sum w x l and B = sum w l l, then up to five sweeps over i: with
// A' and B' the sums without i, if both are positive, l' = min(N, rn(x B' / A')), taken if A'' A'' B > A A B'' with the
// sums that have l'. The scale is A / B, 0 if B is 0. One rounding per operation, sums in order.
// Source: ggml v0.21.0 (make_qp_quants), as described in its golden data.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf {

/// rn(v): nearest integer, ties to even, for |v| <= 4194303. Beyond that, and for infinities and NaN, the low bits of
/// the sum that rounds: not a meaningful number, but the one that ggml computes and its blocks depend on.
inline vi round_by_sum(vf v) noexcept {
    return (bits(v + splat(12582912.0f)) & splat(0x007FFFFF)) - splat(0x00400000);
}

/// Up to five sweeps that move single levels where that raises A^2 / B; levels, A and B are updated.
inline void descend_positive(const float* x, const float* w, std::size_t count, int largest, float* levels, vf& a,
                             vf& b) noexcept {
    const vf zero = splat(0.0f);
    for (int sweep = 0; sweep < 5; ++sweep) {
        vm changed = zero > zero;
        for (std::size_t i = 0; i < count; ++i) {
            const std::size_t at = i * panel_width;
            const vf weight = load(w + at), weighted = weight * load(x + at), old = load(levels + at);
            const vf a_rest = a - weighted * old, b_rest = b - weight * old * old;
            const vi wanted = min(splat(largest), round_by_sum(load(x + at) * b_rest / a_rest));
            const vf level = convert(wanted);
            const vf a_new = a_rest + weighted * level, b_new = b_rest + weight * level * level;
            const vm better = (a_rest > zero) & (b_rest > zero) & !(level == old) & (a_new * a_new * b > a * a * b_new);
            // Levels are bytes there.
            store(levels + at, select(better, convert(wanted & splat(255)), old));
            a = select(better, a_new, a);
            b = select(better, b_new, b);
            changed = changed | better;
        }
        if (!any(changed)) {
            return;
        }
    }
}

/// P(count, largest, x, w) for `lanes` groups: x[i * panel_width + lane], w likewise, x >= 0 and w >= 0; writes
/// levels[i * panel_width + lane] as whole floats and returns the scales.
inline vf positive_search(const float* x, const float* w, std::size_t count, int largest, float* levels) noexcept {
    const vf zero = splat(0.0f), one = splat(1.0f), top = splat(static_cast<float>(largest));
    vf most = zero;
    for (std::size_t i = 0; i < count; ++i) {
        most = max(load(x + i * panel_width), most);
    }
    vf inverse = top / most, least = zero;
    for (int trial = -5; trial <= 4; ++trial) {
        if (trial == 0) {
            continue;
        }
        const bool first = trial == -5;
        const vf candidate = first ? inverse : (splat(0.1f) * splat(static_cast<float>(trial)) + top) / most;
        const vf scale = one / candidate;
        vf error = zero;
        for (std::size_t i = 0; i < count; ++i) {
            const vf value = load(x + i * panel_width);
            const vi rounded = round_by_sum(candidate * value);
            const vf off = value - scale * convert(first ? rounded & splat(255) : min(splat(largest), rounded));
            error = error + load(w + i * panel_width) * off * off;
        }
        const vm better = least > error;
        inverse = first ? inverse : select(better, candidate, inverse);
        least = first ? error : select(better, error, least);
    }
    vf a = zero, b = zero;
    for (std::size_t i = 0; i < count; ++i) {
        const std::size_t at = i * panel_width;
        const vf weight = load(w + at);
        const vf level = convert(min(splat(largest), round_by_sum(inverse * load(x + at))));
        store(levels + at, level);
        a = a + weight * load(x + at) * level;
        b = b + weight * level * level;
    }
    descend_positive(x, w, count, largest, levels, a, b);
    const vm nothing = splat(1e-15f) > most;
    for (std::size_t i = 0; i < count; ++i) {
        store(levels + i * panel_width, select(nothing, zero, load(levels + i * panel_width)));
    }
    return select(nothing | !(b > zero), zero, a / b);
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf

// The scale around which IQ2_XXS searches, for up to sixteen groups side by side; compiled once per instruction set.
//
// It is P of positive_search-inl.hpp, but of magnitudes one of which may have been made negative by the rule for signs,
// and levels are bytes: a level below zero counts as itself in the first sums and modulo 256 afterwards.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf {

/// P(count, largest, x, w) of `lanes` groups, x[i * panel_width + lane]; scales only, levels is room for them.
inline vf search_start(const float* x, const float* w, std::size_t count, int largest, float* levels) noexcept {
    const vf zero = splat(0.0f), one = splat(1.0f), top = splat(static_cast<float>(largest));
    vf most = zero;
    for (std::size_t i = 0; i < count; ++i) {
        most = max(load(x + i * panel_width), most);
    }
    const auto error_of = [&](vf inverse, bool first) noexcept {
        const vf scale = one / inverse;
        vf error = zero;
        for (std::size_t i = 0; i < count; ++i) {
            const vf value = load(x + i * panel_width);
            const vi rounded = round_by_sum(inverse * value);
            const vf off = value - scale * convert(first ? rounded & splat(255) : min(splat(largest), rounded));
            error = error + load(w + i * panel_width) * off * off;
        }
        return error;
    };
    vf inverse = top / most, least = error_of(inverse, true);
    for (int trial = -4; trial <= 4; ++trial) {
        if (trial != 0) {
            const vf candidate = (splat(0.1f) * splat(static_cast<float>(trial)) + top) / most;
            const vf error = error_of(candidate, false);
            const vm better = least > error;
            inverse = select(better, candidate, inverse);
            least = select(better, error, least);
        }
    }
    vf a = zero, b = zero;
    for (std::size_t i = 0; i < count; ++i) {
        const std::size_t at = i * panel_width;
        const vi rounded = min(splat(largest), round_by_sum(inverse * load(x + at)));
        const vf weight = load(w + at), level = convert(rounded);
        store(levels + at, convert(rounded & splat(255)));
        a = a + weight * load(x + at) * level;
        b = b + weight * level * level;
    }
    descend_positive(x, w, count, largest, levels, a, b);
    return select((splat(1e-15f) > most) | !(b > zero), zero, a / b);
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf

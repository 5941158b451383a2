// The signed scale searches of ggml, for sixteen groups side by side; compiled once per instruction set.
//
// Levels are -N..N-1. With m the signed value of largest magnitude (the first on ties) and weights w, trial t takes
//
//   is = -(N + 0.1 t) / m,  l = clamp(rn(is x), -N, N - 1),  A = sum w x l,  B = sum w l l
//
// in the order t = 0, -9, ..., 9. The first gives scale = A / B and best = scale A; each other one is accepted if
// B > 0 and A A > best B. Sums run over the group in order, a rounding per operation, products from the left. A group
// whose magnitudes are all below 1e-15 has scale 0. Source: the description in shared/golden/ggml, section 3.2.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf::signed_blocks {

inline constexpr float least_magnitude = 1e-15f;

/// The factor of trial t before it is divided by m.
inline float trial_factor(int n, int t) noexcept {
    return -(static_cast<float>(n) + 0.1f * static_cast<float>(t));
}

/// For each group of a panel of at most 32 rows the scale and the inverse whose levels gave it; 0 and 0 for a group of
/// zeros.
template <int N>
inline void search_signed(const float* x, const float* weights, std::size_t count, float* scales,
                          float* inverses) noexcept {
    float products[32 * panel_width];
    for (std::size_t e = 0; e < count * panel_width; e += lanes) {
        store(products + e, load(weights + e) * load(x + e));
    }
    for (std::size_t g = 0; g < panel_width; g += lanes) {
        const extreme largest(x + g, count);
        const vm is_zero = splat(least_magnitude) > largest.size;
        const vf m = select(is_zero, splat(1.0f), largest.value);
        vf scale = splat(0.0f), best = splat(0.0f), inverse = splat(0.0f);
        const auto attempt = [&](int t, bool first) {
            const vf is = splat(trial_factor(N, t)) / m;
            vf a = splat(0.0f), b = splat(0.0f);
            for (std::size_t e = g; e < count * panel_width; e += panel_width) {
                const vf level = clamp(nearest(is * load(x + e)), -N, N - 1);
                a = a + load(products + e) * level;
                b = b + load(weights + e) * level * level;
            }
            if (first) {
                scale = select(b == splat(0.0f), splat(0.0f), a / b);
                best = scale * a;
                inverse = is;
            } else {
                const vm better = (b > splat(0.0f)) & (a * a > best * b);
                scale = select(better, a / b, scale);
                best = select(better, scale * a, best);
                inverse = select(better, is, inverse);
            }
        };
        attempt(0, true);
        for (int t = -9; t <= 9; ++t) {
            if (t != 0) {
                attempt(t, false);
            }
        }
        store(scales + g, select(is_zero, splat(0.0f), scale));
        store(inverses + g, select(is_zero, splat(0.0f), inverse));
    }
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf::signed_blocks

// The signed scale searches of ggml, for sixteen groups side by side; compiled once per instruction set.
//
// Levels are -N..N-1. With m the signed value of largest magnitude (the first on ties) and weights w, trial t takes
//
//   is = -(N + 0.1 t) / m,  l = clamp(rn(is x), -N, N - 1),  A = sum w x l,  B = sum w l l
//
// in the order t = 0, -9, ..., 9. The first gives scale = A / B and best = scale A; each other one is accepted if
// B > 0 and A A > best B. Sums run over the group in order, a rounding per operation, products from the left. A group
// whose magnitudes are all below 1e-15 has scale 0. Source: ggml, make_qx_quants.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf::signed_blocks {

inline constexpr float least_magnitude = 1e-15f;

/// The factor of trial t before it is divided by m.
inline float trial_factor(int n, int t) noexcept {
    return -(static_cast<float>(n) + 0.1f * static_cast<float>(t));
}

/// A and B of two trials. Up to t = -6 every level lies within 1-N..N-1, up to t = 4 within -N..N: only then the rest
/// of the clamping does nothing.
template <int N, reach Reach>
struct two_trials {
    vf a_0, b_0, a_1, b_1;

    two_trials(const float* x, const float* products, const float* weights, std::size_t count, vf is_0,
               vf is_1) noexcept
        : a_0(splat(0.0f)), b_0(splat(0.0f)), a_1(splat(0.0f)), b_1(splat(0.0f)) {
        for (std::size_t e = 0; e < count * panel_width; e += panel_width) {
            const vf v = load(x + e), product = load(products + e), w = load(weights + e);
            const vf level_0 = bounded(nearest(is_0 * v)), level_1 = bounded(nearest(is_1 * v));
            a_0 = a_0 + product * level_0;
            a_1 = a_1 + product * level_1;
            b_0 = b_0 + w * level_0 * level_0;
            b_1 = b_1 + w * level_1 * level_1;
        }
    }

private:
    static vf bounded(vf level) noexcept {
        if constexpr (Reach == reach::inner) {
            return level;
        } else {
            const vf below = min(level, splat(static_cast<float>(N - 1)));
            return Reach == reach::edge ? below : max(below, splat(static_cast<float>(-N)));
        }
    }
};

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
        const auto accept = [&](vf is, vf a, vf b) {
            const vm better = (b > splat(0.0f)) & (a * a > best * b);
            scale = select(better, a / b, scale);
            best = select(better, scale * a, best);
            inverse = select(better, is, inverse);
        };
        const auto evaluate = [&]<reach Reach>(int first, int second, std::integral_constant<reach, Reach>) {
            const vf is_0 = splat(trial_factor(N, first)) / m, is_1 = splat(trial_factor(N, second)) / m;
            const two_trials<N, Reach> sums(x + g, products + g, weights + g, count, is_0, is_1);
            if (first == 0) {
                scale = select(sums.b_0 == splat(0.0f), splat(0.0f), sums.a_0 / sums.b_0);
                best = scale * sums.a_0;
                inverse = is_0;
            } else {
                accept(is_0, sums.a_0, sums.b_0);
            }
            accept(is_1, sums.a_1, sums.b_1);
        };
        constexpr std::integral_constant<reach, reach::inner> inner{};
        constexpr std::integral_constant<reach, reach::edge> edge{};
        constexpr std::integral_constant<reach, reach::beyond> beyond{};
        evaluate(0, -9, edge);
        evaluate(-8, -7, inner);
        evaluate(-6, -5, edge);
        evaluate(-4, -3, edge);
        evaluate(-2, -1, edge);
        evaluate(1, 2, edge);
        evaluate(3, 4, edge);
        evaluate(5, 6, beyond);
        evaluate(7, 8, beyond);
        evaluate(9, 9, beyond);
        store(scales + g, select(is_zero, splat(0.0f), scale));
        store(inverses + g, select(is_zero, splat(0.0f), inverse));
    }
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf::signed_blocks

// Trials of scales for sixteen groups side by side: the errors of two scales at a time, of both signs each; compiled
// once per instruction set.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf::signed_blocks {

/// How far scaled values go: below N - 1/2, where both signs of the scale give the same; below N + 1/2; anywhere.
enum class reach { inner, edge, beyond };

/// `level`, an integer, within -N..N-1 for a positive scale and within 1-N..N for a negative one.
template <int N, reach Reach>
struct bounded_levels {
    vf down, up;
    explicit bounded_levels(vf level) noexcept : down(level), up(level) {
        if constexpr (Reach != reach::inner) {
            const vf inside = Reach == reach::beyond ? clamp(level, -N, N) : level;
            down = min(inside, splat(static_cast<float>(N - 1)));
            up = max(inside, splat(static_cast<float>(1 - N)));
        }
    }
};

/// sum w (x / d - l)^2 with the nearest levels l, for two d and their negatives, given 1 / d; `x` and `weights` are
/// panels from a lane on.
template <int N, bool Weighted, reach Reach>
struct trial_errors {
    vf down_0, up_0, down_1, up_1;

    trial_errors(const float* x, const float* weights, std::size_t count, vf inverse_0, vf inverse_1) noexcept
        : down_0(splat(0.0f)), up_0(splat(0.0f)), down_1(splat(0.0f)), up_1(splat(0.0f)) {
        for (std::size_t e = 0; e < count * panel_width; e += panel_width) {
            const vf v = load(x + e), v_0 = v * inverse_0, v_1 = v * inverse_1;
            const vf w = Weighted ? load(weights + e) : v;
            const bounded_levels<N, Reach> level_0(nearest(v_0)), level_1(nearest(v_1));
            down_0 = down_0 + square(v_0 - level_0.down, w);
            down_1 = down_1 + square(v_1 - level_1.down, w);
            if constexpr (Reach != reach::inner) {
                up_0 = up_0 + square(v_0 - level_0.up, w);
                up_1 = up_1 + square(v_1 - level_1.up, w);
            }
        }
        if constexpr (Reach == reach::inner) {
            up_0 = down_0;
            up_1 = down_1;
        }
    }

private:
    static vf square(vf error, vf w) noexcept { return Weighted ? w * error * error : error * error; }
};

/// A = sum w x l and B = sum w l l with the nearest levels, for two inverse scales and their negatives.
template <int N, bool Weighted, reach Reach>
struct trial_sums {
    vf a_0, b_0, c_0, d_0; ///< A and B of the first inverse, then those of its negative with A negated
    vf a_1, b_1, c_1, d_1; ///< of the second one

    trial_sums(const float* x, const float* weights, std::size_t count, vf inverse_0, vf inverse_1) noexcept
        : a_0(splat(0.0f)), b_0(splat(0.0f)), c_0(splat(0.0f)), d_0(splat(0.0f)), a_1(splat(0.0f)), b_1(splat(0.0f)),
          c_1(splat(0.0f)), d_1(splat(0.0f)) {
        for (std::size_t e = 0; e < count * panel_width; e += panel_width) {
            const vf v = load(x + e);
            const vf w = Weighted ? load(weights + e) : v, product = Weighted ? w * v : v;
            const bounded_levels<N, Reach> level_0(nearest(v * inverse_0)), level_1(nearest(v * inverse_1));
            a_0 = a_0 + product * level_0.down;
            b_0 = b_0 + square(level_0.down, w);
            a_1 = a_1 + product * level_1.down;
            b_1 = b_1 + square(level_1.down, w);
            if constexpr (Reach != reach::inner) {
                c_0 = c_0 + product * level_0.up;
                d_0 = d_0 + square(level_0.up, w);
                c_1 = c_1 + product * level_1.up;
                d_1 = d_1 + square(level_1.up, w);
            }
        }
    }

private:
    static vf square(vf level, vf w) noexcept { return Weighted ? w * level * level : level * level; }
};

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf::signed_blocks

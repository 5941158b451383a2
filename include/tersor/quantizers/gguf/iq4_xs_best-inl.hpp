// The search for the least squared error of IQ4_XS, compiled once per instruction set by iq4_kernels.hpp.
//
// Every group offers a scale of each sign with its error and curvature, error(s) ~ error + B (s - scale)^2. By these
// estimates the best few super-block scales d of a fine row are chosen; for each the multipliers next to scale / d are
// tried on the true error; then d follows from the codes by least squares, d = sum m A / sum m m B, and multipliers and
// codes from d, while the error falls.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf {

/// What is stored for a panel of IQ4_XS: the scale of each super-block and the multipliers -32..31 of its groups.
struct iq4_xs_header {
    float d[2];
    std::int32_t multipliers[panel_width];
};

/// The header of a panel of two super-blocks with the errors of its groups.
struct iq4_xs_state {
    alignas(64) float d[panel_width]; ///< the scale of each group's super-block, in the units of x
    alignas(64) std::int32_t multipliers[panel_width];
    alignas(64) float errors[panel_width];

    [[nodiscard]] float error(std::size_t s) const noexcept {
        float sum = 0.0f;
        for (std::size_t g = 8 * s; g < 8 * s + 8; ++g) {
            sum += errors[g];
        }
        return sum;
    }
    void take(const iq4_xs_state& other, std::size_t s) noexcept {
        for (std::size_t g = 8 * s; g < 8 * s + 8; ++g) {
            d[g] = other.d[g];
            multipliers[g] = other.multipliers[g];
            errors[g] = other.errors[g];
        }
    }
};

struct iq4_xs_search {
    static constexpr std::size_t candidates = 6; ///< how many scales are tried on the true error
    static constexpr std::size_t divisions = 64; ///< how many scales are estimated

    const iq4_tables& tables;
    const float* x;
    const float* w;
    const float* powers;
    bool weighted;
    alignas(64) float scales[2][panel_width]; ///< of least error, for each sign
    alignas(64) float gains[2][panel_width];
    iq4_xs_state best;

    iq4_xs_search(const iq4_tables& t, const float* values, const float* weights, const float* powers_of_two,
                  bool is_weighted) noexcept
        : tables(t), x(values), w(weights), powers(powers_of_two), weighted(is_weighted) {}

    void fit(const iq4_effort& effort) noexcept {
        for (std::size_t l = 0; l < panel_width; l += lanes) {
            for (int sign = 0; sign < 2; ++sign) {
                const iq4_fit fit = fit_iq4(tables, x + l, w + l, splat(sign == 0 ? -1.0f : 1.0f), weighted, effort);
                store(scales[sign] + l, fit.scale);
                store(gains[sign] + l, fit.gain);
            }
        }
    }

    /// d as it is stored, in the units of x.
    [[nodiscard]] vf stored(vf d, std::size_t s) const noexcept {
        const vf power = splat(powers[8 * s]);
        return round_to_half(d * power) * reciprocal_of_power(power);
    }

    /// The scale of largest magnitude of a super-block.
    [[nodiscard]] float largest_scale(std::size_t s) const noexcept {
        float largest = 0.0f, result = 0.0f;
        for (std::size_t g = 8 * s; g < 8 * s + 8; ++g) {
            const float scale = scales[gains[1][g] > gains[0][g] ? 1 : 0][g];
            const float magnitude = scale < 0.0f ? -scale : scale;
            if (magnitude > largest) {
                largest = magnitude;
                result = scale;
            }
        }
        return result;
    }

    /// ratio rounded to a multiplier.
    static vf multiplier_near(vf ratio) noexcept {
        const vf inside = max(min(ratio, splat(31.0f)), splat(-32.0f));
        return (inside + splat(12582912.0f)) - splat(12582912.0f);
    }

    /// Estimates of the loss of super-block s, a lane for each d.
    [[nodiscard]] vf estimate(vf d, std::size_t s) const noexcept {
        const vf inverse = splat(1.0f) / d;
        vf sum = splat(0.0f);
        for (std::size_t g = 8 * s; g < 8 * s + 8; ++g) {
            const float most = gains[0][g] > gains[1][g] ? gains[0][g] : gains[1][g];
            vf least = splat(most);
            for (int sign = 0; sign < 2; ++sign) {
                const float scale = scales[sign][g], gain = gains[sign][g];
                const vf m = multiplier_near(splat(scale) * inverse);
                const vf off = splat(1.0f) - m * d * splat(scale != 0.0f ? 1.0f / scale : 0.0f);
                least = min(splat(most - gain) + splat(gain) * off * off, least);
            }
            sum = sum + least;
        }
        return sum;
    }

    /// The `Count` scales of least estimated loss, per super-block; zeros where there is none.
    template <std::size_t Count>
    void propose(float (*proposals)[2]) const noexcept {
        for (std::size_t s = 0; s < 2; ++s) {
            alignas(64) float row[divisions], losses[divisions];
            const float largest = largest_scale(s);
            for (std::size_t n = 0; n < divisions; ++n) {
                row[n] = largest / (34.0f - 0.25f * static_cast<float>(n));
            }
            for (std::size_t n = 0; n < divisions; n += lanes) {
                const vf d = stored(load(row + n), s);
                store(row + n, d);
                store(losses + n, estimate(d, s));
            }
            for (std::size_t k = 0; k < Count; ++k) {
                std::size_t least = 0;
                for (std::size_t n = 1; n < divisions; ++n) {
                    least = losses[n] < losses[least] ? n : least;
                }
                proposals[k][s] = row[least];
                losses[least] = 3e38f;
            }
        }
    }

    /// Keeps for one register of groups the multiplier m if its error is less than before.
    void offer(std::size_t l, vf d, vi m, vi& multiplier, vf& error) const noexcept {
        const vi inside = max(min(m, splat(std::int32_t{31})), splat(std::int32_t{-32}));
        const vf e = iq4_error(tables, x + l, w + l, d * convert(inside));
        const vm better = error > e;
        multiplier = select(better, inside, multiplier);
        error = select(better, e, error);
    }

    /// The best multipliers for given d, on the true error: those next to scale / d, for both signs.
    void choose_multipliers(iq4_xs_state& state) const noexcept {
        for (std::size_t l = 0; l < panel_width; l += lanes) {
            const vf d = load(state.d + l);
            const vf inverse = select(d == splat(0.0f), splat(0.0f), splat(1.0f) / d);
            vi multiplier = splat(std::int32_t{0});
            vf error = iq4_error(tables, x + l, w + l, splat(0.0f));
            for (int sign = 0; sign < 2; ++sign) {
                const vf ratio = load(scales[sign] + l) * inverse;
                const vf bounded = max(min(ratio, splat(40.0f)), splat(-40.0f));
                const vi m = round(bounded);
                const vi other = select(bounded > convert(m), m + splat(std::int32_t{1}), m - splat(std::int32_t{1}));
                offer(l, d, m, multiplier, error);
                offer(l, d, other, multiplier, error);
            }
            store(state.multipliers + l, multiplier);
            store(state.errors + l, error);
        }
    }

    void keep_better(const iq4_xs_state& state) noexcept {
        for (std::size_t s = 0; s < 2; ++s) {
            if (state.error(s) < best.error(s)) {
                best.take(state, s);
            }
        }
    }

    /// d of least squares for the best codes so far.
    void refit(iq4_xs_state& state) const noexcept {
        alignas(64) float a[panel_width], b[panel_width];
        for (std::size_t l = 0; l < panel_width; l += lanes) {
            const vf scale = load(best.d + l) * convert(load(best.multipliers + l));
            const iq4_sums sums = fit_levels(tables, x + l, w + l, splat(1.0f) / scale);
            store(a + l, sums.a);
            store(b + l, sums.b);
        }
        for (std::size_t s = 0; s < 2; ++s) {
            float numerator = 0.0f, denominator = 0.0f;
            for (std::size_t g = 8 * s; g < 8 * s + 8; ++g) {
                const auto m = static_cast<float>(best.multipliers[g]);
                if (best.multipliers[g] != 0) {
                    numerator += m * a[g];
                    denominator += m * m * b[g];
                }
            }
            const vf wanted = splat(denominator > 0.0f ? numerator / denominator : best.d[8 * s]);
            set_scale(state, s, stored(wanted, s));
        }
    }

    /// Gives every group of super-block s the same d, of which a register is full.
    static void set_scale(iq4_xs_state& state, std::size_t s, vf d) noexcept {
        alignas(64) float copies[panel_width];
        store(copies, d);
        for (std::size_t g = 8 * s; g < 8 * s + 8; ++g) {
            state.d[g] = copies[0];
        }
    }

    void write(iq4_xs_header& header) const noexcept {
        for (std::size_t s = 0; s < 2; ++s) {
            header.d[s] = best.d[8 * s] * powers[8 * s];
        }
        for (std::size_t g = 0; g < panel_width; ++g) {
            header.multipliers[g] = best.multipliers[g];
        }
    }

    /// header: by the format's own rule, one of those compared; it receives the best one.
    void run(iq4_xs_header& header) noexcept {
        fit(iq4_xs_thorough);
        iq4_xs_state state;
        for (std::size_t s = 0; s < 2; ++s) {
            set_scale(best, s, stored(splat(header.d[s] / powers[8 * s]), s));
        }
        for (std::size_t l = 0; l < panel_width; l += lanes) {
            const vi m = load(header.multipliers + l);
            store(best.multipliers + l, m);
            store(best.errors + l, iq4_error(tables, x + l, w + l, load(best.d + l) * convert(m)));
        }
        float proposals[candidates][2];
        propose<candidates>(proposals);
        for (std::size_t k = 0; k < candidates; ++k) {
            set_scale(state, 0, splat(proposals[k][0]));
            set_scale(state, 1, splat(proposals[k][1]));
            choose_multipliers(state);
            keep_better(state);
        }
        for (int r = 0; r < 2; ++r) {
            refit(state);
            choose_multipliers(state);
            keep_better(state);
        }
        write(header);
    }

    /// The header of least estimated loss.
    void run_quickly(iq4_xs_header& header) noexcept {
        fit(iq4_xs_quick);
        float proposals[1][2];
        propose<1>(proposals);
        set_scale(best, 0, splat(proposals[0][0]));
        set_scale(best, 1, splat(proposals[0][1]));
        for (std::size_t l = 0; l < panel_width; l += lanes) {
            const vf d = load(best.d + l), inverse = select(d == splat(0.0f), splat(0.0f), splat(1.0f) / d);
            vf multiplier = splat(0.0f), least = splat(3e38f);
            for (int sign = 0; sign < 2; ++sign) {
                const vf scale = load(scales[sign] + l), gain = load(gains[sign] + l);
                const vf m = multiplier_near(scale * inverse);
                const vf off = splat(1.0f) - m * d / select(scale == splat(0.0f), splat(1.0f), scale);
                const vf loss = gain * off * off - gain;
                multiplier = select(least > loss, m, multiplier);
                least = min(loss, least);
            }
            store(best.multipliers + l, truncate(multiplier));
        }
        write(header);
    }
};

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf

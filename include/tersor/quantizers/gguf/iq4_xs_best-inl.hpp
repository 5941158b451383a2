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
    static constexpr std::size_t candidates = 6;
    static constexpr int divisions = 64; ///< how many scales are estimated

    const iq4_tables& tables;
    const float* x;
    const float* w;
    const float* powers;
    alignas(64) float scales[2][panel_width]; ///< of least error, for each sign
    float gains[2][panel_width];
    iq4_xs_state best;

    iq4_xs_search(const iq4_tables& t, const float* values, const float* weights, const float* powers_of_two) noexcept
        : tables(t), x(values), w(weights), powers(powers_of_two) {}

    void fit(const iq4_effort& effort) noexcept {
        for (std::size_t l = 0; l < panel_width; l += lanes) {
            const iq4_peak peak(x + l);
            for (int sign = 0; sign < 2; ++sign) {
                const iq4_fit fit = fit_iq4(tables, x + l, w + l, peak.magnitude, sign == 0 ? -1.0f : 1.0f, effort);
                store(scales[sign] + l, fit.scale);
                store(gains[sign] + l, fit.gain);
            }
        }
    }

    /// d as it is stored, in the units of x.
    [[nodiscard]] float stored(float d, std::size_t s) const noexcept {
        const float wanted = d * powers[8 * s];
        const float inside = wanted > 65504.0f ? 65504.0f : wanted < -65504.0f ? -65504.0f : wanted;
        return ::tersor::fp16::decode(::tersor::fp16::encode(inside)) / powers[8 * s];
    }

    /// The estimated loss of super-block s under d, against free scales.
    [[nodiscard]] float estimate(float d, std::size_t s) const noexcept {
        const float inverse = 1.0f / d;
        float sum = 0.0f;
        for (std::size_t g = 8 * s; g < 8 * s + 8; ++g) {
            const float most = gains[0][g] > gains[1][g] ? gains[0][g] : gains[1][g];
            float least = most;
            for (int sign = 0; sign < 2; ++sign) {
                const float scale = scales[sign][g];
                if (scale != 0.0f) {
                    const float ratio = scale * inverse;
                    const float inside = ratio < -32.0f ? -32.0f : ratio > 31.0f ? 31.0f : ratio;
                    const float m = (inside + 12582912.0f) - 12582912.0f;
                    const float off = 1.0f - m / ratio;
                    const float loss = most - gains[sign][g] + gains[sign][g] * off * off;
                    least = loss < least ? loss : least;
                }
            }
            sum += least;
        }
        return sum;
    }

    /// The `candidates` scales of least estimated loss, per super-block; zeros where there is none.
    void propose(float (*proposals)[2]) const noexcept {
        for (std::size_t s = 0; s < 2; ++s) {
            float losses[candidates];
            float largest = 0.0f, signed_largest = 0.0f;
            for (std::size_t k = 0; k < candidates; ++k) {
                proposals[k][s] = 0.0f;
                losses[k] = 3e38f;
            }
            for (std::size_t g = 8 * s; g < 8 * s + 8; ++g) {
                const float scale = scales[gains[1][g] > gains[0][g] ? 1 : 0][g];
                const float magnitude = scale < 0.0f ? -scale : scale;
                if (magnitude > largest) {
                    largest = magnitude;
                    signed_largest = scale;
                }
            }
            if (largest == 0.0f) {
                continue;
            }
            for (int n = 0; n < divisions; ++n) {
                const float d = stored(signed_largest / (34.0f - 0.25f * static_cast<float>(n)), s);
                const float loss = d != 0.0f ? estimate(d, s) : 3e38f;
                std::size_t k = candidates;
                while (k > 0 && loss < losses[k - 1]) {
                    --k;
                }
                for (std::size_t move = candidates - 1; move > k && k < candidates; --move) {
                    losses[move] = losses[move - 1];
                    proposals[move][s] = proposals[move - 1][s];
                }
                if (k < candidates) {
                    losses[k] = loss;
                    proposals[k][s] = d;
                }
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
            const float d = denominator > 0.0f ? stored(numerator / denominator, s) : best.d[8 * s];
            for (std::size_t g = 8 * s; g < 8 * s + 8; ++g) {
                state.d[g] = d;
            }
        }
    }

    /// reference: the header by the format's own rule, one of those compared, or null.
    void run(const iq4_xs_header* reference, iq4_xs_header& result) noexcept {
        const bool thorough = reference != nullptr;
        fit(thorough ? iq4_thorough : iq4_quick);
        iq4_xs_state state;
        for (std::size_t g = 0; g < panel_width; ++g) {
            best.d[g] = thorough ? stored(reference->d[g / 8] / powers[g], g / 8) : 0.0f;
            best.multipliers[g] = thorough ? reference->multipliers[g] : 0;
        }
        for (std::size_t l = 0; l < panel_width; l += lanes) {
            store(best.errors + l,
                  iq4_error(tables, x + l, w + l, load(best.d + l) * convert(load(best.multipliers + l))));
        }
        float proposals[candidates][2];
        propose(proposals);
        for (std::size_t k = 0; k < (thorough ? candidates : 1); ++k) {
            for (std::size_t g = 0; g < panel_width; ++g) {
                state.d[g] = proposals[k][g / 8];
            }
            choose_multipliers(state);
            keep_better(state);
        }
        for (int r = 0; r < (thorough ? 2 : 0); ++r) {
            refit(state);
            choose_multipliers(state);
            keep_better(state);
        }
        for (std::size_t s = 0; s < 2; ++s) {
            result.d[s] = best.d[8 * s] * powers[8 * s];
        }
        for (std::size_t g = 0; g < panel_width; ++g) {
            result.multipliers[g] = best.multipliers[g];
        }
    }
};

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf

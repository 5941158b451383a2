// The scales of least squared error for a super-block x ~ (d * s_j) * l, sixteen groups side by side; compiled once per
// instruction set.
//
// For a given half d the best integers are found by trying, for each group, every s whose largest value falls between
// `low` and `high` levels, with either sign, by the error of what will be decoded. Several d are tried; from the best
// one d = sum s A / sum s s B follows, with A = sum w x l and B = sum w l l of each group, and is tried in turn.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf::signed_blocks {

/// Which d and which integers are tried: d = max|x| / (N * largest s * f) for `trials` factors f from `first` in steps
/// of `step`, then `refits` times the d that follows from the best one.
struct super_plan {
    int trials;
    float first, step;
    float low, high;
    int refits;
    float around; // how far integers may then move
};

/// Low..High are the integers that a scale can be.
template <int N, int Low, int High, bool Weighted>
struct super_search {
    float values[super_size]; ///< a panel, times a power of two that brings its largest magnitude near 1
    const float* weights;     ///< a panel, or null
    float sizes[16];          ///< the largest magnitude of each group
    float largest, factor;    ///< that of all, and the power of two
    super_plan plan;

    float d;     ///< the best d so far, a half
    float error; ///< its error
    float integers[16];

    super_search(const float* panel, const float* w, const super_plan& p) noexcept
        : weights(w), largest(0.0f), factor(1.0f), plan(p), d(0.0f), error(0.0f) {
        for (std::size_t g = 0; g < 16; g += lanes) {
            store(sizes + g, extreme(panel + g, super_group).size);
        }
        for (std::size_t g = 0; g < 16; ++g) {
            largest = sizes[g] > largest ? sizes[g] : largest;
        }
        float factors[lanes];
        store(factors, power_below(splat(largest)));
        factor = factors[0];
        for (std::size_t e = 0; e < super_size; e += lanes) {
            store(values + e, load(panel + e) * splat(factor));
        }
        for (std::size_t g = 0; g < 16; g += lanes) {
            store(sizes + g, load(sizes + g) * splat(factor));
            store(integers + g, splat(1.0f));
        }
        largest = largest * factor;
        error = total([&](std::size_t g) { return energies(g); });
    }

    /// The errors of the groups from g on if all levels were 0.
    vf energies(std::size_t g) const noexcept {
        vf sum = splat(0.0f);
        for (std::size_t e = g; e < super_size; e += panel_width) {
            const vf v = load(values + e);
            sum = sum + (Weighted ? load(weights + e) * v * v : v * v);
        }
        return sum;
    }

    /// The errors of sixteen groups, added in order.
    template <class Errors>
    float total(const Errors& errors) const noexcept {
        float each[16], sum = 0.0f;
        for (std::size_t g = 0; g < 16; g += lanes) {
            store(each + g, errors(g));
        }
        for (std::size_t g = 0; g < 16; ++g) {
            sum += each[g];
        }
        return sum;
    }

    /// Finds the best integers for a d and keeps both if their error is less. `around`: within that many of the
    /// integers which the best ones so far ask for.
    void attempt(float wanted, float around) noexcept {
        constexpr int most = High > -Low ? High : -Low;
        float halves[lanes];
        store(halves, round_to_half(splat(wanted / factor)));
        const float scaled = halves[0] * factor;
        if (!(scaled > 0.0f)) {
            return;
        }
        float found[16];
        const float sum = total([&](std::size_t g) {
            const vf levels = load(sizes + g) / splat(scaled);
            vf first = clamp(nearest(levels * splat(1.0f / plan.high)), 1.0f, most);
            vf last = max(clamp(nearest(levels * splat(1.0f / plan.low)), 1.0f, most), first);
            const vf middle = nearest(abs(load(integers + g)) * splat(d * factor / scaled));
            first = min(max(first, middle - splat(around)), last);
            last = max(min(last, middle + splat(around)), first);
            const int count = reduce_max(round(last - first));
            vf least = splat(3.4e38f), best = splat(1.0f);
            const auto accept = [&](vf s, vf down, vf up) {
                const vf positive = select(splat(High + 0.5f) > s, down, splat(3.4e38f));
                const vf negative = select(splat(0.5f - Low) > s, up, splat(3.4e38f));
                const vf lesser = min(positive, negative) * (s * s);
                const vm better = least > lesser;
                least = select(better, lesser, least);
                best = select(better, select(positive > negative, splat(0.0f) - s, s), best);
            };
            const float* const x = values + g;
            const float* const w = Weighted ? weights + g : nullptr;
            for (int k = 0; k <= count; k += 2) {
                const vf s_0 = min(first + splat(static_cast<float>(k)), last), s_1 = min(s_0 + splat(1.0f), last);
                const vf inverse_0 = splat(1.0f) / (s_0 * splat(scaled)),
                         inverse_1 = splat(1.0f) / (s_1 * splat(scaled));
                const auto evaluate = [&](const auto& errors) {
                    accept(s_0, errors.down_0, errors.up_0);
                    accept(s_1, errors.down_1, errors.up_1);
                };
                if (any(levels > s_0 * splat(N + 0.499f))) {
                    evaluate(trial_errors<N, Weighted, reach::beyond>(x, w, super_group, inverse_0, inverse_1));
                } else if (any(levels > s_0 * splat(N - 0.501f))) {
                    evaluate(trial_errors<N, Weighted, reach::edge>(x, w, super_group, inverse_0, inverse_1));
                } else {
                    evaluate(trial_errors<N, Weighted, reach::inner>(x, w, super_group, inverse_0, inverse_1));
                }
            }
            least = least * splat(scaled * scaled);
            store(found + g, best);
            return least;
        });
        if (error > sum) {
            error = sum;
            d = halves[0];
            std::memcpy(integers, found, sizeof found);
        }
    }

    /// The d of least error for the integers and levels of the best one so far.
    float refit() const noexcept {
        float a[16], b[16], numerator = 0.0f, denominator = 0.0f;
        for (std::size_t g = 0; g < 16; g += lanes) {
            const vf s = load(integers + g), inverse = inverse_of(s * splat(d * factor));
            vf sum_a = splat(0.0f), sum_b = splat(0.0f);
            for (std::size_t e = g; e < super_size; e += panel_width) {
                const vf v = load(values + e), level = clamp(nearest(v * inverse), -N, N - 1);
                const vf weighted = Weighted ? load(weights + e) * level : level;
                sum_a = sum_a + weighted * v;
                sum_b = sum_b + weighted * level;
            }
            store(a + g, sum_a * s);
            store(b + g, sum_b * s * s);
        }
        for (std::size_t g = 0; g < 16; ++g) {
            numerator += a[g];
            denominator += b[g];
        }
        return denominator > 0.0f ? numerator / denominator : 0.0f;
    }

    /// Finds d and the integers.
    void run() noexcept {
        constexpr float most = High > -Low ? High : -Low;
        for (int t = 0; t < plan.trials; ++t) {
            attempt(largest / (N * most * (plan.first + plan.step * static_cast<float>(t))), 2.0f * most);
        }
        for (int k = 0; k < plan.refits; ++k) {
            const float before = d;
            attempt(refit(), plan.around);
            if (d == before) {
                return;
            }
        }
    }

    /// The codes of the values that the panel was made of.
    void encode(const float* x, std::uint8_t* codes) const noexcept {
        float inverses[16];
        for (std::size_t g = 0; g < 16; g += lanes) {
            store(inverses + g, inverse_of(load(integers + g) * splat(d * factor)));
        }
        const auto code = [&](std::size_t i) {
            const vf level = load(x + i) * splat(factor) * splat(inverses[i / super_group]);
            return round(clamp(level, -N, N - 1)) + splat(N);
        };
        for (std::size_t i = 0; i < super_size; i += 4 * lanes) {
            store_u8(codes + i, code(i), code(i + lanes), code(i + 2 * lanes), code(i + 3 * lanes));
        }
    }
};

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf::signed_blocks

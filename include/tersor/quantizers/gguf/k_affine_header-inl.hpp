// The header of least squared error for super-blocks of q2_k, q4_k and q5_k; compiled once per instruction set.
//
// The steps d and dmin are chosen from a mesh by what the models of the groups (affine_models-inl.hpp) say of the
// nearest integers. Around the integers so found the true error is taken for every pair within a window, which is
// oblique: a larger scale takes the minimum with it, so that the mean level stays. Then the steps are fitted by least
// squares to the levels, and the windows are searched again.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf {

/// How many values of each step can be tried.
inline constexpr int most_steps = 8;

/// `lanes` super-blocks while their headers are searched.
struct k_affine_search {
    const ::tersor::gguf::detail::k_affine_shape& shape;
    const float* x;            ///< scaled values
    const float* w;            ///< weights, or null for 1
    vf factor, inverse_factor; ///< what the values were multiplied by; a power of two
    vf top, header_top;

    k_affine_search(const ::tersor::gguf::detail::k_affine_shape& s, const float* values, const float* weights,
                    vf power, vf inverse_power) noexcept
        : shape(s), x(values), w(weights), factor(power), inverse_factor(inverse_power),
          top(splat(static_cast<float>(s.top))), header_top(splat(static_cast<float>(s.header_top))) {}

    [[nodiscard]] vf step(vf v) const noexcept { return nearest_half(v * inverse_factor) * factor; }
};

/// A header: steps, the integers of each group and the error of each group.
struct k_affine_header {
    vf d, dmin;
    vf scale[16], minimum[16], error[16];
    k_affine_header() noexcept : d(splat(0.0f)), dmin(d) {
        for (int j = 0; j < 16; ++j) {
            scale[j] = d;
            minimum[j] = d;
            error[j] = splat(3e38f);
        }
    }
    [[nodiscard]] vf total(std::size_t groups) const noexcept {
        vf sum = splat(0.0f);
        for (std::size_t j = 0; j < groups; ++j) {
            sum = sum + error[j];
        }
        return sum;
    }
};

/// Takes into `header` the pair of least error of group j around the one it has, if it is better. `slope`: what the
/// integer of the minimum gains when that of the scale gains one.
template <bool Weighted>
inline void search_window(const k_affine_search& search, std::size_t j, vf slope, k_affine_header& header) noexcept {
    const std::size_t n = search.shape.size;
    const float* const x = search.x + j * n * panel_width;
    const float* const w = search.w + j * n * panel_width;
    const vf zero = splat(0.0f), one = splat(1.0f), magic = splat(12582912.0f), top = search.top;
    const vf middle = header.scale[j], middle_minimum = header.minimum[j];
    vf scaled[32];
    vf best_scale = middle, best_minimum = middle_minimum, least = header.error[j];
    for (int a = -1; a <= 1; ++a) {
        const vf ls = min(max(middle + splat(static_cast<float>(a)), one), search.header_top);
        const vf scale = header.d * ls;
        const vf inverse = select(scale > zero, one / scale, zero);
        const vf center = ((middle_minimum + slope * (ls - middle)) + magic) - magic;
        for (std::size_t i = 0; i < n; ++i) {
            scaled[i] = load(x + i * panel_width) * inverse;
        }
        const vf squared = scale * scale, shift = header.dmin * inverse;
        // The three sums do not wait for each other.
        const vf lm[3] = {min(max(center - one, zero), search.header_top), min(max(center, zero), search.header_top),
                          min(max(center + one, zero), search.header_top)};
        const vf first = lm[0] * shift, second = lm[1] * shift, third = lm[2] * shift;
        vf errors[3] = {zero, zero, zero};
        for (std::size_t i = 0; i < n; ++i) {
            const vf weight = Weighted ? load(w + i * panel_width) : one;
            const auto add = [&](vf& error, vf v) {
                const vf off = v - min(max((v + magic) - magic, zero), top);
                error = error + (Weighted ? weight * (off * off) : off * off);
            };
            add(errors[0], scaled[i] + first);
            add(errors[1], scaled[i] + second);
            add(errors[2], scaled[i] + third);
        }
        for (int b = 0; b < 3; ++b) {
            const vf error = errors[b] * squared;
            const vm better = (least > error) & (scale > zero);
            least = select(better, error, least);
            best_scale = select(better, ls, best_scale);
            best_minimum = select(better, lm[b], best_minimum);
        }
    }
    header.scale[j] = best_scale;
    header.minimum[j] = best_minimum;
    header.error[j] = least;
}

/// Steps that fit best with the levels of a header.
template <bool Weighted>
inline void fit_steps(const k_affine_search& search, k_affine_header& header) noexcept {
    const std::size_t n = search.shape.size;
    const vf zero = splat(0.0f), one = splat(1.0f), magic = splat(12582912.0f);
    vf aa = zero, ab = zero, bb = zero, ax = zero, bx = zero;
    for (std::size_t j = 0; j < search.shape.groups; ++j) {
        const vf scale = header.d * header.scale[j], minimum = header.dmin * header.minimum[j];
        const vf inverse = select(scale > zero, one / scale, zero);
        vf l = zero, ll = zero, xl = zero, x_sum = zero, w_sum = zero;
        for (std::size_t i = 0; i < n; ++i) {
            const vf x = load(search.x + (j * n + i) * panel_width);
            const vf w = Weighted ? load(search.w + (j * n + i) * panel_width) : one;
            const vf level = min(max(((x + minimum) * inverse + magic) - magic, zero), search.top);
            const vf wl = w * level;
            l = l + wl;
            ll = ll + wl * level;
            xl = xl + wl * x;
            x_sum = x_sum + w * x;
            w_sum = w_sum + w;
        }
        aa = aa + header.scale[j] * header.scale[j] * ll;
        ab = ab + header.scale[j] * header.minimum[j] * l;
        bb = bb + header.minimum[j] * header.minimum[j] * w_sum;
        ax = ax + header.scale[j] * xl;
        bx = bx + header.minimum[j] * x_sum;
    }
    // The least sum of (d a - dmin b - x)^2 with a = scale * level, b = minimum.
    const vf determinant = aa * bb - ab * ab;
    const vm good = determinant > splat(1e-6f) * aa * bb;
    const vf d = select(good, (ax * bb - ab * bx) / determinant, select(aa > zero, ax / aa, header.d));
    const vf dmin = select(good, (ax * ab - aa * bx) / determinant, header.dmin);
    header.d = search.step(select(d > zero, d, header.d));
    header.dmin = search.step(select(dmin > zero, dmin, header.dmin));
}

/// Calls take(integer of the scale, error, wanted minimum, mean level) for the integers on both sides of each model's
/// scale; with another minimum the error grows by W times the squared distance from the wanted one.
template <class Take>
inline void visit_scales(const affine_models& models, int count, vf d, vf header_top, Take take) noexcept {
    const vf one = splat(1.0f), magic = splat(12582912.0f);
    const vf per_d = select(d > splat(0.0f), one / d, splat(0.0f));
    for (int k = 0; k < count; ++k) {
        const affine_model& m = models.of[k];
        const vf below = ((m.feasible * per_d - splat(0.5f)) + magic) - magic;
        for (int side = 0; side < 2; ++side) {
            const vf scale = min(max(below + splat(static_cast<float>(side)), one), header_top);
            const vf off = scale * d - m.scale;
            take(scale, m.error + m.curvature * off * off, m.minimum + m.code * off, m.code);
        }
    }
}

/// The integer for a minimum.
inline vf nearest_minimum(vf wanted, vf per_dmin, vf header_top) noexcept {
    const vf magic = splat(12582912.0f);
    return min(max((wanted * per_dmin + magic) - magic, splat(0.0f)), header_top);
}

/// The pair of steps for which the models promise the least error.
inline void choose_steps(const k_affine_search& search, const affine_models* models, const affine_effort& effort,
                         k_affine_header& header) noexcept {
    const vf zero = splat(0.0f), one = splat(1.0f);
    vf most = zero, most_minimum = zero, least = splat(3e38f);
    for (std::size_t j = 0; j < search.shape.groups; ++j) {
        const vm some = models[j].weight > zero;
        most = max(select(some, models[j].of[0].feasible, zero), most);
        most_minimum = max(select(some, models[j].of[0].minimum, zero), most_minimum);
    }
    vf dmin[most_steps], per_dmin[most_steps];
    const auto step_of = [&](vf largest, int k) {
        return search.step(largest / (search.header_top - splat(0.5f * static_cast<float>(k))));
    };
    for (int k = 0; k < effort.steps; ++k) {
        dmin[k] = step_of(most_minimum, k);
        per_dmin[k] = select(dmin[k] > zero, one / dmin[k], zero);
    }
    for (int i = 0; i < effort.steps; ++i) {
        const vf d = step_of(most, i);
        vf totals[most_steps];
        for (int k = 0; k < effort.steps; ++k) {
            totals[k] = zero;
        }
        for (std::size_t j = 0; j < search.shape.groups; ++j) {
            vf errors[most_steps];
            for (int k = 0; k < effort.steps; ++k) {
                errors[k] = splat(3e38f);
            }
            visit_scales(models[j], effort.models, d, search.header_top, [&](vf, vf error, vf wanted, vf) {
                for (int k = 0; k < effort.steps; ++k) {
                    const vf away = nearest_minimum(wanted, per_dmin[k], search.header_top) * dmin[k] - wanted;
                    errors[k] = min(error + models[j].weight * (away * away), errors[k]);
                }
            });
            for (int k = 0; k < effort.steps; ++k) {
                totals[k] = totals[k] + errors[k];
            }
        }
        for (int k = 0; k < effort.steps; ++k) {
            const vm better = least > totals[k];
            least = select(better, totals[k], least);
            header.d = select(better, d, header.d);
            header.dmin = select(better, dmin[k], header.dmin);
        }
    }
}

/// The integers of least promised error for given steps; returns the mean level that goes with them.
inline vf choose_integers(const k_affine_search& search, const affine_models& models, const affine_effort& effort,
                          std::size_t j, k_affine_header& header) noexcept {
    const vf zero = splat(0.0f);
    const vf per_dmin = select(header.dmin > zero, splat(1.0f) / header.dmin, zero);
    vf least = splat(3e38f), mean_level = zero;
    visit_scales(models, effort.models, header.d, search.header_top, [&](vf scale, vf error, vf wanted, vf code) {
        const vf minimum = nearest_minimum(wanted, per_dmin, search.header_top);
        const vf away = minimum * header.dmin - wanted;
        const vf total = error + models.weight * (away * away);
        const vm better = least > total;
        least = select(better, total, least);
        header.scale[j] = select(better, scale, header.scale[j]);
        header.minimum[j] = select(better, minimum, header.minimum[j]);
        mean_level = select(better, code, mean_level);
    });
    return mean_level;
}

/// The best header that the search finds.
template <bool Weighted>
inline k_affine_header search_header(const k_affine_search& search, const affine_effort& effort) noexcept {
    const vf zero = splat(0.0f), one = splat(1.0f);
    const std::size_t groups = search.shape.groups, n = search.shape.size;
    affine_models models[16];
    vf mean_level[16];
    for (std::size_t j = 0; j < groups; ++j) {
        const std::size_t first = j * n * panel_width;
        models[j] = find_models<Weighted, false>(search.x + first, search.w + first, n, search.top, effort);
    }
    k_affine_header best;
    choose_steps(search, models, effort, best);
    for (std::size_t j = 0; j < groups; ++j) {
        mean_level[j] = choose_integers(search, models[j], effort, j, best);
    }
    for (int round = 0; round <= effort.rounds; ++round) {
        k_affine_header next = best;
        if (round > 0) {
            fit_steps<Weighted>(search, next);
        }
        const vf per_dmin = select(next.dmin > zero, one / next.dmin, zero);
        for (std::size_t j = 0; j < groups; ++j) {
            next.error[j] = splat(3e38f);
            search_window<Weighted>(search, j, mean_level[j] * next.d * per_dmin, next);
        }
        const vm better = best.total(groups) > next.total(groups);
        best.d = select(better, next.d, best.d);
        best.dmin = select(better, next.dmin, best.dmin);
        for (std::size_t j = 0; j < groups; ++j) {
            best.scale[j] = select(better, next.scale[j], best.scale[j]);
            best.minimum[j] = select(better, next.minimum[j], best.minimum[j]);
            best.error[j] = select(better, next.error[j], best.error[j]);
        }
    }
    return best;
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf

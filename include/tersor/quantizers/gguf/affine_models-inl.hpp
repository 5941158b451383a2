// What levels a group with a scale and a minimum could have, in panels; compiled once per instruction set.
//
// The error of a group, every value at its nearest level, has many local minima as a function of scale and minimum:
// where the grid of levels happens to meet the values. For fixed levels it is a quadratic form, whose least squares
// solution lies at the bottom of such a minimum. So a mesh of scales and offsets is tried, each is given the error that
// least squares finds for its levels, the few best are kept, and each of these takes the levels of its solution.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf {

/// The nearest half of v >= 0, at most 65504.
inline vf nearest_half(vf v) noexcept {
    const vi b = bits(v);
    const vi rounded = (b + splat(0x0FFF) + (shr<13>(b) & splat(1))) & splat(~0x1FFF);
    // Below 2^-14 halves are the multiples of 2^-24, as are the floats around 0.75.
    const vf small = (v + splat(0.75f)) - splat(0.75f);
    return min(select(splat(0x1p-14f) > v, small, as_float(rounded)), splat(65504.0f));
}

/// The same for any sign.
inline vf nearest_signed_half(vf v) noexcept {
    const vi sign = bits(v) & splat(std::int32_t(-2147483647 - 1));
    return as_float(bits(nearest_half(abs(v))) | sign);
}

/// The power of two that brings the largest of |x| to 1..2, for lanes that have one; 2^-126..2^60.
inline vf power_for(vf largest) noexcept {
    const vi exponent = splat(254) - shr<23>(bits(largest));
    return as_float(shl<23>(min(max(exponent, splat(1)), splat(127 + 60))));
}

/// How many models of a group can be kept.
inline constexpr int most_models = 5;

/// How much is tried: the mesh of scales and offsets, the models kept of it, the values of either step, and how often
/// steps are fitted and windows searched again.
struct affine_effort {
    int scales, offsets, models, steps, rounds;
};

/// Levels of a group as least squares sees them. With scale s and minimum m the error is
/// error + curvature (s - scale)^2 + W (m - minimum - code (s - scale))^2, W being the sum of the weights.
struct affine_model {
    vf error, scale, minimum, code, curvature;
    vf rank;     ///< the least error with a minimum that can be had
    vf feasible; ///< the scale that has it
    affine_model() noexcept
        : error(splat(0.0f)), scale(error), minimum(error), code(error), curvature(error), rank(splat(3e38f)),
          feasible(error) {}
};

/// A group about its mean, and the sums that do not depend on levels. Without weights (Weighted false) each is 1. The
/// minimum is at least 0, with Free any number.
template <bool Weighted, bool Free>
struct centered_group {
    std::size_t count;
    const float* w;
    vf top, mean, lo, hi, weight, per_weight, squares, rest;
    vf x[32];

    centered_group(const float* values, const float* weights, std::size_t n, vf largest_level) noexcept
        : count(n), w(weights), top(largest_level), mean(splat(0.0f)), lo(Free ? load(values) : mean), hi(load(values)),
          weight(mean), per_weight(mean), squares(mean), rest(mean) {
        const vf zero = splat(0.0f);
        for (std::size_t i = 0; i < count; ++i) {
            const vf value = load(values + i * panel_width);
            lo = min(value, lo);
            hi = max(value, hi);
            weight = weight + weight_of(i);
            mean = mean + weight_of(i) * value;
        }
        per_weight = select(weight > zero, splat(1.0f) / weight, zero);
        mean = mean * per_weight;
        for (std::size_t i = 0; i < count; ++i) {
            x[i] = load(values + i * panel_width) - mean;
            squares = squares + weight_of(i) * (x[i] * x[i]);
            rest = rest + weight_of(i) * x[i];
        }
    }

    [[nodiscard]] vf weight_of(std::size_t i) const noexcept {
        return Weighted ? load(w + i * panel_width) : splat(1.0f);
    }

    /// The model of the levels nearest to x * inverse + offset, where inverse = 1 / scale or 0.
    [[nodiscard]] affine_model model(vf scale, vf inverse, vf offset) const noexcept {
        const vf zero = splat(0.0f), one = splat(1.0f), magic = splat(12582912.0f);
        vf l = zero, ll = zero, xl = zero;
        for (std::size_t i = 0; i < count; ++i) {
            const vf level = min(max(((x[i] * inverse + offset) + magic) - magic, zero), top);
            const vf weighted = Weighted ? weight_of(i) * level : level;
            l = l + weighted;
            ll = ll + weighted * level;
            xl = xl + weighted * x[i];
        }
        affine_model m;
        m.code = l * per_weight;
        const vf spread = ll - m.code * l;
        // Values that all have one level leave the scale open.
        const vm some = spread > splat(1e-5f) * ll;
        m.curvature = select(some, spread, zero);
        const vf moment = select(some, xl - m.code * rest, zero);
        m.scale = select(some, moment / spread, scale);
        m.minimum = m.code * m.scale - mean - rest * per_weight;
        m.error = squares - m.scale * moment;
        const vf lacking = Free ? zero : max(zero - m.minimum, zero), per_level = select(ll > zero, one / ll, zero);
        m.rank = m.error + lacking * lacking * weight * select(ll > zero, m.curvature * per_level, one);
        m.feasible = m.scale + lacking * l * per_level;
        return m;
    }
};

/// The models of a group that promise most.
struct affine_models {
    affine_model of[most_models];
    vf weight;
    affine_models() noexcept : weight(splat(0.0f)) {}
};

/// The `count` candidates of least rank, in ascending order.
struct affine_candidates {
    int count;
    vf rank[most_models], scale[most_models], minimum[most_models];

    explicit affine_candidates(int most) noexcept : count(most) {
        for (int k = 0; k < most_models; ++k) {
            rank[k] = splat(3e38f);
            scale[k] = minimum[k] = splat(0.0f);
        }
    }

    void insert(const affine_model& found) noexcept {
        vf r = found.rank, s = found.scale, m = found.minimum;
        // The same levels again have the same rank.
        vm known = rank[0] == r;
        for (int k = 1; k < count; ++k) {
            known = known | (rank[k] == r);
        }
        r = select(known, splat(3e38f), r);
        if (!any(rank[count - 1] > r)) {
            return;
        }
        const auto swap_if = [](vm before, vf& a, vf& b) {
            const vf kept = select(before, b, a);
            b = select(before, a, b);
            a = kept;
        };
        for (int k = 0; k < count; ++k) {
            const vm before = rank[k] > r;
            swap_if(before, rank[k], r);
            swap_if(before, scale[k], s);
            swap_if(before, minimum[k], m);
        }
    }
};

/// The best models of a group of n values: x[i * panel_width + lane], w likewise if Weighted.
template <bool Weighted, bool Free>
inline affine_models find_models(const float* x, const float* w, std::size_t n, vf top,
                                 const affine_effort& effort) noexcept {
    const vf zero = splat(0.0f), one = splat(1.0f);
    const centered_group<Weighted, Free> group(x, w, n, top);
    const vf range = group.hi - group.lo;
    affine_candidates candidates(effort.models);
    float phase = 0.0f;
    for (int a = 0; a < effort.scales; ++a) {
        // From four fifths of the range to a tenth more than it.
        const float share = 0.8f + 0.3f * (static_cast<float>(a) + 0.5f) / static_cast<float>(effort.scales);
        const vf scale = range * splat(share) / top, inverse = select(scale > zero, one / scale, zero);
        // Offsets around the one that clips both ends alike, one level to either side, staggered.
        const vf middle = (group.mean - group.lo) * inverse - (range * inverse - top) * splat(0.5f);
        phase += 0.618f;
        phase = phase >= 1.0f ? phase - 1.0f : phase;
        for (int b = 0; b < effort.offsets; ++b) {
            const float off = 2.0f * (static_cast<float>(b) + phase) / static_cast<float>(effort.offsets) - 1.0f;
            candidates.insert(group.model(scale, inverse, middle + splat(off)));
        }
    }
    affine_models models;
    models.weight = group.weight;
    for (int k = 0; k < effort.models; ++k) {
        const vf scale = candidates.scale[k], inverse = select(scale > zero, one / scale, zero);
        const vf minimum = Free ? candidates.minimum[k] : max(candidates.minimum[k], zero);
        models.of[k] = group.model(scale, inverse, (group.mean + minimum) * inverse);
    }
    return models;
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf

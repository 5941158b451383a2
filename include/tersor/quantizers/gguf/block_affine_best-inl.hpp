// q4_1 and q5_1 with the least squared error that a search finds; compiled once per instruction set.
//
// The models of a block (affine_models-inl.hpp) give scales and minima; each minimum is rounded to a half first, and
// the scale that fits best with it after that. The true error decides among them, and among what least squares makes of
// the levels so found. A block that lies so far from 0 that halves are coarser than its levels gets a minimum below all
// of its values, and every scale that has a level at the largest one. In mode best the header of the reference rules
// is kept where it is no worse. Values are scaled by a power of two beforehand, so that squares neither vanish nor
// overflow; that commutes with every rounding of a decoded value.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf {

/// Headers of `lanes` blocks while they are searched, in scaled values.
template <bool Weighted>
struct block_search {
    static constexpr std::size_t size = ::tersor::gguf::detail::block_values;
    const float* x;
    const float* w;
    vf top, factor, inverse_factor;
    vf d, m, error;

    block_search(const float* values, const float* weights, vf largest_level, vf power, vf inverse_power) noexcept
        : x(values), w(weights), top(largest_level), factor(power), inverse_factor(inverse_power), d(splat(0.0f)), m(d),
          error(splat(3e38f)) {}

    [[nodiscard]] vf half(vf v) const noexcept { return nearest_signed_half(v * inverse_factor) * factor; }

    /// The level nearest to a value.
    [[nodiscard]] vf level(vf value, vf minimum, vf inverse) const noexcept {
        const vf magic = splat(12582912.0f);
        return min(max(((value - minimum) * inverse + magic) - magic, splat(0.0f)), top);
    }

    [[nodiscard]] vf error_of(vf scale, vf minimum) const noexcept {
        const vf zero = splat(0.0f), inverse = select(scale > zero, splat(1.0f) / scale, zero);
        vf sum = zero;
        for (std::size_t i = 0; i < size; ++i) {
            const vf value = load(x + i * panel_width);
            const vf off = (level(value, minimum, inverse) * scale + minimum) - value;
            sum = sum + (Weighted ? load(w + i * panel_width) * (off * off) : off * off);
        }
        return sum;
    }

    /// Takes a header of halves where `allowed`, if it is better.
    void consider(vf scale, vf minimum, vm allowed) noexcept {
        const vf found = error_of(scale, minimum);
        const vm better = (error > found) & allowed;
        error = select(better, found, error);
        d = select(better, scale, d);
        m = select(better, minimum, m);
    }

    /// Takes what a model wants, its minimum rounded first.
    void consider(const affine_model& model, vf weight) noexcept {
        const vf zero = splat(0.0f), minimum = half(zero - model.minimum);
        const vf off = zero - minimum - model.minimum, moment = weight * model.code;
        const vf squares = model.curvature + moment * model.code;
        const vf scale = model.scale + select(squares > zero, moment * off / squares, zero);
        consider(half(max(scale, zero)), minimum, weight == weight);
    }
};

/// The best headers for `lanes` blocks from lane `at` of a panel, levels likewise. With `compared` d and m have headers
/// that are kept where they are no worse.
template <bool Weighted>
inline void search_blocks(const float* values, const float* weights, int top, const affine_effort& effort,
                          bool compared, float* levels, float* d, float* m) noexcept {
    constexpr std::size_t size = ::tersor::gguf::detail::block_values;
    const vf zero = splat(0.0f), one = splat(1.0f), levels_top = splat(static_cast<float>(top));
    float x[size * panel_width], w[size * panel_width];
    vf largest = zero, heaviest = zero;
    for (std::size_t i = 0; i < size * panel_width; i += panel_width) {
        largest = max(abs(load(values + i)), largest);
        heaviest = Weighted ? max(load(weights + i), heaviest) : heaviest;
    }
    const vf factor = power_for(largest), inverse_factor = as_float(splat(254 << 23) - bits(factor));
    const vf weight_factor = power_for(heaviest);
    for (std::size_t i = 0; i < size * panel_width; i += panel_width) {
        store(x + i, load(values + i) * factor);
        if constexpr (Weighted) {
            store(w + i, select(heaviest > zero, load(weights + i) * weight_factor, one));
        }
    }
    block_search<Weighted> search(x, w, levels_top, factor, inverse_factor);
    const affine_models models = find_models<Weighted, true>(x, w, size, levels_top, effort);
    for (int k = 0; k < effort.models; ++k) {
        search.consider(models.of[k], models.weight);
    }
    const centered_group<Weighted, true> group(x, w, size, levels_top);
    for (int round = 0; round < effort.rounds; ++round) {
        const vf inverse = select(search.d > zero, one / search.d, zero);
        search.consider(group.model(search.d, inverse, (group.mean - search.m) * inverse), group.weight);
    }
    const vm far = abs(group.lo) * splat(0x1p-8f) * levels_top > group.hi - group.lo;
    if (any(far)) {
        // A step of halves is at most 2^-10 of the number.
        const vf below = search.half(group.lo - abs(group.lo) * splat(0.0005f));
        for (int level = 1; level <= top; ++level) {
            const vf scale = (group.hi - below) / splat(static_cast<float>(level));
            search.consider(search.half(max(scale, zero)), below, far);
        }
    }
    if (compared) {
        search.consider(load(d) * factor, load(m) * factor, zero == zero);
    }
    for (std::size_t i = 0; i < size * panel_width; i += panel_width) {
        const vf quotient = select(search.d > zero, (load(x + i) - search.m) / search.d, zero);
        const vf magic = splat(12582912.0f);
        store(levels + i, min(max((quotient + magic) - magic, zero), levels_top));
    }
    store(d, search.d * inverse_factor);
    store(m, search.m * inverse_factor);
}

inline constexpr affine_effort best_block_effort{16, 8, 5, 0, 2}, fast_block_effort{6, 3, 2, 0, 1};

/// Quantizes the first `count` blocks of a panel by error; `weights` may be null. In mode best `sigma2` is the mean
/// square of the row.
inline void fit_by_error(const float* x, const float* weights, quantize_mode mode, float sigma2, std::size_t count,
                         int top, float* levels, std::uint16_t* d, std::uint16_t* m) noexcept {
    constexpr std::size_t size = ::tersor::gguf::detail::block_values;
    const bool best = mode == quantize_mode::best;
    float scale[panel_width] = {}, minimum[panel_width] = {};
    if (best && weights != nullptr) {
        float changed[size * panel_width];
        for (std::size_t i = 0; i < size * panel_width; ++i) {
            changed[i] = weights[i];
        }
        fit_as_reference(x, changed, sigma2, count, top, levels, scale, minimum);
    }
    for (std::size_t at = 0; best && at < count; at += lanes) {
        if (weights == nullptr) {
            vf lo = load(x + at), hi = lo;
            for (std::size_t i = panel_width + at; i < size * panel_width; i += panel_width) {
                lo = min(load(x + i), lo);
                hi = max(load(x + i), hi);
            }
            store(scale + at, (hi - lo) / splat(static_cast<float>(top)));
            store(minimum + at, splat(0.0f) - lo);
        }
        store(scale + at, nearest_half(load(scale + at)));
        store(minimum + at, nearest_signed_half(splat(0.0f) - load(minimum + at)));
    }
    for (std::size_t at = 0; at < count; at += lanes) {
        const affine_effort& effort = best ? best_block_effort : fast_block_effort;
        if (weights != nullptr) {
            search_blocks<true>(x + at, weights + at, top, effort, best, levels + at, scale + at, minimum + at);
        } else {
            search_blocks<false>(x + at, x + at, top, effort, best, levels + at, scale + at, minimum + at);
        }
    }
    for (std::size_t g = 0; g < count; ++g) {
        d[g] = fp16::encode(scale[g]);
        m[g] = fp16::encode(minimum[g]);
    }
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf

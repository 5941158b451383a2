// The header of least squared error for super-blocks of q2_k, q4_k and q5_k; compiled once per instruction set.
//
// A group's error, as a function of its scale and minimum with every value at its nearest level, has many local minima:
// where the grid of levels happens to meet the values. So the true error is taken at every pair of integers within a
// window around the pair that a search in floats suggests. The window is oblique: a larger scale takes the minimum with
// it, so that the mean level stays. Then the steps d and dmin are fitted by least squares to the levels found, and the
// windows are searched again.
//
// Values are scaled by a power of two beforehand, so that their squares neither vanish nor overflow; that commutes with
// every rounding here. Sums run in order, products and sums are rounded apart: the same bits on any instruction set.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf {

/// The nearest half of v >= 0, at most 65504.
inline vf nearest_half(vf v) noexcept {
    const vi b = bits(v);
    const vi rounded = (b + splat(0x0FFF) + (shr<13>(b) & splat(1))) & splat(~0x1FFF);
    // Below 2^-14 halves are the multiples of 2^-24, as are the floats around 0.75.
    const vf small = (v + splat(0.75f)) - splat(0.75f);
    return min(select(splat(0x1p-14f) > v, small, as_float(rounded)), splat(65504.0f));
}

/// `lanes` super-blocks while their headers are searched.
struct k_affine_search {
    const ::tersor::gguf::detail::k_affine_shape& shape;
    const float* x; ///< scaled values
    const float* w; ///< weights, or null for 1
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

/// Where a window lies: the pair in its middle, not rounded, and how the minimum follows the scale.
struct k_affine_window {
    vf scale, minimum, slope;
    int below, above, around;
};

/// Takes into `header` the pair of least error of group j within the window, if it is better.
template <bool Weighted>
inline void search_window(const k_affine_search& search, std::size_t j, const k_affine_window& window,
                          k_affine_header& header) noexcept {
    const std::size_t n = search.shape.size;
    const float* const x = search.x + j * n * panel_width;
    const float* const w = search.w + j * n * panel_width;
    const vf zero = splat(0.0f), one = splat(1.0f), magic = splat(12582912.0f), top = search.top;
    const vf middle = convert(round(window.scale));
    vf scaled[32];
    vf best_scale = header.scale[j], best_minimum = header.minimum[j], least = header.error[j];
    for (int a = -window.below; a <= window.above; ++a) {
        const vf ls = min(max(middle + splat(static_cast<float>(a)), one), search.header_top);
        const vf scale = header.d * ls;
        const vf inverse = select(scale > zero, one / scale, zero);
        const vf center = convert(round(window.minimum + window.slope * (ls - window.scale)));
        for (std::size_t i = 0; i < n; ++i) {
            scaled[i] = load(x + i * panel_width) * inverse;
        }
        const vf squared = scale * scale, shift = header.dmin * inverse;
        for (int b = -window.around; b <= window.around; ++b) {
            const vf lm = min(max(center + splat(static_cast<float>(b)), zero), search.header_top);
            const vf offset = lm * shift;
            vf error = zero;
            for (std::size_t i = 0; i < n; ++i) {
                const vf v = scaled[i] + offset;
                const vf off = v - min(max((v + magic) - magic, zero), top);
                error = error + (Weighted ? load(w + i * panel_width) * (off * off) : off * off);
            }
            error = error * squared;
            const vm better = (least > error) & (scale > zero);
            least = select(better, error, least);
            best_scale = select(better, ls, best_scale);
            best_minimum = select(better, lm, best_minimum);
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

#ifndef KB
#define KB 4
#define KA 4
#define KR 3
#define KIT 2
#define KSTEPS 18
#define KSTARTS 1
#endif

template <bool Weighted>
inline k_affine_header search_header(const k_affine_search& search) noexcept {
    const vf zero = splat(0.0f), one = splat(1.0f);
    const std::size_t n = search.shape.size, groups = search.shape.groups;
    vf scale[16], minimum[16], code[16], most = zero, most_minimum = zero;
    float ones[32 * panel_width];
    for (std::size_t i = 0; i < n; ++i) {
        store(ones + i * panel_width, one);
    }
    for (std::size_t j = 0; j < groups; ++j) {
        const float* const w = Weighted ? search.w + j * n * panel_width : ones;
        const float* const x = search.x + j * n * panel_width;
        const affine_fit fit =
            affine_search<false>(x, w, n, static_cast<float>(search.shape.top), -0.9f, 1.8f / KSTEPS, KSTEPS);
        scale[j] = fit.scale;
        minimum[j] = fit.minimum;
        most = max(fit.scale, most);
        most_minimum = max(fit.minimum, most_minimum);
        vf x_sum = zero, w_sum = zero;
        for (std::size_t i = 0; i < n; ++i) {
            x_sum = x_sum + load(w + i * panel_width) * load(x + i * panel_width);
            w_sum = w_sum + load(w + i * panel_width);
        }
        code[j] = select((w_sum > zero) & (fit.scale > zero), (x_sum / w_sum + fit.minimum) / fit.scale, zero);
    }
    k_affine_header best;
    for (int start = 0; start < KSTARTS; ++start) {
        k_affine_header header;
        const vf t = search.header_top - splat(static_cast<float>(start)*1.0f);
        header.d = search.step(most / t);
        header.dmin = search.step(most_minimum / t);
        for (std::size_t j = 0; j < groups; ++j) {
            header.error[j] = splat(3e38f);
        }
        for (int round = 0; round <= KIT; ++round) {
            const bool first = round == 0;
            k_affine_header next = header;
            if (!first) {
                fit_steps<Weighted>(search, next);
            }
            const vf per_d = select(next.d > zero, one / next.d, zero);
            const vf per_dmin = select(next.dmin > zero, one / next.dmin, zero);
            for (std::size_t j = 0; j < groups; ++j) {
                const vf slope = code[j] * next.d * per_dmin;
                next.error[j] = splat(3e38f);
                const k_affine_window window{first ? scale[j] * per_d : header.scale[j],
                                             first ? minimum[j] * per_dmin : header.minimum[j], slope,
                                             first ? KB : 1, first ? KA : 1, first ? KR : 1};
                search_window<Weighted>(search, j, window, next);
            }
            const vm better = header.total(groups) > next.total(groups);
            header.d = select(better, next.d, header.d);
            header.dmin = select(better, next.dmin, header.dmin);
            for (std::size_t j = 0; j < groups; ++j) {
                header.scale[j] = select(better, next.scale[j], header.scale[j]);
                header.minimum[j] = select(better, next.minimum[j], header.minimum[j]);
                header.error[j] = select(better, next.error[j], header.error[j]);
            }
        }
        const vm better = best.total(groups) > header.total(groups);
        best.d = select(better, header.d, best.d);
        best.dmin = select(better, header.dmin, best.dmin);
        for (std::size_t j = 0; j < groups; ++j) {
            best.scale[j] = select(better, header.scale[j], best.scale[j]);
            best.minimum[j] = select(better, header.minimum[j], best.minimum[j]);
            best.error[j] = select(better, header.error[j], best.error[j]);
        }
    }
    return best;
}

/// The error of a header as it is stored, and the levels nearest to the values.
template <bool Weighted>
inline vf store_nearest_levels(const k_affine_search& search, vf d, vf dmin, const vf* scales, const vf* minima,
                               float* levels) noexcept {
    const std::size_t n = search.shape.size;
    const vf zero = splat(0.0f), magic = splat(12582912.0f);
    vf error = zero;
    for (std::size_t j = 0; j < search.shape.groups; ++j) {
        const vf scale = d * scales[j], minimum = dmin * minima[j];
        const vm some = scale > zero;
        for (std::size_t i = j * n; i < (j + 1) * n; ++i) {
            const vf x = load(search.x + i * panel_width);
            const vf v = select(some, (x + minimum) / scale, zero);
            const vf level = min(max((v + magic) - magic, zero), search.top);
            const vf off = (scale * level - minimum) - x;
            error = error + (Weighted ? load(search.w + i * panel_width) * (off * off) : off * off);
            store(levels + i * panel_width, level);
        }
    }
    return error;
}

/// The power of two that brings the largest of |x| to 1..2, for lanes that have one; 2^-126..2^60.
inline vf power_for(vf largest) noexcept {
    const vi exponent = splat(254) - shr<23>(bits(largest));
    return as_float(shl<23>(min(max(exponent, splat(1)), splat(127 + 60))));
}

/// The best header for the `lanes` super-blocks from lane `at`, or the one that is in the tile if that is no worse.
template <bool Weighted>
inline void improve(const ::tersor::gguf::detail::k_affine_shape& shape, std::size_t at,
                    ::tersor::gguf::detail::k_affine_tile& tile, const float* d, const float* dmin, float* new_d,
                    float* new_dmin) noexcept {
    constexpr std::size_t values = ::tersor::gguf::detail::k_values;
    const vf zero = splat(0.0f);
    float x[values * panel_width], levels[values * panel_width];
    vf largest = zero, heaviest = zero;
    for (std::size_t i = at; i < values * panel_width; i += panel_width) {
        largest = max(abs(load(tile.x + i)), largest);
        heaviest = Weighted ? max(load(tile.importance + i), heaviest) : heaviest;
    }
    const vf factor = power_for(largest), inverse = as_float(splat(254 << 23) - bits(factor));
    const vf weight_factor = power_for(heaviest);
    for (std::size_t i = 0; i < values * panel_width; i += panel_width) {
        store(x + i, load(tile.x + i + at) * factor);
        if constexpr (Weighted) {
            const vf weight = load(tile.importance + i + at) * weight_factor;
            store(tile.importance + i + at, select(heaviest > zero, weight, splat(1.0f)));
        }
    }
    const k_affine_search search(shape, x, tile.importance + at, factor, inverse);
    vf scales[16], minima[16];
    for (std::size_t j = 0; j < shape.groups; ++j) {
        scales[j] = load(tile.scale + j * panel_width + at);
        minima[j] = load(tile.minimum + j * panel_width + at);
    }
    const vf old_error = store_nearest_levels<Weighted>(search, load(d + at) * factor, load(dmin + at) * factor, scales,
                                                        minima, tile.level + at);
    const k_affine_header header = search_header<Weighted>(search);
    const vf error = store_nearest_levels<Weighted>(search, header.d, header.dmin, header.scale, header.minimum, levels);
    const vm better = !(error > old_error) & (error == error);
    for (std::size_t j = 0; j < shape.groups; ++j) {
        store(tile.scale + j * panel_width + at, select(better, header.scale[j], scales[j]));
        store(tile.minimum + j * panel_width + at, select(better, header.minimum[j], minima[j]));
    }
    for (std::size_t i = 0; i < values * panel_width; i += panel_width) {
        store(tile.level + i + at, select(better, load(levels + i), load(tile.level + i + at)));
    }
    store(new_d + at, select(better, header.d * inverse, load(d + at)));
    store(new_dmin + at, select(better, header.dmin * inverse, load(dmin + at)));
}

/// Quantizes the first `count` super-blocks of a tile with the least squared error that the search finds.
inline void quantize_as_best(const ::tersor::gguf::detail::k_affine_shape& shape, bool weighted, std::size_t count,
                             ::tersor::gguf::detail::k_affine_tile& tile) noexcept {
    quantize_as_reference(shape, weighted, count, tile);
    float d[panel_width] = {}, dmin[panel_width] = {};
    for (std::size_t g = 0; g < count; ++g) {
        d[g] = fp16::decode(tile.d[g]);
        dmin[g] = fp16::decode(tile.dmin[g]);
    }
    for (std::size_t at = 0; at < count; at += lanes) {
        if (weighted) {
            improve<true>(shape, at, tile, d, dmin, d, dmin);
        } else {
            improve<false>(shape, at, tile, d, dmin, d, dmin);
        }
    }
    for (std::size_t g = 0; g < count; ++g) {
        tile.d[g] = fp16::encode(d[g]);
        tile.dmin[g] = fp16::encode(dmin[g]);
    }
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf

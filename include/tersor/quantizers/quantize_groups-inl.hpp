// Fitting and encoding in one pass, compiled once per instruction set by codec.hpp.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE {

/// The factors of up to `Most` groups, each kind in its own array.
template <std::size_t Most>
struct factor_arrays {
    float high[Most + lanes], low[Most + lanes];
    std::int32_t zero[Most];

    [[nodiscard]] splat_factors operator[](std::size_t g) const noexcept {
        return splat_factors({high[g], low[g], zero[g], true});
    }
};

/// Whether a quantizer is absmax by a float and a division, whose parameters vectors can find too.
template <class Q>
inline constexpr bool is_plain_absmax = has_fma && !has_inverse<Q> && requires(typename Q::parameters p) {
    { Q::reach() } -> std::same_as<float>;
    { p.scale } -> std::same_as<float&>;
}
&&sizeof(typename Q::parameters) == sizeof(float);

/// Whether fitted integers can be converted: a scale that saturated in its type may be far too small.
template <class Q>
inline bool is_within_reach(const Q& q, bit_range range, const typename Q::parameters& p) noexcept {
    return !has_integers<Q> || std::bit_cast<float>(range.magnitude()) < 0x1p20f * q.scale(p);
}

/// Parameters and factors of groups from their ranges; false if one is not finite or not safe.
/// `above` has room for lanes - 1 more than `groups`.
template <class Q, std::size_t Most>
inline bool find_parameters(const Q& q, std::int32_t* above, const std::int32_t* below, std::size_t groups,
                            typename Q::parameters* p, factor_arrays<Most>& f) noexcept {
    bool good = true;
    if constexpr (is_plain_absmax<Q>) {
        for (std::size_t k = 0; k < lanes; ++k) {
            above[groups + k] = 0;
        }
        const vf one = splat(1.0f), reach = splat(Q::reach()), smallest = splat(0x1p-149f);
        vi bad = splat(0);
        for (std::size_t g = 0; g < groups; g += lanes) {
            const vf magnitude = as_float(load(above + g));
            const vf scale = select(magnitude > splat(0.0f), max(magnitude / reach, smallest), one);
            const vf high = one / scale;
            store(f.high + g, high);
            store(f.low + g, fma(splat(-0.0f) - scale, high, one) * high);
            const vi pattern = bits(scale), significand = pattern & splat(0x7FFFFF);
            bad = increment_if(bad, splat((127 - 64) << 23) > pattern);
            bad = increment_if(bad, pattern > splat((127 + 64) << 23));
            bad = increment_if(bad, significand > splat(0x7FFFFE));
            bad = increment_if(bad, bits(magnitude) > splat(0x7F7FFFFF));
            float scales[lanes];
            store(scales, scale);
            std::memcpy(p + g, scales, (groups - g < lanes ? groups - g : lanes) * sizeof(float));
        }
        good = !any(bad > splat(0));
    } else {
        for (std::size_t g = 0; g < groups; ++g) {
            const bit_range range{above[g], below[g]};
            p[g] = parameters_of(q, range, static_cast<std::size_t>(Q::group));
            const factors one = factors_of(q, p[g]);
            f.high[g] = one.high, f.low[g] = one.low, f.zero[g] = one.zero;
            good = good && one.is_safe && range.is_finite() && is_within_reach(q, range, p[g]);
        }
    }
    return good;
}

/// Parameters and codes of whole groups, as long as they are finite and their factors are safe. Three loops over some
/// groups at a time, so that the long latencies of one group (reduction, division) overlap with the others'.
/// Returns how many values it has done.
template <class Q>
std::size_t quantize_blocks(const Q& q, const float* x, std::size_t count, typename Q::parameters* p,
                            std::uint8_t* codes) noexcept {
    constexpr std::size_t run = 4 * lanes, group = static_cast<std::size_t>(Q::group);
    constexpr std::size_t block = group < run ? run : group, groups = block / group;
    static_assert(block % run == 0 && block % group == 0 && group % lanes == 0);
    constexpr std::size_t most = group < 4096 ? 4096 / group / groups * groups : groups;
    factor_arrays<most> f;
    std::int32_t above[most + lanes], below[most + 4] = {};
    group_coder<Q, true> coder(q);
    std::size_t start = 0;
    while (start + block <= count) {
        const std::size_t fitting = (count - start) / block * groups, now = fitting < most ? fitting : most;
        const float* const values = x + start;
        std::size_t g = 0;
        for (; g + 4 <= now; g += 4) {
            ranges_of_four<group, !affine_quantizer<Q>>(values + g * group, above + g, below + g);
        }
        for (; g < now; ++g) {
            const bit_range range = range_of(values + g * group, group);
            above[g] = affine_quantizer<Q> ? range.above : range.magnitude();
            below[g] = affine_quantizer<Q> ? range.below : 0;
        }
        if (!find_parameters(q, above, below, now, p, f)) {
            break;
        }
        std::uint8_t* out = codes + start;
        for (g = 0; g < now; g += groups) {
            const float* const from = values + g * group;
            if constexpr (groups > 1) {
                coder.store(out, from, f[g], f[g + groups / 4], f[g + groups / 2], f[g + groups / 2 + groups / 4]);
            } else {
                const splat_factors same = f[g];
                TERSOR_UNROLL
                for (std::size_t i = 0; i < group; i += run) {
                    coder.store(out + i, from + i, same, same, same, same);
                }
            }
            out += block;
        }
        start += now * group;
        p += now;
    }
    return start;
}

/// Parameters and codes of a run of groups. False if a value is not finite.
template <class Q>
bool quantize_groups(const Q& q, const float* x, std::size_t count, std::size_t group, typename Q::parameters* p,
                     std::uint8_t* codes) {
    constexpr std::size_t run = 4 * lanes, fixed = Q::group > 0 ? static_cast<std::size_t>(Q::group) : 1;
    constexpr bool in_blocks = (scaled_quantizer<Q> || affine_quantizer<Q>)&&fixed % lanes == 0 &&
                               (fixed % run == 0 || run % fixed == 0) && fixed <= 1024;
    for (std::size_t start = 0; start < count;) {
        if constexpr (in_blocks) {
            const std::size_t done = quantize_blocks(q, x + start, count - start, p, codes + start);
            start += done;
            p += done / fixed;
            if (start == count) {
                break;
            }
        }
        // One group by itself: a last one, one that the blocks left, or one of any other size.
        const std::size_t size = count - start < group ? count - start : group;
        if (!fit_groups(q, x + start, size, group, nullptr, p)) {
            return false;
        }
        encode_group<Q, !has_integers<Q>>(q, x + start, size, *p, codes + start);
        start += size;
        ++p;
    }
    return true;
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE

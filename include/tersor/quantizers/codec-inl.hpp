// The loops of quantization over a run of groups, compiled once per instruction set by codec.hpp.
//
// A run is `count` consecutive values of one row: whole groups of `group` values, of which the last may be shorter.
// Codes are written a byte each and packed afterwards. The scalar fit, encode and decode of the quantizer are the
// definition; the vector forms below give the same bits:
//
//   x / scale   is fma(x, h, x * l) with h = 1 / scale and l = fma(-scale, h, 1) * h. Its rounding to any number of at
//               most 8 significant bits is that of the IEEE quotient for every significand of scale but the one of all
//               ones and every x, while nothing under- or overflows (Brisebarre, Muller, Raina, Accelerating Correctly
//               Rounded Floating-Point Division; here shown by trying all of them: tests/quantizers). Other scales are
//               divided by. Without a fused multiply-add every quotient is a division.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE {

/// The range of some values as the bits of two floats: the largest of x and of -x, at least 0. Floats of one sign order
/// as their bits do, so integers serve; infinities and NaN are above 0x7F7FFFFF in one of the two.
struct bit_range {
    std::int32_t above, below;
    [[nodiscard]] std::int32_t magnitude() const noexcept { return above > below ? above : below; }
    [[nodiscard]] bool is_finite() const noexcept { return magnitude() <= 0x7F7FFFFF; }
    [[nodiscard]] float hi() const noexcept { return std::bit_cast<float>(above); }
    [[nodiscard]] float lo() const noexcept { return -std::bit_cast<float>(below); }
};

/// A `bit_range` in each lane.
struct range_lanes {
    vi above, below;
    range_lanes() noexcept : above(splat(0)), below(splat(0)) {}
    void add(vf x) noexcept {
        above = max(above, bits(x));
        below = max(below, bits(x) ^ splat(std::int32_t(-2147483647 - 1)));
    }
};

inline bit_range range_of(const float* x, std::size_t count) noexcept {
    range_lanes a, b;
    std::size_t i = 0;
    for (; i + 2 * lanes <= count; i += 2 * lanes) {
        a.add(load(x + i));
        b.add(load(x + i + lanes));
    }
    bit_range range{reduce_max(max(a.above, b.above)), reduce_max(max(a.below, b.below))};
    x += i;
    for (std::size_t k = 0; k < count % (2 * lanes); ++k) {
        const auto plain = std::bit_cast<std::int32_t>(x[k]), negated = std::bit_cast<std::int32_t>(-x[k]);
        range.above = plain > range.above ? plain : range.above;
        range.below = negated > range.below ? negated : range.below;
    }
    return range;
}

/// Smallest and largest of some values and 0. False if one is not finite.
inline bool find_range(const float* x, std::size_t count, float& lo, float& hi) noexcept {
    const bit_range range = range_of(x, count);
    lo = range.lo();
    hi = range.hi();
    return range.is_finite();
}

/// The largest of the magnitudes of count values, as the bits of a float.
inline std::int32_t magnitude_bits(const float* x, std::size_t count) noexcept { return range_of(x, count).magnitude(); }

/// The ranges of four groups of `Size` values, one after the other. Symmetric: `above` has the magnitude, `below` stays.
template <std::size_t Size, bool Symmetric>
inline void ranges_of_four(const float* x, std::int32_t* above, [[maybe_unused]] std::int32_t* below) noexcept {
    range_lanes r0, r1, r2, r3;
    const auto add = [](range_lanes& r, vf v) {
        if constexpr (Symmetric) {
            r.above = max(r.above, bits(v) & splat(0x7FFFFFFF));
        } else {
            r.add(v);
        }
    };
    for (std::size_t i = 0; i < Size; i += lanes) {
        add(r0, load(x + i));
        add(r1, load(x + Size + i));
        add(r2, load(x + 2 * Size + i));
        add(r3, load(x + 3 * Size + i));
    }
    reduce_max(above, r0.above, r1.above, r2.above, r3.above);
    if constexpr (!Symmetric) {
        reduce_max(below, r0.below, r1.below, r2.below, r3.below);
    }
}

template <class Q>
inline constexpr bool has_inverse = requires(const Q q, typename Q::parameters p) { q.inverse(p); };

/// Whether the quotients by this scale may be taken as products.
inline bool is_safe_divisor(float scale) noexcept {
    const auto pattern = std::bit_cast<std::uint32_t>(scale);
    const std::uint32_t exponent = pattern >> 23;
    return exponent >= 127 - 64 && exponent <= 127 + 64 && (pattern & 0x7FFFFF) != 0x7FFFFF;
}

/// The parameters of a group of a vector quantizer from its range.
template <class Q>
inline typename Q::parameters parameters_of(const Q& q, bit_range range, std::size_t size) noexcept {
    if constexpr (affine_quantizer<Q>) {
        return q.from_range(range.lo(), range.hi());
    } else if constexpr (scaled_quantizer<Q>) {
        const float magnitude = std::bit_cast<float>(range.magnitude());
        if constexpr (requires { q.from_magnitude_ragged(magnitude); }) {
            if (Q::group > 0 && size < static_cast<std::size_t>(Q::group)) {
                return q.from_magnitude_ragged(magnitude);
            }
        }
        return q.from_magnitude(magnitude);
    } else {
        return {};
    }
}

/// Finds the parameters of each group. Returns whether all values are finite; if not, parameters are unspecified.
template <class Q>
bool fit_groups(const Q& q, const float* x, std::size_t count, std::size_t group, const float* importance,
                typename Q::parameters* p) {
    for (std::size_t start = 0; start < count; start += group, ++p) {
        const std::size_t size = count - start < group ? count - start : group;
        const bit_range range = range_of(x + start, size);
        if (!range.is_finite()) {
            return false;
        }
        if (importance == nullptr && (scaled_quantizer<Q> || affine_quantizer<Q>)) {
            *p = parameters_of(q, range, size);
        } else {
            *p = q.fit({x + start, size}, {importance == nullptr ? x : importance + start, importance == nullptr ? 0 : size});
        }
    }
    return true;
}

/// The codes of one group by the scalar definition.
template <class Q>
void encode_group_scalar(const Q& q, const float* x, std::size_t size, typename Q::parameters p,
                         std::uint8_t* codes) noexcept {
    if constexpr (requires { q.encode_ragged(0.0f, p); }) {
        if (Q::group > 0 && size < static_cast<std::size_t>(Q::group)) {
            for (std::size_t i = 0; i < size; ++i) {
                codes[i] = static_cast<std::uint8_t>(q.encode_ragged(x[i], p));
            }
            return;
        }
    }
    for (std::size_t i = 0; i < size; ++i) {
        codes[i] = static_cast<std::uint8_t>(q.encode(x[i], p));
    }
}

/// How the scaled value of one group is formed: x * high, fma(x, high, x * low) or x / high.
enum class scaling { product, corrected_product, quotient };

template <scaling Scaling>
inline vf scaled(vf x, vf high, vf low) noexcept {
    if constexpr (Scaling == scaling::product) {
        return x * high;
    } else if constexpr (Scaling == scaling::corrected_product) {
        return fma(x, high, x * low);
    } else {
        return x / high;
    }
}

/// `magnitude` with a negative sign where x has one; it has the sign of x or is zero.
inline vf with_sign_of(vf x, vf magnitude) noexcept {
    return as_float(bits(magnitude) | (bits(x) & splat(std::int32_t(-2147483647 - 1))));
}

template <class Q>
inline constexpr scaling scaling_of = has_inverse<Q> ? scaling::product
                                      : has_fma      ? scaling::corrected_product
                                                     : scaling::quotient;

/// What `scaled` needs of the parameters of one group.
struct factors {
    float high, low;
    std::int32_t zero;
    bool is_safe; ///< whether the quotients may be formed this way
};

/// The same in registers.
struct splat_factors {
    vf high, low;
    vi zero;
    explicit splat_factors(const factors& f) noexcept : high(splat(f.high)), low(splat(f.low)), zero(splat(f.zero)) {}
};

template <class Q>
inline factors factors_of(const Q& q, const typename Q::parameters& p) noexcept {
    factors f{0.0f, 0.0f, 0, true};
    if constexpr (has_inverse<Q>) {
        f.high = q.inverse(p);
    } else if constexpr (scaling_of<Q> == scaling::corrected_product) {
        const float scale = q.scale(p);
        f.high = 1.0f / scale;
        f.low = __builtin_fmaf(-scale, f.high, 1.0f) * f.high;
        f.is_safe = is_safe_divisor(scale);
    } else {
        f.high = q.scale(p);
    }
    if constexpr (affine_quantizer<Q>) {
        f.zero = static_cast<std::int32_t>(q.zero_code(p));
    }
    return f;
}

template <class Q>
inline constexpr bool has_integers = requires { Q::format::lowest; };

template <class Q>
constexpr int lowest_code_of() noexcept {
    if constexpr (requires { Q::lowest_code(); }) {
        return Q::lowest_code();
    } else if constexpr (has_integers<Q>) {
        return Q::format::lowest;
    } else {
        return 0;
    }
}

template <class Q>
inline const typename Q::format& format_of(const Q& q) noexcept {
    if constexpr (requires { q.codes; }) {
        return q.codes;
    } else {
        static constexpr typename Q::format format{};
        return format;
    }
}

/// The format's coder for a quantizer, which watches for values beyond its reach.
template <class Q, bool Bounded>
struct group_coder {
    using lanes_type = format_lanes<typename Q::format>;
    lanes_type coder;
    watcher watch;
    vi largest;

    explicit group_coder(const Q& q) noexcept : coder(format_of(q)), largest(splat(0)) {}

    /// The codes of 4 * lanes values at x, each register with its own factors.
    void store(std::uint8_t* codes, const float* x, const splat_factors& fa, const splat_factors& fb,
               const splat_factors& fc, const splat_factors& fd) noexcept {
        constexpr scaling how = scaling_of<Q>;
        const vf a = load(x), b = load(x + lanes), c = load(x + 2 * lanes), d = load(x + 3 * lanes);
        vf sa = scaled<how>(a, fa.high, fa.low), sb = scaled<how>(b, fb.high, fb.low);
        vf sc = scaled<how>(c, fc.high, fc.low), sd = scaled<how>(d, fd.high, fd.low);
        if constexpr (has_integers<Q>) {
            vi ia = round(sa), ib = round(sb), ic = round(sc), id = round(sd);
            if constexpr (affine_quantizer<Q>) {
                ia = ia + fa.zero, ib = ib + fb.zero, ic = ic + fc.zero, id = id + fd.zero;
            }
            store_saturated<lanes_type::is_signed, lowest_code_of<Q>(), Q::format::highest>(codes, ia, ib, ic, id,
                                                                                                     Bounded ? nullptr : &watch);
        } else {
            if constexpr (!Bounded) {
                const vi mask = splat(0x7FFFFFFF);
                largest = max(max(largest, max(bits(a) & mask, bits(b) & mask)), max(bits(c) & mask, bits(d) & mask));
            }
            if constexpr (how == scaling::corrected_product) {
                // The sum of the two products of a zero may have the other sign than the quotient.
                sa = with_sign_of(a, sa), sb = with_sign_of(b, sb), sc = with_sign_of(c, sc), sd = with_sign_of(d, sd);
            }
            // A value that is not finite gives a wrong code here; it is found by its magnitude.
            coder.store_finite(codes, sa, sb, sc, sd);
        }
    }
    /// Whether every value so far was within reach; one that was not may have the wrong code or may not be finite.
    [[nodiscard]] bool is_good(float scale) const noexcept {
        if constexpr (Bounded) {
            return true;
        } else if constexpr (has_integers<Q>) {
            return watch.is_good();
        } else {
            // Beyond that the two products of a quotient may overflow to infinities of opposite signs.
            return std::bit_cast<float>(reduce_max(largest)) <= 0x1p60f * scale;
        }
    }
};

/// The codes of one group.
template <class Q, bool Bounded>
inline void encode_vectors(group_coder<Q, Bounded>& coder, const float* x, std::size_t size, const factors& given,
                           std::uint8_t* codes) noexcept {
    constexpr std::size_t run = 4 * lanes;
    const splat_factors f(given);
    std::size_t i = 0;
    for (; i + run <= size; i += run) {
        coder.store(codes + i, x + i, f, f, f, f);
    }
    if (i < size) {
        float padded[run] = {};
        std::uint8_t out[run];
        std::memcpy(padded, x + i, (size - i) * sizeof(float));
        coder.store(out, padded, f, f, f, f);
        std::memcpy(codes + i, out, size - i);
    }
}

/// One group with its parameters, by vectors where the quantizer has them, else, and where they fail, by definition.
/// Returns false if a value is not finite.
template <class Q, bool Bounded>
bool encode_group(const Q& q, const float* x, std::size_t size, const typename Q::parameters& p,
                  std::uint8_t* codes) noexcept {
    const bool ragged = requires { q.encode_ragged(0.0f, p); } && Q::group > 0 && size < static_cast<std::size_t>(Q::group);
    if constexpr (scaled_quantizer<Q> || affine_quantizer<Q>) {
        const factors f = factors_of(q, p);
        if (!ragged && f.is_safe) {
            group_coder<Q, Bounded> coder(q);
            encode_vectors(coder, x, size, f, codes);
            if (coder.is_good(q.scale(p))) {
                return true;
            }
        }
    }
    encode_group_scalar(q, x, size, p, codes);
    return Bounded || magnitude_bits(x, size) <= 0x7F7FFFFF;
}

/// The codes of a run of groups. Bounded: the parameters were fitted to these values. False if a value is not finite.
template <class Q, bool Bounded>
bool encode_groups(const Q& q, const float* x, std::size_t count, std::size_t group, const typename Q::parameters* p,
                   std::uint8_t* codes) noexcept {
    bool finite = true;
    for (std::size_t start = 0; start < count; start += group, ++p) {
        const std::size_t size = count - start < group ? count - start : group;
        finite = encode_group<Q, Bounded>(q, x + start, size, *p, codes + start) && finite;
    }
    return finite;
}

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
} && sizeof(typename Q::parameters) == sizeof(float);

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
    constexpr bool in_blocks = (scaled_quantizer<Q> || affine_quantizer<Q>) && fixed % lanes == 0 &&
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

/// Packs codes of a byte each, as packing.hpp says.
template <class Format>
void pack_run(const Format& format, const std::uint8_t* codes, std::size_t count, std::uint8_t* out) noexcept {
    std::size_t i = 0;
    if constexpr (Format::bits == 4) {
        for (; i + nibble_run <= count; i += nibble_run) {
            pack_nibbles<is_high_nibble_first<Format>>(codes + i, out + i / 2);
        }
    }
    using code = typename Format::code_type;
    pack(format, std::span<const code>(reinterpret_cast<const code*>(codes) + i, count - i),
         out + i * static_cast<std::size_t>(Format::bits) / 8);
}

/// The values of 4-bit codes: the sixteen values of a group are scaled once and looked up.
template <class Q, bool Stream>
void decode_nibbles(const Q& q, const std::uint8_t* packed, std::size_t count, std::size_t group, std::size_t first_size,
                    const typename Q::parameters* p, float* out) noexcept {
    using format = typename Q::format;
    using code = typename format::code_type;
    float values[16];
    for (int i = 0; i < 16; ++i) {
        const int extended = std::is_signed_v<code> ? (i ^ 8) - 8 : i;
        values[i] = format_of(q).decode(static_cast<code>(extended));
    }
    const table16 plain = load_table16(values);
    std::size_t size = first_size;
    for (std::size_t start = 0; start < count; start += size, size = group, ++p) {
        const std::size_t end = count - start < size ? count : start + size;
        table16 table = plain;
        if constexpr (affine_quantizer<Q>) {
            table = plain - static_cast<float>(q.zero_code(*p));
        }
        table = table * q.scale(*p);
        // Groups of odd size begin in the middle of a byte now and then.
        const std::size_t vectors = start % 2 == 0 ? (end - start) / lanes : 0;
        std::size_t i = start;
        TERSOR_UNROLL
        for (std::size_t k = 0; k < vectors; ++k, i += lanes) {
            const vf v = lookup(table, load_nibbles<is_high_nibble_first<format>>(packed + i / 2));
            if constexpr (Stream) {
                stream(out + i, v);
            } else {
                store(out + i, v);
            }
        }
        for (; i < end; ++i) {
            out[i] = q.decode(packed_code<format>(packed, i), *p);
        }
    }
}

/// The values of codes of a byte each.
template <class Q, bool Stream>
void decode_groups(const Q& q, const std::uint8_t* codes, std::size_t count, std::size_t group, std::size_t first_size,
                   const typename Q::parameters* p, float* out) noexcept {
    using code = typename Q::format::code_type;
    std::size_t size = first_size;
    for (std::size_t start = 0; start < count; start += size, size = group, ++p) {
        const std::size_t end = count - start < size ? count : start + size, now = end - start;
        if constexpr (affine_quantizer<Q>) {
            const float scale = q.scale(*p), zero = static_cast<float>(q.zero_code(*p));
            const vf scales = splat(scale), zeros = splat(zero);
            decode_each<Stream>(format_of(q), codes + start, now, out + start,
                                [&](vf v) { return (v - zeros) * scales; }, [&](float v) { return (v - zero) * scale; });
        } else if constexpr (scaled_quantizer<Q>) {
            const float scale = q.scale(*p);
            const vf scales = splat(scale);
            decode_each<Stream>(format_of(q), codes + start, now, out + start, [&](vf v) { return v * scales; },
                                [&](float v) { return v * scale; });
        } else {
            for (std::size_t i = start; i < end; ++i) {
                out[i] = q.decode(static_cast<code>(codes[i]), *p);
            }
        }
    }
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE

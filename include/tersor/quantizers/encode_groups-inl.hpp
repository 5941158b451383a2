// Codes of groups with given parameters, compiled once per instruction set by codec.hpp.
//
// Codes are written a byte each and packed afterwards. The scalar encode of the quantizer is the definition; the vector
// form gives the same bits:
//
//   x / scale   is fma(x, h, x * l) with h = 1 / scale and l = fma(-scale, h, 1) * h. Its rounding to any number of at
//               most 8 significant bits is that of the IEEE quotient for every significand of scale but the one of all
//               ones and every x, while nothing under- or overflows (Brisebarre, Muller, Raina, Accelerating Correctly
//               Rounded Floating-Point Division; here shown by trying all of them: tests/quantizers). Other scales are
//               divided by. Without a fused multiply-add every quotient is a division.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE {

template <class Q>
inline constexpr bool has_inverse = requires(const Q q, typename Q::parameters p) {
    q.inverse(p);
};

/// Whether the quotients by this scale may be taken as products.
inline bool is_safe_divisor(float scale) noexcept {
    const auto pattern = std::bit_cast<std::uint32_t>(scale);
    const std::uint32_t exponent = pattern >> 23;
    return exponent >= 127 - 64 && exponent <= 127 + 64 && (pattern & 0x7FFFFF) != 0x7FFFFF;
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
        f.is_safe = (std::bit_cast<std::uint32_t>(f.high) & 0x7FFFFFFF) < 0x7F800000;
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
inline constexpr bool has_integers = requires {
    Q::format::lowest;
};

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
                if constexpr (!Bounded) {
                    // The smallest integer, which tells of an overflow, must not wrap around.
                    const vi room = splat(-(1 << 30));
                    ia = max(ia, room), ib = max(ib, room), ic = max(ic, room), id = max(id, room);
                }
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
    const bool ragged = requires {
        q.encode_ragged(0.0f, p);
    }
    &&Q::group > 0 && size < static_cast<std::size_t>(Q::group);
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
    tersor::pack(format, std::span<const code>(reinterpret_cast<const code*>(codes) + i, count - i),
                 out + i * static_cast<std::size_t>(Format::bits) / 8);
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE

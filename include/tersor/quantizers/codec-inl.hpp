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

/// The largest of the magnitudes of count values, as the bits of a float: above 0x7F7FFFFF if one is not finite.
inline std::uint32_t magnitude_bits(const float* x, std::size_t count) noexcept {
    const vi mask = splat(0x7FFFFFFF);
    vi a = splat(0), b = a, c = a, d = a;
    std::size_t i = 0;
    for (; i + 4 * lanes <= count; i += 4 * lanes) {
        a = max(a, bits(load(x + i)) & mask);
        b = max(b, bits(load(x + i + lanes)) & mask);
        c = max(c, bits(load(x + i + 2 * lanes)) & mask);
        d = max(d, bits(load(x + i + 3 * lanes)) & mask);
    }
    for (; i + lanes <= count; i += lanes) {
        a = max(a, bits(load(x + i)) & mask);
    }
    std::int32_t largest = reduce_max(max(max(a, b), max(c, d)));
    for (; i < count; ++i) {
        const std::int32_t one = std::bit_cast<std::int32_t>(x[i]) & 0x7FFFFFFF;
        largest = one > largest ? one : largest;
    }
    return static_cast<std::uint32_t>(largest);
}

/// Smallest and largest of count values and 0. A NaN may be missed: ask magnitude_bits.
inline void extremes(const float* x, std::size_t count, float& lo, float& hi) noexcept {
    vf low = splat(0.0f), high = low, low2 = low, high2 = low;
    std::size_t i = 0;
    for (; i + 2 * lanes <= count; i += 2 * lanes) {
        const vf a = load(x + i), b = load(x + i + lanes);
        low = min(a, low), high = max(a, high);
        low2 = min(b, low2), high2 = max(b, high2);
    }
    lo = reduce_min(min(low, low2));
    hi = reduce_max(max(high, high2));
    for (; i < count; ++i) {
        lo = x[i] < lo ? x[i] : lo;
        hi = x[i] > hi ? x[i] : hi;
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

/// Finds the parameters of each group. Returns whether all values are finite; if not, parameters are unspecified.
template <class Q>
bool fit_groups(const Q& q, const float* x, std::size_t count, std::size_t group, const float* importance,
                typename Q::parameters* p) {
    std::uint32_t largest = 0;
    for (std::size_t start = 0; start < count; start += group, ++p) {
        const std::size_t size = count - start < group ? count - start : group;
        const std::uint32_t magnitude = magnitude_bits(x + start, size);
        largest = magnitude > largest ? magnitude : largest;
        if (magnitude > 0x7F7FFFFF) {
            return false;
        }
        if (importance == nullptr && scaled_quantizer<Q>) {
            if constexpr (requires { q.from_magnitude_ragged(1.0f); }) {
                if (Q::group > 0 && size < static_cast<std::size_t>(Q::group)) {
                    *p = q.from_magnitude_ragged(std::bit_cast<float>(magnitude));
                    continue;
                }
            }
            if constexpr (scaled_quantizer<Q>) {
                *p = q.from_magnitude(std::bit_cast<float>(magnitude));
            }
        } else if (importance == nullptr && affine_quantizer<Q>) {
            if constexpr (affine_quantizer<Q>) {
                float lo, hi;
                extremes(x + start, size, lo, hi);
                *p = q.from_range(lo, hi);
            }
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

template <class Q>
inline constexpr scaling scaling_of = has_inverse<Q> ? scaling::product
                                      : has_fma      ? scaling::corrected_product
                                                     : scaling::quotient;

template <class Q>
inline constexpr bool has_integers = requires { Q::format::lowest; };

/// The format's coder for a quantizer, with the zero point and the lowest code of a group.
template <class Q>
struct group_coder {
    using lanes_type = format_lanes<typename Q::format>;
    lanes_type coder;
    vi zero = splat(0);
    int lowest = 0;

    explicit group_coder(const Q& q) noexcept : coder(format_of(q)) {
        if constexpr (requires { Q::lowest_code(); }) {
            lowest = Q::lowest_code();
        } else if constexpr (has_integers<Q>) {
            lowest = Q::format::lowest;
        }
    }
    void store(std::uint8_t* codes, vf a, vf b, vf c, vf d) const noexcept {
        if constexpr (has_integers<Q>) {
            lanes_type::store_bounded(codes, zero, lowest, a, b, c, d);
        } else {
            coder.store(codes, a, b, c, d);
        }
    }
    static const typename Q::format& format_of(const Q& q) noexcept {
        if constexpr (requires { q.codes; }) {
            return q.codes;
        } else {
            static constexpr typename Q::format format{};
            return format;
        }
    }
};

/// One group of a vector quantizer. Bounded: no quotient is beyond 2^22 in magnitude (a fitted group).
/// Returns the bits of the largest magnitude, which only an unbounded group needs.
template <class Q, bool Bounded>
std::uint32_t encode_group(const group_coder<Q>& coder, const float* x, std::size_t size, float high, float low,
                           std::uint8_t* codes) noexcept {
    constexpr scaling how = scaling_of<Q>;
    constexpr std::size_t run = 4 * lanes;
    const vf h = splat(high), l = splat(low);
    const vi mask = splat(0x7FFFFFFF);
    vi largest = splat(0);
    const auto encode = [&](const float* p, std::uint8_t* out) {
        const vf a = load(p), b = load(p + lanes), c = load(p + 2 * lanes), d = load(p + 3 * lanes);
        if constexpr (!Bounded) {
            largest = max(max(largest, max(bits(a) & mask, bits(b) & mask)), max(bits(c) & mask, bits(d) & mask));
        }
        coder.store(out, scaled<how>(a, h, l), scaled<how>(b, h, l), scaled<how>(c, h, l), scaled<how>(d, h, l));
    };
    std::size_t i = 0;
    for (; i + run <= size; i += run) {
        encode(x + i, codes + i);
    }
    if (i < size) {
        float padded[run] = {};
        std::uint8_t out[run];
        std::memcpy(padded, x + i, (size - i) * sizeof(float));
        encode(padded, out);
        std::memcpy(codes + i, out, size - i);
    }
    return Bounded ? 0u : static_cast<std::uint32_t>(reduce_max(largest));
}

/// The codes of a run of groups. Bounded: the parameters were fitted to these values; else returns the bits of their
/// largest magnitude, above 0x7F7FFFFF if one is not finite.
template <class Q, bool Bounded>
std::uint32_t encode_groups(const Q& q, const float* x, std::size_t count, std::size_t group,
                            const typename Q::parameters* p, std::uint8_t* codes) noexcept {
    std::uint32_t largest = 0;
    if constexpr (scaled_quantizer<Q> || affine_quantizer<Q>) {
        group_coder<Q> coder(q);
        for (std::size_t start = 0; start < count; start += group, ++p) {
            const std::size_t size = count - start < group ? count - start : group;
            const bool ragged = requires { q.encode_ragged(0.0f, *p); } && Q::group > 0 &&
                                size < static_cast<std::size_t>(Q::group);
            bool vectorised = !ragged;
            float high, low = 0.0f;
            if constexpr (has_inverse<Q>) {
                high = q.inverse(*p);
            } else {
                high = q.scale(*p);
                if constexpr (has_fma) {
                    vectorised = is_safe_divisor(high);
                    const float scale = high;
                    high = 1.0f / scale;
                    low = __builtin_fmaf(-scale, high, 1.0f) * high;
                }
            }
            if constexpr (affine_quantizer<Q>) {
                coder.zero = splat(std::int32_t(q.zero_code(*p)));
            }
            if (vectorised) {
                const std::uint32_t magnitude =
                    encode_group<Q, Bounded>(coder, x + start, size, high, low, codes + start);
                largest = magnitude > largest ? magnitude : largest;
                // A float beyond the reach of the conversion: only where a range was given, so this is rare.
                if constexpr (!Bounded && has_integers<Q>) {
                    vectorised = std::bit_cast<float>(magnitude) < 1048576.0f * q.scale(*p);
                }
            } else if constexpr (!Bounded) {
                const std::uint32_t magnitude = magnitude_bits(x + start, size);
                largest = magnitude > largest ? magnitude : largest;
            }
            if (!vectorised) {
                encode_group_scalar(q, x + start, size, *p, codes + start);
            }
        }
    } else {
        for (std::size_t start = 0; start < count; start += group, ++p) {
            const std::size_t size = count - start < group ? count - start : group;
            encode_group_scalar(q, x + start, size, *p, codes + start);
        }
        largest = Bounded ? 0u : magnitude_bits(x, count);
    }
    return largest;
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
        values[i] = group_coder<Q>::format_of(q).decode(static_cast<code>(extended));
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
        std::size_t i = start;
        for (; start % 2 == 0 && i + lanes <= end; i += lanes) {
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
    const format_lanes<typename Q::format> coder(group_coder<Q>::format_of(q));
    std::size_t size = first_size;
    for (std::size_t start = 0; start < count; start += size, size = group, ++p) {
        const std::size_t end = count - start < size ? count : start + size;
        std::size_t i = start;
        if constexpr (scaled_quantizer<Q> || affine_quantizer<Q>) {
            const vf scale = splat(q.scale(*p));
            vi zero = splat(0);
            if constexpr (affine_quantizer<Q>) {
                zero = splat(std::int32_t(q.zero_code(*p)));
            }
            for (; i + lanes <= end; i += lanes) {
                vf v;
                if constexpr (affine_quantizer<Q>) {
                    v = convert(coder.widen(codes + i) - zero) * scale;
                } else {
                    v = coder.decode(codes + i) * scale;
                }
                if constexpr (Stream) {
                    stream(out + i, v);
                } else {
                    store(out + i, v);
                }
            }
        }
        for (; i < end; ++i) {
            out[i] = q.decode(static_cast<code>(codes[i]), *p);
        }
    }
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE

// Vector encode and decode of every number format, compiled once per instruction set by lanes.hpp.
//
//   format_lanes<Format> coder(format);
//   coder.store(codes, a, b, c, d)    the codes, a byte each, of 4 * lanes scaled values
//   coder.store_finite(...)           the same for values that are not NaN
//   coder.decode(codes)               the values of `lanes` codes
//   coder.is_plain(codes)             whether none of 4 * lanes codes needs decode_any: the loops ask first, so that
//   coder.decode_any(codes)           `decode` need not care for NaN and infinity
//
// The scalar encode and decode of the format are the definition; what has no vector form here uses them.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE {

// Any format: lane by lane through its own functions.
template <class Format>
struct format_lanes {
    explicit format_lanes(const Format& f) noexcept : format(f) {}

    void store(std::uint8_t* out, vf a, vf b, vf c, vf d) const noexcept {
        float values[4 * lanes];
        tersor::simd::TERSOR_NAMESPACE::store(values, a);
        tersor::simd::TERSOR_NAMESPACE::store(values + lanes, b);
        tersor::simd::TERSOR_NAMESPACE::store(values + 2 * lanes, c);
        tersor::simd::TERSOR_NAMESPACE::store(values + 3 * lanes, d);
        for (std::size_t i = 0; i < 4 * lanes; ++i) {
            out[i] = static_cast<std::uint8_t>(format.encode(values[i]));
        }
    }
    void store_finite(std::uint8_t* out, vf a, vf b, vf c, vf d) const noexcept { store(out, a, b, c, d); }
    static bool is_plain(const std::uint8_t*) noexcept { return true; }
    vf decode_any(const std::uint8_t* codes) const noexcept { return decode(codes); }
    vf decode(const std::uint8_t* codes) const noexcept {
        float values[lanes];
        for (std::size_t i = 0; i < lanes; ++i) {
            values[i] = format.decode(static_cast<typename Format::code_type>(codes[i]));
        }
        return load(values);
    }

    const Format& format;
};

// Integers: rounded by the conversion, saturated by the store.
template <int Bits, bool Signed>
struct format_lanes<integer<Bits, Signed>> {
    using format_type = integer<Bits, Signed>;
    explicit format_lanes(const format_type&) noexcept {}

    static constexpr bool is_signed = Signed;

    void store(std::uint8_t* out, vf a, vf b, vf c, vf d) const noexcept {
        store_saturated<Signed, format_type::lowest, format_type::highest>(out, round(bounded(a)), round(bounded(b)),
                                                                           round(bounded(c)), round(bounded(d)));
    }
    // Within reach of the conversion; NaN becomes 0.
    static vf bounded(vf v) noexcept {
        const vf number = select((bits(v) & splat(0x7FFFFFFF)) > splat(0x7F800000), splat(0.0f), v);
        return min(max(number, splat(-512.0f)), splat(512.0f));
    }
    static bool is_plain(const std::uint8_t*) noexcept { return true; }
    static vf decode_any(const std::uint8_t* codes) noexcept { return decode(codes); }
    static vf decode(const std::uint8_t* codes) noexcept { return convert(widen(codes)); }
    static vi widen(const std::uint8_t* codes) noexcept {
        if constexpr (Signed) {
            return load_i8(reinterpret_cast<const std::int8_t*>(codes));
        } else {
            return load_u8(codes);
        }
    }
};

// Small floats: the significand is rounded by an integer addition, or, below the normal numbers, by the conversion of
// a multiple of the smallest value.
template <int ExponentBits, int MantissaBits, int Bias, specials Specials>
requires(Specials != specials::fnuz) struct format_lanes<minifloat<ExponentBits, MantissaBits, Bias, Specials>> {
    using format_type = minifloat<ExponentBits, MantissaBits, Bias, Specials>;
    explicit format_lanes(const format_type&) noexcept {}

    static constexpr int dropped = 23 - MantissaBits;

    template <bool Finite>
    static vi encode(vf v) noexcept {
        constexpr auto largest = std::bit_cast<std::int32_t>(format_type::largest);
        constexpr std::int32_t smallest_normal = (128 - Bias) << 23;
        const vi pattern = bits(v), unbounded = pattern & splat(0x7FFFFFFF);
        const vi magnitude = min(unbounded, splat(largest));
        const vi odd = shr<dropped>(magnitude) & splat(1);
        const vi rounded = magnitude + odd + splat((1 << (dropped - 1)) - 1 - ((127 - Bias) << 23));
        const vf steps = as_float(magnitude) * splat(power_of_two(Bias - 1 + MantissaBits));
        const vi number = select(splat(smallest_normal) > magnitude, round(steps), shr<dropped>(rounded));
        const vi sign = shr<32 - format_type::bits>(pattern) & splat(std::int32_t(format_type::sign_bit));
        if constexpr (Finite) {
            return number | sign;
        } else {
            const vm nan = unbounded > splat(0x7F800000);
            if constexpr (Specials == specials::finite) {
                return select(nan, splat(0), number | sign);
            } else {
                return select(nan, splat(std::int32_t(format_type::nan_code)), number) | sign;
            }
        }
    }
    void store(std::uint8_t* out, vf a, vf b, vf c, vf d) const noexcept {
        store_u8(out, encode<false>(a), encode<false>(b), encode<false>(c), encode<false>(d));
    }
    void store_finite(std::uint8_t* out, vf a, vf b, vf c, vf d) const noexcept {
        store_u8(out, encode<true>(a), encode<true>(b), encode<true>(c), encode<true>(d));
    }
    static bool is_plain(const std::uint8_t* codes) noexcept {
        return Specials == specials::finite ||
               are_bytes_within<format_type::sign_bit - 1, format_type::largest_code>(codes);
    }
    static vf decode(const std::uint8_t* codes) noexcept {
        if constexpr (format_type::bits == 8) {
            // Widened with its sign, a code has the sign where a float has it once its mantissa is in place.
            const vi code = shl<dropped>(load_i8(reinterpret_cast<const std::int8_t*>(codes)));
            constexpr auto used = static_cast<std::int32_t>(0x80000000u | ((format_type::sign_bit - 1u) << dropped));
            return as_float(code & splat(used)) * splat(power_of_two(127 - Bias));
        } else {
            const vi code = load_u8(codes);
            const vi magnitude = shl<dropped>(code & splat(std::int32_t(format_type::sign_bit) - 1));
            const vi sign = shl<32 - format_type::bits>(code & splat(std::int32_t(format_type::sign_bit)));
            return as_float(magnitude | sign) * splat(power_of_two(127 - Bias));
        }
    }
    static vf decode_any(const std::uint8_t* codes) noexcept {
        if constexpr (Specials == specials::finite) {
            return decode(codes);
        } else {
            const vi code = load_u8(codes);
            const vi magnitude = code & splat(std::int32_t(format_type::sign_bit) - 1);
            const vi sign = shl<32 - format_type::bits>(code & splat(std::int32_t(format_type::sign_bit)));
            const vi infinity_or_nan = Specials == specials::ieee
                                           ? select(magnitude > splat(std::int32_t(format_type::overflow_code)),
                                                    splat(0x7FC00000), splat(0x7F800000))
                                           : splat(0x7FC00000);
            const vm special = magnitude > splat(std::int32_t(format_type::largest_code));
            return select(special, as_float(infinity_or_nan | sign), decode(codes));
        }
    }
    static constexpr float power_of_two(int exponent) noexcept { return std::bit_cast<float>((exponent + 127) << 23); }
};

// Codebooks of up to 16 values: the position is the number of midpoints below the value.
template <class Values>
requires(codebook<Values>::bits <= 4) struct format_lanes<codebook<Values>> {
    using format_type = codebook<Values>;
    static constexpr std::size_t size = format_type::size;

    explicit format_lanes(const format_type&) noexcept {
        float decoded[16] = {}, order[16] = {};
        for (std::size_t i = 0; i < size; ++i) {
            decoded[i] = format_type::values[i];
            order[i] = std::bit_cast<float>(static_cast<std::int32_t>(format_type::order[i]));
        }
        values = load_table16(decoded);
        codes_in_order = load_table16(order);
        if constexpr (size == 16) {
            const auto& m = format_type::midpoints;
            const float upper[8] = {0, m[7], m[3], m[11], m[1], m[5], m[9], m[13]};
            const float lower[8] = {m[0], m[2], m[4], m[6], m[8], m[10], m[12], m[14]};
            upper_nodes = load_table8(upper);
            lower_nodes = load_table8(lower);
        }
    }

    vi encode(vf v) const noexcept {
        vi position = splat(0);
        if constexpr (has_permutation && size == 16) {
            // A binary search for all lanes at once: node n has the children 2n and 2n + 1.
            vi node = increment_if(splat(2), v > splat(format_type::midpoints[7]));
            node = increment_if(node + node, v > lookup(upper_nodes, node));
            node = increment_if(node + node, v > lookup(upper_nodes, node));
            node = increment_if(node + node, v > lookup(lower_nodes, node));
            position = node & splat(15);
        } else {
            for (std::size_t i = 0; i + 1 < size; ++i) {
                position = increment_if(position, v > splat(format_type::midpoints[i]));
            }
        }
        if constexpr (is_sorted) {
            return position;
        } else {
            return bits(lookup(codes_in_order, position));
        }
    }
    void store(std::uint8_t* out, vf a, vf b, vf c, vf d) const noexcept {
        store_u8(out, encode(a), encode(b), encode(c), encode(d));
    }
    void store_finite(std::uint8_t* out, vf a, vf b, vf c, vf d) const noexcept { store(out, a, b, c, d); }
    static bool is_plain(const std::uint8_t*) noexcept { return true; }
    vf decode_any(const std::uint8_t* codes) const noexcept { return decode(codes); }
    vf decode(const std::uint8_t* codes) const noexcept { return lookup(values, load_u8(codes)); }

    static constexpr bool is_sorted = [] {
        for (std::size_t i = 0; i < size; ++i) {
            if (format_type::order[i] != i) {
                return false;
            }
        }
        return true;
    }();

    table16 values, codes_in_order;
    table8 upper_nodes, lower_nodes; // nodes 0 to 7 and 8 to 15
};

/// Encodes count already scaled values, a byte each.
template <class Format>
void encode_bytes(const Format& format, const float* x, std::size_t count, std::uint8_t* codes) noexcept {
    const format_lanes<Format> coder(format);
    constexpr std::size_t run = 4 * lanes;
    std::size_t i = 0;
    for (; i + run <= count; i += run) {
        coder.store(codes + i, load(x + i), load(x + i + lanes), load(x + i + 2 * lanes), load(x + i + 3 * lanes));
    }
    for (; i < count; ++i) {
        codes[i] = static_cast<std::uint8_t>(format.encode(x[i]));
    }
}

/// Whether a format's values come from a table that is too large for registers: then scalar loads are the best there
/// is.
template <class Format>
inline constexpr bool has_large_table = requires {
    &Format::midpoints;
}
&&(Format::bits > 4);

/// Decodes count codes of a byte each; `finish` says what to store of `lanes` values, `finish_one` of one.
template <bool Stream, class Format, class Finish, class FinishOne>
inline void decode_each(const Format& format, const std::uint8_t* codes, std::size_t count, float* out,
                        const Finish& finish, const FinishOne& finish_one) noexcept {
    std::size_t i = 0;
    if constexpr (!has_large_table<Format>) {
        const format_lanes<Format> coder(format);
        const auto put = [&](std::size_t at, vf v) {
            if constexpr (Stream) {
                stream(out + at, finish(v));
            } else {
                store(out + at, finish(v));
            }
        };
        for (; i + 4 * lanes <= count; i += 4 * lanes) {
            if (coder.is_plain(codes + i)) {
                put(i, coder.decode(codes + i));
                put(i + lanes, coder.decode(codes + i + lanes));
                put(i + 2 * lanes, coder.decode(codes + i + 2 * lanes));
                put(i + 3 * lanes, coder.decode(codes + i + 3 * lanes));
            } else {
                for (std::size_t k = i; k < i + 4 * lanes; k += lanes) {
                    put(k, coder.decode_any(codes + k));
                }
            }
        }
        for (; i + lanes <= count; i += lanes) {
            put(i, coder.decode_any(codes + i));
        }
    }
    for (; i < count; ++i) {
        out[i] = finish_one(format.decode(static_cast<typename Format::code_type>(codes[i])));
    }
}

/// Decodes count codes of a byte each.
template <class Format>
void decode_bytes(const Format& format, const std::uint8_t* codes, std::size_t count, float* out) noexcept {
    decode_each<false>(
        format, codes, count, out, [](vf v) { return v; }, [](float v) { return v; });
}

/// bfloat16: the lower half is rounded away by an integer addition.
inline vi round_to_bf16(vf v) noexcept {
    const vi pattern = bits(v);
    return shr<16>(pattern + splat(0x7FFF) + (shr<16>(pattern) & splat(1)));
}
inline void encode_halves(bf16, const float* x, std::size_t count, std::uint16_t* codes) noexcept {
    std::size_t i = 0;
    for (; i + 4 * lanes <= count; i += 4 * lanes) {
        const vf a = load(x + i), b = load(x + i + lanes), c = load(x + i + 2 * lanes), d = load(x + i + 3 * lanes);
        if (any_nan(a, b) || any_nan(c, d)) {
            for (std::size_t k = i; k < i + 4 * lanes; ++k) {
                codes[k] = bf16::encode(x[k]);
            }
        } else {
            store_u16(codes + i, round_to_bf16(a), round_to_bf16(b));
            store_u16(codes + i + 2 * lanes, round_to_bf16(c), round_to_bf16(d));
        }
    }
    for (; i < count; ++i) {
        codes[i] = bf16::encode(x[i]);
    }
}
inline void decode_halves(bf16, const std::uint16_t* codes, std::size_t count, float* out) noexcept {
    std::size_t i = 0;
    TERSOR_UNROLL
    for (; i + lanes <= count; i += lanes) {
        store(out + i, as_float(shl<16>(load_u16(codes + i))));
    }
    for (; i < count; ++i) {
        out[i] = bf16::decode(codes[i]);
    }
}

/// binary16: by the conversion instructions where there are some.
inline void encode_halves(fp16, const float* x, std::size_t count, std::uint16_t* codes) noexcept {
    std::size_t i = 0;
    if constexpr (has_half_conversion) {
        TERSOR_UNROLL
        for (; i + lanes <= count; i += lanes) {
            store_half(codes + i, load(x + i));
        }
    }
    for (; i < count; ++i) {
        codes[i] = fp16::encode(x[i]);
    }
}
inline void decode_halves(fp16, const std::uint16_t* codes, std::size_t count, float* out) noexcept {
    std::size_t i = 0;
    if constexpr (has_half_conversion) {
        TERSOR_UNROLL
        for (; i + lanes <= count; i += lanes) {
            store(out + i, load_half(codes + i));
        }
    }
    for (; i < count; ++i) {
        out[i] = fp16::decode(codes[i]);
    }
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE

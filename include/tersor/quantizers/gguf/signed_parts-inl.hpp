// What the kernels of the signed block formats share: roundings, halves and panels of bytes. Compiled once per
// instruction set by signed_parts.hpp.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf::signed_blocks {

// 1.5 * 2^23: the sum's unit in the last place is 1, so that the addition itself rounds half to even.
inline constexpr float rounding_magic = 12582912.0f;

/// v rounded half to even, as a float; for magnitudes below 2^22.
inline vf nearest(vf v) noexcept {
    const vf magic = splat(rounding_magic);
    return (v + magic) - magic;
}

/// v rounded half to even, and what ggml makes of any other float: 0 of NaN, -2^22 of the infinities.
inline vi nearest_any(vf v) noexcept {
    return (bits(v + splat(rounding_magic)) & splat(0x7FFFFF)) - splat(0x400000);
}

inline vf clamp(vf v, float low, float high) noexcept {
    return min(max(v, splat(low)), splat(high));
}

/// The magnitude of the nearest half, ties to even, at most 65504, with the sign of v.
inline vf round_to_half(vf v) noexcept {
    const vf size = min(abs(v), splat(65504.0f));
    const vi pattern = bits(size);
    const vi last = shr<13>(pattern) & splat(1);
    const vf normal = as_float((pattern + splat(0xFFF) + last) & splat(~0x1FFF));
    const vf subnormal = (size + splat(0.5f)) - splat(0.5f);
    const vf rounded = select(splat(0x1p-14f) > size, subnormal, normal);
    return as_float(bits(rounded) | (bits(v) & splat(std::int32_t(-2147483647 - 1))));
}

/// The values of 16 halves.
inline void decode_halves(const std::uint16_t* halves, float* values) noexcept {
    if constexpr (has_half_conversion) {
        for (std::size_t i = 0; i < 16; i += lanes) {
            store(values + i, load_half(halves + i));
        }
    } else {
        for (std::size_t i = 0; i < 16; ++i) {
            values[i] = fp16::decode(halves[i]);
        }
    }
}

/// The largest magnitude of each lane and the first value that has it; `x` is a panel from a lane on.
struct extreme {
    vf size, value;
    extreme(const float* x, std::size_t count) noexcept : size(splat(0.0f)), value(splat(0.0f)) {
        for (std::size_t i = 0; i < count; ++i) {
            const vf v = load(x + i * panel_width);
            const vm larger = abs(v) > size;
            size = select(larger, abs(v), size);
            value = select(larger, v, value);
        }
    }
};

/// 1 / scale, 0 where it is 0.
inline vf inverse_of(vf scale) noexcept {
    const vm is_zero = scale == splat(0.0f);
    return select(is_zero, splat(0.0f), splat(1.0f) / select(is_zero, splat(1.0f), scale));
}

/// 2^-e for the magnitudes 2^e to 2^(e + 1) of normal numbers, bounded so that it is one itself.
inline vf power_below(vf size) noexcept {
    const vi exponent = bits(size) & splat(0x7F800000);
    return as_float(max(splat(254 << 23) - exponent, splat(1 << 23)));
}

/// codes[i * 16 + g] = clamp(rn(x * inverse[g]), Low, High) - Low, for a panel of `count` rows.
template <int Low, int High>
inline void encode_panel(const float* x, const float* inverse, std::size_t count, std::uint8_t* codes) noexcept {
    const auto code = [&](std::size_t e) {
        // Within the bounds before it is rounded: a conversion has a reach.
        return round(clamp(load(x + e) * load(inverse + e % panel_width), Low, High)) - splat(Low);
    };
    for (std::size_t e = 0; e < count * panel_width; e += 4 * lanes) {
        store_u8(codes + e, code(e), code(e + lanes), code(e + 2 * lanes), code(e + 3 * lanes));
    }
}

/// Zeros for the groups whose inverse is zero, as ggml leaves the levels of a group of zeros.
inline void clear_zero_groups(const float* inverse, std::size_t count, std::uint8_t* codes) noexcept {
    for (std::size_t g = 0; g < panel_width; ++g) {
        for (std::size_t i = 0; inverse[g] == 0.0f && i < count; ++i) {
            codes[i * panel_width + g] = 0;
        }
    }
}

// Eight bytes at a time: packing takes no vector instructions.

inline std::uint64_t load_bytes(const std::uint8_t* p) noexcept {
    std::uint64_t word;
    std::memcpy(&word, p, sizeof word);
    return word;
}
inline void store_bytes(std::uint8_t* p, std::uint64_t word) noexcept {
    std::memcpy(p, &word, sizeof word);
}
/// The bytes that are all `byte`.
constexpr std::uint64_t repeated(std::uint64_t byte) noexcept {
    return byte * 0x0101010101010101u;
}
/// The sum of squares of `count` values, added in order.
inline float sum_squares(const float* x, std::size_t count) noexcept {
    float sum = 0.0f;
    for (std::size_t i = 0; i < count; ++i) {
        sum += x[i] * x[i];
    }
    return sum;
}

/// The weights importance * sqrt(sigma2 + x^2) of a panel.
inline void weigh_panel(const float* x, const float* importance, std::size_t count, float sigma2,
                        float* weights) noexcept {
    for (std::size_t e = 0; e < count * panel_width; e += lanes) {
        const vf v = load(x + e);
        store(weights + e, load(importance + e) * sqrt(splat(sigma2) + v * v));
    }
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf::signed_blocks

#ifndef TERSOR_SIMD_GENERIC_INL_HPP
#define TERSOR_SIMD_GENERIC_INL_HPP

// The register wrapper of the generic instruction set: four lanes in the compilers' portable vector types, which are
// SSE2 on any x86-64 and NEON on any AArch64. See vectors.hpp for what each name means.

TERSOR_BEGIN_GENERIC
namespace tersor::inline v0::simd::TERSOR_GENERIC_NAMESPACE {

inline constexpr bool has_fma = false;
inline constexpr bool has_permutation = false;
inline constexpr std::size_t lanes = 4;

using raw_float [[gnu::vector_size(16)]] = float;
using raw_int [[gnu::vector_size(16)]] = std::int32_t;
using raw_unsigned [[gnu::vector_size(16)]] = std::uint32_t; // for sums that wrap, as the instructions do

struct vf {
    raw_float r;
};
struct vi {
    raw_int r;
};
struct vm {
    raw_int r;
};

inline vf splat(float x) noexcept {
    return {raw_float{x, x, x, x}};
}
inline vi splat(std::int32_t x) noexcept {
    return {raw_int{x, x, x, x}};
}

inline vf load(const float* p) noexcept {
    vf v;
    std::memcpy(&v, p, sizeof v);
    return v;
}
inline vi load(const std::int32_t* p) noexcept {
    vi v;
    std::memcpy(&v, p, sizeof v);
    return v;
}
inline void store(float* p, vf v) noexcept {
    std::memcpy(p, &v, sizeof v);
}
inline void store(std::int32_t* p, vi v) noexcept {
    std::memcpy(p, &v, sizeof v);
}
inline void stream(float* p, vf v) noexcept {
    store(p, v);
}
inline void stream_fence() noexcept {}

inline vf operator+(vf a, vf b) noexcept {
    return {a.r + b.r};
}
inline vf operator-(vf a, vf b) noexcept {
    return {a.r - b.r};
}
inline vf operator*(vf a, vf b) noexcept {
    return {a.r * b.r};
}
inline vf operator/(vf a, vf b) noexcept {
    return {a.r / b.r};
}
inline vf fma(vf a, vf b, vf c) noexcept {
    return {raw_float{__builtin_fmaf(a.r[0], b.r[0], c.r[0]), __builtin_fmaf(a.r[1], b.r[1], c.r[1]),
                      __builtin_fmaf(a.r[2], b.r[2], c.r[2]), __builtin_fmaf(a.r[3], b.r[3], c.r[3])}};
}
inline vi operator+(vi a, vi b) noexcept {
    return {(raw_int)((raw_unsigned)a.r + (raw_unsigned)b.r)};
}
inline vi operator-(vi a, vi b) noexcept {
    return {(raw_int)((raw_unsigned)a.r - (raw_unsigned)b.r)};
}
inline vi operator&(vi a, vi b) noexcept {
    return {a.r & b.r};
}
inline vi operator|(vi a, vi b) noexcept {
    return {a.r | b.r};
}
inline vi operator^(vi a, vi b) noexcept {
    return {a.r ^ b.r};
}

inline vi operator*(vi a, vi b) noexcept {
    return {(raw_int)((raw_unsigned)a.r * (raw_unsigned)b.r)};
}
inline vf sqrt(vf v) noexcept {
    return {raw_float{__builtin_sqrtf(v.r[0]), __builtin_sqrtf(v.r[1]), __builtin_sqrtf(v.r[2]), __builtin_sqrtf(v.r[3])}};
}

inline vi bits(vf v) noexcept {
    return {(raw_int)v.r};
}
inline vf abs(vf v) noexcept {
    return {(raw_float)((raw_int)v.r & 0x7FFFFFFF)};
}
inline vf as_float(vi v) noexcept {
    return {(raw_float)v.r};
}
inline vf convert(vi v) noexcept {
    return {__builtin_convertvector(v.r, raw_float)};
}

template <int Count>
inline vi shl(vi v) noexcept {
    return {(raw_int)((raw_unsigned)v.r << Count)};
}
template <int Count>
inline vi shr(vi v) noexcept {
    return {(raw_int)((raw_unsigned)v.r >> Count)};
}

inline vm operator>(vf a, vf b) noexcept {
    return {(raw_int)(a.r > b.r)};
}
inline vm operator>(vi a, vi b) noexcept {
    return {(raw_int)(a.r > b.r)};
}
inline vm operator==(vf a, vf b) noexcept {
    return {(raw_int)(a.r == b.r)};
}
inline vm operator==(vi a, vi b) noexcept {
    return {(raw_int)(a.r == b.r)};
}
inline vm operator&(vm a, vm b) noexcept {
    return {a.r & b.r};
}
inline vm operator|(vm a, vm b) noexcept {
    return {a.r | b.r};
}
inline vm operator!(vm m) noexcept {
    return {~m.r};
}
inline vi select(vm m, vi yes, vi no) noexcept {
    return {(m.r & yes.r) | (~m.r & no.r)};
}
inline vf select(vm m, vf yes, vf no) noexcept {
    return as_float(select(m, bits(yes), bits(no)));
}
inline bool any(vm m) noexcept {
    return (m.r[0] | m.r[1] | m.r[2] | m.r[3]) != 0;
}
/// count + 1 where m holds, else count.
inline vi increment_if(vi count, vm m) noexcept {
    return {count.r - m.r};
}

inline vf max(vf a, vf b) noexcept {
    return select(a > b, a, b);
}
inline vf min(vf a, vf b) noexcept {
    return select(b > a, a, b);
}
inline vi max(vi a, vi b) noexcept {
    return select(a > b, a, b);
}
inline vi min(vi a, vi b) noexcept {
    return select(a > b, b, a);
}

// Adding 1.5 * 2^23 leaves a float whose last place is one: the addition itself rounds half to even.
inline vi round(vf v) noexcept {
    const vf magic = splat(12582912.0f), reach = splat(4194304.0f);
    const vf inside = min(max(v, splat(-4194304.0f)), reach);
    return bits(inside + magic) - bits(magic);
}

inline vi truncate(vf v) noexcept {
    return {__builtin_convertvector(v.r, raw_int)};
}

/// out[0..3]: the largest of a, of b, of c, of d.
inline void reduce_max(std::int32_t* out, vi a, vi b, vi c, vi d) noexcept {
    const vi all[4] = {a, b, c, d};
    for (int k = 0; k < 4; ++k) {
        const raw_int v = all[k].r;
        const std::int32_t x = v[0] > v[1] ? v[0] : v[1], y = v[2] > v[3] ? v[2] : v[3];
        out[k] = x > y ? x : y;
    }
}
inline std::int32_t reduce_max(vi v) noexcept {
    const std::int32_t a = v.r[0] > v.r[1] ? v.r[0] : v.r[1], b = v.r[2] > v.r[3] ? v.r[2] : v.r[3];
    return a > b ? a : b;
}

/// Whether (byte & Mask) <= Largest for all of 4 * lanes bytes; Mask is at most 127.
template <unsigned Mask, unsigned Largest>
inline bool are_bytes_within(const std::uint8_t* p) noexcept {
    unsigned beyond = 0;
    for (std::size_t i = 0; i < 4 * lanes; ++i) {
        beyond |= (p[i] & Mask) > Largest;
    }
    return beyond == 0;
}
/// Whether a or b has a NaN.
inline bool any_nan(vf a, vf b) noexcept {
    return any({(bits(a).r & 0x7FFFFFFF) > 0x7F800000}) || any({(bits(b).r & 0x7FFFFFFF) > 0x7F800000});
}

inline vi load_u8(const std::uint8_t* p) noexcept {
    return {raw_int{p[0], p[1], p[2], p[3]}};
}
inline vi load_i8(const std::int8_t* p) noexcept {
    return {raw_int{p[0], p[1], p[2], p[3]}};
}
inline vi load_u16(const std::uint16_t* p) noexcept {
    return {raw_int{p[0], p[1], p[2], p[3]}};
}
/// Stores the low halves of 2 * lanes integers.
inline void store_u16(std::uint16_t* p, vi a, vi b) noexcept {
    for (int i = 0; i < 4; ++i) {
        p[i] = static_cast<std::uint16_t>(a.r[i]);
        p[4 + i] = static_cast<std::uint16_t>(b.r[i]);
    }
}
/// Stores the low bytes of 4 * lanes integers.
inline void store_u8(std::uint8_t* p, vi a, vi b, vi c, vi d) noexcept {
    const raw_int all[4] = {a.r, b.r, c.r, d.r};
    for (int k = 0; k < 4; ++k) {
        for (int i = 0; i < 4; ++i) {
            p[4 * k + i] = static_cast<std::uint8_t>(all[k][i]);
        }
    }
}
/// Watches integers on their way: `least` keeps the smallest one (of 16 bits where registers are packed through them).
struct watcher {
    vi least;
    watcher() noexcept : least(splat(0)) {}
    /// Whether no integer was below -32767.
    [[nodiscard]] bool is_good() const noexcept { return !any(splat(-32767) > least); }
};
/// Stores 4 * lanes integers as bytes, saturated to Low..High, which lie within int8 (Signed) or uint8.
template <bool Signed, int Low, int High>
inline void store_saturated(std::uint8_t* p, vi a, vi b, vi c, vi d, watcher* watch = nullptr) noexcept {
    if (watch != nullptr) {
        // A float beyond the conversion's reach may come out as any integer: only small magnitudes are good.
        const vi bound = splat(32767), all = max(max(a, b), max(c, d));
        watch->least = min(min(watch->least, bound - all), min(min(a, b), min(c, d)));
    }
    const vi low = splat(Low), high = splat(High);
    store_u8(p, min(max(a, low), high), min(max(b, low), high), min(max(c, low), high), min(max(d, low), high));
}
/// How many codes pack_nibbles takes at a time.
inline constexpr std::size_t nibble_run = 8;
/// Packs the low 4 bits of nibble_run bytes; HighFirst: the first of each two in the high half.
template <bool HighFirst>
inline void pack_nibbles(const std::uint8_t* codes, std::uint8_t* out) noexcept {
    for (std::size_t i = 0; i < nibble_run; i += 2) {
        const int first = codes[i] & 15, second = codes[i + 1] & 15;
        out[i / 2] = static_cast<std::uint8_t>(HighFirst ? first << 4 | second : second << 4 | first);
    }
}
/// The `lanes` 4-bit codes of lanes / 2 bytes; HighFirst: the first of each two in the high half.
/// Only the low 4 bits of each lane are meaningful.
template <bool HighFirst>
inline vi load_nibbles(const std::uint8_t* p) noexcept {
    constexpr int first = HighFirst ? 4 : 0, second = 4 - first;
    return {raw_int{p[0] >> first, p[0] >> second, p[1] >> first, p[1] >> second}};
}

/// Transposes bytes: out[j * out_step + i] = in[i * in_step + j] for i < 16, j < byte_columns.
inline constexpr std::size_t byte_columns = 16;
inline void transpose_byte_block(const std::uint8_t* in, std::size_t in_step, std::uint8_t* out,
                                 std::size_t out_step) noexcept {
    for (std::size_t j = 0; j < byte_columns; ++j) {
        for (std::size_t i = 0; i < 16; ++i) {
            out[j * out_step + i] = in[i * in_step + j];
        }
    }
}

/// Transposes a square of floats: out[j * out_step + i] = in[i * in_step + j] for i, j < square.
inline constexpr std::size_t square = 4;
inline void transpose_square(const float* in, std::ptrdiff_t in_step, float* out, std::ptrdiff_t out_step) noexcept {
    const raw_float a = load(in).r, b = load(in + in_step).r, c = load(in + 2 * in_step).r, d = load(in + 3 * in_step).r;
    const raw_float ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), AB = __builtin_shufflevector(a, b, 2, 6, 3, 7);
    const raw_float cd = __builtin_shufflevector(c, d, 0, 4, 1, 5), CD = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    store(out, vf{__builtin_shufflevector(ab, cd, 0, 1, 4, 5)});
    store(out + out_step, vf{__builtin_shufflevector(ab, cd, 2, 3, 6, 7)});
    store(out + 2 * out_step, vf{__builtin_shufflevector(AB, CD, 0, 1, 4, 5)});
    store(out + 3 * out_step, vf{__builtin_shufflevector(AB, CD, 2, 3, 6, 7)});
}

// Without conversion instructions the scalar format does it; these only have to exist.
inline constexpr bool has_half_conversion = false;
inline vf load_half(const std::uint16_t*) noexcept {
    return splat(0.0f);
}
inline void store_half(std::uint16_t*, vf) noexcept {}

/// Eight floats to be looked up by the low three bits of a lane.
struct table8 {
    float values[8];
};
inline table8 load_table8(const float* p) noexcept {
    table8 t;
    std::memcpy(&t, p, sizeof t);
    return t;
}
inline vf lookup(const table8& t, vi i) noexcept {
    return {raw_float{t.values[i.r[0] & 7], t.values[i.r[1] & 7], t.values[i.r[2] & 7], t.values[i.r[3] & 7]}};
}

/// Sixteen floats to be looked up by the low four bits of a lane.
struct table16 {
    float values[16];
};
inline table16 load_table16(const float* p) noexcept {
    table16 t;
    std::memcpy(&t, p, sizeof t);
    return t;
}
inline table16 operator*(const table16& t, float factor) noexcept {
    table16 product;
    for (int k = 0; k < 16; ++k) {
        product.values[k] = t.values[k] * factor;
    }
    return product;
}
inline table16 operator-(const table16& t, float subtrahend) noexcept {
    table16 difference;
    for (int k = 0; k < 16; ++k) {
        difference.values[k] = t.values[k] - subtrahend;
    }
    return difference;
}
inline vf lookup(const table16& t, vi i) noexcept {
    return {raw_float{t.values[i.r[0] & 15], t.values[i.r[1] & 15], t.values[i.r[2] & 15], t.values[i.r[3] & 15]}};
}

} // namespace tersor::inline v0::simd::TERSOR_GENERIC_NAMESPACE
TERSOR_END_GENERIC

#endif // TERSOR_SIMD_GENERIC_INL_HPP

#ifndef TERSOR_SIMD_AVX2_INL_HPP
#define TERSOR_SIMD_AVX2_INL_HPP

// The register wrapper of AVX2 with FMA and F16C: eight lanes. See vectors.hpp for what each name means.

TERSOR_BEGIN_AVX2
namespace tersor::inline v0::simd::avx2 {

inline constexpr bool has_fma = true;
inline constexpr bool has_permutation = true;
inline constexpr std::size_t lanes = 8;

struct vf {
    __m256 r;
};
struct vi {
    __m256i r;
};
struct vm {
    __m256i r;
};

inline vf splat(float x) noexcept {
    return {_mm256_set1_ps(x)};
}
inline vi splat(std::int32_t x) noexcept {
    return {_mm256_set1_epi32(x)};
}

inline vf load(const float* p) noexcept {
    return {_mm256_loadu_ps(p)};
}
inline vi load(const std::int32_t* p) noexcept {
    return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))};
}
inline void store(float* p, vf v) noexcept {
    _mm256_storeu_ps(p, v.r);
}
inline void store(std::int32_t* p, vi v) noexcept {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v.r);
}
/// A store that passes by the caches; p is aligned to a whole register.
inline void stream(float* p, vf v) noexcept {
    _mm256_stream_ps(p, v.r);
}
inline void stream_fence() noexcept {
    _mm_sfence();
}

inline vf operator+(vf a, vf b) noexcept {
    return {_mm256_add_ps(a.r, b.r)};
}
inline vf operator-(vf a, vf b) noexcept {
    return {_mm256_sub_ps(a.r, b.r)};
}
inline vf operator*(vf a, vf b) noexcept {
    return {_mm256_mul_ps(a.r, b.r)};
}
inline vf operator/(vf a, vf b) noexcept {
    return {_mm256_div_ps(a.r, b.r)};
}
inline vf fma(vf a, vf b, vf c) noexcept {
    return {_mm256_fmadd_ps(a.r, b.r, c.r)};
}
inline vi operator+(vi a, vi b) noexcept {
    return {_mm256_add_epi32(a.r, b.r)};
}
inline vi operator-(vi a, vi b) noexcept {
    return {_mm256_sub_epi32(a.r, b.r)};
}
inline vi operator&(vi a, vi b) noexcept {
    return {_mm256_and_si256(a.r, b.r)};
}
inline vi operator|(vi a, vi b) noexcept {
    return {_mm256_or_si256(a.r, b.r)};
}
inline vi operator^(vi a, vi b) noexcept {
    return {_mm256_xor_si256(a.r, b.r)};
}

inline vi operator*(vi a, vi b) noexcept {
    return {_mm256_mullo_epi32(a.r, b.r)};
}
inline vf sqrt(vf v) noexcept {
    return {_mm256_sqrt_ps(v.r)};
}

inline vi bits(vf v) noexcept {
    return {_mm256_castps_si256(v.r)};
}
inline vf abs(vf v) noexcept {
    return {_mm256_and_ps(v.r, _mm256_castsi256_ps(_mm256_set1_epi32(0x7FFFFFFF)))};
}
inline vf as_float(vi v) noexcept {
    return {_mm256_castsi256_ps(v.r)};
}
inline vf convert(vi v) noexcept {
    return {_mm256_cvtepi32_ps(v.r)};
}

template <int Count>
inline vi shl(vi v) noexcept {
    return {_mm256_slli_epi32(v.r, Count)};
}
template <int Count>
inline vi shr(vi v) noexcept {
    return {_mm256_srli_epi32(v.r, Count)};
}

inline vm operator>(vf a, vf b) noexcept {
    return {_mm256_castps_si256(_mm256_cmp_ps(a.r, b.r, _CMP_GT_OQ))};
}
inline vm operator>(vi a, vi b) noexcept {
    return {_mm256_cmpgt_epi32(a.r, b.r)};
}
inline vm operator==(vf a, vf b) noexcept {
    return {_mm256_castps_si256(_mm256_cmp_ps(a.r, b.r, _CMP_EQ_OQ))};
}
inline vm operator==(vi a, vi b) noexcept {
    return {_mm256_cmpeq_epi32(a.r, b.r)};
}
inline vm operator&(vm a, vm b) noexcept {
    return {_mm256_and_si256(a.r, b.r)};
}
inline vm operator|(vm a, vm b) noexcept {
    return {_mm256_or_si256(a.r, b.r)};
}
inline vm operator!(vm m) noexcept {
    return {_mm256_xor_si256(m.r, _mm256_set1_epi32(-1))};
}
inline vi select(vm m, vi yes, vi no) noexcept {
    return {_mm256_blendv_epi8(no.r, yes.r, m.r)};
}
inline vf select(vm m, vf yes, vf no) noexcept {
    return {_mm256_blendv_ps(no.r, yes.r, _mm256_castsi256_ps(m.r))};
}
inline bool any(vm m) noexcept {
    return _mm256_movemask_epi8(m.r) != 0;
}
inline vi increment_if(vi count, vm m) noexcept {
    return {_mm256_sub_epi32(count.r, m.r)};
}

inline vf max(vf a, vf b) noexcept {
    return {_mm256_max_ps(a.r, b.r)};
}
inline vf min(vf a, vf b) noexcept {
    return {_mm256_min_ps(a.r, b.r)};
}
inline vi max(vi a, vi b) noexcept {
    return {_mm256_max_epi32(a.r, b.r)};
}
inline vi min(vi a, vi b) noexcept {
    return {_mm256_min_epi32(a.r, b.r)};
}

inline vi round(vf v) noexcept {
    return {_mm256_cvtps_epi32(v.r)};
}
inline vi truncate(vf v) noexcept {
    return {_mm256_cvttps_epi32(v.r)};
}

/// out[0..3]: the largest of a, of b, of c, of d.
inline void reduce_max(std::int32_t* out, vi a, vi b, vi c, vi d) noexcept {
    const __m256i ab = _mm256_max_epi32(_mm256_unpacklo_epi32(a.r, b.r), _mm256_unpackhi_epi32(a.r, b.r));
    const __m256i cd = _mm256_max_epi32(_mm256_unpacklo_epi32(c.r, d.r), _mm256_unpackhi_epi32(c.r, d.r));
    const __m256i all = _mm256_max_epi32(_mm256_unpacklo_epi64(ab, cd), _mm256_unpackhi_epi64(ab, cd));
    const __m128i four = _mm_max_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), four);
}
inline std::int32_t reduce_max(vi v) noexcept {
    __m128i m = _mm_max_epi32(_mm256_castsi256_si128(v.r), _mm256_extracti128_si256(v.r, 1));
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4E));
    return _mm_cvtsi128_si32(_mm_max_epi32(m, _mm_shuffle_epi32(m, 0xB1)));
}

template <unsigned Mask, unsigned Largest>
inline bool are_bytes_within(const std::uint8_t* p) noexcept {
    const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    const __m256i masked = _mm256_and_si256(bytes, _mm256_set1_epi8(static_cast<char>(Mask)));
    return _mm256_movemask_epi8(_mm256_cmpgt_epi8(masked, _mm256_set1_epi8(static_cast<char>(Largest)))) == 0;
}
inline bool any_nan(vf a, vf b) noexcept {
    return _mm256_movemask_ps(_mm256_cmp_ps(a.r, b.r, _CMP_UNORD_Q)) != 0;
}

inline vi load_u8(const std::uint8_t* p) noexcept {
    return {_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)))};
}
inline vi load_i8(const std::int8_t* p) noexcept {
    return {_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)))};
}
inline vi load_u16(const std::uint16_t* p) noexcept {
    return {_mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))};
}
inline void store_u16(std::uint16_t* p, vi a, vi b) noexcept {
    const __m256i low = _mm256_set1_epi32(0xFFFF);
    const __m256i packed = _mm256_packus_epi32(_mm256_and_si256(a.r, low), _mm256_and_si256(b.r, low));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_permute4x64_epi64(packed, 0xD8));
}
inline void store_u8(std::uint8_t* p, vi a, vi b, vi c, vi d) noexcept {
    // The packs work within 128-bit halves: the last permutation puts the groups of four back in order.
    const __m256i low = _mm256_set1_epi16(0xFF);
    const __m256i ab = _mm256_and_si256(_mm256_packs_epi32(a.r, b.r), low);
    const __m256i cd = _mm256_and_si256(_mm256_packs_epi32(c.r, d.r), low);
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_permutevar8x32_epi32(_mm256_packus_epi16(ab, cd), order));
}
struct watcher {
    vi least;
    watcher() noexcept : least(splat(0)) {}
    [[nodiscard]] bool is_good() const noexcept {
        const __m256i bound = _mm256_set1_epi16(-32767);
        return _mm256_movemask_epi8(_mm256_cmpgt_epi16(bound, least.r)) == 0;
    }
};
template <bool Signed, int Low, int High>
inline void store_saturated(std::uint8_t* p, vi a, vi b, vi c, vi d, watcher* watch = nullptr) noexcept {
    const __m256i ab = _mm256_packs_epi32(a.r, b.r), cd = _mm256_packs_epi32(c.r, d.r);
    if (watch != nullptr) {
        // What is beyond the conversion's reach comes out as the smallest integer, which the packs keep smallest.
        watch->least.r = _mm256_min_epi16(watch->least.r, _mm256_min_epi16(ab, cd));
    }
    __m256i bytes = Signed ? _mm256_packs_epi16(ab, cd) : _mm256_packus_epi16(ab, cd);
    if constexpr (Low > (Signed ? -128 : 0)) {
        const __m256i low = _mm256_set1_epi8(static_cast<char>(Low));
        bytes = Signed ? _mm256_max_epi8(bytes, low) : _mm256_max_epu8(bytes, low);
    }
    if constexpr (High < (Signed ? 127 : 255)) {
        const __m256i high = _mm256_set1_epi8(static_cast<char>(High));
        bytes = Signed ? _mm256_min_epi8(bytes, high) : _mm256_min_epu8(bytes, high);
    }
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_permutevar8x32_epi32(bytes, order));
}
inline constexpr std::size_t nibble_run = 64;
template <bool HighFirst>
inline void pack_nibbles(const std::uint8_t* codes, std::uint8_t* out) noexcept {
    const __m256i low = _mm256_set1_epi8(15);
    const __m256i weights = _mm256_set1_epi16(HighFirst ? 0x0110 : 0x1001);
    const auto pairs = [&](const std::uint8_t* p) {
        const __m256i bytes = _mm256_and_si256(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)), low);
        return _mm256_maddubs_epi16(bytes, weights);
    };
    const __m256i packed = _mm256_packus_epi16(pairs(codes), pairs(codes + 32));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm256_permute4x64_epi64(packed, 0xD8));
}
template <bool HighFirst>
inline vi load_nibbles(const std::uint8_t* p) noexcept {
    std::int32_t word;
    std::memcpy(&word, p, sizeof word);
    const __m256i shifts =
        HighFirst ? _mm256_setr_epi32(4, 0, 12, 8, 20, 16, 28, 24) : _mm256_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28);
    return {_mm256_srlv_epi32(_mm256_set1_epi32(word), shifts)};
}

/// Transposes a square of floats: out[j * out_step + i] = in[i * in_step + j] for i, j < square.
inline constexpr std::size_t square = 8;
inline void transpose_square(const float* in, std::ptrdiff_t in_step, float* out, std::ptrdiff_t out_step) noexcept {
    // Rows k and k + 4 side by side, so that the shuffles need not cross the halves of a register.
    __m256 r[8];
    TERSOR_UNROLL_ALL
    for (int k = 0; k < 4; ++k) {
        const float* const a = in + k * in_step;
        const float* const b = in + (k + 4) * in_step;
        r[k] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(a)), _mm_loadu_ps(b), 1);
        r[k + 4] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(a + 4)), _mm_loadu_ps(b + 4), 1);
    }
    TERSOR_UNROLL_ALL
    for (int k = 0; k < 8; k += 4) {
        const __m256 ab = _mm256_unpacklo_ps(r[k], r[k + 1]), AB = _mm256_unpackhi_ps(r[k], r[k + 1]);
        const __m256 cd = _mm256_unpacklo_ps(r[k + 2], r[k + 3]), CD = _mm256_unpackhi_ps(r[k + 2], r[k + 3]);
        _mm256_storeu_ps(out + k * out_step, _mm256_shuffle_ps(ab, cd, 0x44));
        _mm256_storeu_ps(out + (k + 1) * out_step, _mm256_shuffle_ps(ab, cd, 0xEE));
        _mm256_storeu_ps(out + (k + 2) * out_step, _mm256_shuffle_ps(AB, CD, 0x44));
        _mm256_storeu_ps(out + (k + 3) * out_step, _mm256_shuffle_ps(AB, CD, 0xEE));
    }
}

/// Transposes bytes: out[j * out_step + i] = in[i * in_step + j] for i < 16, j < byte_columns.
inline constexpr std::size_t byte_columns = 32;
inline void transpose_byte_block(const std::uint8_t* in, std::size_t in_step, std::uint8_t* out,
                                 std::size_t out_step) noexcept {
    __m256i a[16], b[16];
    TERSOR_UNROLL_ALL
    for (std::size_t k = 0; k < 16; ++k) {
        a[k] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(in + k * in_step));
    }
    // Each of four steps moves one bit of a byte's row number into its place in the row, within halves of registers.
    const auto join = [](const __m256i* from, __m256i* to) {
        TERSOR_UNROLL_ALL
        for (int k = 0; k < 8; ++k) {
            to[2 * k] = _mm256_unpacklo_epi8(from[k], from[k + 8]);
            to[2 * k + 1] = _mm256_unpackhi_epi8(from[k], from[k + 8]);
        }
    };
    join(a, b);
    join(b, a);
    join(a, b);
    join(b, a);
    TERSOR_UNROLL_ALL
    for (std::size_t k = 0; k < 16; ++k) {
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out + k * out_step), _mm256_castsi256_si128(a[k]));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out + (k + 16) * out_step), _mm256_extracti128_si256(a[k], 1));
    }
}

inline constexpr bool has_half_conversion = true;
inline vf load_half(const std::uint16_t* p) noexcept {
    return {_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))};
}
inline void store_half(std::uint16_t* p, vf v) noexcept {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvtps_ph(v.r, _MM_FROUND_TO_NEAREST_INT));
}

struct table8 {
    __m256 values;
};
inline table8 load_table8(const float* p) noexcept {
    return {_mm256_loadu_ps(p)};
}
inline vf lookup(const table8& t, vi i) noexcept {
    return {_mm256_permutevar8x32_ps(t.values, i.r)};
}

struct table16 {
    __m256 low, high;
};
inline table16 load_table16(const float* p) noexcept {
    return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)};
}
inline table16 operator*(const table16& t, float factor) noexcept {
    return {_mm256_mul_ps(t.low, _mm256_set1_ps(factor)), _mm256_mul_ps(t.high, _mm256_set1_ps(factor))};
}
inline table16 operator-(const table16& t, float subtrahend) noexcept {
    return {_mm256_sub_ps(t.low, _mm256_set1_ps(subtrahend)), _mm256_sub_ps(t.high, _mm256_set1_ps(subtrahend))};
}
inline vf lookup(const table16& t, vi i) noexcept {
    // The permutation reads three bits of the index, the blend the fourth, moved to the sign.
    const __m256 low = _mm256_permutevar8x32_ps(t.low, i.r), high = _mm256_permutevar8x32_ps(t.high, i.r);
    return {_mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32(i.r, 28)))};
}

} // namespace tersor::inline v0::simd::avx2
TERSOR_END_AVX2

#endif // TERSOR_SIMD_AVX2_INL_HPP

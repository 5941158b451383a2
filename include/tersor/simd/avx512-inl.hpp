#ifndef TERSOR_SIMD_AVX512_INL_HPP
#define TERSOR_SIMD_AVX512_INL_HPP

// The register wrapper of AVX-512 (F, BW, VL, DQ): sixteen lanes. See vectors.hpp for what each name means.

TERSOR_BEGIN_AVX512
namespace tersor::inline v0::simd::avx512 {

inline constexpr bool has_fma = true;
inline constexpr bool has_permutation = true;
inline constexpr std::size_t lanes = 16;

struct vf {
    __m512 r;
};
struct vi {
    __m512i r;
};
struct vm {
    __mmask16 r;
};

inline vf splat(float x) noexcept {
    return {_mm512_set1_ps(x)};
}
inline vi splat(std::int32_t x) noexcept {
    return {_mm512_set1_epi32(x)};
}

inline vf load(const float* p) noexcept {
    return {_mm512_loadu_ps(p)};
}
inline vi load(const std::int32_t* p) noexcept {
    return {_mm512_loadu_si512(p)};
}
inline void store(float* p, vf v) noexcept {
    _mm512_storeu_ps(p, v.r);
}
inline void store(std::int32_t* p, vi v) noexcept {
    _mm512_storeu_si512(p, v.r);
}
/// A store that passes by the caches; p is aligned to a whole register.
inline void stream(float* p, vf v) noexcept {
    _mm512_stream_ps(p, v.r);
}
inline void stream_fence() noexcept {
    _mm_sfence();
}

inline vf operator+(vf a, vf b) noexcept {
    return {_mm512_add_ps(a.r, b.r)};
}
inline vf operator-(vf a, vf b) noexcept {
    return {_mm512_sub_ps(a.r, b.r)};
}
inline vf operator*(vf a, vf b) noexcept {
    return {_mm512_mul_ps(a.r, b.r)};
}
inline vf operator/(vf a, vf b) noexcept {
    return {_mm512_div_ps(a.r, b.r)};
}
inline vf fma(vf a, vf b, vf c) noexcept {
    return {_mm512_fmadd_ps(a.r, b.r, c.r)};
}
inline vi operator+(vi a, vi b) noexcept {
    return {_mm512_add_epi32(a.r, b.r)};
}
inline vi operator-(vi a, vi b) noexcept {
    return {_mm512_sub_epi32(a.r, b.r)};
}
inline vi operator&(vi a, vi b) noexcept {
    return {_mm512_and_si512(a.r, b.r)};
}
inline vi operator|(vi a, vi b) noexcept {
    return {_mm512_or_si512(a.r, b.r)};
}
inline vi operator^(vi a, vi b) noexcept {
    return {_mm512_xor_si512(a.r, b.r)};
}

inline vi operator*(vi a, vi b) noexcept {
    return {_mm512_mullo_epi32(a.r, b.r)};
}
inline vf sqrt(vf v) noexcept {
    return {_mm512_sqrt_ps(v.r)};
}

inline vi bits(vf v) noexcept {
    return {_mm512_castps_si512(v.r)};
}
inline vf abs(vf v) noexcept {
    return {_mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(v.r), _mm512_set1_epi32(0x7FFFFFFF)))};
}
inline vf as_float(vi v) noexcept {
    return {_mm512_castsi512_ps(v.r)};
}
inline vf convert(vi v) noexcept {
    return {_mm512_cvtepi32_ps(v.r)};
}

template <int Count>
inline vi shl(vi v) noexcept {
    return {_mm512_slli_epi32(v.r, Count)};
}
template <int Count>
inline vi shr(vi v) noexcept {
    return {_mm512_srli_epi32(v.r, Count)};
}

inline vm operator>(vf a, vf b) noexcept {
    return {_mm512_cmp_ps_mask(a.r, b.r, _CMP_GT_OQ)};
}
inline vm operator>(vi a, vi b) noexcept {
    return {_mm512_cmpgt_epi32_mask(a.r, b.r)};
}
inline vm operator==(vf a, vf b) noexcept {
    return {_mm512_cmp_ps_mask(a.r, b.r, _CMP_EQ_OQ)};
}
inline vm operator==(vi a, vi b) noexcept {
    return {_mm512_cmpeq_epi32_mask(a.r, b.r)};
}
inline vm operator&(vm a, vm b) noexcept {
    return {static_cast<__mmask16>(a.r & b.r)};
}
inline vm operator|(vm a, vm b) noexcept {
    return {static_cast<__mmask16>(a.r | b.r)};
}
inline vm operator!(vm m) noexcept {
    return {static_cast<__mmask16>(~m.r)};
}
inline vi select(vm m, vi yes, vi no) noexcept {
    return {_mm512_mask_blend_epi32(m.r, no.r, yes.r)};
}
inline vf select(vm m, vf yes, vf no) noexcept {
    return {_mm512_mask_blend_ps(m.r, no.r, yes.r)};
}
inline bool any(vm m) noexcept {
    return m.r != 0;
}
inline vi increment_if(vi count, vm m) noexcept {
    return {_mm512_mask_sub_epi32(count.r, m.r, count.r, _mm512_set1_epi32(-1))};
}

inline vf max(vf a, vf b) noexcept {
    return {_mm512_max_ps(a.r, b.r)};
}
inline vf min(vf a, vf b) noexcept {
    return {_mm512_min_ps(a.r, b.r)};
}
inline vi max(vi a, vi b) noexcept {
    return {_mm512_max_epi32(a.r, b.r)};
}
inline vi min(vi a, vi b) noexcept {
    return {_mm512_min_epi32(a.r, b.r)};
}

inline vi round(vf v) noexcept {
    return {_mm512_cvtps_epi32(v.r)};
}
inline vi truncate(vf v) noexcept {
    return {_mm512_cvttps_epi32(v.r)};
}

/// out[0..3]: the largest of a, of b, of c, of d.
inline void reduce_max(std::int32_t* out, vi a, vi b, vi c, vi d) noexcept {
    const __m512i ab = _mm512_max_epi32(_mm512_unpacklo_epi32(a.r, b.r), _mm512_unpackhi_epi32(a.r, b.r));
    const __m512i cd = _mm512_max_epi32(_mm512_unpacklo_epi32(c.r, d.r), _mm512_unpackhi_epi32(c.r, d.r));
    const __m512i all = _mm512_max_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
    const __m256i half = _mm256_max_epi32(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64(all, 1));
    const __m128i four = _mm_max_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), four);
}
inline std::int32_t reduce_max(vi v) noexcept {
    return _mm512_reduce_max_epi32(v.r);
}

template <unsigned Mask, unsigned Largest>
inline bool are_bytes_within(const std::uint8_t* p) noexcept {
    const __m512i masked = _mm512_and_si512(_mm512_loadu_si512(p), _mm512_set1_epi8(static_cast<char>(Mask)));
    return _mm512_cmpgt_epi8_mask(masked, _mm512_set1_epi8(static_cast<char>(Largest))) == 0;
}
inline bool any_nan(vf a, vf b) noexcept {
    return _mm512_cmp_ps_mask(a.r, b.r, _CMP_UNORD_Q) != 0;
}

inline vi load_u8(const std::uint8_t* p) noexcept {
    return {_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))};
}
inline vi load_i8(const std::int8_t* p) noexcept {
    return {_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))};
}
inline vi load_u16(const std::uint16_t* p) noexcept {
    return {_mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
}
inline void store_u16(std::uint16_t* p, vi a, vi b) noexcept {
    const __m512i low = _mm512_set1_epi32(0xFFFF);
    const __m512i packed = _mm512_packus_epi32(_mm512_and_si512(a.r, low), _mm512_and_si512(b.r, low));
    const __m512i order = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
    _mm512_storeu_si512(p, _mm512_permutexvar_epi64(order, packed));
}
inline void store_u8(std::uint8_t* p, vi a, vi b, vi c, vi d) noexcept {
    const vi all[4] = {a, b, c, d};
    for (int k = 0; k < 4; ++k) {
        _mm_storeu_si128(reinterpret_cast<__m128i*>(p + 16 * k), _mm512_cvtepi32_epi8(all[k].r));
    }
}
struct watcher {
    vi least;
    watcher() noexcept : least(splat(0)) {}
    [[nodiscard]] bool is_good() const noexcept {
        const __m512i bound = _mm512_set1_epi16(-32767);
        return _mm512_cmpgt_epi16_mask(bound, least.r) == 0;
    }
};
template <bool Signed, int Low, int High>
inline void store_saturated(std::uint8_t* p, vi a, vi b, vi c, vi d, watcher* watch = nullptr) noexcept {
    // The packs work within 128-bit quarters: the last permutation puts the groups of four back in order.
    const __m512i ab = _mm512_packs_epi32(a.r, b.r), cd = _mm512_packs_epi32(c.r, d.r);
    if (watch != nullptr) {
        // What is beyond the conversion's reach comes out as the smallest integer, which the packs keep smallest.
        watch->least.r = _mm512_min_epi16(watch->least.r, _mm512_min_epi16(ab, cd));
    }
    __m512i bytes = Signed ? _mm512_packs_epi16(ab, cd) : _mm512_packus_epi16(ab, cd);
    if constexpr (Low > (Signed ? -128 : 0)) {
        const __m512i low = _mm512_set1_epi8(static_cast<char>(Low));
        bytes = Signed ? _mm512_max_epi8(bytes, low) : _mm512_max_epu8(bytes, low);
    }
    if constexpr (High < (Signed ? 127 : 255)) {
        const __m512i high = _mm512_set1_epi8(static_cast<char>(High));
        bytes = Signed ? _mm512_min_epi8(bytes, high) : _mm512_min_epu8(bytes, high);
    }
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    _mm512_storeu_si512(p, _mm512_permutexvar_epi32(order, bytes));
}
inline constexpr std::size_t nibble_run = 64;
template <bool HighFirst>
inline void pack_nibbles(const std::uint8_t* codes, std::uint8_t* out) noexcept {
    const __m512i bytes = _mm512_and_si512(_mm512_loadu_si512(codes), _mm512_set1_epi8(15));
    const __m512i pairs = _mm512_maddubs_epi16(bytes, _mm512_set1_epi16(HighFirst ? 0x0110 : 0x1001));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm512_cvtepi16_epi8(pairs));
}
template <bool HighFirst>
inline vi load_nibbles(const std::uint8_t* p) noexcept {
    std::int32_t low, high;
    std::memcpy(&low, p, sizeof low);
    std::memcpy(&high, p + 4, sizeof high);
    const __m512i shifts = HighFirst ? _mm512_setr_epi32(4, 0, 12, 8, 20, 16, 28, 24, 4, 0, 12, 8, 20, 16, 28, 24)
                                     : _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 0, 4, 8, 12, 16, 20, 24, 28);
    return {_mm512_srlv_epi32(_mm512_mask_set1_epi32(_mm512_set1_epi32(low), 0xFF00, high), shifts)};
}

using avx2::byte_columns;
using avx2::square;
using avx2::transpose_byte_block;
using avx2::transpose_square;

inline constexpr bool has_half_conversion = true;
inline vf load_half(const std::uint16_t* p) noexcept {
    return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
}
inline void store_half(std::uint16_t* p, vf v) noexcept {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtps_ph(v.r, _MM_FROUND_TO_NEAREST_INT));
}

struct table8 {
    __m512 values; // twice the eight
};
inline table8 load_table8(const float* p) noexcept {
    const __m256 once = _mm256_loadu_ps(p);
    return {_mm512_insertf32x8(_mm512_castps256_ps512(once), once, 1)};
}
inline vf lookup(const table8& t, vi i) noexcept {
    return {_mm512_permutexvar_ps(i.r, t.values)};
}

struct table16 {
    __m512 values;
};
inline table16 load_table16(const float* p) noexcept {
    return {_mm512_loadu_ps(p)};
}
inline table16 operator*(const table16& t, float factor) noexcept {
    return {_mm512_mul_ps(t.values, _mm512_set1_ps(factor))};
}
inline table16 operator-(const table16& t, float subtrahend) noexcept {
    return {_mm512_sub_ps(t.values, _mm512_set1_ps(subtrahend))};
}
inline vf lookup(const table16& t, vi i) noexcept {
    return {_mm512_permutexvar_ps(i.r, t.values)};
}

} // namespace tersor::inline v0::simd::avx512
TERSOR_END_AVX512

#endif // TERSOR_SIMD_AVX512_INL_HPP

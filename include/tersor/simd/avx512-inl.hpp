#ifndef TERSOR_SIMD_AVX512_INL_HPP
#define TERSOR_SIMD_AVX512_INL_HPP

// The register wrapper of AVX-512 (F, BW, VL, DQ): sixteen lanes. See vectors.hpp for what each name means.

TERSOR_BEGIN_AVX512
namespace tersor::inline v0::simd::avx512 {

inline constexpr bool has_fma = true;
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

inline vf splat(float x) noexcept { return {_mm512_set1_ps(x)}; }
inline vi splat(std::int32_t x) noexcept { return {_mm512_set1_epi32(x)}; }

inline vf load(const float* p) noexcept { return {_mm512_loadu_ps(p)}; }
inline vi load(const std::int32_t* p) noexcept { return {_mm512_loadu_si512(p)}; }
inline void store(float* p, vf v) noexcept { _mm512_storeu_ps(p, v.r); }
inline void store(std::int32_t* p, vi v) noexcept { _mm512_storeu_si512(p, v.r); }
/// A store that passes by the caches; p is aligned to 64 bytes.
inline void stream(float* p, vf v) noexcept { _mm512_stream_ps(p, v.r); }
inline void stream_fence() noexcept { _mm_sfence(); }

inline vf operator+(vf a, vf b) noexcept { return {_mm512_add_ps(a.r, b.r)}; }
inline vf operator-(vf a, vf b) noexcept { return {_mm512_sub_ps(a.r, b.r)}; }
inline vf operator*(vf a, vf b) noexcept { return {_mm512_mul_ps(a.r, b.r)}; }
inline vf operator/(vf a, vf b) noexcept { return {_mm512_div_ps(a.r, b.r)}; }
inline vf fma(vf a, vf b, vf c) noexcept { return {_mm512_fmadd_ps(a.r, b.r, c.r)}; }
inline vi operator+(vi a, vi b) noexcept { return {_mm512_add_epi32(a.r, b.r)}; }
inline vi operator-(vi a, vi b) noexcept { return {_mm512_sub_epi32(a.r, b.r)}; }
inline vi operator&(vi a, vi b) noexcept { return {_mm512_and_si512(a.r, b.r)}; }
inline vi operator|(vi a, vi b) noexcept { return {_mm512_or_si512(a.r, b.r)}; }
inline vi operator^(vi a, vi b) noexcept { return {_mm512_xor_si512(a.r, b.r)}; }

inline vi bits(vf v) noexcept { return {_mm512_castps_si512(v.r)}; }
inline vf as_float(vi v) noexcept { return {_mm512_castsi512_ps(v.r)}; }
inline vf convert(vi v) noexcept { return {_mm512_cvtepi32_ps(v.r)}; }

template <int Count>
inline vi shl(vi v) noexcept {
    return {_mm512_slli_epi32(v.r, Count)};
}
template <int Count>
inline vi shr(vi v) noexcept {
    return {_mm512_srli_epi32(v.r, Count)};
}

inline vm operator>(vf a, vf b) noexcept { return {_mm512_cmp_ps_mask(a.r, b.r, _CMP_GT_OQ)}; }
inline vm operator>(vi a, vi b) noexcept { return {_mm512_cmpgt_epi32_mask(a.r, b.r)}; }
inline vi select(vm m, vi yes, vi no) noexcept { return {_mm512_mask_blend_epi32(m.r, no.r, yes.r)}; }
inline vf select(vm m, vf yes, vf no) noexcept { return {_mm512_mask_blend_ps(m.r, no.r, yes.r)}; }
inline bool any(vm m) noexcept { return m.r != 0; }
inline vi increment_if(vi count, vm m) noexcept {
    return {_mm512_mask_sub_epi32(count.r, m.r, count.r, _mm512_set1_epi32(-1))};
}

inline vf max(vf a, vf b) noexcept { return {_mm512_max_ps(a.r, b.r)}; }
inline vf min(vf a, vf b) noexcept { return {_mm512_min_ps(a.r, b.r)}; }
inline vi max(vi a, vi b) noexcept { return {_mm512_max_epi32(a.r, b.r)}; }
inline vi min(vi a, vi b) noexcept { return {_mm512_min_epi32(a.r, b.r)}; }

inline vi round(vf v) noexcept {
    const vf magic = splat(12582912.0f);
    return bits(v + magic) - bits(magic);
}

inline std::int32_t reduce_max(vi v) noexcept { return _mm512_reduce_max_epi32(v.r); }
inline float reduce_max(vf v) noexcept { return _mm512_reduce_max_ps(v.r); }
inline float reduce_min(vf v) noexcept { return _mm512_reduce_min_ps(v.r); }

inline vi load_u8(const std::uint8_t* p) noexcept {
    return {_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))};
}
inline vi load_i8(const std::int8_t* p) noexcept {
    return {_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))};
}
inline vi load_u16(const std::uint16_t* p) noexcept {
    return {_mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
}
inline void store_u16(std::uint16_t* p, vi v) noexcept {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtepi32_epi16(v.r));
}
inline void store_u8(std::uint8_t* p, vi a, vi b, vi c, vi d) noexcept {
    const vi all[4] = {a, b, c, d};
    for (int k = 0; k < 4; ++k) {
        _mm_storeu_si128(reinterpret_cast<__m128i*>(p + 16 * k), _mm512_cvtepi32_epi8(all[k].r));
    }
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

struct table16 {
    __m512 values;
};
inline table16 load_table16(const float* p) noexcept { return {_mm512_loadu_ps(p)}; }
inline vf lookup(const table16& t, vi i) noexcept { return {_mm512_permutexvar_ps(i.r, t.values)}; }

} // namespace tersor::inline v0::simd::avx512
TERSOR_END_AVX512

#endif // TERSOR_SIMD_AVX512_INL_HPP

#ifndef TERSOR_MATMUL_INT8_PRODUCT_OPS_HPP
#define TERSOR_MATMUL_INT8_PRODUCT_OPS_HPP

// What the kernels of int8 products need of each instruction set, under the same names:
//
//   lanes, step         sums in a register; values of one lane that a multiplication adds up
//   token_code          what tokens are widened to, weight_code the same for weights
//   offset              token codes are c + offset where c is from -128 to 127
//   multiply_add        s + x_0 w_0 + .. + x_(step-1) w_(step-1) in every lane, modulo 2^32
//   run                 codes in a register, lanes * step; load_run and store_run move weights
//   tile_rows, tile_vectors, dot_sums    how many sums fit the registers
//
// The byte instruction of AVX2 saturates: 255 * 127 * 2 is beyond 16 bits. Words are exact, (-128)^2 * 2 is within 32
// bits; so is AVX-512 VNNI, which adds four products of unsigned and signed bytes to 32 bits.

#include "tersor/simd/vectors.hpp"

/// Before a loop over registers: unrolls it completely.
#if defined(__clang__)
#    define TERSOR_UNROLL_ALL TERSOR_PRAGMA(clang loop unroll(full))
#else
#    define TERSOR_UNROLL_ALL TERSOR_PRAGMA(GCC unroll 16)
#endif

/// AVX-512 with the VNNI instructions.
#define TERSOR_BEGIN_AVX512_VNNI TERSOR_BEGIN_TARGET(TERSOR_TARGET_AVX512 ",avx512vnni")
#define TERSOR_END_AVX512_VNNI TERSOR_END_TARGET

TERSOR_BEGIN_GENERIC
namespace tersor::inline v0::simd::TERSOR_GENERIC_NAMESPACE::bytes {

inline constexpr std::size_t lanes = 4, step = 2, run = lanes * step;
inline constexpr std::size_t tile_rows = 2, tile_vectors = 2, dot_sums = 4;
inline constexpr int offset = 0;
using token_code = std::int16_t;
using weight_code = std::int16_t;

struct sums {
    std::int32_t r[lanes];
};
struct codes {
    std::int16_t r[run];
};

inline sums splat(std::int32_t x) noexcept {
    return {{x, x, x, x}};
}
inline sums load(const std::int32_t* p) noexcept {
    return {{p[0], p[1], p[2], p[3]}};
}
inline void store(std::int32_t* p, const sums& s) noexcept {
    std::memcpy(p, s.r, sizeof s.r);
}
inline codes load_tokens(const token_code* p) noexcept {
    codes c;
    std::memcpy(c.r, p, sizeof c.r);
    return c;
}
inline codes splat_weights(const weight_code* p) noexcept {
    return {{p[0], p[1], p[0], p[1], p[0], p[1], p[0], p[1]}};
}
inline codes load_run(const std::int8_t* p) noexcept {
    return {{p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7]}};
}
inline void store_run(weight_code* p, const codes& c) noexcept {
    std::memcpy(p, c.r, sizeof c.r);
}
inline codes ones() noexcept {
    return {{1, 1, 1, 1, 1, 1, 1, 1}};
}
inline sums multiply_add(const sums& s, const codes& x, const codes& w) noexcept {
    sums result;
    for (std::size_t i = 0; i < lanes; ++i) {
        const std::int32_t pair = x.r[2 * i] * w.r[2 * i] + x.r[2 * i + 1] * w.r[2 * i + 1];
        result.r[i] = static_cast<std::int32_t>(static_cast<std::uint32_t>(s.r[i]) + static_cast<std::uint32_t>(pair));
    }
    return result;
}
inline std::int32_t reduce(const sums& s) noexcept {
    std::uint32_t total = 0;
    for (const std::int32_t x : s.r) {
        total += static_cast<std::uint32_t>(x);
    }
    return static_cast<std::int32_t>(total);
}

} // namespace tersor::inline v0::simd::TERSOR_GENERIC_NAMESPACE::bytes
TERSOR_END_GENERIC

#if TERSOR_X86
TERSOR_BEGIN_AVX2
namespace tersor::inline v0::simd::avx2::bytes {

inline constexpr std::size_t lanes = 8, step = 2, run = lanes * step;
inline constexpr std::size_t tile_rows = 6, tile_vectors = 2, dot_sums = 8;
inline constexpr int offset = 0;
using token_code = std::int16_t;
using weight_code = std::int16_t;

struct sums {
    __m256i r;
};
struct codes {
    __m256i r;
};

inline sums splat(std::int32_t x) noexcept {
    return {_mm256_set1_epi32(x)};
}
inline sums load(const std::int32_t* p) noexcept {
    return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))};
}
inline void store(std::int32_t* p, sums s) noexcept {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), s.r);
}
inline codes load_tokens(const token_code* p) noexcept {
    return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))};
}
inline codes splat_weights(const weight_code* p) noexcept {
    std::int32_t pair;
    std::memcpy(&pair, p, sizeof pair);
    return {_mm256_set1_epi32(pair)};
}
inline codes load_run(const std::int8_t* p) noexcept {
    return {_mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))};
}
inline void store_run(weight_code* p, codes c) noexcept {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), c.r);
}
inline codes ones() noexcept {
    return {_mm256_set1_epi16(1)};
}
inline sums multiply_add(sums s, codes x, codes w) noexcept {
    return {_mm256_add_epi32(s.r, _mm256_madd_epi16(x.r, w.r))};
}
inline std::int32_t reduce(sums s) noexcept {
    __m128i v = _mm_add_epi32(_mm256_castsi256_si128(s.r), _mm256_extracti128_si256(s.r, 1));
    v = _mm_add_epi32(v, _mm_shuffle_epi32(v, 0x4E));
    return _mm_cvtsi128_si32(_mm_add_epi32(v, _mm_shuffle_epi32(v, 0xB1)));
}

} // namespace tersor::inline v0::simd::avx2::bytes
TERSOR_END_AVX2
#endif

#if TERSOR_AVX512
TERSOR_BEGIN_AVX512
namespace tersor::inline v0::simd::avx512::bytes {

inline constexpr std::size_t lanes = 16, step = 2, run = lanes * step;
inline constexpr std::size_t tile_rows = 8, tile_vectors = 3, dot_sums = 16;
inline constexpr int offset = 0;
using token_code = std::int16_t;
using weight_code = std::int16_t;

struct sums {
    __m512i r;
};
struct codes {
    __m512i r;
};

inline sums splat(std::int32_t x) noexcept {
    return {_mm512_set1_epi32(x)};
}
inline sums load(const std::int32_t* p) noexcept {
    return {_mm512_loadu_si512(p)};
}
inline void store(std::int32_t* p, sums s) noexcept {
    _mm512_storeu_si512(p, s.r);
}
inline codes load_tokens(const token_code* p) noexcept {
    return {_mm512_loadu_si512(p)};
}
inline codes splat_weights(const weight_code* p) noexcept {
    std::int32_t pair;
    std::memcpy(&pair, p, sizeof pair);
    return {_mm512_set1_epi32(pair)};
}
inline codes load_run(const std::int8_t* p) noexcept {
    return {_mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
}
inline void store_run(weight_code* p, codes c) noexcept {
    _mm512_storeu_si512(p, c.r);
}
inline codes ones() noexcept {
    return {_mm512_set1_epi16(1)};
}
inline sums multiply_add(sums s, codes x, codes w) noexcept {
    return {_mm512_add_epi32(s.r, _mm512_madd_epi16(x.r, w.r))};
}
inline std::int32_t reduce(sums s) noexcept {
    return _mm512_reduce_add_epi32(s.r);
}

} // namespace tersor::inline v0::simd::avx512::bytes
TERSOR_END_AVX512

TERSOR_BEGIN_AVX512_VNNI
namespace tersor::inline v0::simd::avx512_vnni::bytes {

using avx512::bytes::load;
using avx512::bytes::reduce;
using avx512::bytes::splat;
using avx512::bytes::store;
using avx512::bytes::sums;

inline constexpr std::size_t lanes = 16, step = 4, run = lanes * step;
inline constexpr std::size_t tile_rows = 8, tile_vectors = 3, dot_sums = 16;
inline constexpr int offset = 128;
using token_code = std::uint8_t;
using weight_code = std::int8_t;

struct codes {
    __m512i r;
};

inline codes load_tokens(const token_code* p) noexcept {
    return {_mm512_loadu_si512(p)};
}
inline codes splat_weights(const weight_code* p) noexcept {
    std::int32_t four;
    std::memcpy(&four, p, sizeof four);
    return {_mm512_set1_epi32(four)};
}
inline codes load_run(const std::int8_t* p) noexcept {
    return {_mm512_loadu_si512(p)};
}
inline void store_run(weight_code* p, codes c) noexcept {
    _mm512_storeu_si512(p, c.r);
}
inline codes ones() noexcept {
    return {_mm512_set1_epi8(1)};
}
inline sums multiply_add(sums s, codes x, codes w) noexcept {
    return {_mm512_dpbusd_epi32(s.r, x.r, w.r)};
}

} // namespace tersor::inline v0::simd::avx512_vnni::bytes
TERSOR_END_AVX512_VNNI
#endif

#endif // TERSOR_MATMUL_INT8_PRODUCT_OPS_HPP

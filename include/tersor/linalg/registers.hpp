#ifndef TERSOR_LINALG_REGISTERS_HPP
#define TERSOR_LINALG_REGISTERS_HPP

// What the dense kernels need beyond simd/vectors.hpp: registers of doubles, and `fused(a, b, c)`, a * b + c rounded
// once, on every instruction set.
//
// Where the processor has no such instruction, floats get it from doubles: the product of two floats is exact in
// double; the sum is rounded to odd (toward zero, and then to an odd last bit if that was inexact), which keeps what
// the rounding to float needs to know, since double has more than two bits more than twice float's precision (Boldo and
// Melquiond, Emulation of FMA and correctly rounded sums: proved algorithms using rounding to odd, 2008). The error of
// the sum is exact (Knuth, two-sum): no product or sum of floats leaves the normal range of double.

#include "tersor/simd/vectors.hpp"

TERSOR_BEGIN_GENERIC
namespace tersor::inline v0::simd::TERSOR_GENERIC_NAMESPACE {

using raw_double [[gnu::vector_size(16)]] = double;
using raw_long [[gnu::vector_size(16)]] = std::int64_t;

struct vd {
    raw_double r;
};

inline vd splat(double x) noexcept {
    return {raw_double{x, x}};
}
inline vd load(const double* p) noexcept {
    vd v;
    std::memcpy(&v, p, sizeof v);
    return v;
}
inline void store(double* p, vd v) noexcept {
    std::memcpy(p, &v, sizeof v);
}
/// The floats at p as doubles.
inline vd load_wide(const float* p) noexcept {
    return {raw_double{double{p[0]}, double{p[1]}}};
}
inline vd operator+(vd a, vd b) noexcept {
    return {a.r + b.r};
}
inline vd operator-(vd a, vd b) noexcept {
    return {a.r - b.r};
}
inline vd operator/(vd a, vd b) noexcept {
    return {a.r / b.r};
}
inline vd fused(vd a, vd b, vd c) noexcept {
    return {raw_double{__builtin_fma(a.r[0], b.r[0], c.r[0]), __builtin_fma(a.r[1], b.r[1], c.r[1])}};
}

/// product + c, rounded to odd. Infinities and NaN come out as they are: their error is NaN, which compares false.
inline raw_double add_to_odd(raw_double product, raw_double c) noexcept {
    const raw_double sum = product + c;
    const raw_double other = sum - product;
    const raw_double error = (product - (sum - other)) + (c - other);
    const raw_long pattern = (raw_long)sum;
    // One step away from zero if the error has the sign of the sum, else one step toward zero; none for an odd pattern.
    const raw_long moves = ((error > 0.0) | (error < 0.0)) & ~pattern & 1;
    const raw_long toward_zero = (((raw_long)error ^ pattern) < 0) & moves;
    return (raw_double)(pattern + moves - 2 * toward_zero);
}

inline vf fused(vf a, vf b, vf c) noexcept {
    const auto widen = [](vf v, int at) { return raw_double{double{v.r[at]}, double{v.r[at + 1]}}; };
    const raw_double low = add_to_odd(widen(a, 0) * widen(b, 0), widen(c, 0));
    const raw_double high = add_to_odd(widen(a, 2) * widen(b, 2), widen(c, 2));
    return {raw_float{static_cast<float>(low[0]), static_cast<float>(low[1]), static_cast<float>(high[0]),
                      static_cast<float>(high[1])}};
}

} // namespace tersor::inline v0::simd::TERSOR_GENERIC_NAMESPACE
TERSOR_END_GENERIC

#if TERSOR_X86
TERSOR_BEGIN_AVX2
namespace tersor::inline v0::simd::avx2 {

struct vd {
    __m256d r;
};

inline vd splat(double x) noexcept {
    return {_mm256_set1_pd(x)};
}
inline vd load(const double* p) noexcept {
    return {_mm256_loadu_pd(p)};
}
inline void store(double* p, vd v) noexcept {
    _mm256_storeu_pd(p, v.r);
}
inline vd load_wide(const float* p) noexcept {
    return {_mm256_cvtps_pd(_mm_loadu_ps(p))};
}
inline vd operator+(vd a, vd b) noexcept {
    return {_mm256_add_pd(a.r, b.r)};
}
inline vd operator-(vd a, vd b) noexcept {
    return {_mm256_sub_pd(a.r, b.r)};
}
inline vd operator/(vd a, vd b) noexcept {
    return {_mm256_div_pd(a.r, b.r)};
}
inline vd fused(vd a, vd b, vd c) noexcept {
    return {_mm256_fmadd_pd(a.r, b.r, c.r)};
}
inline vf fused(vf a, vf b, vf c) noexcept {
    return fma(a, b, c);
}

} // namespace tersor::inline v0::simd::avx2
TERSOR_END_AVX2
#endif

#if TERSOR_AVX512
TERSOR_BEGIN_AVX512
namespace tersor::inline v0::simd::avx512 {

struct vd {
    __m512d r;
};

inline vd splat(double x) noexcept {
    return {_mm512_set1_pd(x)};
}
inline vd load(const double* p) noexcept {
    return {_mm512_loadu_pd(p)};
}
inline void store(double* p, vd v) noexcept {
    _mm512_storeu_pd(p, v.r);
}
inline vd load_wide(const float* p) noexcept {
    return {_mm512_cvtps_pd(_mm256_loadu_ps(p))};
}
inline vd operator+(vd a, vd b) noexcept {
    return {_mm512_add_pd(a.r, b.r)};
}
inline vd operator-(vd a, vd b) noexcept {
    return {_mm512_sub_pd(a.r, b.r)};
}
inline vd operator/(vd a, vd b) noexcept {
    return {_mm512_div_pd(a.r, b.r)};
}
inline vd fused(vd a, vd b, vd c) noexcept {
    return {_mm512_fmadd_pd(a.r, b.r, c.r)};
}
inline vf fused(vf a, vf b, vf c) noexcept {
    return fma(a, b, c);
}

} // namespace tersor::inline v0::simd::avx512
TERSOR_END_AVX512
#endif

#endif // TERSOR_LINALG_REGISTERS_HPP

#ifndef TERSOR_SIMD_VECTORS_HPP
#define TERSOR_SIMD_VECTORS_HPP

// One small register wrapper per instruction set, all with the same names, so that a kernel is written once:
//
//   vf, vi, vm          `lanes` floats, 32-bit integers, truth values
//   has_fma             whether fma(a, b, c) exists: a * b + c rounded once
//   load, store, splat  memory and constants; load_u8, load_i8, load_u16 widen; store_u8, store_u16 keep the low bits
//   + - * / min max     as on scalars; min and max return the second operand if either is NaN
//   has_permutation     whether lookup is one instruction
//   round               float to integer, half to even, for magnitudes below 2^22; beyond that a watcher tells
//   truncate            float to integer, toward zero, for magnitudes below 2^31
//   == & | !            on truth values, lane by lane
//   sqrt abs            correctly rounded; without the sign
//   convert, bits, as_float, shl, shr, select, lookup
//
// Nothing here knows of formats or quantizers.

#include "tersor/simd/isa.hpp"
#include "tersor/simd/region.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "tersor/simd/generic-inl.hpp"
#if TERSOR_X86
#    include <immintrin.h>

#    include "tersor/simd/avx2-inl.hpp"
#endif
#if TERSOR_AVX512
#    include "tersor/simd/avx512-inl.hpp"
#endif

#endif // TERSOR_SIMD_VECTORS_HPP

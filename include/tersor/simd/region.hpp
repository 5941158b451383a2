#ifndef TERSOR_SIMD_REGION_HPP
#define TERSOR_SIMD_REGION_HPP

// Regions: stretches of a header that are compiled for one instruction set, whatever flags the user gives.
//
//   TERSOR_BEGIN_AVX2
//   namespace ... { functions }          // may use AVX2, FMA and F16C; a * b + c stays two roundings
//   TERSOR_END_AVX2
//
// A struct of registers gets its constructor written out: an implicit one is compiled for the baseline, outside the
// region, and then nothing that it calls is inlined.
//
// Inside a region no standard or Eigen header may be included, and `__AVX2__` and its like mean nothing. Every region,
// the generic one too, turns contraction off, so that the same source gives the same bits on each of them.
// A file that is compiled once per instruction set is re-included by for_each_isa.hpp.

#include "tersor/core/exact.hpp"

// TERSOR_PORTABLE, defined for all units of a program, leaves all kernels but the generic ones out.
#if (defined(__x86_64__) || defined(_M_X64)) && (defined(__GNUC__) || defined(__clang__)) && !defined(TERSOR_PORTABLE)
#    define TERSOR_X86 1
#else
#    define TERSOR_X86 0
#endif

// TERSOR_NO_AVX512, defined for all units of a program, leaves the code for AVX-512 out, and with it a third of the time
// that kernels take to compile.
#if TERSOR_X86 && !defined(TERSOR_NO_AVX512)
#    define TERSOR_AVX512 1
#else
#    define TERSOR_AVX512 0
#endif

// The generic code of differently compiled units must not share a name: the linker would keep either of them.
#if defined(__AVX512F__)
#    define TERSOR_GENERIC_NAMESPACE generic_on_avx512
#elif defined(__FMA__)
#    define TERSOR_GENERIC_NAMESPACE generic_on_fma
#elif defined(__AVX__)
#    define TERSOR_GENERIC_NAMESPACE generic_on_avx
#else
#    define TERSOR_GENERIC_NAMESPACE generic_on_baseline
#endif

#define TERSOR_PRAGMA(text) _Pragma(#text)

#define TERSOR_TARGET_AVX2 "avx2,fma,f16c"
#define TERSOR_TARGET_AVX512 "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq"

#if defined(__clang__)
#    define TERSOR_BEGIN_GENERIC TERSOR_PRAGMA(float_control(push)) TERSOR_PRAGMA(clang fp contract(off))
#    define TERSOR_END_GENERIC TERSOR_PRAGMA(float_control(pop))
#    define TERSOR_BEGIN_TARGET(flags)                                                                                 \
        TERSOR_PRAGMA(clang attribute push(__attribute__((target(flags))) , apply_to = function))                      \
        TERSOR_BEGIN_GENERIC
#    define TERSOR_END_TARGET TERSOR_END_GENERIC TERSOR_PRAGMA(clang attribute pop)
#elif defined(__GNUC__)
// gcc 12 warns falsely of uninitialized values inside its own AVX-512 headers.
#    define TERSOR_BEGIN_GENERIC                                                                                       \
        TERSOR_PRAGMA(GCC diagnostic push)                                                                             \
        TERSOR_PRAGMA(GCC diagnostic ignored "-Wmaybe-uninitialized")                                                  \
        TERSOR_PRAGMA(GCC diagnostic ignored "-Wuninitialized")                                                        \
        TERSOR_PRAGMA(GCC push_options)                                                                                \
        TERSOR_PRAGMA(GCC optimize("fp-contract=off"))
#    define TERSOR_END_GENERIC TERSOR_PRAGMA(GCC pop_options) TERSOR_PRAGMA(GCC diagnostic pop)
#    define TERSOR_BEGIN_TARGET(flags) TERSOR_BEGIN_GENERIC TERSOR_PRAGMA(GCC target(flags))
#    define TERSOR_END_TARGET TERSOR_END_GENERIC
#else
#    define TERSOR_BEGIN_GENERIC
#    define TERSOR_END_GENERIC
#endif

/// Before a loop: unrolls it four times; wholly, if it has a constant number of at most 16 steps: arrays of registers
/// then stay in registers.
#if defined(__clang__)
#    define TERSOR_UNROLL TERSOR_PRAGMA(clang loop unroll_count(4))
#    define TERSOR_UNROLL_ALL TERSOR_PRAGMA(clang loop unroll(full))
#else
#    define TERSOR_UNROLL TERSOR_PRAGMA(GCC unroll 4)
#    define TERSOR_UNROLL_ALL TERSOR_PRAGMA(GCC unroll 16)
#endif

#define TERSOR_BEGIN_AVX2 TERSOR_BEGIN_TARGET(TERSOR_TARGET_AVX2)
#define TERSOR_END_AVX2 TERSOR_END_TARGET
#define TERSOR_BEGIN_AVX512 TERSOR_BEGIN_TARGET(TERSOR_TARGET_AVX512)
#define TERSOR_END_AVX512 TERSOR_END_TARGET

#endif // TERSOR_SIMD_REGION_HPP

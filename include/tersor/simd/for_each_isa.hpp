// Compiles one file once per instruction set. No include guard: it is meant to be included again and again.
//
//   #define TERSOR_KERNELS "tersor/simd/cast-inl.hpp"
//   #include "tersor/simd/for_each_isa.hpp"
//
// The file is included with TERSOR_NAMESPACE set to the namespace of the instruction set, inside its region; it holds
// `namespace tersor::inline v0::simd::TERSOR_NAMESPACE { ... }` and includes nothing.

#include "tersor/simd/vectors.hpp"

TERSOR_BEGIN_GENERIC
#define TERSOR_NAMESPACE TERSOR_GENERIC_NAMESPACE
#include TERSOR_KERNELS
#undef TERSOR_NAMESPACE
TERSOR_END_GENERIC

#if TERSOR_X86
TERSOR_BEGIN_AVX2
#    define TERSOR_NAMESPACE avx2
#    include TERSOR_KERNELS
#    undef TERSOR_NAMESPACE
TERSOR_END_AVX2
#endif
#if TERSOR_AVX512
TERSOR_BEGIN_AVX512
#    define TERSOR_NAMESPACE avx512
#    include TERSOR_KERNELS
#    undef TERSOR_NAMESPACE
TERSOR_END_AVX512
#endif

#undef TERSOR_KERNELS

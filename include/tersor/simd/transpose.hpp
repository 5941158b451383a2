#ifndef TERSOR_SIMD_TRANSPOSE_HPP
#define TERSOR_SIMD_TRANSPOSE_HPP

// Transposed copies of floats, and of bytes: out[j * out_step + i] = in[i * in_step + j].
//
// Squares of registers are transposed at a time. One side of the copy is usually a matrix whose lines are far apart: the
// copy walks along that side's contiguous runs, which processors foresee by themselves if they are long.

#include <cstddef>
#include <cstdint>

#define TERSOR_KERNELS "tersor/simd/transpose-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"

#endif // TERSOR_SIMD_TRANSPOSE_HPP

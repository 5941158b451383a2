#ifndef TERSOR_SIMD_STREAM_COPY_HPP
#define TERSOR_SIMD_STREAM_COPY_HPP

// Copies of floats to memory that is too large for the caches, which an ordinary copy would read first and then fill
// them with.

#include <cstddef>
#include <cstdint>
#include <cstring>

#define TERSOR_KERNELS "tersor/simd/stream_copy-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"

#endif // TERSOR_SIMD_STREAM_COPY_HPP

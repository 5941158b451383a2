#ifndef TERSOR_CALIBRATORS_KERNELS_HPP
#define TERSOR_CALIBRATORS_KERNELS_HPP

// The loops over values that calibrators need, for every instruction set.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#define TERSOR_KERNELS "tersor/calibrators/histogram-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"

#endif // TERSOR_CALIBRATORS_KERNELS_HPP

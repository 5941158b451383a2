#ifndef TERSOR_FORMATS_LANES_HPP
#define TERSOR_FORMATS_LANES_HPP

// The vector forms of the number formats: see lanes-inl.hpp.

#include "tersor/formats/codebook.hpp"
#include "tersor/formats/format.hpp"
#include "tersor/formats/half.hpp"
#include "tersor/formats/integer.hpp"
#include "tersor/formats/minifloat.hpp"

#define TERSOR_KERNELS "tersor/formats/lanes-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"

#endif // TERSOR_FORMATS_LANES_HPP

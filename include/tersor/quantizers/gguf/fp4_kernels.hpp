#ifndef TERSOR_QUANTIZERS_GGUF_FP4_KERNELS_HPP
#define TERSOR_QUANTIZERS_GGUF_FP4_KERNELS_HPP

// Encoding of MXFP4 and NVFP4 for every instruction set; see the files that are compiled here.

#include "tersor/quantizers/gguf/fp4_levels.hpp"
#include "tersor/quantizers/gguf/fp4_scales.hpp"
#include "tersor/quantizers/gguf/table_panel.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#define TERSOR_KERNELS "tersor/quantizers/gguf/fp4_encode-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"
#define TERSOR_KERNELS "tersor/quantizers/gguf/fp4_best-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"

#endif // TERSOR_QUANTIZERS_GGUF_FP4_KERNELS_HPP

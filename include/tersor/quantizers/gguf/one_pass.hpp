#ifndef TERSOR_QUANTIZERS_GGUF_ONE_PASS_HPP
#define TERSOR_QUANTIZERS_GGUF_ONE_PASS_HPP

// Blocks that are quantized in one pass, sixteen at a time, for every instruction set; see one_pass-inl.hpp.

#include "tersor/formats/half.hpp"
#include "tersor/quantizers/gguf/lane_folds.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>

#define TERSOR_KERNELS "tersor/quantizers/gguf/one_pass-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"

#endif // TERSOR_QUANTIZERS_GGUF_ONE_PASS_HPP

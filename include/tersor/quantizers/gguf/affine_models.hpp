#ifndef TERSOR_QUANTIZERS_GGUF_AFFINE_MODELS_HPP
#define TERSOR_QUANTIZERS_GGUF_AFFINE_MODELS_HPP

// Levels for groups with a scale and a minimum, for every instruction set; see affine_models-inl.hpp.

#include "tersor/quantizers/gguf/panel.hpp"

#define TERSOR_KERNELS "tersor/quantizers/gguf/affine_models-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"

#endif // TERSOR_QUANTIZERS_GGUF_AFFINE_MODELS_HPP

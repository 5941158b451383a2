#ifndef TERSOR_QUANTIZERS_GGUF_PANEL_HPP
#define TERSOR_QUANTIZERS_GGUF_PANEL_HPP

// Panels of sixteen groups for every instruction set; see panel-inl.hpp.

#include <cstddef>

#define TERSOR_KERNELS "tersor/quantizers/gguf/panel-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"

#endif // TERSOR_QUANTIZERS_GGUF_PANEL_HPP

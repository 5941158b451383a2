#ifndef TERSOR_QUANTIZERS_GGUF_AFFINE_SEARCH_HPP
#define TERSOR_QUANTIZERS_GGUF_AFFINE_SEARCH_HPP

// The search for a scale and a minimum, for every instruction set; see affine_search-inl.hpp.

#include "tersor/quantizers/gguf/panel.hpp"
#include "tersor/quantizers/gguf/positive_search.hpp"

#include <type_traits>

#define TERSOR_KERNELS "tersor/quantizers/gguf/affine_search-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"

#endif // TERSOR_QUANTIZERS_GGUF_AFFINE_SEARCH_HPP

#ifndef TERSOR_QUANTIZERS_GGUF_POSITIVE_SEARCH_HPP
#define TERSOR_QUANTIZERS_GGUF_POSITIVE_SEARCH_HPP

// The search for the scale of values that are not negative, for every instruction set; see positive_search-inl.hpp.

#include "tersor/quantizers/gguf/panel.hpp"

#define TERSOR_KERNELS "tersor/quantizers/gguf/positive_search-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"

#endif // TERSOR_QUANTIZERS_GGUF_POSITIVE_SEARCH_HPP

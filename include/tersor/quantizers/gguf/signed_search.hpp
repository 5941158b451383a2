#ifndef TERSOR_QUANTIZERS_GGUF_SIGNED_SEARCH_HPP
#define TERSOR_QUANTIZERS_GGUF_SIGNED_SEARCH_HPP

// The signed scale searches of the GGUF block formats in panels; see signed_search-inl.hpp.

#include "tersor/quantizers/gguf/signed_parts.hpp"

#define TERSOR_KERNELS "tersor/quantizers/gguf/signed_search-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"

#endif // TERSOR_QUANTIZERS_GGUF_SIGNED_SEARCH_HPP

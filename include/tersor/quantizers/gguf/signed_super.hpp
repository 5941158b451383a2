#ifndef TERSOR_QUANTIZERS_GGUF_SIGNED_SUPER_HPP
#define TERSOR_QUANTIZERS_GGUF_SIGNED_SUPER_HPP

// What q3_k and q6_k share: super-blocks of sixteen groups of sixteen values; see the files named here.

#include "tersor/core/concepts.hpp"
#include "tersor/quantizers/gguf/signed_search.hpp"

#define TERSOR_KERNELS "tersor/quantizers/gguf/signed_super-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"

#define TERSOR_KERNELS "tersor/quantizers/gguf/signed_super_best-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"

#endif // TERSOR_QUANTIZERS_GGUF_SIGNED_SUPER_HPP

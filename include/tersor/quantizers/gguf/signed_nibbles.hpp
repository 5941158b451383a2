#ifndef TERSOR_QUANTIZERS_GGUF_SIGNED_NIBBLES_HPP
#define TERSOR_QUANTIZERS_GGUF_SIGNED_NIBBLES_HPP

// Kernels of q4_0 and q5_0: 32 values share a half; see the three files named here.

#include "tersor/core/concepts.hpp"
#include "tersor/quantizers/gguf/signed_search.hpp"

#define TERSOR_KERNELS "tersor/quantizers/gguf/signed_best-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"

#define TERSOR_KERNELS "tersor/quantizers/gguf/signed_nibbles-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"

#endif // TERSOR_QUANTIZERS_GGUF_SIGNED_NIBBLES_HPP

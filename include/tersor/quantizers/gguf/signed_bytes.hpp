#ifndef TERSOR_QUANTIZERS_GGUF_SIGNED_BYTES_HPP
#define TERSOR_QUANTIZERS_GGUF_SIGNED_BYTES_HPP

// Kernels of q8_0, q8_1 and q8_k: codes of a byte; see signed_bytes-inl.hpp.

#include "tersor/core/concepts.hpp"
#include "tersor/quantizers/gguf/signed_parts.hpp"

#define TERSOR_KERNELS "tersor/quantizers/gguf/signed_bytes-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"

#endif // TERSOR_QUANTIZERS_GGUF_SIGNED_BYTES_HPP

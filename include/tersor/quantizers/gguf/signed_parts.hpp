#ifndef TERSOR_QUANTIZERS_GGUF_SIGNED_PARTS_HPP
#define TERSOR_QUANTIZERS_GGUF_SIGNED_PARTS_HPP

// Roundings, halves and panels of bytes for the signed block formats; see signed_parts-inl.hpp.

#include "tersor/formats/half.hpp"
#include "tersor/quantizers/gguf/panel.hpp"

#define TERSOR_KERNELS "tersor/quantizers/gguf/signed_parts-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"

#endif // TERSOR_QUANTIZERS_GGUF_SIGNED_PARTS_HPP

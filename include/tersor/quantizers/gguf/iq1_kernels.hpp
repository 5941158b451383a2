#ifndef TERSOR_QUANTIZERS_GGUF_IQ1_KERNELS_HPP
#define TERSOR_QUANTIZERS_GGUF_IQ1_KERNELS_HPP

// The searches and the decoder of IQ1_S and IQ1_M for every instruction set.

#include "tersor/core/concepts.hpp"
#include "tersor/quantizers/gguf/grid_kernels.hpp"
#include "tersor/quantizers/gguf/iq1_rules.hpp"

#include <cstddef>
#include <cstdint>

#define TERSOR_KERNELS "tersor/quantizers/gguf/iq1_split-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"

#define TERSOR_KERNELS "tersor/quantizers/gguf/iq1_reference-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"

#define TERSOR_KERNELS "tersor/quantizers/gguf/iq1_best-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"

namespace tersor::inline v0::detail {

/// Finds the numbers of one super-block; weights is null or 256 of them.
template <class Rules>
void encode_codes(const grid_tables& tables, const float* x, const float* weights, quantize_mode mode,
                  iq1_codes& codes) {
    TERSOR_DISPATCH(gguf::encode_iq1_reference<Rules>(tables, x, weights, codes));
    if (mode == quantize_mode::best) {
        TERSOR_DISPATCH(gguf::improve_iq1_codes<Rules>(tables, x, weights, codes));
    }
}

} // namespace tersor::inline v0::detail

#endif // TERSOR_QUANTIZERS_GGUF_IQ1_KERNELS_HPP

#ifndef TERSOR_QUANTIZERS_GGUF_GRID_KERNELS_HPP
#define TERSOR_QUANTIZERS_GGUF_GRID_KERNELS_HPP

// The searches and the decoder of the grid types with signs for every instruction set.

#include "tersor/core/concepts.hpp"
#include "tersor/formats/half.hpp"
#include "tersor/quantizers/gguf/grid_layout.hpp"
#include "tersor/quantizers/gguf/grid_rules.hpp"
#include "tersor/quantizers/gguf/positive_search.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#define TERSOR_KERNELS "tersor/quantizers/gguf/grid_neighbour-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"

#define TERSOR_KERNELS "tersor/quantizers/gguf/grid_start-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"

#define TERSOR_KERNELS "tersor/quantizers/gguf/grid_reference-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"

#define TERSOR_KERNELS "tersor/quantizers/gguf/grid_decode-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"

#define TERSOR_KERNELS "tersor/quantizers/gguf/grid_full_search-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"

#define TERSOR_KERNELS "tersor/quantizers/gguf/grid_best_parts-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"

#define TERSOR_KERNELS "tersor/quantizers/gguf/grid_best-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"

namespace tersor::inline v0::detail {

/// Finds the numbers of one super-block; weights is null or 256 of them.
template <class Rules>
void encode_codes(const grid_tables& tables, const float* x, const float* weights, quantize_mode mode,
                  grid_codes& codes) {
    TERSOR_DISPATCH(gguf::encode_grid_reference<Rules>(tables, x, weights, mode == quantize_mode::reference, codes));
    if (mode == quantize_mode::best) {
        TERSOR_DISPATCH(gguf::improve_grid_codes<Rules>(tables, x, weights, codes));
    }
}

} // namespace tersor::inline v0::detail

#endif // TERSOR_QUANTIZERS_GGUF_GRID_KERNELS_HPP

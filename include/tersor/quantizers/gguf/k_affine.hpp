#ifndef TERSOR_QUANTIZERS_GGUF_K_AFFINE_HPP
#define TERSOR_QUANTIZERS_GGUF_K_AFFINE_HPP

// What q2_k, q4_k and q5_k share: super-blocks of 256 values in groups with a scale and a minimum each, kept as small
// integers that count steps d and dmin: value = (d * scale) * code - (dmin * minimum), each operation rounded.

#include "tersor/core/concepts.hpp"
#include "tersor/formats/half.hpp"
#include "tersor/quantizers/gguf/affine_models.hpp"
#include "tersor/quantizers/gguf/affine_search.hpp"
#include "tersor/quantizers/gguf/k_affine_parameters.hpp"
#include "tersor/quantizers/gguf/k_affine_tile.hpp"
#include "tersor/quantizers/gguf/panel.hpp"

#include <cstdint>
#include <span>

#define TERSOR_KERNELS "tersor/quantizers/gguf/k_affine_decode-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"
#define TERSOR_KERNELS "tersor/quantizers/gguf/k_affine_reference-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"
#define TERSOR_KERNELS "tersor/quantizers/gguf/k_affine_header-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"
#define TERSOR_KERNELS "tersor/quantizers/gguf/k_affine_best-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"

namespace tersor::inline v0::gguf::detail {

/// Quantizes whole super-blocks, up to sixteen at a time. `Type::assemble` puts the
/// bytes where they belong.
template <class Type>
void encode_k_affine(std::span<const float> values, std::span<const float> importance, quantize_mode mode,
                     typename Type::block* out) {
    const bool weighted = !importance.empty();
    const std::size_t blocks = values.size() / k_values;
    k_affine_tile tile;
    for (std::size_t first = 0; first < blocks; first += k_width) {
        const std::size_t count = blocks - first < k_width ? blocks - first : k_width;
        TERSOR_DISPATCH(gguf::fill_panel(values.data() + first * k_values, count, k_values, tile.x));
        if (weighted) {
            TERSOR_DISPATCH(gguf::fill_panel(importance.data() + first * k_values, count, k_values, tile.importance));
        }
        TERSOR_DISPATCH(gguf::quantize_tile(Type::shape, mode, weighted, count, tile));
        for (std::size_t g = 0; g < count; ++g) {
            std::uint8_t codes[k_values], scales[16], minima[16];
            for (std::size_t i = 0; i < k_values; ++i) {
                codes[i] = static_cast<std::uint8_t>(tile.level[i * k_width + g]);
            }
            for (std::size_t j = 0; j < Type::shape.groups; ++j) {
                scales[j] = static_cast<std::uint8_t>(tile.scale[j * k_width + g]);
                minima[j] = static_cast<std::uint8_t>(tile.minimum[j * k_width + g]);
            }
            std::uint8_t packed[16];
            Type::pairs::pack(scales, minima, packed);
            out[first + g] = Type::assemble({tile.d[g], tile.dmin[g], packed}, codes);
        }
    }
}

} // namespace tersor::inline v0::gguf::detail

#endif // TERSOR_QUANTIZERS_GGUF_K_AFFINE_HPP

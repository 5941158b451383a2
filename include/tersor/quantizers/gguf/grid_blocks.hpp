#ifndef TERSOR_QUANTIZERS_GGUF_GRID_BLOCKS_HPP
#define TERSOR_QUANTIZERS_GGUF_GRID_BLOCKS_HPP

// How the blocks of any grid type are filled: weights, the search of the type, packing.

#include "tersor/core/concepts.hpp"
#include "tersor/core/error.hpp"
#include "tersor/quantizers/gguf/grid_rules.hpp"

#include <cstddef>
#include <span>
#include <string>

namespace tersor::inline v0::detail {

/// One for each value of a super-block: the weights of the modes fast and best without importance.
inline const float* uniform_weights() noexcept {
    struct ones {
        float of[grid_block];
        ones() noexcept {
            for (float& one : of) {
                one = 1.0f;
            }
        }
    };
    static const ones made;
    return made.of;
}

/// Encodes whole super-blocks of a grid type.
/// Errors: `unsupported` in mode reference without importance for a type that needs it.
template <class Type>
void encode_grid_blocks(std::span<const float> values, std::span<const float> importance, quantize_mode mode,
                        typename Type::block* out) {
    if (Type::needs_importance && importance.empty() && mode == quantize_mode::reference) {
        raise(error_code::unsupported, std::string(Type::name) +
                                           " needs importance in mode reference; none came with " +
                                           std::to_string(values.size()) + " values");
    }
    const float* const without = mode == quantize_mode::reference ? nullptr : uniform_weights();
    const grid_tables& tables = grid_tables_of<typename Type::rules>();
    for (std::size_t at = 0; at + grid_block <= values.size(); at += grid_block) {
        const float* const weights = importance.empty() ? without : importance.data() + at;
        typename Type::codes found;
        encode_codes<typename Type::rules>(tables, values.data() + at, weights, mode, found);
        *out++ = Type::pack(found);
    }
}

} // namespace tersor::inline v0::detail

#endif // TERSOR_QUANTIZERS_GGUF_GRID_BLOCKS_HPP

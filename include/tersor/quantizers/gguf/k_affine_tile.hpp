#ifndef TERSOR_QUANTIZERS_GGUF_K_AFFINE_TILE_HPP
#define TERSOR_QUANTIZERS_GGUF_K_AFFINE_TILE_HPP

// Sixteen super-blocks of q2_k, q4_k or q5_k while they are quantized, side by side as a panel: row i holds value i of
// each, so that a register holds one value of each of `lanes` super-blocks.

#include "tersor/core/concepts.hpp"

#include <cstddef>
#include <cstdint>

namespace tersor::inline v0::gguf::detail {

/// How many values a super-block has, and how many super-blocks a tile.
inline constexpr std::size_t k_values = 256, k_width = 16;

/// What the three types differ in: the groups of a super-block, their levels 0..top, the integers 0..header_top that
/// stand for their scales and minima, and the search of mode reference without importance.
struct k_affine_shape {
    std::size_t groups, size;
    int top, header_top;
    float start;
    int steps;
    bool absolute;
};

inline constexpr k_affine_shape q2_k_shape{16, 16, 3, 15, -0.5f, 15, true};
inline constexpr k_affine_shape q4_k_shape{8, 32, 15, 63, -1.0f, 20, false};
inline constexpr k_affine_shape q5_k_shape{8, 32, 31, 63, -0.5f, 15, false};

/// Values and importance of the super-blocks come in; levels, the integers of the groups (row j: group j) and the two
/// halves of each header, as bits, come out. All but the halves are whole numbers kept as floats.
struct k_affine_tile {
    float x[k_values * k_width];
    float importance[k_values * k_width];
    float level[k_values * k_width];
    float scale[16 * k_width];
    float minimum[16 * k_width];
    std::uint16_t d[k_width];
    std::uint16_t dmin[k_width];
};

} // namespace tersor::inline v0::gguf::detail

#endif // TERSOR_QUANTIZERS_GGUF_K_AFFINE_TILE_HPP

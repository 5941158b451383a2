#ifndef TERSOR_QUANTIZERS_GGUF_GRID_RULES_HPP
#define TERSOR_QUANTIZERS_GGUF_GRID_RULES_HPP

// What tells the grid types of magnitudes with signs (IQ2_XXS, IQ2_XS, IQ2_S, IQ3_XXS, IQ3_S) apart, and what an
// encoder finds for a block before it is packed.
//
// All have super-blocks of 256 values with a half d; groups of 32 or 16 values with a 4-bit scale s; vectors of 8 or 4
// magnitudes that are a point of a grid; and a sign per value, of which some types store only seven of eight: the
// number of negative ones is then even. value = d * (0.5 + s) * unit * grid * sign, in IQ3_S d * (1 + 2 s) * grid *
// sign.

#include "tersor/quantizers/gguf/grid_tables.hpp"
#include "tersor/quantizers/gguf/grid_words_iq2.hpp"
#include "tersor/quantizers/gguf/grid_words_iq3.hpp"

#include <cstddef>
#include <cstdint>

namespace tersor::inline v0::detail {

/// Values of a super-block.
inline constexpr std::size_t grid_block = 256;

/// The numbers of a super-block before they are packed.
struct grid_codes {
    std::uint16_t d = 0;           // a half
    std::uint16_t points[64] = {}; // a vector each
    std::uint8_t signs[32] = {};   // bit i of byte k: value 8 k + i is negative; with parity bit 7 is not stored
    std::uint8_t scales[16] = {};  // a group each
};

/// Sixteen searches of the best point, side by side; see grid_full_search-inl.hpp.
struct grid_searches {
    alignas(64) float x[8 * 16]; // position i of search k at [i * 16 + k]
    alignas(64) float w[8 * 16];
    alignas(64) float values[8 * 16];   // of level l at [l * 16 + k]
    alignas(64) std::int32_t point[16]; // where to start
    alignas(64) float error[16];        // of the best point
    alignas(64) std::int32_t run[16];   // which run it is in; -1: none is better than the start
};

/// Which vectors of a group the reference chooses once more with the scale that it found.
enum class grid_redo {
    all,            ///< every one
    off_grid,       ///< those that were off the grid in the best trial
    all_if_off_grid ///< every one, if any was off the grid
};

/// Where a group's weights come from when no importance is given.
enum class grid_weights { required, squares, shifted_squares };

struct iq2_rules {
    static constexpr int positions = 8, bits = 2, top = 2;
    static constexpr std::size_t group = 16;
    static constexpr int trials = 9; // to either side
    static constexpr float step = 0.1f;
    static constexpr bool has_parity = true, has_start_search = false;
    static constexpr grid_redo redo = grid_redo::off_grid;
    static constexpr grid_weights weights = grid_weights::required;
    static constexpr float sigma_factor = 1.0f; // of the mean square in the weights
    static constexpr float least = 1e-15f;      // smaller groups are zero
    static constexpr float fudge = 1.0f;        // of the stored d
    static constexpr float unit = 0.25f;
    static constexpr bool is_ternary = false, misplaces = false;
    static constexpr std::int8_t values[8] = {8, 25, 43, 0, 0, 0, 0, 0};
};

struct iq2_xxs_rules : iq2_rules {
    static constexpr std::size_t group = 32;
    static constexpr int trials = 6;
    static constexpr bool has_start_search = true;
    static constexpr grid_redo redo = grid_redo::all;
    static constexpr int shells = 2;
    static constexpr const auto& words = iq2_xxs_grid_words;
};

struct iq2_xs_rules : iq2_rules {
    static constexpr int shells = 2;
    static constexpr const auto& words = iq2_xs_grid_words;
};

struct iq2_s_rules : iq2_rules {
    static constexpr bool has_parity = false;
    static constexpr grid_weights weights = grid_weights::shifted_squares;
    static constexpr float sigma_factor = 2.0f;
    static constexpr float least = 1e-8f;
    static constexpr float fudge = 0.9875f;
    static constexpr int shells = 1;
    static constexpr const auto& words = iq2_s_grid_words;
};

struct iq3_xxs_rules {
    static constexpr int positions = 4, bits = 3, top = 7;
    static constexpr std::size_t group = 32;
    static constexpr int trials = 15;
    static constexpr float step = 0.2f;
    static constexpr bool has_parity = true, has_start_search = false;
    static constexpr grid_redo redo = grid_redo::off_grid;
    static constexpr grid_weights weights = grid_weights::squares;
    static constexpr float sigma_factor = 2.0f;
    static constexpr float least = 1e-8f;
    static constexpr float fudge = 1.0125f;
    static constexpr float unit = 0.5f;
    static constexpr bool is_ternary = false, misplaces = false;
    static constexpr std::int8_t values[8] = {4, 12, 20, 28, 36, 44, 52, 62};
    static constexpr int shells = 2;
    static constexpr const auto& words = iq3_xxs_grid_words;
};

struct iq3_s_rules : iq3_xxs_rules {
    static constexpr int trials = 9;
    static constexpr bool has_parity = false;
    static constexpr grid_redo redo = grid_redo::all_if_off_grid;
    static constexpr bool misplaces = true; // see encode_grid_reference
    static constexpr float least = 0.0f;
    static constexpr float fudge = 1.033f;
    static constexpr float unit = 2.0f; // d * (1 + 2 s) = d * (0.5 + s) * 2
    static constexpr std::int8_t values[8] = {1, 3, 5, 7, 9, 11, 13, 15};
    static constexpr int shells = 3;
    static constexpr const auto& words = iq3_s_grid_words;
};

/// The tables of a type, made when they are first asked for.
template <class Rules>
inline const grid_tables& grid_tables_of() {
    static const grid_tables made(Rules::words, std::size(Rules::words), Rules::positions, Rules::bits, Rules::top,
                                  Rules::shells);
    return made;
}

} // namespace tersor::inline v0::detail

#endif // TERSOR_QUANTIZERS_GGUF_GRID_RULES_HPP

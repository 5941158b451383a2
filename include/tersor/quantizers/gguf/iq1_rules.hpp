#ifndef TERSOR_QUANTIZERS_GGUF_IQ1_RULES_HPP
#define TERSOR_QUANTIZERS_GGUF_IQ1_RULES_HPP

// What IQ1_S and IQ1_M have in common, and what an encoder finds for a block before it is packed.
//
// Super-blocks of 256 values with a half d, groups of 32 or 16 values with a 3-bit scale s, vectors of 8 values that
// are a point of a grid of levels 0..2, shifted up or down by an eighth: value = (d * (2 s + 1)) * (level - 1 +-
// 0.125).

#include "tersor/formats/half.hpp"
#include "tersor/quantizers/gguf/grid_layout.hpp"
#include "tersor/quantizers/gguf/grid_rules.hpp"
#include "tersor/quantizers/gguf/grid_words_iq1.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace tersor::inline v0::detail {

/// The numbers of a super-block before they are packed.
struct iq1_codes {
    std::uint16_t d = 0;           // a half
    std::uint16_t points[32] = {}; // a vector each
    bool minus[32] = {};           // the vector is shifted down
    std::uint8_t scales[16] = {};  // a group each
};

struct iq1_s_rules {
    static constexpr int positions = 8, bits = 2, top = 2, shells = 3;
    static constexpr std::size_t group = 32;
    static constexpr bool is_ternary = true;
    static constexpr bool has_own_shifts = false;       // of the vectors of a group
    static constexpr float least = 1e-12f;              // smaller groups are zero
    static constexpr float fudge = 1.125f;              // of the stored d
    static constexpr std::size_t widths[3] = {4, 2, 2}; // how many scales the rounds of the thorough search try
    static constexpr std::int8_t values[8] = {-8, 0, 8, 0, 0, 0, 0, 0};
    static constexpr const auto& words = iq1_grid_words;
};

struct iq1_m_rules : iq1_s_rules {
    static constexpr std::size_t group = 16;
    static constexpr bool has_own_shifts = true;
    static constexpr float least = 1e-7f;
    static constexpr float fudge = 1.1125f;
    static constexpr std::size_t widths[3] = {8, 4, 4};
};

/// Both types share a grid.
template <>
inline const grid_tables& grid_tables_of<iq1_m_rules>() {
    return grid_tables_of<iq1_s_rules>();
}
template <>
inline const std::int8_t* grid_bytes<iq1_m_rules>() noexcept {
    return grid_bytes<iq1_s_rules>();
}

/// Writes 256 bytes 8 (level - 1) +- 1 and a scale for each group of the type.
template <class Rules>
inline void spread_codes(const iq1_codes& codes, const std::int8_t* values, const sign_masks&, std::int8_t* bytes,
                         float* scales) noexcept {
    for (std::size_t k = 0; k < grid_block / 8; ++k) {
        std::uint64_t eight;
        std::memcpy(&eight, values + std::size_t{codes.points[k]} * 8, 8);
        // Eight sums of bytes: the upper bits apart, so that nothing carries over.
        const std::uint64_t upper = 0x8080808080808080u, one = 0x0101010101010101u;
        const std::uint64_t shift = codes.minus[k] ? ~std::uint64_t{0} : one;
        eight = ((eight & ~upper) + (shift & ~upper)) ^ ((eight ^ shift) & upper);
        std::memcpy(bytes + 8 * k, &eight, 8);
    }
    const float d = fp16::decode(codes.d);
    for (std::size_t g = 0; g < grid_block / Rules::group; ++g) {
        scales[g] = d * static_cast<float>(2 * codes.scales[g] + 1);
    }
}

} // namespace tersor::inline v0::detail

#endif // TERSOR_QUANTIZERS_GGUF_IQ1_RULES_HPP

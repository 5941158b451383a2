#ifndef TERSOR_QUANTIZERS_GGUF_GRID_LAYOUT_HPP
#define TERSOR_QUANTIZERS_GGUF_GRID_LAYOUT_HPP

// From the numbers of a super-block of a grid type to signed bytes and scales, for its decoder.

#include "tersor/formats/half.hpp"
#include "tersor/quantizers/gguf/grid_rules.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace tersor::inline v0::detail {

/// Eight bytes for each eight signs: 255 where bit i is set.
struct sign_masks {
    std::uint8_t of[256][8];
    sign_masks() noexcept {
        for (unsigned k = 0; k < 256; ++k) {
            for (unsigned i = 0; i < 8; ++i) {
                of[k][i] = (k >> i & 1) != 0 ? 255 : 0;
            }
        }
    }
    static const sign_masks& table() noexcept {
        static const sign_masks made;
        return made;
    }
};

/// The values of the points of a grid as bytes: point k is bytes [k * positions, (k + 1) * positions).
template <class Rules>
inline const std::int8_t* grid_bytes() noexcept {
    struct table {
        std::int8_t of[std::size(Rules::words)][Rules::positions];
        table() noexcept {
            for (std::size_t k = 0; k < std::size(Rules::words); ++k) {
                for (int i = 0; i < Rules::positions; ++i) {
                    of[k][i] = Rules::values[(Rules::words[k] >> (Rules::bits * i)) & ((1 << Rules::bits) - 1)];
                }
            }
        }
    };
    static const table made;
    return made.of[0];
}

/// Eight bytes with the signs of a mask: ~b + 1 where it is 255. No byte of b is 0, so nothing carries over.
inline std::uint64_t with_signs(std::uint64_t bytes, std::uint64_t mask) noexcept {
    return (bytes ^ mask) + (mask & 0x0101010101010101u);
}

/// All eight signs of seven stored ones: the number of negative ones is even.
inline unsigned all_signs(unsigned seven) noexcept {
    return (seven & 127) | (static_cast<unsigned>(std::popcount(seven & 127u)) & 1u) << 7;
}

/// Writes 256 signed bytes and a scale for each group of the type.
template <class Rules>
inline void spread_codes(const grid_codes& codes, const std::int8_t* values, const sign_masks& masks,
                         std::int8_t* bytes, float* scales) noexcept {
    for (std::size_t k = 0; k < grid_block / 8; ++k) {
        std::uint64_t eight, mask;
        if constexpr (Rules::positions == 8) {
            std::memcpy(&eight, values + std::size_t{codes.points[k]} * 8, 8);
        } else {
            std::uint32_t halves[2];
            std::memcpy(&halves[0], values + std::size_t{codes.points[2 * k]} * 4, 4);
            std::memcpy(&halves[1], values + std::size_t{codes.points[2 * k + 1]} * 4, 4);
            std::memcpy(&eight, halves, 8);
        }
        std::memcpy(&mask, masks.of[Rules::has_parity ? all_signs(codes.signs[k]) : codes.signs[k]], 8);
        eight = with_signs(eight, mask);
        std::memcpy(bytes + 8 * k, &eight, 8);
    }
    const float d = fp16::decode(codes.d);
    for (std::size_t g = 0; g < grid_block / Rules::group; ++g) {
        const auto s = static_cast<float>(codes.scales[g]);
        scales[g] = Rules::unit == 2.0f ? d * (1.0f + 2.0f * s) : d * (0.5f + s) * Rules::unit;
    }
}

} // namespace tersor::inline v0::detail

#endif // TERSOR_QUANTIZERS_GGUF_GRID_LAYOUT_HPP

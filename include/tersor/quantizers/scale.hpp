#ifndef TERSOR_QUANTIZERS_SCALE_HPP
#define TERSOR_QUANTIZERS_SCALE_HPP

// How a scale is stored: rounded to its type, half to even, but never to zero or infinity.

#include <limits>
#include <type_traits>

namespace tersor::inline v0 {

/// A finite positive float as a `Scale`, at least the smallest positive one and at most the largest finite one.
template <class Scale>
[[nodiscard]] constexpr Scale stored_scale(float scale) noexcept {
    const auto stored = static_cast<Scale>(scale);
    if constexpr (std::is_same_v<Scale, float>) {
        constexpr float smallest = std::numeric_limits<float>::denorm_min();
        return stored > smallest ? stored : smallest;
    } else if constexpr (std::numeric_limits<Scale>::is_specialized) {
        if (!(static_cast<float>(stored) > 0.0f)) {
            return std::numeric_limits<Scale>::denorm_min();
        }
        if (!(stored <= std::numeric_limits<Scale>::max())) {
            return std::numeric_limits<Scale>::max();
        }
    }
    return stored;
}

} // namespace tersor::inline v0

#endif // TERSOR_QUANTIZERS_SCALE_HPP

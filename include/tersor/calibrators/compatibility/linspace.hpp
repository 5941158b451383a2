#ifndef TERSOR_CALIBRATORS_COMPATIBILITY_LINSPACE_HPP
#define TERSOR_CALIBRATORS_COMPATIBILITY_LINSPACE_HPP

// torch.linspace in float, to the bit, as PyTorch 1.13 with AVX2 on one thread computes it: points are counted from the
// nearer end, the first of every eight is fused, the seven after it add multiples of the step to the first.
//
//   step = (hi - lo) / steps
//   nearest end:  e(i) = fma(step, i, lo) before the middle, else fma(-step, steps - i, hi)
//   point(8 g + k) = e(8 g) + k step, k = 0..7; the last (steps + 1) mod 16 points are e(i)
//
// Found by experiment: it gives every recorded edge of PyTorch's histograms.

#include "tersor/core/exact.hpp"

#include <cmath>
#include <cstddef>
#include <vector>

namespace tersor::inline v0::compatibility::detail {

/// steps + 1 points from lo to hi; steps > 0.
[[nodiscard]] inline std::vector<float> linspace(float lo, float hi, std::size_t steps) {
    const std::size_t count = steps + 1;
    const float step = (hi - lo) / static_cast<float>(steps);
    const auto from_end = [&](std::size_t i) {
        return i < count / 2 ? std::fma(step, static_cast<float>(i), lo)
                             : std::fma(-step, static_cast<float>(steps - i), hi);
    };
    std::vector<float> points(count);
    const std::size_t whole = count / 16 * 16;
    for (std::size_t i = 0; i < count; ++i) {
        points[i] = i < whole && i % 8 != 0
                        ? points[i - i % 8] + exact::product(step, static_cast<float>(i % 8))
                        : from_end(i);
    }
    return points;
}

} // namespace tersor::inline v0::compatibility::detail

#endif // TERSOR_CALIBRATORS_COMPATIBILITY_LINSPACE_HPP

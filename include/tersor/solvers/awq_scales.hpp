#ifndef TERSOR_SOLVERS_AWQ_SCALES_HPP
#define TERSOR_SOLVERS_AWQ_SCALES_HPP

// The scales that AWQ tries: a power of each input column's mean magnitude a_j,
//
//   s_j = max(a_j^r, 1e-4),  then s_j / sqrt(max s * min s)
//
// Each step is rounded to float. The power is computed in double and rounded, so that it is within a unit in the last
// place of any other good one; for r = 0 every scale is exactly 1. Source: _search_module_scale of mit-han-lab/llm-awq.

#include "tersor/solvers/awq_power.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

namespace tersor::inline v0 {

/// AWQ's scales [in] for the mean magnitude of every input column and an exponent r in [0, 1].
[[nodiscard]] inline std::vector<float> awq_scales(std::span<const float> mean_magnitude, double r) {
    std::vector<float> s(mean_magnitude.size(), 1.0f);
    if (s.empty() || r == 0.0) {
        return s;
    }
    for (std::size_t j = 0; j < s.size(); ++j) {
        const float a = mean_magnitude[j];
        s[j] = a > 0.0f ? std::max(static_cast<float>(detail::power(static_cast<double>(a), r)), 1e-4f) : 1e-4f;
    }
    const auto [least, largest] = std::minmax_element(s.begin(), s.end());
    const float middle = std::sqrt(*largest * *least);
    for (float& x : s) {
        x /= middle;
    }
    return s;
}

} // namespace tersor::inline v0

#endif // TERSOR_SOLVERS_AWQ_SCALES_HPP

#ifndef TERSOR_CALIBRATORS_COMPATIBILITY_MODELOPT_QUANTIZE_HPP
#define TERSOR_CALIBRATORS_COMPATIBILITY_MODELOPT_QUANTIZE_HPP

// The fake quantization that the calibrators of TensorRT Model Optimizer measure errors with:
//
//   Q(x; amax)   s = M / amax, clamp(round(x s), lo, M) / s with M = 2^(bits-1+unsigned) - 1, lo = -M or 0
//
// in float, one rounding per operation, half to even.

#include "tersor/core/exact.hpp"

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

namespace tersor::inline v0::compatibility::modelopt {

/// Half to even for magnitudes below 2^22; larger ones are integers or near them all the same.
[[nodiscard]] inline float round_even(float x) noexcept {
    constexpr float shift = 0x1.8p23f;
    return std::abs(x) < 0x1p22f ? std::copysign((std::abs(x) + shift) - shift, x) : std::nearbyint(x);
}

/// The integers of a quantizer: bits, and whether they have no sign.
struct integer_kind {
    int bits = 8;
    bool is_unsigned = false;
    [[nodiscard]] float highest() const noexcept {
        return static_cast<float>((1 << (bits - 1 + (is_unsigned ? 1 : 0))) - 1);
    }
    [[nodiscard]] float lowest() const noexcept { return is_unsigned ? 0.0f : -highest(); }
};

/// x after quantization with the largest magnitude `amax`; an amax of at most 2^-24 counts as 0 and gives 0.
[[nodiscard]] inline float fake_quantize(float x, float amax, integer_kind kind) noexcept {
    const float scale = amax <= 0x1p-24f ? 0.0f : kind.highest() / amax;
    const float scaled = exact::product(x, scale);
    const float rounded = std::clamp(round_even(scaled), kind.lowest(), kind.highest());
    return rounded / (scale == 0.0f ? 1.0f : scale);
}

/// The sum of (x - Q(x; amax))^2 for each candidate, in double: what MseCalibrator adds up over its batches.
[[nodiscard]] inline std::vector<double> squared_errors(std::span<const float> x, std::span<const float> candidates,
                                                        integer_kind kind) {
    std::vector<double> sums;
    for (const float amax : candidates) {
        double sum = 0.0;
        for (const float v : x) {
            const double difference = static_cast<double>(v) - static_cast<double>(fake_quantize(v, amax, kind));
            sum += exact::product(difference, difference);
        }
        sums.push_back(sum);
    }
    return sums;
}

} // namespace tersor::inline v0::compatibility::modelopt

#endif // TERSOR_CALIBRATORS_COMPATIBILITY_MODELOPT_QUANTIZE_HPP

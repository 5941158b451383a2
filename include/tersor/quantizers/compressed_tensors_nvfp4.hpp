#ifndef TERSOR_QUANTIZERS_COMPRESSED_TENSORS_NVFP4_HPP
#define TERSOR_QUANTIZERS_COMPRESSED_TENSORS_NVFP4_HPP

// NVFP4 as compressed-tensors computes and stores it: the scale of the tensor is a divisor, not a factor.
//
//   global scale  G = (448 * 6) / max|x| of the tensor; 1 where that is not finite
//   group scale   s = e4m3(G * (max|x| of the group / 6)), saturating; 0.125 in place of 0
//   element       code = e2m1(x / (s / G)), saturating;  decoded = value * (s / G)
//
// Every operation is rounded to float. `nvfp4` multiplies by a factor instead, so that its values differ by an ulp or
// two from those that readers of this layout find; this quantizer's do not. Source: vllm-project/compressed-tensors,
// generate_gparam, calculate_qparams, _quantize, _dequantize.

#include "tersor/core/concepts.hpp"
#include "tersor/formats/fp4_e2m1.hpp"
#include "tersor/formats/fp8.hpp"
#include "tersor/quantizers/fit.hpp"

#include <limits>
#include <span>

namespace tersor::inline v0 {

/// NVFP4 by the rule of compressed-tensors; `prepare` gives the quantizer of a tensor.
struct compressed_tensors_nvfp4 {
    using format = fp4_e2m1;
    static constexpr index group = 16;

    /// What is stored per group: a code of fp8_e4m3.
    struct parameters {
        fp8_e4m3::code_type scale;
        friend bool operator==(const parameters&, const parameters&) = default;
    };

    /// The divisor of the tensor, a positive number.
    float global_scale = 1.0f;

    /// The quantizer for a tensor of that largest magnitude.
    [[nodiscard]] compressed_tensors_nvfp4 prepare(float largest) const noexcept {
        const float smallest = std::numeric_limits<float>::min();
        const float divisor = 448.0f * 6.0f / (largest > smallest ? largest : smallest);
        return {divisor <= std::numeric_limits<float>::max() ? divisor : 1.0f};
    }

    /// The scale for the largest magnitude of a group.
    [[nodiscard]] parameters from_magnitude(float magnitude) const noexcept {
        const auto code = fp8_e4m3::encode(global_scale * (magnitude / 6.0f));
        return {code == 0 ? fp8_e4m3::encode(0.125f) : code};
    }

    /// The scale for values between lo and hi.
    [[nodiscard]] parameters from_range(float lo, float hi) const noexcept {
        return from_magnitude(-lo > hi ? -lo : hi);
    }

    /// The scale for the largest magnitude; with importance, the one of least weighted squared error.
    [[nodiscard]] parameters fit(std::span<const float> values, std::span<const float> importance) const {
        return fit_range(*this, values, importance);
    }

    [[nodiscard]] float scale(parameters p) const noexcept { return fp8_e4m3::decode(p.scale) / global_scale; }

    [[nodiscard]] code_of<compressed_tensors_nvfp4> encode(float value, parameters p) const noexcept {
        return fp4_e2m1::encode(value / scale(p));
    }

    [[nodiscard]] float decode(code_of<compressed_tensors_nvfp4> code, parameters p) const noexcept {
        return fp4_e2m1::decode(code) * scale(p);
    }

    friend bool operator==(const compressed_tensors_nvfp4&, const compressed_tensors_nvfp4&) = default;
};

} // namespace tersor::inline v0

#endif // TERSOR_QUANTIZERS_COMPRESSED_TENSORS_NVFP4_HPP

#ifndef TERSOR_QUANTIZERS_NVFP4_HPP
#define TERSOR_QUANTIZERS_NVFP4_HPP

// NVFP4: 16 values of fp4_e2m1 share a scale in fp8_e4m3; two levels: the tensor has a float scale too.
//
//   tensor scale  g = max|x| of the tensor / (448 * 6); 1 for a tensor of zeros and in the single-level variant
//   group scale   s = e4m3(clamp((max|x| of the group / 6) / g, 2^-6, 448))
//   element       code = e2m1(x * ((1 / g) / s)), saturating;  decoded = value * (g * s)
//
// Every operation is rounded to float; this gives the bits of torchao's `nvfp4_quantize`. Where 1 / g would overflow
// (tensors below 1e-35) g is 2^-121, and a factor that would overflow is the largest float, so that the result stays
// finite. Format: NVIDIA, "Introducing NVFP4", 2025.

#include "tersor/core/concepts.hpp"
#include "tersor/formats/fp4_e2m1.hpp"
#include "tersor/formats/fp8.hpp"
#include "tersor/quantizers/fit.hpp"

#include <limits>
#include <span>

namespace tersor::inline v0 {

/// Whether NVFP4 has a scale for the tensor above those of its groups.
enum class nvfp4_levels { one, two };

/// NVFP4 quantization. With two levels `prepare` gives the quantizer of a tensor; one that was not prepared has tensor
/// scale 1.
template <nvfp4_levels Levels>
struct basic_nvfp4 {
    using format = fp4_e2m1;
    static constexpr index group = 16;
    /// What a file holds for the whole tensor.
    static constexpr int state_bytes = Levels == nvfp4_levels::two ? 4 : 0;

    /// What is stored per group: a code of fp8_e4m3.
    struct parameters {
        fp8_e4m3::code_type scale;
        friend bool operator==(const parameters&, const parameters&) = default;
    };

    /// The scale of the tensor, a positive number.
    float tensor_scale = 1.0f;

    /// The quantizer for a tensor of that largest magnitude.
    [[nodiscard]] basic_nvfp4 prepare(float largest) const noexcept
        requires(Levels == nvfp4_levels::two)
    {
        if (largest == 0.0f) {
            return {1.0f};
        }
        const float share = largest / (448.0f * 6.0f);
        return {share > 0x1p-128f ? share : 0x1p-121f};
    }

    /// The scale for the largest magnitude of a group.
    [[nodiscard]] parameters from_magnitude(float magnitude) const noexcept {
        const float wanted = magnitude / 6.0f / tensor_scale;
        const float above = wanted > 0x1p-6f ? wanted : 0x1p-6f;
        return {fp8_e4m3::encode(above < 448.0f ? above : 448.0f)};
    }

    /// The scale for values between lo and hi.
    [[nodiscard]] parameters from_range(float lo, float hi) const noexcept {
        return from_magnitude(-lo > hi ? -lo : hi);
    }

    /// The scale for the largest magnitude; with importance, the one of least weighted squared error.
    [[nodiscard]] parameters fit(std::span<const float> values, std::span<const float> importance) const {
        return fit_range(*this, values, importance);
    }

    [[nodiscard]] float scale(parameters p) const noexcept { return tensor_scale * fp8_e4m3::decode(p.scale); }

    [[nodiscard]] float inverse(parameters p) const noexcept {
        const float factor = 1.0f / tensor_scale / fp8_e4m3::decode(p.scale);
        return factor < std::numeric_limits<float>::max() ? factor : std::numeric_limits<float>::max();
    }

    [[nodiscard]] code_of<basic_nvfp4> encode(float value, parameters p) const noexcept {
        return fp4_e2m1::encode(value * inverse(p));
    }

    [[nodiscard]] float decode(code_of<basic_nvfp4> code, parameters p) const noexcept {
        return fp4_e2m1::decode(code) * scale(p);
    }

    friend bool operator==(const basic_nvfp4&, const basic_nvfp4&) = default;
};

/// NVFP4 with a scale for the tensor, as checkpoints have it.
using nvfp4 = basic_nvfp4<nvfp4_levels::two>;

/// NVFP4 without a scale for the tensor: groups beyond 2688 saturate, those below 0.02 lose precision.
using nvfp4_single = basic_nvfp4<nvfp4_levels::one>;

} // namespace tersor::inline v0

#endif // TERSOR_QUANTIZERS_NVFP4_HPP

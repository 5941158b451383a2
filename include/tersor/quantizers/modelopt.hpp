#ifndef TERSOR_QUANTIZERS_MODELOPT_HPP
#define TERSOR_QUANTIZERS_MODELOPT_HPP

// MXFP4 and NVFP4 as TensorRT Model Optimizer computes them: for reproducing its files. They decode as mxfp4 and nvfp4
// do; prefer those for new ones.
//
//   mxfp4   scale code = ceil(max(log2(max|x| / 6), -127)) + 127, log2 rounded to float
//           element: nearest, ties toward zero; +0 and -0 are stored as -0
//   nvfp4   g = max|x| of the tensor / (448 * 6); s = e4m3(max|x| of the group / (6 * g)), 1 for a group of zeros
//           element = e2m1(x / (s * g)); a value of -0 is stored as +0
//
// log2 of a number just above a power of two 2^e rounds to e itself; the scale is then e, not e + 1.

#include "tersor/core/concepts.hpp"
#include "tersor/formats/e8m0.hpp"
#include "tersor/formats/fp4_e2m1.hpp"
#include "tersor/formats/fp8.hpp"
#include "tersor/quantizers/fit.hpp"

#include <bit>
#include <cstdint>
#include <span>

namespace tersor::inline v0 {

/// fp4_e2m1 with ties toward zero and zeros stored as -0.
struct modelopt_mxfp4_element {
    static constexpr int bits = 4;
    using code_type = std::uint8_t;
    static constexpr float largest = 6.0f;

    /// The nearest code, ties toward zero; what is not positive has the sign bit, NaN is -0.
    static constexpr code_type encode(float value) noexcept {
        const float magnitude = value < 0.0f ? -value : value;
        int position = 0;
        for (const float bound : {0.25f, 0.75f, 1.25f, 1.75f, 2.5f, 3.5f, 5.0f}) {
            position += magnitude > bound;
        }
        return static_cast<code_type>(position + (value > 0.0f ? 0 : 8));
    }
    /// The value of a code.
    static constexpr float decode(code_type code) noexcept { return fp4_e2m1::decode(code); }

    friend constexpr bool operator==(modelopt_mxfp4_element, modelopt_mxfp4_element) = default;
};

/// fp4_e2m1 in which a value of zero, of either sign, has code 0.
struct modelopt_nvfp4_element {
    static constexpr int bits = 4;
    using code_type = std::uint8_t;
    static constexpr float largest = 6.0f;

    /// The code of fp4_e2m1; 0 for -0.
    static constexpr code_type encode(float value) noexcept {
        return value == 0.0f ? code_type{0} : fp4_e2m1::encode(value);
    }
    /// The value of a code.
    static constexpr float decode(code_type code) noexcept { return fp4_e2m1::decode(code); }

    friend constexpr bool operator==(modelopt_nvfp4_element, modelopt_nvfp4_element) = default;
};

/// MXFP4 by Model Optimizer's rule.
struct modelopt_mxfp4 {
    using format = modelopt_mxfp4_element;
    static constexpr index group = 32;

    /// What is stored per group.
    struct parameters {
        e8m0 scale;
        friend bool operator==(const parameters&, const parameters&) = default;
    };

    /// The scale for the largest magnitude of a group.
    [[nodiscard]] parameters from_magnitude(float magnitude) const noexcept {
        return {e8m0::from_code(log2_ceil(magnitude / 6.0f))};
    }
    /// The scale for values between lo and hi.
    [[nodiscard]] parameters from_range(float lo, float hi) const noexcept {
        return from_magnitude(-lo > hi ? -lo : hi);
    }
    /// The scale for the largest magnitude; with importance, the one of least weighted squared error.
    [[nodiscard]] parameters fit(std::span<const float> values, std::span<const float> importance) const {
        return fit_range(*this, values, importance);
    }
    [[nodiscard]] float scale(parameters p) const noexcept { return static_cast<float>(p.scale); }
    [[nodiscard]] float inverse(parameters p) const noexcept {
        return e8m0::decode(static_cast<std::uint8_t>(254 - p.scale.code));
    }
    [[nodiscard]] code_of<modelopt_mxfp4> encode(float value, parameters p) const noexcept {
        return format::encode(value * inverse(p));
    }
    [[nodiscard]] float decode(code_of<modelopt_mxfp4> code, parameters p) const noexcept {
        return format::decode(code) * scale(p);
    }

    friend bool operator==(const modelopt_mxfp4&, const modelopt_mxfp4&) = default;

private:
    // ceil(log2(x)) + 127 for the float nearest to log2(x), at least 0. With e the exponent of x and m - 1 = k * 2^-23
    // its mantissa, log2(x) = e + k * 2^-23 / ln 2, near e; it rounds to e while it is within half a step of it. Steps
    // above e are those of |e| if e > 0 and those of the floats below |e| if e < 0. e8m0's least value 2^-127 is a
    // subnormal float, with mantissa steps of 2^-22 from there.
    static constexpr std::uint8_t log2_ceil(float x) noexcept {
        const std::uint32_t pattern = detail::magnitude_bits(x);
        if (pattern >= 0x7F800000u) {
            return e8m0::nan_code;
        }
        const auto biased = static_cast<int>(pattern >> 23);
        const std::uint32_t mantissa = pattern & 0x7FFFFFu;
        if (biased == 0) {
            return mantissa > 0x400000u + 11u ? 1 : 0;
        }
        const int exponent = biased - 127;
        const auto reach = static_cast<unsigned>(exponent > 0 ? exponent : exponent < 0 ? -exponent - 1 : 0);
        const auto steps = std::bit_width(reach);
        // k / ln 2 < 2^(steps - 2), k an integer: k <= 2^(steps - 2) * ln 2
        constexpr std::uint32_t within[] = {0, 0, 0, 1, 2, 5, 11, 22};
        return static_cast<std::uint8_t>(biased + (mantissa > within[steps] ? 1 : 0));
    }
};

/// NVFP4 by Model Optimizer's rule. A group so small that s is zero decodes to zeros.
struct modelopt_nvfp4 {
    using format = modelopt_nvfp4_element;
    static constexpr index group = 16;

    /// What is stored per group: a code of fp8_e4m3.
    struct parameters {
        fp8_e4m3::code_type scale;
        friend bool operator==(const parameters&, const parameters&) = default;
    };

    /// The scale of the tensor.
    float tensor_scale = 1.0f;

    /// The quantizer for a tensor of that largest magnitude; tensor scale 1 for a tensor of zeros.
    [[nodiscard]] modelopt_nvfp4 prepare(float largest) const noexcept {
        const float share = largest / (448.0f * 6.0f);
        return {share > 0.0f ? share : 1.0f};
    }

    /// The scale for the largest magnitude of a group.
    [[nodiscard]] parameters from_magnitude(float magnitude) const noexcept {
        return {fp8_e4m3::encode(magnitude == 0.0f ? 1.0f : magnitude / (6.0f * tensor_scale))};
    }
    /// The scale for values between lo and hi.
    [[nodiscard]] parameters from_range(float lo, float hi) const noexcept {
        return from_magnitude(-lo > hi ? -lo : hi);
    }
    /// The scale for the largest magnitude; with importance, the one of least weighted squared error.
    [[nodiscard]] parameters fit(std::span<const float> values, std::span<const float> importance) const {
        return fit_range(*this, values, importance);
    }
    [[nodiscard]] float scale(parameters p) const noexcept { return fp8_e4m3::decode(p.scale) * tensor_scale; }
    [[nodiscard]] code_of<modelopt_nvfp4> encode(float value, parameters p) const noexcept {
        return format::encode(value / scale(p));
    }
    [[nodiscard]] float decode(code_of<modelopt_nvfp4> code, parameters p) const noexcept {
        return format::decode(code) * scale(p);
    }

    friend bool operator==(const modelopt_nvfp4&, const modelopt_nvfp4&) = default;
};

} // namespace tersor::inline v0

#endif // TERSOR_QUANTIZERS_MODELOPT_HPP

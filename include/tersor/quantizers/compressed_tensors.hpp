#ifndef TERSOR_QUANTIZERS_COMPRESSED_TENSORS_HPP
#define TERSOR_QUANTIZERS_COMPRESSED_TENSORS_HPP

// Integers as the compressed-tensors library (vLLM, llm-compressor) computes them; signed formats only.
//
//   symmetric    scale = max|x| / ((2^bits - 1) / 2)       code = round(clamp(x / scale, lowest, highest))
//   asymmetric   lo = min(x, 0), hi = max(x, 0)
//                scale = (hi - lo) / (2^bits - 1)          code = round(clamp(x / scale + zero, lowest, highest))
//                zero = round(clamp(lowest - lo / scale, lowest, highest)), from the scale before it is stored
//   decoded      (code - zero) * scale
//
// A stored scale of 0 becomes the epsilon of its type, and then a group of zeros has zero point 0. In float, one
// rounding per operation, rounding to integers half to even. The sum x / scale + zero is rounded, where `zero_point`
// rounds x / scale alone. Symmetric scales but that of zeros are those of absmax<Format, Scale, integer_range::full>.

#include "tersor/core/concepts.hpp"
#include "tersor/formats/integer.hpp"
#include "tersor/quantizers/fit.hpp"

#include <cstdint>
#include <limits>
#include <span>

namespace tersor::inline v0 {

namespace detail {

template <class Format>
concept is_signed_integer = Format::lowest < 0;

// A scale rounded to its type, at most the largest finite one; 0 becomes the type's epsilon.
template <class Scale>
constexpr Scale compressed_tensors_scale(float scale) noexcept {
    const float largest = static_cast<float>(std::numeric_limits<Scale>::max());
    const auto stored = static_cast<Scale>(scale < largest ? scale : largest);
    // Not numeric_limits' epsilon, which Eigen::half has wrong in some versions.
    constexpr float epsilon = 2.0f / static_cast<float>(1 << std::numeric_limits<Scale>::digits);
    return static_cast<float>(stored) == 0.0f ? static_cast<Scale>(epsilon) : stored;
}

} // namespace detail

/// Symmetric integers over the full range of `Format` (int2..int8) by the rule of compressed-tensors.
template <number_format Format, class Scale = float>
struct compressed_tensors_absmax {
    static_assert(detail::is_signed_integer<Format>, "compressed-tensors codes are signed: int2..int8");

    using format = Format;
    static constexpr index group = whole_tensor;

    /// What is stored per group.
    struct parameters {
        Scale scale;
        friend bool operator==(const parameters&, const parameters&) = default;
    };

    /// The scale for the largest magnitude of a group.
    [[nodiscard]] parameters from_magnitude(float magnitude) const noexcept {
        constexpr float reach = static_cast<float>(Format::highest - Format::lowest) / 2.0f;
        return {detail::compressed_tensors_scale<Scale>(magnitude / reach)};
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

    [[nodiscard]] code_of<compressed_tensors_absmax> encode(float value, parameters p) const noexcept {
        return Format::encode(value / scale(p));
    }

    [[nodiscard]] float decode(code_of<compressed_tensors_absmax> code, parameters p) const noexcept {
        return Format::decode(code) * scale(p);
    }

    friend bool operator==(const compressed_tensors_absmax&, const compressed_tensors_absmax&) = default;
};

/// Integers with a zero point over the range of `Format` (int2..int8) by the rule of compressed-tensors. It has no
/// `zero_code`: kernels for affine quantizers round x / scale before the zero point is added, this rule after.
template <number_format Format, class Scale = float>
struct compressed_tensors_zero_point {
    static_assert(detail::is_signed_integer<Format>, "compressed-tensors codes are signed: int2..int8");

    using format = Format;
    using code_type = code_t<Format>;
    static constexpr index group = whole_tensor;

    /// What is stored per group.
    struct parameters {
        Scale scale;
        code_type zero;
        friend bool operator==(const parameters&, const parameters&) = default;
    };

    /// The grid from lo to hi, extended to contain 0.
    [[nodiscard]] parameters from_range(float lo, float hi) const noexcept {
        lo = lo < 0.0f ? lo : 0.0f;
        hi = hi > 0.0f ? hi : 0.0f;
        const float step = (hi - lo) / static_cast<float>(Format::highest - Format::lowest);
        // Zeros give 0 / 0 here, which encodes to 0.
        const code_type zero = Format::encode(static_cast<float>(Format::lowest) - lo / step);
        return {detail::compressed_tensors_scale<Scale>(step), zero};
    }

    /// The grid over the values' range; with importance, the one of least weighted squared error.
    [[nodiscard]] parameters fit(std::span<const float> values, std::span<const float> importance) const {
        return fit_range(*this, values, importance);
    }

    [[nodiscard]] code_type encode(float value, parameters p) const noexcept {
        return Format::encode(value / static_cast<float>(p.scale) + static_cast<float>(p.zero));
    }

    [[nodiscard]] float decode(code_type code, parameters p) const noexcept {
        return static_cast<float>(static_cast<int>(code) - static_cast<int>(p.zero)) * static_cast<float>(p.scale);
    }

    friend bool operator==(const compressed_tensors_zero_point&, const compressed_tensors_zero_point&) = default;
};

} // namespace tersor::inline v0

#endif // TERSOR_QUANTIZERS_COMPRESSED_TENSORS_HPP

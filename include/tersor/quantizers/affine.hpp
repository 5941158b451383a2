#ifndef TERSOR_QUANTIZERS_AFFINE_HPP
#define TERSOR_QUANTIZERS_AFFINE_HPP

// Scale and zero point from a range, and integers from values, as PyTorch and ONNX Runtime compute them. `zero_point`
// and `absmax` are the library's own rules; these are for reproducing what those programs store.
//
//   lo = min(min, 0), hi = max(max, 0), steps = highest - lowest
//   PyTorch affine         scale = max((hi - lo) / steps, 2^-23)
//                          zero point = clamp(lowest - round(lo / scale), lowest, highest)
//   PyTorch symmetric      scale = max(max(-lo, hi) / (steps / 2), 2^-23), zero point fixed
//   ONNX Runtime           scale = (hi - lo) / steps in double, zero point = round(lowest - lo / scale) in double;
//                          symmetric: lo = -a, hi = a, zero point = round((lowest + highest) / 2);
//                          below 2^-126: scale 1, zero point 0
//   ONNX DynamicQuantize   scale = (hi - lo) / 255, 1 if hi = lo; zero point = round(clamp(0 - lo / scale, 0, 255))
//   QuantizeLinear         code = clamp(round(x / scale) + zero point)
//   PyTorch quantize       code = clamp(round(x * (1 / scale)) + zero point)
//   decoded                (code - zero point) * scale
//
// In float unless double is named, one rounding per operation, rounding to integers half to even. hi - lo may overflow
// to infinity, as it does there. Checked against PyTorch 1.13 and onnxruntime's quant_utils.

#include "tersor/core/exact.hpp"
#include "tersor/formats/integer.hpp"
#include "tersor/quantizers/fit.hpp"

#include <bit>
#include <cstdint>

namespace tersor::inline v0 {

/// The smallest and the largest integer in use.
struct integer_bounds {
    std::int32_t lowest;
    std::int32_t highest;
    friend bool operator==(const integer_bounds&, const integer_bounds&) = default;
};

/// The bounds of an integer format.
template <class Format>
inline constexpr integer_bounds bounds_of{Format::lowest, Format::highest};

/// x ~ scale * (code - zero_point).
struct affine_parameters {
    float scale = 1.0f;
    std::int32_t zero_point = 0;
    friend bool operator==(const affine_parameters&, const affine_parameters&) = default;
};

/// The same with a zero point that need not be an integer.
struct float_affine_parameters {
    float scale = 1.0f;
    float zero_point = 0.0f;
    friend bool operator==(const float_affine_parameters&, const float_affine_parameters&) = default;
};

namespace detail {

// The range extended to contain 0; NaN bounds count as 0.
constexpr value_range with_zero(value_range range) noexcept {
    return {range.lo < 0.0f ? range.lo : 0.0f, range.hi > 0.0f ? range.hi : 0.0f};
}

// Half to even, saturated to +-2^20, which is beyond every bound in use; NaN gives 0.
constexpr std::int32_t round_bounded(float value) noexcept {
    constexpr float limit = 0x1p20f;
    const float above = value > -limit ? value : -limit;
    return is_nan(value) ? 0 : round_to_int(above < limit ? above : limit);
}

// Half to even for magnitudes below 2^51: the sum's unit in the last place is 1.
constexpr std::int32_t round_bounded(double value) noexcept {
    constexpr double limit = 0x1p20;
    const double above = value > -limit ? value : -limit;
    const double inside = above < limit ? above : limit;
    return value == value ? static_cast<std::int32_t>(std::bit_cast<std::int64_t>(inside + 0x1.8p52) -
                                                      std::bit_cast<std::int64_t>(0x1.8p52))
                          : 0;
}

constexpr std::int32_t clamp_to(integer_bounds bounds, std::int32_t code) noexcept {
    return code < bounds.lowest ? bounds.lowest : code > bounds.highest ? bounds.highest : code;
}

constexpr float steps_of(integer_bounds bounds) noexcept {
    return static_cast<float>(bounds.highest - bounds.lowest);
}

} // namespace detail

/// Parameters of a range as PyTorch's observers compute them for the scheme affine. A range without data (lo > hi)
/// gives scale 1 and zero point 0.
[[nodiscard]] constexpr affine_parameters pytorch_affine(value_range range, integer_bounds bounds) noexcept {
    if (range.lo > range.hi) {
        return {};
    }
    const value_range whole = detail::with_zero(range);
    const float step = (whole.hi - whole.lo) / detail::steps_of(bounds);
    const float scale = step > 0x1p-23f ? step : 0x1p-23f;
    return {scale, detail::clamp_to(bounds, bounds.lowest - detail::round_bounded(whole.lo / scale))};
}

/// The zero point of PyTorch's symmetric schemes: 0 for signed bounds; 128 for quint8 in its whole or reduced range
/// (0..255, 0..127); the middle, rounded down, for other unsigned bounds.
[[nodiscard]] constexpr std::int32_t pytorch_symmetric_zero_point(integer_bounds bounds) noexcept {
    if (bounds.lowest < 0) {
        return 0;
    }
    const bool own_range = bounds.lowest == 0 && (bounds.highest == 255 || bounds.highest == 127);
    return own_range ? 128 : (bounds.lowest + bounds.highest) / 2;
}

/// Parameters of a range as PyTorch's observers compute them for the symmetric schemes. A range without data (lo > hi)
/// gives scale 1 and zero point 0.
[[nodiscard]] constexpr affine_parameters pytorch_symmetric(value_range range, integer_bounds bounds,
                                                            std::int32_t zero_point) noexcept {
    if (range.lo > range.hi) {
        return {};
    }
    const value_range whole = detail::with_zero(range);
    const float magnitude = -whole.lo > whole.hi ? -whole.lo : whole.hi;
    const float step = magnitude / (detail::steps_of(bounds) / 2.0f);
    return {step > 0x1p-23f ? step : 0x1p-23f, zero_point};
}

/// As above with the zero point that PyTorch chooses for the bounds.
[[nodiscard]] constexpr affine_parameters pytorch_symmetric(value_range range, integer_bounds bounds) noexcept {
    return pytorch_symmetric(range, bounds, pytorch_symmetric_zero_point(bounds));
}

/// Parameters of a range, not extended to 0, for PyTorch's scheme affine_float_qparams: scale = (hi - lo) / steps, 1
/// where that is at most 2^-23; zero point = -lo / scale. No data (lo > hi) gives scale 1 and zero point 0.
[[nodiscard]] constexpr float_affine_parameters pytorch_float_affine(value_range range,
                                                                     integer_bounds bounds) noexcept {
    if (range.lo > range.hi) {
        return {};
    }
    const float step = (range.hi - range.lo) / detail::steps_of(bounds);
    const float scale = step > 0x1p-23f ? step : 1.0f;
    return {scale, -range.lo / scale};
}

namespace detail {
constexpr affine_parameters onnxruntime_parameters(value_range range, integer_bounds bounds, bool symmetric) noexcept {
    const double width = static_cast<double>(range.hi - range.lo);
    const double scale = width / static_cast<double>(bounds.highest - bounds.lowest);
    if (scale < 0x1p-126) {
        return {};
    }
    const double zero = symmetric ? static_cast<double>(bounds.lowest + bounds.highest) / 2.0
                                  : static_cast<double>(bounds.lowest) - static_cast<double>(range.lo) / scale;
    return {static_cast<float>(scale), round_bounded(zero)};
}
} // namespace detail

/// Parameters of a range as onnxruntime's quant_utils computes them.
[[nodiscard]] constexpr affine_parameters onnxruntime_affine(value_range range, integer_bounds bounds) noexcept {
    return detail::onnxruntime_parameters(detail::with_zero(range), bounds, false);
}

/// Parameters of the range made symmetric about 0, as onnxruntime's quant_utils computes them.
[[nodiscard]] constexpr affine_parameters onnxruntime_symmetric(value_range range, integer_bounds bounds) noexcept {
    const value_range whole = detail::with_zero(range);
    const float magnitude = -whole.lo > whole.hi ? -whole.lo : whole.hi;
    return detail::onnxruntime_parameters({-magnitude, magnitude}, bounds, true);
}

/// Parameters of a range by ONNX DynamicQuantizeLinear, codes 0..255. `zero_point<uint8>` gives the same except that
/// its scale stays finite where hi - lo overflows.
[[nodiscard]] constexpr affine_parameters onnx_dynamic(value_range range) noexcept {
    const value_range whole = detail::with_zero(range);
    const float scale = whole.hi == whole.lo ? 1.0f : (whole.hi - whole.lo) / 255.0f;
    return {scale, detail::clamp_to({0, 255}, detail::round_bounded(0.0f - whole.lo / scale))};
}

/// The code of a value by ONNX QuantizeLinear. Infinities saturate; NaN gives the code of zero.
[[nodiscard]] constexpr std::int32_t quantize_linear(float value, affine_parameters p, integer_bounds bounds) noexcept {
    return detail::clamp_to(bounds, detail::round_bounded(value / p.scale) + p.zero_point);
}

/// The code of a value by PyTorch's quantize_per_tensor, which multiplies by 1 / scale. Values beyond the range of
/// int32 saturate here, while PyTorch overflows. NaN gives the code of zero.
[[nodiscard]] constexpr std::int32_t pytorch_quantize(float value, affine_parameters p,
                                                      integer_bounds bounds) noexcept {
    return detail::clamp_to(bounds, detail::round_bounded(exact::product(value, 1.0f / p.scale)) + p.zero_point);
}

/// The value of a code.
[[nodiscard]] constexpr float dequantize_linear(std::int32_t code, affine_parameters p) noexcept {
    return static_cast<float>(code - p.zero_point) * p.scale;
}

} // namespace tersor::inline v0

#endif // TERSOR_QUANTIZERS_AFFINE_HPP

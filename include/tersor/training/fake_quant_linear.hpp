#ifndef TERSOR_TRAINING_FAKE_QUANT_LINEAR_HPP
#define TERSOR_TRAINING_FAKE_QUANT_LINEAR_HPP

// Fake quantization of values with given parameters, and its straight-through gradient, as two training frameworks
// compute them. For values and a quantizer, without parameters at hand, see fake_quant.hpp.
//
//   PyTorch           code = round(x * (1 / scale)) + zero point
//                     y = (clamp(code) - zero point) * scale         dx = dy where lowest <= code <= highest, else 0
//   Model Optimizer   s = highest / amax, 0 where amax <= 2^-24
//                     y = clamp(round(x * s)) / s, 0 where s = 0     dx = dy where |x| <= amax, else 0
//
// In float, one rounding per operation, rounding to integers half to even. PyTorch: fake_quantize_per_tensor_affine and
// _per_channel_affine; TensorRT Model Optimizer: tensor_quant. Where PyTorch's integers overflow, values saturate here.

#include "tersor/core/error.hpp"
#include "tersor/core/exact.hpp"
#include "tersor/quantizers/affine.hpp"

#include <Eigen/Core>

#include <cstdint>
#include <string>

namespace tersor::inline v0 {

namespace detail {
// The code before it is clamped, within +-2^20 of the zero point.
constexpr std::int32_t free_code(float x, affine_parameters p) noexcept {
    return round_bounded(x * (1.0f / p.scale)) + p.zero_point;
}
} // namespace detail

/// The value that x has on the grid of `p` within the bounds. NaN gives 0.
[[nodiscard]] constexpr float fake_quantize_linear(float x, affine_parameters p, integer_bounds bounds) noexcept {
    const std::int32_t code = detail::clamp_to(bounds, detail::free_code(x, p));
    return exact::product(static_cast<float>(code - p.zero_point), p.scale);
}

/// The gradient with respect to x, given the one with respect to the result: it passes where x is within the grid.
[[nodiscard]] constexpr float fake_quantize_linear_gradient(float x, float gradient, affine_parameters p,
                                                            integer_bounds bounds) noexcept {
    const std::int32_t code = detail::free_code(x, p);
    return code >= bounds.lowest && code <= bounds.highest ? gradient : 0.0f;
}

/// The same for every value of a dense Eigen object of floats; gives an object of the same kind.
template <class Derived>
[[nodiscard]] typename Derived::PlainObject fake_quantize_linear(const Eigen::DenseBase<Derived>& x,
                                                                 affine_parameters p, integer_bounds bounds) {
    return x.derived().unaryExpr([p, bounds](float v) { return fake_quantize_linear(v, p, bounds); });
}

/// The gradient for every value; `gradient` has the size of x.
template <class Derived, class Gradient>
[[nodiscard]] typename Derived::PlainObject fake_quantize_linear_gradient(const Eigen::DenseBase<Derived>& x,
                                                                          const Eigen::DenseBase<Gradient>& gradient,
                                                                          affine_parameters p, integer_bounds bounds) {
    if (x.rows() != gradient.rows() || x.cols() != gradient.cols()) {
        raise(error_code::shape_mismatch, "fake_quantize_linear_gradient: x is [" + std::to_string(x.rows()) + " x " +
                                              std::to_string(x.cols()) + "], its gradient [" +
                                              std::to_string(gradient.rows()) + " x " +
                                              std::to_string(gradient.cols()) + "]");
    }
    return x.derived().binaryExpr(
        gradient.derived(), [p, bounds](float v, float dy) { return fake_quantize_linear_gradient(v, dy, p, bounds); });
}

/// The value that x has on the symmetric grid that maps amax to bounds.highest, by the rule of Model Optimizer.
[[nodiscard]] constexpr float modelopt_fake_quantize(float x, float amax, integer_bounds bounds) noexcept {
    if (!(amax > 0x1p-24f)) {
        return 0.0f;
    }
    const float steps = static_cast<float>(bounds.highest) / amax;
    return static_cast<float>(detail::clamp_to(bounds, detail::round_bounded(x * steps))) / steps;
}

/// Its gradient with respect to x, given the one with respect to the result.
[[nodiscard]] constexpr float modelopt_fake_quantize_gradient(float x, float gradient, float amax) noexcept {
    return (x < 0.0f ? -x : x) <= amax ? gradient : 0.0f;
}

} // namespace tersor::inline v0

#endif // TERSOR_TRAINING_FAKE_QUANT_LINEAR_HPP

#ifndef TERSOR_QUANTIZERS_DYNAMIC_LINEAR_HPP
#define TERSOR_QUANTIZERS_DYNAMIC_LINEAR_HPP

// ONNX DynamicQuantizeLinear as a quantizer: one scale and zero point for a whole tensor, codes 0..255.
//
//   lo = min(x, 0), hi = max(x, 0)
//   scale = (hi - lo) / 255, 1 if hi = lo
//   zero point = round(clamp(0 - lo / scale, 0, 255))
//   code = clamp(round(x / scale) + zero point, 0, 255)
//
// Every operation is rounded to float, rounding to integers is half to even. `zero_point<uint8>` gives the same except
// next to the largest float, where its values stay finite: here the scale is infinite where hi - lo overflows, as in
// ONNX, and every code is the zero point. Source: ONNX operator specification, DynamicQuantizeLinear-11; the scale of
// zeros is onnxruntime's.

#include "tersor/core/concepts.hpp"
#include "tersor/formats/integer.hpp"
#include "tersor/quantizers/affine.hpp"
#include "tersor/quantizers/zero_point.hpp"

#include <cstdint>
#include <span>

namespace tersor::inline v0 {

/// Dynamic quantization of a tensor by the rule of ONNX; `per_channel` makes it one of each row.
struct dynamic_quantize_linear : zero_point<uint8> {
    /// The grid from lo to hi, extended to contain 0.
    [[nodiscard]] parameters from_range(float lo, float hi) const noexcept {
        const affine_parameters p = onnx_dynamic({lo, hi});
        return {p.scale, static_cast<std::uint8_t>(p.zero_point)};
    }

    /// The grid over the values' range; with importance, the one of least weighted squared error.
    [[nodiscard]] parameters fit(std::span<const float> values, std::span<const float> importance) const {
        return fit_range(*this, values, importance);
    }

    friend bool operator==(const dynamic_quantize_linear&, const dynamic_quantize_linear&) = default;
};

} // namespace tersor::inline v0

#endif // TERSOR_QUANTIZERS_DYNAMIC_LINEAR_HPP

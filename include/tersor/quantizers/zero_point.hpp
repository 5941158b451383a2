#ifndef TERSOR_QUANTIZERS_ZERO_POINT_HPP
#define TERSOR_QUANTIZERS_ZERO_POINT_HPP

// Zero point: an asymmetric integer grid that spans the values of a group and holds zero exactly.
//
//   lo = min(x, 0), hi = max(x, 0)
//   scale = (hi - lo) / (highest - lowest)
//   zero_point = clamp(lowest - round(lo / scale), lowest, highest)
//   code = clamp(round(x / scale) + zero_point, lowest, highest)
//   decoded = (code - zero_point) * scale
//
// Every operation is rounded to float, rounding to integers is half to even. This is the rule of PyTorch's observers
// (without their smallest scale) and of ONNX QuantizeLinear. A group of zeros has scale 1 and zero point 0 (unsigned) or
// lowest (signed). Unlike there, lo and hi stay 1 % and half a step below the largest float, so that no value of the
// grid is infinite.

#include "tersor/core/concepts.hpp"
#include "tersor/formats/format.hpp"
#include "tersor/formats/integer.hpp"
#include "tersor/quantizers/codec.hpp"
#include "tersor/quantizers/fit.hpp"
#include "tersor/quantizers/scale.hpp"

#include <cstdint>
#include <limits>
#include <span>

namespace tersor::inline v0 {

/// Asymmetric quantization of a whole tensor; `per_channel` and `blockwise` make its groups smaller.
/// `Format` is an integer format; `Scale` the type that the scale is stored in.
template <number_format Format, class Scale = float>
struct zero_point {
    static_assert(requires { Format::lowest; Format::highest; },
                  "zero_point needs an integer format (int2..int8, uint2..uint8): other formats have no zero point");

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
        constexpr float steps = static_cast<float>(Format::highest - Format::lowest);
        // The grid may reach half a step beyond lo and hi; its values stay finite.
        constexpr float limit = 0.99f * (steps / (steps + 1.0f)) * std::numeric_limits<float>::max();
        lo = lo < 0.0f ? (lo > -limit ? lo : -limit) : 0.0f;
        hi = hi > 0.0f ? (hi < limit ? hi : limit) : 0.0f;
        if (lo == hi) {
            return {static_cast<Scale>(1.0f), static_cast<code_type>(Format::lowest)};
        }
        const float width = hi - lo;
        // The width of two finite numbers may be infinite; its share of one step is not.
        const float step = width <= std::numeric_limits<float>::max() ? width / steps : hi / steps - lo / steps;
        const auto scale = stored_scale<Scale>(step);
        const int below = integer_below_zero(lo / static_cast<float>(scale));
        return {scale, static_cast<code_type>(Format::lowest + below)};
    }

    /// The grid over the values' range; with importance, the one of least weighted squared error.
    [[nodiscard]] parameters fit(std::span<const float> values, std::span<const float> importance) const {
        return fit_range(*this, values, importance);
    }

    [[nodiscard]] float scale(parameters p) const noexcept { return static_cast<float>(p.scale); }
    [[nodiscard]] std::int32_t zero_code(parameters p) const noexcept { return p.zero; }

    [[nodiscard]] code_type encode(float value, parameters p) const noexcept {
        constexpr int levels = Format::highest - Format::lowest;
        // Values beyond twice the grid are saturated all the same; the bound keeps the rounding in range.
        const float limit = static_cast<float>(2 * levels);
        const float scaled = value / scale(p);
        const float bounded = scaled > -limit ? (scaled < limit ? scaled : limit) : -limit;
        const int code = detail::round_to_int(bounded) + p.zero;
        return static_cast<code_type>(code < Format::lowest ? Format::lowest : code > Format::highest ? Format::highest : code);
    }

    [[nodiscard]] float decode(code_type code, parameters p) const noexcept {
        return static_cast<float>(static_cast<int>(code) - static_cast<int>(p.zero)) * scale(p);
    }

    friend bool operator==(const zero_point&, const zero_point&) = default;

private:
    // How many codes lie below the one of zero: round(-lo / scale), within the grid.
    static constexpr int integer_below_zero(float scaled) noexcept {
        constexpr int levels = Format::highest - Format::lowest;
        const float bounded = scaled > -static_cast<float>(levels) ? scaled : -static_cast<float>(levels);
        return -detail::round_to_int(bounded);
    }
};

} // namespace tersor::inline v0

#endif // TERSOR_QUANTIZERS_ZERO_POINT_HPP

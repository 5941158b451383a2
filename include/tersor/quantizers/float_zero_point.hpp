#ifndef TERSOR_QUANTIZERS_FLOAT_ZERO_POINT_HPP
#define TERSOR_QUANTIZERS_FLOAT_ZERO_POINT_HPP

// Integers with a scale and a zero point that need not be an integer, as HQQ stores them.
//
//   levels = highest - lowest, s = (1 / (max - min)) * levels, at most 2e4, 1 where max - min <= 1e-4
//   scale = 1 / s, zero = lowest - min * s
//   code = clamp(round(x / scale + zero), lowest, highest)
//   decoded = (code - zero) * scale
//
// Every operation is rounded to float, rounding to integers is half to even. min and max are those of the values, so
// that zero is exact only where the range happens to hold it. HQQ's own program keeps s while it solves and computes
// round(x * s + zero), which may differ from the above where that is within rounding of a tie; stored are 1 / s and
// the zero point. A scale of another type is rounded first, and the zero point is lowest - min / scale then.

#include "tersor/core/concepts.hpp"
#include "tersor/core/exact.hpp"
#include "tersor/formats/format.hpp"
#include "tersor/formats/integer.hpp"
#include "tersor/quantizers/fit.hpp"
#include "tersor/quantizers/scale.hpp"

#include <limits>
#include <span>
#include <type_traits>

namespace tersor::inline v0 {

/// Integers between the smallest and the largest value of a group; `per_channel` and `blockwise` make its groups
/// smaller. `Format` is an integer format; `Scale` the type that the scale is stored in. It has no from_range, since
/// its range need not contain zero.
template <number_format Format, class Scale = float>
struct float_zero_point {
    static_assert(requires { Format::lowest; Format::highest; },
                  "float_zero_point needs an integer format (int2..int8, uint2..uint8)");

    using format = Format;
    using code_type = code_t<Format>;
    static constexpr index group = whole_tensor;

    /// What is stored per group.
    struct parameters {
        Scale scale;
        float zero;
        friend bool operator==(const parameters&, const parameters&) = default;
    };

    /// s = 1 / scale before it is rounded, for values from lo to hi.
    [[nodiscard]] static constexpr float inverse_scale(float lo, float hi) noexcept {
        constexpr float levels = static_cast<float>(Format::highest - Format::lowest);
        const float width = hi - lo;
        if (!(width > 1e-4f)) {
            return 1.0f;
        }
        // The width of two finite numbers may be infinite; its share of one step is not.
        const float s = width <= std::numeric_limits<float>::max() ? exact::product(1.0f / width, levels)
                                                                   : 1.0f / (hi / levels - lo / levels);
        return s < 2e4f ? s : 2e4f;
    }

    /// The grid from lo to hi.
    [[nodiscard]] static constexpr parameters between(float lo, float hi) noexcept {
        const float s = inverse_scale(lo, hi);
        const auto scale = stored_scale<Scale>(1.0f / s);
        if constexpr (std::is_same_v<Scale, float>) {
            return {scale, static_cast<float>(Format::lowest) - exact::product(lo, s)};
        } else {
            return {scale, static_cast<float>(Format::lowest) - lo / static_cast<float>(scale)};
        }
    }

    /// The grid over the values; with importance, the share of their range about its middle, 1, 0.99 .. 0.20, of least
    /// weighted squared error, the first one if several are.
    [[nodiscard]] parameters fit(std::span<const float> values, std::span<const float> importance) const noexcept {
        if (values.empty()) {
            return between(0.0f, 0.0f);
        }
        float lo = values.front(), hi = lo;
        for (const float x : values) {
            lo = x < lo ? x : lo;
            hi = x > hi ? x : hi;
        }
        parameters best = between(lo, hi);
        if (importance.empty()) {
            return best;
        }
        double least = weighted_error(*this, values, importance, best);
        const float middle = lo / 2.0f + hi / 2.0f, half = hi / 2.0f - lo / 2.0f;
        for (int percent = 99; percent >= 20 && least > 0.0; --percent) {
            const float reach = exact::product(half, static_cast<float>(percent) / 100.0f);
            const parameters candidate = between(middle - reach, middle + reach);
            const double error = weighted_error(*this, values, importance, candidate);
            if (error < least) {
                least = error;
                best = candidate;
            }
        }
        return best;
    }

    [[nodiscard]] float scale(parameters p) const noexcept { return static_cast<float>(p.scale); }
    [[nodiscard]] float zero(parameters p) const noexcept { return p.zero; }

    [[nodiscard]] code_type encode(float value, parameters p) const noexcept {
        return Format::encode(value / scale(p) + p.zero);
    }
    [[nodiscard]] float decode(code_type code, parameters p) const noexcept {
        return (static_cast<float>(code) - p.zero) * scale(p);
    }

    friend bool operator==(const float_zero_point&, const float_zero_point&) = default;
};

} // namespace tersor::inline v0

#endif // TERSOR_QUANTIZERS_FLOAT_ZERO_POINT_HPP

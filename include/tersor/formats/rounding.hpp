#ifndef TERSOR_FORMATS_ROUNDING_HPP
#define TERSOR_FORMATS_ROUNDING_HPP

// Encoding by a rounding rule other than the format's own, for every format.
//
//   below <= v <= above: the values of the two codes around v
//   half_away:   the nearer one; if v - below = above - v, the one of larger magnitude (above for -a, a)
//   stochastic:  above if u * (above - below) < v - below, else below, for u uniform in [0, 1)
//
// Outside the range both rules saturate. The comparisons are made in double.

#include "tersor/core/rounding.hpp"
#include "tersor/formats/format.hpp"

#include <type_traits>

namespace tersor::inline v0 {

/// The two codes whose values enclose `value`; both are the same where it is exact, NaN or outside the range. A format
/// without a member of that name is searched code by code.
template <number_format Format>
constexpr code_pair<code_t<Format>> neighbours(const Format& format, float value) noexcept {
    using code_type = code_t<Format>;
    if constexpr (requires { format.neighbours(value); }) {
        return format.neighbours(value);
    } else {
        const code_type nearest = format.encode(value);
        code_pair<code_type> found{nearest, nearest};
        if (detail::is_nan(value) || format.decode(nearest) == value) {
            return found;
        }
        bool has_below = false;
        bool has_above = false;
        for (int i = 0; i < code_count<Format>; ++i) {
            const auto code = static_cast<code_type>(std::is_signed_v<code_type> ? i - code_count<Format> / 2 : i);
            const float candidate = format.decode(code);
            if (candidate <= value && (!has_below || candidate > format.decode(found.below))) {
                found.below = code;
                has_below = true;
            }
            if (candidate >= value && (!has_above || candidate < format.decode(found.above))) {
                found.above = code;
                has_above = true;
            }
        }
        return has_below && has_above ? found : code_pair<code_type>{nearest, nearest};
    }
}

/// The code of `value` under a rounding rule. `random` in [0, 1) is used by stochastic rounding only: `uniform(seed,
/// i)` for the i-th element makes the result reproducible.
template <number_format Format>
constexpr code_t<Format> encode_rounded(const Format& format, float value, rounding rule, float random) noexcept {
    if (rule == rounding::nearest_even) {
        return format.encode(value);
    }
    const code_pair<code_t<Format>> around = neighbours(format, value);
    if (around.below == around.above) {
        return around.below;
    }
    const double below = static_cast<double>(format.decode(around.below));
    const double above = static_cast<double>(format.decode(around.above));
    const double to_below = static_cast<double>(value) - below;
    const double to_above = above - static_cast<double>(value);
    if (rule == rounding::stochastic) {
        return static_cast<double>(random) * (above - below) < to_below ? around.above : around.below;
    }
    const bool tie_goes_up = above >= -below;
    return to_above < to_below || (to_above == to_below && tie_goes_up) ? around.above : around.below;
}

} // namespace tersor::inline v0

#endif // TERSOR_FORMATS_ROUNDING_HPP

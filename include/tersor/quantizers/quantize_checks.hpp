#ifndef TERSOR_QUANTIZERS_QUANTIZE_CHECKS_HPP
#define TERSOR_QUANTIZERS_QUANTIZE_CHECKS_HPP

// What `quantize` refuses: options outside their domain, and values that are not finite.

#include "tersor/core/error.hpp"
#include "tersor/core/options.hpp"
#include "tersor/core/strided.hpp"
#include "tersor/formats/format.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>

namespace tersor::inline v0::detail {

[[nodiscard]] inline bool is_finite(float x) noexcept {
    return magnitude_bits(x) < 0x7F800000u;
}

/// NaN to 0, infinities to the largest finite magnitude among the values.
inline void saturate_values(std::span<float> values) noexcept {
    float largest = 0.0f;
    for (const float x : values) {
        largest = is_finite(x) && std::abs(x) > largest ? std::abs(x) : largest;
    }
    for (float& x : values) {
        x = is_finite(x) ? x : is_nan(x) ? 0.0f : x < 0.0f ? -largest : largest;
    }
}

/// Errors of the options for a quantizer and rows of `length` values; see `quantize`.
template <quantizer Q>
void check_options(const quantize_options& options, index length) {
    if (options.range) {
        const auto [lo, hi] = *options.range;
        if (!(lo <= 0.0f && hi >= 0.0f && is_finite(lo) && is_finite(hi))) {
            raise(error_code::invalid_argument, "the range [" + std::to_string(lo) + ", " + std::to_string(hi) +
                                                    "] is not a finite one that contains 0");
        }
        if (!range_quantizer<Q>) {
            raise(error_code::invalid_argument, "this quantizer takes no range: it has no from_range");
        }
    }
    if (options.rounding != rounding::nearest_even && !scaled_quantizer<Q> && !affine_quantizer<Q>) {
        raise(error_code::unsupported, "this quantizer rounds by its own rule only: it has no scale()");
    }
    if (!options.importance.empty()) {
        if (static_cast<index>(options.importance.size()) != length) {
            raise(error_code::shape_mismatch, "importance has " + std::to_string(options.importance.size()) +
                                                  " weights, a row has " + std::to_string(length) + " values");
        }
        for (std::size_t i = 0; i < options.importance.size(); ++i) {
            if (!(options.importance[i] >= 0.0f) || !is_finite(options.importance[i])) {
                raise(error_code::invalid_argument, "importance " + std::to_string(options.importance[i]) +
                                                        " of column " + std::to_string(i) +
                                                        " is not a finite non-negative number");
            }
        }
    }
}

/// Names the first value, in row-major order, that is not finite as a float.
template <class Scalar, int Rank>
[[noreturn]] void raise_non_finite(const strided<const Scalar, Rank>& source) {
    const row_view<const Scalar, Rank> all(source, -1);
    for (index i = 0; i < all.length(); ++i) {
        const auto x = static_cast<float>(*all.address(0, i));
        if (!is_finite(x)) {
            raise(error_code::non_finite, "the value at " + all.position(0, i) + " is " +
                                              (is_nan(x) ? "NaN"
                                               : x < 0   ? "-infinity"
                                                         : "infinity") +
                                              " as a float; non_finite::saturate would accept it");
        }
    }
    raise(error_code::non_finite, "the values changed while they were quantized");
}

} // namespace tersor::inline v0::detail

#endif // TERSOR_QUANTIZERS_QUANTIZE_CHECKS_HPP

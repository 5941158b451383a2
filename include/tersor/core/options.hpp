#ifndef TERSOR_CORE_OPTIONS_HPP
#define TERSOR_CORE_OPTIONS_HPP

// What a caller may choose when quantizing; the defaults are what most callers want.

#include "tersor/core/concepts.hpp"
#include "tersor/core/execution.hpp"
#include "tersor/core/rounding.hpp"

#include <cstdint>
#include <optional>
#include <span>

namespace tersor::inline v0 {

/// What to do with NaN and infinities in the input.
enum class non_finite {
    error,   ///< throw `non_finite`, naming the first index
    saturate ///< NaN becomes 0, infinities the largest finite magnitude of their group
};

/// A range of values that contains 0; values outside it saturate.
struct clipping_range {
    float lo;
    float hi;
};

/// Value of quantize_options::axis: the last axis, so that groups run along rows.
inline constexpr int last_axis = -1;
/// Value of quantize_options::axis: groups run along the whole tensor, its values taken in row-major order.
inline constexpr int flat = -2;

/// Options of `quantize`.
struct quantize_options {
    /// How a scaled value between two codes is rounded.
    tersor::rounding rounding = tersor::rounding::nearest_even;
    /// Names the random sequence of stochastic rounding; element i always takes its i-th number.
    std::uint64_t seed = 0;
    /// The range of every group, as a calibrator found it, in place of the range of its values.
    std::optional<clipping_range> range{};
    /// Fits every group for the least squared error instead of its whole range.
    bool least_squares = false;
    /// One non-negative weight per value of a row (input column): the squared error is weighted by it.
    std::span<const float> importance{};
    /// How hard to search, for the block formats of GGUF.
    quantize_mode mode = quantize_mode::best;
    /// What to do with NaN and infinities.
    tersor::non_finite non_finite = tersor::non_finite::error;
    /// The axis along which groups run, from 0; or last_axis, or flat.
    int axis = last_axis;
    /// Threads, progress, cancellation.
    tersor::execution execution{};
};

} // namespace tersor::inline v0

#endif // TERSOR_CORE_OPTIONS_HPP

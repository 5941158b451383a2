#ifndef TERSOR_SOLVERS_AWQ_GRID_HPP
#define TERSOR_SOLVERS_AWQ_GRID_HPP

// The integer grid of AWQ's own program: it spans the values of a group, which need not include zero.
//
//   scale = max(max - min, 1e-5) / levels          levels = highest - lowest
//   zero = clamp(lowest - round(min / scale), lowest, highest)
//   code = clamp(round(x / scale) + zero, lowest, highest)
//   decoded = (code - zero) * scale
//
// Every operation is rounded to float, rounding to integers is half to even. Codes and values are those of `zero_point`
// with the same parameters, only these are found differently: `to_zero_point` changes the type and nothing else.
// Source: pseudo_quantize_tensor of mit-han-lab/llm-awq.

#include "tersor/core/error.hpp"
#include "tersor/core/quantized_tensor.hpp"
#include "tersor/quantizers/blockwise.hpp"
#include "tersor/quantizers/per_channel.hpp"
#include "tersor/quantizers/zero_point.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

namespace tersor::inline v0 {

/// Asymmetric integers as AWQ fits them; `per_channel` and `blockwise` make its groups smaller. It has no from_range: a
/// range that is extended to contain zero, as calibrators and clipping give, is not AWQ's.
template <number_format Format, class Scale = float>
struct awq_grid {
    using format = Format;
    using code_type = code_t<Format>;
    using parameters = typename zero_point<Format, Scale>::parameters;
    static constexpr index group = whole_tensor;

    /// The grid over the values' range; importance does not change it. A width that a float cannot hold becomes the
    /// largest that it can.
    [[nodiscard]] parameters fit(std::span<const float> values, std::span<const float>) const noexcept {
        constexpr float levels = static_cast<float>(Format::highest - Format::lowest);
        if (values.empty()) {
            return {static_cast<Scale>(1.0f), static_cast<code_type>(Format::lowest)};
        }
        float lo = values.front(), hi = lo;
        for (const float x : values) {
            lo = x < lo ? x : lo;
            hi = x > hi ? x : hi;
        }
        const float width = std::clamp(hi - lo, 1e-5f, std::numeric_limits<float>::max());
        const Scale scale = stored_scale<Scale>(width / levels);
        const float below = std::clamp(lo / static_cast<float>(scale), -levels, 0.0f);
        return {scale, static_cast<code_type>(Format::lowest - detail::round_to_int(below))};
    }
    [[nodiscard]] code_type encode(float value, parameters p) const noexcept {
        return zero_point<Format, Scale>{}.encode(value, p);
    }
    [[nodiscard]] float decode(code_type code, parameters p) const noexcept {
        return zero_point<Format, Scale>{}.decode(code, p);
    }
    [[nodiscard]] float scale(parameters p) const noexcept { return static_cast<float>(p.scale); }
    [[nodiscard]] std::int32_t zero_code(parameters p) const noexcept { return p.zero; }

    friend bool operator==(const awq_grid&, const awq_grid&) = default;
};

namespace detail {

template <class Q>
struct zero_point_of;
template <class Format, class Scale>
struct zero_point_of<awq_grid<Format, Scale>> {
    using type = zero_point<Format, Scale>;
};
template <class Q>
struct zero_point_of<per_channel<Q>> {
    using type = per_channel<typename zero_point_of<Q>::type>;
};
template <class Q, index Size>
struct zero_point_of<blockwise<Q, Size>> {
    using type = blockwise<typename zero_point_of<Q>::type, Size>;
};

} // namespace detail

/// The same codes, scales and zero points as a tensor of `zero_point`, which products and file layouts know.
template <class Q, int Rank, class Kind>
[[nodiscard]] auto to_zero_point(quantized_tensor<Q, Rank, Kind> q) {
    using Target = typename detail::zero_point_of<Q>::type;
    const auto dimensions = q.dimensions();
    const int axis = q.axis();
    auto [codes, parameters] = std::move(q).release();
    return quantized_tensor<Target, Rank, Kind>({}, dimensions, axis, std::move(codes), std::move(parameters));
}

} // namespace tersor::inline v0

#endif // TERSOR_SOLVERS_AWQ_GRID_HPP

#ifndef TERSOR_QUANTIZERS_ACTIVATION_COLUMNS_HPP
#define TERSOR_QUANTIZERS_ACTIVATION_COLUMNS_HPP

// Outlier columns of activations [tokens x channels]: channels in which some token is as large as a threshold. They
// are few, grow in large language models, and spoil the scale of everything else (Dettmers et al., arXiv:2208.07339).

#include "tersor/core/concepts.hpp"
#include "tersor/core/error.hpp"
#include "tersor/core/execution.hpp"
#include "tersor/core/strided.hpp"
#include "tersor/quantizers/quantize_checks.hpp"
#include "tersor/quantizers/rows.hpp"
#include "tersor/simd/isa.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#define TERSOR_KERNELS "tersor/quantizers/activation_columns-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"

namespace tersor::inline v0 {

namespace detail {

/// Activations as a view [tokens x channels]; a vector of either kind is one token.
template <class T>
[[nodiscard]] auto token_view(const T& x) {
    const auto source = as_strided(x);
    using Scalar = std::remove_pointer_t<decltype(source.data)>;
    strided<Scalar, 2> view;
    view.data = source.data;
    if constexpr (rank_of<T>() == 1) {
        view.sizes = {1, source.sizes[0]};
        view.strides = {source.sizes[0], source.strides[0]};
    } else {
        static_assert(rank_of<T>() == 2, "activations are a matrix [tokens x channels] or one token as a vector");
        view.sizes = source.sizes;
        view.strides = source.strides;
    }
    return view;
}

/// Activations as rows of floats: in place, or copied to memory that is used again.
struct float_rows {
    const float* data = nullptr;
    index tokens = 0, channels = 0, distance = 0;

    [[nodiscard]] const float* row(index t) const noexcept { return data + t * distance; }
};

template <class Scalar>
[[nodiscard]] float_rows rows_of(const strided<const Scalar, 2>& x, std::vector<float>& memory) {
    float_rows result{nullptr, x.sizes[0], x.sizes[1], x.sizes[1]};
    if (result.tokens == 0 || result.channels == 0) {
        return result;
    }
    if constexpr (std::is_same_v<Scalar, float>) {
        if (x.strides[1] == 1 || result.channels == 1) {
            result.data = x.data;
            result.distance = x.strides[0];
            return result;
        }
    }
    memory.resize(static_cast<std::size_t>(result.tokens * result.channels));
    load_panel(row_view<const Scalar, 2>(x, 1), 0, result.tokens, 0, result.channels, memory.data());
    result.data = memory.data();
    return result;
}

/// Names the first token that has a value that is not finite, and its channel.
[[noreturn]] inline void raise_activation(const float_rows& x) {
    for (index t = 0; t < x.tokens; ++t) {
        for (index c = 0; c < x.channels; ++c) {
            const float value = x.row(t)[c];
            if (!is_finite(value)) {
                raise(error_code::non_finite, "activations: token " + std::to_string(t) + ", channel " +
                                                  std::to_string(c) + " is " +
                                                  (is_nan(value)  ? "NaN"
                                                   : value < 0.0f ? "-infinity"
                                                                  : "infinity"));
            }
        }
    }
    raise(error_code::non_finite, "the activations changed while they were quantized");
}

/// Whether columns are kept at all. Errors: `invalid_argument` for a negative threshold or NaN.
[[nodiscard]] inline bool checked_threshold(float threshold) {
    if (!(threshold >= 0.0f)) {
        raise(error_code::invalid_argument, "the threshold of outliers is " + std::to_string(threshold) +
                                                ": expected a positive number, or 0 for none");
    }
    return threshold > 0.0f;
}

/// The channels with a magnitude of at least `threshold` in some token, ascending, appended to `columns`; those that
/// are among its first `known`, which ascend, are not found again. Errors: `non_finite`.
inline void find_outlier_columns(const float_rows& x, float threshold, std::vector<index>& columns,
                                 std::vector<std::int32_t>& largest, const execution& exec) {
    const std::size_t known = columns.size();
    largest.resize(static_cast<std::size_t>(x.channels));
    constexpr index slab = 1024;
    exec.for_each(x.tokens == 0 ? 0 : (x.channels + slab - 1) / slab, [&](index i) {
        const index first = i * slab, count = std::min(slab, x.channels - first);
        TERSOR_DISPATCH(column_magnitudes(x.data + first, x.distance, static_cast<std::size_t>(x.tokens),
                                          static_cast<std::size_t>(count), largest.data() + first));
    });
    const auto bound = std::bit_cast<std::int32_t>(threshold);
    for (index c = 0; c < x.channels && x.tokens > 0; ++c) {
        const std::int32_t magnitude = largest[static_cast<std::size_t>(c)];
        if (magnitude > 0x7F7FFFFF) {
            raise_activation(x);
        }
        if (magnitude >= bound &&
            !std::binary_search(columns.begin(), columns.begin() + static_cast<std::ptrdiff_t>(known), c)) {
            columns.push_back(c);
        }
    }
}

} // namespace detail

/// The channels of activations [tokens x channels], any Eigen matrix or vector (one token), in which the magnitude of
/// some token is at least `threshold`, ascending; none for 0.
/// Errors: `non_finite` naming token and channel; `invalid_argument` for a negative threshold or NaN; `cancelled`.
template <class X>
[[nodiscard]] std::vector<index> outlier_columns(const X& x, float threshold = 6.0f, const execution& exec = {}) {
    static_assert(eigen_object<X>, "activations are an Eigen matrix [tokens x channels]");
    if constexpr (!detail::has_memory<X>()) {
        const typename X::PlainObject evaluated = x;
        return outlier_columns(evaluated, threshold, exec);
    } else {
        std::vector<index> columns;
        if (detail::checked_threshold(threshold)) {
            std::vector<float> memory;
            std::vector<std::int32_t> largest;
            detail::find_outlier_columns(detail::rows_of(detail::token_view(x), memory), threshold, columns, largest,
                                         exec);
        }
        return columns;
    }
}

} // namespace tersor::inline v0

#endif // TERSOR_QUANTIZERS_ACTIVATION_COLUMNS_HPP

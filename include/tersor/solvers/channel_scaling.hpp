#ifndef TERSOR_SOLVERS_CHANNEL_SCALING_HPP
#define TERSOR_SOLVERS_CHANNEL_SCALING_HPP

// Moving scales s between a layer and what produces its input, as AWQ and SmoothQuant do: Y = X W^T stays the same as
//
//   X' = X diag(s)^-1,  W' = W diag(s),  H' = diag(s)^-1 H diag(s)^-1
//
// The division of X goes into the weight (and bias) of the norm before the layer, or into the rows of the linear layer
// before it. Products and quotients are taken in float (double for doubles) and rounded to the type they are stored in.

#include "tersor/core/error.hpp"
#include "tersor/core/strided.hpp"
#include "tersor/quantizers/quantize_checks.hpp"
#include "tersor/solvers/hessian.hpp"

#include <Eigen/Core>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <type_traits>

namespace tersor::inline v0 {

namespace detail {

/// Errors: `shape_mismatch` unless there is one scale for each of `count`; `invalid_argument` for a scale that is not
/// positive and finite.
inline void check_scales(std::span<const float> scales, index count, const char* what) {
    if (static_cast<index>(scales.size()) != count) {
        raise(error_code::shape_mismatch, std::to_string(scales.size()) + " scales for " + std::to_string(count) + " " +
                                              what);
    }
    for (std::size_t j = 0; j < scales.size(); ++j) {
        if (!(scales[j] > 0.0f) || !is_finite(scales[j])) {
            raise(error_code::invalid_argument, "scale " + std::to_string(scales[j]) + " of channel " +
                                                    std::to_string(j) + " is not a finite positive number");
        }
    }
}

template <class T>
using scaling_type = std::conditional_t<std::is_same_v<T, double>, double, float>;

template <class T>
[[nodiscard]] T times(T x, float s) noexcept {
    using wide = scaling_type<T>;
    return static_cast<T>(static_cast<wide>(x) * static_cast<wide>(s));
}
template <class T>
[[nodiscard]] T over(T x, float s) noexcept {
    using wide = scaling_type<T>;
    return static_cast<T>(static_cast<wide>(x) / static_cast<wide>(s));
}

} // namespace detail

/// W diag(s) in place: a layer's weight [out x in], one scale per column. Errors: `shape_mismatch`, `invalid_argument`.
template <class W>
requires(detail::eigen_dense<W>)
void multiply_columns(W& w, std::span<const float> scales) {
    detail::check_scales(scales, w.cols(), "columns");
    for (index j = 0; j < w.cols(); ++j) {
        for (index r = 0; r < w.rows(); ++r) {
            w(r, j) = detail::times(w(r, j), scales[static_cast<std::size_t>(j)]);
        }
    }
}

/// X diag(s)^-1 in place: activations [tokens x in], or scaled weights back to their own. Errors: as above.
template <class X>
requires(detail::eigen_dense<X>)
void divide_columns(X& x, std::span<const float> scales) {
    detail::check_scales(scales, x.cols(), "columns");
    for (index j = 0; j < x.cols(); ++j) {
        for (index r = 0; r < x.rows(); ++r) {
            x(r, j) = detail::over(x(r, j), scales[static_cast<std::size_t>(j)]);
        }
    }
}

/// diag(s)^-1 W in place: the layer [in of the next x its own in] whose outputs are the scaled ones, or, as a vector,
/// its bias or the weight or bias of a norm. Errors: as above.
template <class W>
requires(detail::eigen_dense<W>)
void divide_rows(W& w, std::span<const float> scales) {
    constexpr bool is_row = W::RowsAtCompileTime == 1 && W::ColsAtCompileTime != 1;
    detail::check_scales(scales, is_row ? w.cols() : w.rows(), "rows");
    for (index r = 0; r < w.rows(); ++r) {
        for (index j = 0; j < w.cols(); ++j) {
            w(r, j) = detail::over(w(r, j), scales[static_cast<std::size_t>(is_row ? j : r)]);
        }
    }
}

/// The Hessian of the scaled inputs X diag(s)^-1, for a solver that works on W diag(s): h_ij / (s_i s_j), each step
/// rounded to double, in fp64 if h is, else rounded to float. Its tokens count as no tokens, its samples stay.
/// Errors: as above; those of `hessian::from_matrix`.
[[nodiscard]] inline hessian scaled_hessian(const hessian& h, std::span<const float> scales) {
    detail::check_scales(scales, h.columns(), "columns of the Hessian");
    auto m = h.matrix<double>();
    for (index i = 0; i < m.rows(); ++i) {
        for (index j = 0; j < m.cols(); ++j) {
            // The product of two floats is exact in double, so that the result is symmetric.
            m(i, j) /= static_cast<double>(scales[static_cast<std::size_t>(i)]) *
                       static_cast<double>(scales[static_cast<std::size_t>(j)]);
        }
    }
    const index samples = std::max<index>(h.samples(), 1);
    return h.precision() == hessian_precision::fp64 ? hessian::from_matrix(m, samples)
                                                    : hessian::from_matrix(m.cast<float>().eval(), samples);
}

} // namespace tersor::inline v0

#endif // TERSOR_SOLVERS_CHANNEL_SCALING_HPP

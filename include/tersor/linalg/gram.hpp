#ifndef TERSOR_LINALG_GRAM_HPP
#define TERSOR_LINALG_GRAM_HPP

// The product of a transposed matrix with itself, x^T x, of which only the upper triangle i <= j is computed, or with
// another one of as many rows, x^T y:
//
//   c_ij = fma(x_ti, y_tj, c_ij)   for t = 0, 1, ... over the rows, each step rounded once

#include "tersor/linalg/multiply.hpp"

namespace tersor::inline v0::linalg {

/// Upper triangle of c += x^T x for x [k x n], c [n x n]; what lies below the diagonal of c is left as it is.
/// Errors: `shape_mismatch`; `cancelled`, with c in between.
template <class Scalar>
void add_gram(matrix_view<Scalar> c, matrix_view<const std::type_identity_t<Scalar>> x, const execution& exec = {}) {
    if (c.rows != x.cols || c.cols != x.cols) {
        raise(error_code::shape_mismatch, "add_gram: x^T x of x [" + std::to_string(x.rows) + " x " +
                                              std::to_string(x.cols) + "] does not fit c [" + std::to_string(c.rows) +
                                              " x " + std::to_string(c.cols) + "]");
    }
    detail::product<Scalar>(c, {x.data, 1, x.stride}, {x.data, 1, x.stride}, x.rows, false,
                            detail::part_of_result::upper)
        .run(exec);
}

/// c += x^T y for x [k x m], y [k x n], c [m x n], which shares no element with them, in the same order.
/// Errors: `shape_mismatch`; `cancelled`, with c in between.
template <class Scalar>
void add_gram(matrix_view<Scalar> c, matrix_view<const std::type_identity_t<Scalar>> x,
              matrix_view<const std::type_identity_t<Scalar>> y, const execution& exec = {}) {
    const auto transposed = [](const matrix_view<const Scalar>& m) {
        return matrix_view<const Scalar>{m.data, m.cols, m.rows, m.stride};
    };
    detail::check_product<Scalar>("add_gram", c, transposed(x), y);
    detail::product<Scalar>(c, {x.data, 1, x.stride}, {y.data, 1, y.stride}, x.rows, false, detail::part_of_result::all)
        .run(exec);
}

} // namespace tersor::inline v0::linalg

#endif // TERSOR_LINALG_GRAM_HPP

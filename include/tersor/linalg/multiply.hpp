#ifndef TERSOR_LINALG_MULTIPLY_HPP
#define TERSOR_LINALG_MULTIPLY_HPP

// Products of dense matrices of float or double with the same bits everywhere:
//
//   c_ij = fma(a_ik, b_kj, c_ij)   for k = 0, 1, ... in order, each step rounded once
//
// so that neither instruction set nor threads nor blocks change a bit. With u = 2^-24 (float) or 2^-53 and K u < 1, K
// the depth, an element is within K u / (1 - K u) * (|c_ij| + sum_k |a_ik b_kj|) of the exact one (Higham, Accuracy and
// Stability of Numerical Algorithms, 3.1), barring overflow and underflow.

#include "tersor/core/error.hpp"
#include "tersor/linalg/product.hpp"

#include <string>
#include <type_traits>

namespace tersor::inline v0::linalg {

namespace detail {

template <class Scalar>
void check_product(const char* what, matrix_view<const Scalar> c, matrix_view<const Scalar> a,
                   matrix_view<const Scalar> b) {
    static_assert(std::is_same_v<Scalar, float> || std::is_same_v<Scalar, double>,
                  "linalg computes in float or double");
    if (a.rows != c.rows || b.cols != c.cols || a.cols != b.rows) {
        const auto shape = [](const matrix_view<const Scalar>& m) {
            return "[" + std::to_string(m.rows) + " x " + std::to_string(m.cols) + "]";
        };
        raise(error_code::shape_mismatch,
              std::string(what) + ": a " + shape(a) + " times b " + shape(b) + " does not fit c " + shape(c));
    }
}

template <class Scalar>
void multiply(matrix_view<Scalar> c, matrix_view<const Scalar> a, matrix_view<const Scalar> b, bool negate,
              const execution& exec) {
    product<Scalar>(c, {a.data, a.stride, 1}, {b.data, 1, b.stride}, a.cols, negate, part_of_result::all).run(exec);
}

} // namespace detail

/// c += a b for a [m x k], b [k x n], c [m x n]; c shares no element with a or b.
/// Errors: `shape_mismatch`; `cancelled`, with c in between.
template <class Scalar>
void multiply_add(matrix_view<Scalar> c, matrix_view<const std::type_identity_t<Scalar>> a,
                  matrix_view<const std::type_identity_t<Scalar>> b, const execution& exec = {}) {
    detail::check_product<Scalar>("multiply_add", c, a, b);
    detail::multiply<Scalar>(c, a, b, false, exec);
}

/// c -= a b: the same with -a_ik.
template <class Scalar>
void multiply_subtract(matrix_view<Scalar> c, matrix_view<const std::type_identity_t<Scalar>> a,
                       matrix_view<const std::type_identity_t<Scalar>> b, const execution& exec = {}) {
    detail::check_product<Scalar>("multiply_subtract", c, a, b);
    detail::multiply<Scalar>(c, a, b, true, exec);
}

} // namespace tersor::inline v0::linalg

#endif // TERSOR_LINALG_MULTIPLY_HPP

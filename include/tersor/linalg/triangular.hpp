#ifndef TERSOR_LINALG_TRIANGULAR_HPP
#define TERSOR_LINALG_TRIANGULAR_HPP

// The inverse U of an upper triangular matrix R. Each element is one chain: U_jj = 1 / R_jj, and for i < j, with s = 0,
//
//   s = fma(-U_ik, R_kj, s)   for k = i, i + 1, ..., j - 1 in this order
//   U_ij = s / R_jj

#include "tersor/linalg/cholesky.hpp"
#include "tersor/linalg/multiply.hpp"

namespace tersor::inline v0::linalg {

namespace detail {

/// x <- the solution y of y r = x, columns in order, for upper triangular r.
template <class Scalar>
void solve_upper(matrix_view<Scalar> x, matrix_view<const Scalar> r, const execution& exec) {
    if (r.rows > block) {
        const index first = split(r.rows), rest = r.rows - first;
        const matrix_view<Scalar> left = x.block(0, 0, x.rows, first);
        solve_upper<Scalar>(left, r.block(0, 0, first, first), exec);
        const matrix_view<Scalar> right = x.block(0, first, x.rows, rest);
        multiply<Scalar>(right, left, r.block(0, first, first, rest), true, exec);
        solve_upper<Scalar>(right, r.block(first, first, rest, rest), exec);
        return;
    }
    small_system<Scalar> system;
    system.steps = r.rows;
    for (index t = 0; t < r.rows; ++t) {
        system.pivots[t] = r(t, t);
        for (index u = 0; u < t; ++u) {
            system.coefficients[t * r.rows + u] = -r(u, t);
        }
    }
    system.solve(x, exec);
}

/// b <- -(u b) for upper triangular u; row i sums over k = i, i + 1, ...
template <class Scalar>
void multiply_upper(matrix_view<const Scalar> u, matrix_view<Scalar> b, const execution& exec) {
    if (u.rows > block) {
        const index first = split(u.rows), rest = u.rows - first;
        const matrix_view<Scalar> above = b.block(0, 0, first, b.cols), below = b.block(first, 0, rest, b.cols);
        multiply_upper<Scalar>(u.block(0, 0, first, first), above, exec);
        multiply<Scalar>(above, u.block(0, first, first, rest), below, true, exec);
        multiply_upper<Scalar>(u.block(first, first, rest, rest), below, exec);
        return;
    }
    // A zero below the diagonal comes before the first product of its row, where it leaves a sum of +0 as it is.
    Scalar triangle[block * block] = {};
    for (index i = 0; i < u.rows; ++i) {
        std::copy(&u(i, i), &u(i, 0) + u.cols, triangle + i * block + i);
    }
    thread_local scratch<Scalar> memory;
    const matrix_view<Scalar> copy{memory.reserve(b.rows * b.cols), b.rows, b.cols, b.cols};
    for (index i = 0; i < b.rows; ++i) {
        std::copy(&b(i, 0), &b(i, 0) + b.cols, &copy(i, 0));
        std::fill(&b(i, 0), &b(i, 0) + b.cols, Scalar{0});
    }
    multiply<Scalar>(b, matrix_view<const Scalar>{triangle, u.rows, u.cols, block}, copy, true, exec);
}

template <class Scalar>
void invert_part(matrix_view<Scalar> r, const execution& exec) {
    const index n = r.rows;
    if (n <= block) {
        Scalar identity[block * block] = {};
        const matrix_view<Scalar> u{identity, n, n, block};
        for (index i = 0; i < n; ++i) {
            u(i, i) = 1;
        }
        solve_upper<Scalar>(u, r, exec);
        for (index i = 0; i < n; ++i) {
            std::copy(&u(i, i), &u(i, 0) + n, &r(i, i));
        }
        return;
    }
    const index first = split(n), rest = n - first;
    const matrix_view<Scalar> right = r.block(0, first, first, rest);
    invert_part(r.block(0, 0, first, first), exec);
    multiply_upper<Scalar>(r.block(0, 0, first, first), right, exec);
    solve_upper<Scalar>(right, r.block(first, first, rest, rest), exec);
    invert_part(r.block(first, first, rest, rest), exec);
}

} // namespace detail

/// Replaces upper triangular r [n x n], finite and with no zero on its diagonal, by its inverse; what lies below the
/// diagonal is neither read nor written. Errors: `shape_mismatch`; `cancelled`, with r in between.
template <class Scalar>
void invert_upper(matrix_view<Scalar> r, const execution& exec = {}) {
    detail::check_square<Scalar>("invert_upper", r);
    detail::invert_part(r, exec);
}

} // namespace tersor::inline v0::linalg

#endif // TERSOR_LINALG_TRIANGULAR_HPP

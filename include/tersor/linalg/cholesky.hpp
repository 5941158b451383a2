#ifndef TERSOR_LINALG_CHOLESKY_HPP
#define TERSOR_LINALG_CHOLESKY_HPP

// The reversed Cholesky factor: h = R R^T with R upper triangular, computed from the last column to the first.
// Its inverse U = R^-1 satisfies U^T U = h^-1, which GPTQ needs: one factorization, and no inverse of h.
//
// Each element is one chain, so that blocks and threads change no bit. For j = n - 1, ..., 0 and i <= j, with s = h_ij:
//
//   s = fma(-R_ik, R_jk, s)   for k = n - 1, n - 2, ..., j + 1 in this order
//   R_jj = sqrt(s) for i = j, else R_ij = s / R_jj

#include "tersor/core/error.hpp"
#include "tersor/linalg/product.hpp"
#include "tersor/linalg/substitution.hpp"

#include <string>
#include <type_traits>

namespace tersor::inline v0::linalg {

namespace detail {

/// x <- the solution y of y r^T = x, columns from the last to the first, for r as `factor_reversed` leaves it.
template <class Scalar>
void solve_transposed(matrix_view<Scalar> x, matrix_view<const Scalar> r, const execution& exec) {
    if (r.rows > block) {
        const index first = split(r.rows), rest = r.rows - first;
        const matrix_view<Scalar> left = x.block(0, 0, x.rows, first), right = x.block(0, first, x.rows, rest);
        solve_transposed<Scalar>(right, r.block(first, first, rest, rest), exec);
        const Scalar* const last = &r(0, r.cols - 1);
        product<Scalar>(left, {&right(0, rest - 1), right.stride, -1}, {last, r.stride, -1}, rest, true,
                        part_of_result::all)
            .run(exec);
        solve_transposed<Scalar>(left, r.block(0, 0, first, first), exec);
        return;
    }
    small_system<Scalar> system;
    system.steps = r.rows;
    system.descending = true;
    for (index t = 0; t < r.rows; ++t) {
        system.pivots[t] = r(system.column(t), system.column(t));
        for (index u = 0; u < t; ++u) {
            system.coefficients[t * r.rows + u] = -r(system.column(t), system.column(u));
        }
    }
    system.solve(x, exec);
}

template <class Scalar>
index factor_small(matrix_view<Scalar> h) {
    constexpr index width = kernels<Scalar>::solve_width;
    static_assert(width >= block);
    const index n = h.rows;
    alignas(64) Scalar panel[block * width] = {};
    for (index t = 0; t < n; ++t) {
        for (index i = t; i < n; ++i) {
            panel[t * width + i] = h(n - 1 - i, n - 1 - t);
        }
    }
    const index bad = kernels<Scalar>::active().factor_panel(n, panel);
    for (index t = 0; t < n; ++t) {
        for (index i = t; i < n; ++i) {
            h(n - 1 - i, n - 1 - t) = panel[t * width + i];
        }
    }
    return bad < 0 ? -1 : n - 1 - bad;
}

/// Steps are counted in rows of the whole matrix, of which `done` are finished.
template <class Scalar>
index factor_part(matrix_view<Scalar> h, const execution& exec) {
    if (h.rows <= block) {
        return factor_small(h);
    }
    const index first = split(h.rows), rest = h.rows - first;
    const index bad = factor_part(h.block(first, first, rest, rest), exec);
    if (bad >= 0) {
        return first + bad;
    }
    const matrix_view<Scalar> right = h.block(0, first, first, rest);
    solve_transposed<Scalar>(right, h.block(first, first, rest, rest), exec);
    const factor<Scalar> reversed{&right(0, rest - 1), right.stride, -1};
    product<Scalar>(h.block(0, 0, first, first), reversed, reversed, rest, true, part_of_result::upper).run(exec);
    return factor_part(h.block(0, 0, first, first), exec);
}

template <class Scalar>
void check_square(const char* what, matrix_view<const Scalar> m) {
    static_assert(std::is_same_v<Scalar, float> || std::is_same_v<Scalar, double>,
                  "linalg computes in float or double");
    if (m.rows != m.cols) {
        raise(error_code::shape_mismatch, std::string(what) + ": the matrix [" + std::to_string(m.rows) + " x " +
                                              std::to_string(m.cols) + "] is not square");
    }
}

} // namespace detail

/// Replaces the upper triangle of symmetric h [n x n] by R with h = R R^T; what lies below the diagonal is neither read
/// nor written. Returns -1, or the index of the first pivot, from the last row up, that is not positive (or NaN): the
/// matrix is then not positive definite to working precision, and h is left in between.
/// Errors: `shape_mismatch`; `cancelled`, with h in between.
template <class Scalar>
index factor_reversed(matrix_view<Scalar> h, const execution& exec = {}) {
    detail::check_square<Scalar>("factor_reversed", h);
    return detail::factor_part(h, exec);
}

} // namespace tersor::inline v0::linalg

#endif // TERSOR_LINALG_CHOLESKY_HPP

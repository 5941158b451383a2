#ifndef TERSOR_LINALG_SUBSTITUTION_HPP
#define TERSOR_LINALG_SUBSTITUTION_HPP

// Small triangular systems, x from x l = b with up to `block` columns: what the recursions of cholesky.hpp and
// triangular.hpp end in. Lanes are rows of x, which are copied to columns of a panel and back.

#include "tersor/core/execution.hpp"
#include "tersor/linalg/kernels.hpp"
#include "tersor/linalg/matrix_view.hpp"

#include <algorithm>

namespace tersor::inline v0::linalg::detail {

/// The size below which a recursion ends.
inline constexpr index block = 64;

/// Where to split a matrix of that size, above `block`: near the middle, so that the second part is whole blocks.
constexpr index split(index size) noexcept {
    return size - (size / 2 + block - 1) / block * block;
}

/// A small triangular system: step t computes column `column(t)`, subtracts the products of earlier columns, in order,
/// with -coefficients[t * steps + u], and divides by pivots[t].
template <class Scalar>
struct small_system {
    index steps = 0;
    bool descending = false;
    alignas(64) Scalar coefficients[block * block];
    alignas(64) Scalar pivots[block];

    [[nodiscard]] index column(index t) const noexcept { return descending ? steps - 1 - t : t; }

    /// x <- the solution, for any number of rows.
    void solve(matrix_view<Scalar> x, const execution& exec) const {
        constexpr index width = kernels<Scalar>::solve_width;
        const kernels<Scalar> kernel = kernels<Scalar>::active();
        exec.for_each((x.rows + width - 1) / width, [&](index turn) {
            const index first = turn * width, rows = std::min(width, x.rows - first);
            alignas(64) Scalar panel[block * width] = {};
            for (index i = 0; i < rows; ++i) {
                for (index t = 0; t < steps; ++t) {
                    panel[t * width + i] = x(first + i, column(t));
                }
            }
            kernel.solve_panel(steps, coefficients, pivots, panel);
            for (index i = 0; i < rows; ++i) {
                for (index t = 0; t < steps; ++t) {
                    x(first + i, column(t)) = panel[t * width + i];
                }
            }
        });
    }
};

} // namespace tersor::inline v0::linalg::detail

#endif // TERSOR_LINALG_SUBSTITUTION_HPP

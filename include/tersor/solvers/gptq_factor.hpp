#ifndef TERSOR_SOLVERS_GPTQ_FACTOR_HPP
#define TERSOR_SOLVERS_GPTQ_FACTOR_HPP

// The triangular matrix of a pass over the columns, from the factor R of H = R R^T: U = R^-1 where grids are found on the
// way, else M_ij = -R_ij / R_jj, which takes no inverse; see gptq_pass.hpp.

#include "tersor/core/execution.hpp"
#include "tersor/linalg/matrix_view.hpp"
#include "tersor/linalg/triangular.hpp"

#include <cstddef>
#include <utility>
#include <vector>

namespace tersor::inline v0::detail {

/// The triangular matrix of a pass, in the order of processing.
template <class Scalar>
struct pass_factor {
    linalg::matrix_view<const Scalar> terms; ///< U, or M; the strict upper triangle is read
    std::vector<Scalar> pivots;              ///< U_jj, or R_jj
    bool is_inverse = false;
};

/// Turns h, whose upper triangle holds R, into the terms of a pass in place; they borrow its memory.
template <class Matrix>
[[nodiscard]] pass_factor<typename Matrix::Scalar> make_pass_factor(Matrix& h, bool is_inverse, const execution& exec) {
    pass_factor<typename Matrix::Scalar> factor;
    factor.is_inverse = is_inverse;
    if (is_inverse) {
        linalg::invert_upper(linalg::view(h), exec);
    }
    for (index j = 0; j < h.rows(); ++j) {
        factor.pivots.push_back(h(j, j));
    }
    for (index i = 0; i < h.rows() && !is_inverse; ++i) {
        for (index j = i + 1; j < h.rows(); ++j) {
            h(i, j) = -h(i, j) / factor.pivots[static_cast<std::size_t>(j)];
        }
    }
    factor.terms = linalg::view(std::as_const(h));
    return factor;
}

} // namespace tersor::inline v0::detail

#endif // TERSOR_SOLVERS_GPTQ_FACTOR_HPP

#ifndef TERSOR_SOLVERS_OBJECTIVE_HPP
#define TERSOR_SOLVERS_OBJECTIVE_HPP

// What a solver minimises: tr(D H D^T) for the error D = W - Q of the weights, the squared error of the layer's
// outputs.
//
// For each run of columns J: t = 2 sum over columns I before J of D_I H_IJ, + D_J H_JJ, each element one chain of fused
// multiply-adds; a row's objective is the sum of t_j d_j in double, in order of j. Only the upper triangle of H and the
// blocks on its diagonal are read.

#include "tersor/core/concepts.hpp"
#include "tersor/core/exact.hpp"
#include "tersor/linalg/multiply.hpp"

#include <algorithm>
#include <cstddef>
#include <vector>

namespace tersor::inline v0 {

/// d h d^T of each row d of `errors` [rows x n], for symmetric h [n x n].
template <class Scalar>
[[nodiscard]] std::vector<double> row_objectives(linalg::matrix_view<const Scalar> errors,
                                                 linalg::matrix_view<const Scalar> h) {
    constexpr index run = 256;
    std::vector<double> sums(static_cast<std::size_t>(errors.rows));
    std::vector<Scalar> buffer(static_cast<std::size_t>(errors.rows * std::min(run, h.cols)));
    for (index first = 0; first < h.cols; first += run) {
        const index count = std::min(run, h.cols - first);
        const linalg::matrix_view<Scalar> t{buffer.data(), errors.rows, count, count};
        std::fill_n(buffer.data(), errors.rows * count, Scalar{0});
        if (first > 0) {
            linalg::multiply_add<Scalar>(t, errors.block(0, 0, errors.rows, first), h.block(0, first, first, count));
            std::for_each(buffer.data(), buffer.data() + errors.rows * count, [](Scalar& x) { x *= 2; });
        }
        linalg::multiply_add<Scalar>(t, errors.block(0, first, errors.rows, count),
                                     h.block(first, first, count, count));
        for (index r = 0; r < errors.rows; ++r) {
            double& sum = sums[static_cast<std::size_t>(r)];
            for (index j = 0; j < count; ++j) {
                sum += exact::product(static_cast<double>(t(r, j)), static_cast<double>(errors(r, first + j)));
            }
        }
    }
    return sums;
}

} // namespace tersor::inline v0

#endif // TERSOR_SOLVERS_OBJECTIVE_HPP

#ifndef TERSOR_SOLVERS_GPTQ_DAMPING_HPP
#define TERSOR_SOLVERS_GPTQ_DAMPING_HPP

// What is added to the diagonal of H before it is factored, and how much more where that is not enough:
//
//   diagonal + d mean(diagonal) for d = damp, damp + .01, ... below 1, until a factorization succeeds; then, six times,
//   the same with the diagonal raised to max(diagonal + f, f), f = 1e-6 max|diagonal| 10^(time - 1)
//
// The mean counts the ones that dead columns get. Every step is reported. The rule is GPTQModel's.

#include "tersor/core/error.hpp"
#include "tersor/core/exact.hpp"
#include "tersor/linalg/cholesky.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

namespace tersor::inline v0 {

/// How a matrix was made positive definite.
struct damping_report {
    double damping = 0; ///< relative: what was added to the diagonal, as a part of its mean
    double floor = 0;   ///< what was added before that, absolute; 0 unless relative damping alone failed
    int attempts = 0;   ///< factorizations tried
};

/// Damps and factors: `fill(h)` makes the row-major Eigen matrix h [n x n] the symmetric one, each time that it is
/// needed; its upper triangle becomes R of `linalg::factor_reversed`. Errors: `invalid_argument` for a damp that is
/// negative or no number, or if no damping makes the matrix positive definite.
template <class Matrix, class Fill>
damping_report factor_damped(Matrix& h, const Fill& fill, double damp, const execution& exec = {}) {
    using Scalar = typename Matrix::Scalar;
    if (!(damp >= 0) || !std::isfinite(damp)) {
        raise(error_code::invalid_argument, "damp " + std::to_string(damp) + " is not a finite number of at least 0");
    }
    constexpr double increment = 0.01;
    constexpr int floors = 6;
    damping_report report;
    index bad = -1;
    double pivot = 0;
    for (int time = 0; time <= floors; ++time) {
        for (double d = damp; time == 0 ? (d < 1 || d == damp) : d < 1; d += increment) {
            fill(h);
            double largest = 0, sum = 0;
            for (index j = 0; j < h.rows(); ++j) {
                largest = std::max(largest, std::abs(static_cast<double>(h(j, j))));
            }
            report.floor = time == 0 ? 0.0 : 1e-6 * largest * std::pow(10.0, time - 1);
            for (index j = 0; time > 0 && j < h.rows(); ++j) {
                const double x = static_cast<double>(h(j, j));
                h(j, j) = static_cast<Scalar>(std::max(x + report.floor, report.floor));
            }
            for (index j = 0; j < h.rows(); ++j) {
                sum += static_cast<double>(h(j, j));
            }
            const double mean = sum / static_cast<double>(h.rows());
            for (index j = 0; j < h.rows(); ++j) {
                h(j, j) += static_cast<Scalar>(exact::product(d, mean));
            }
            ++report.attempts;
            report.damping = d;
            // Progress does not go back when a factorization is tried again.
            bad = linalg::factor_reversed(linalg::view(h), report.attempts == 1 ? exec : exec.part(1.0, 1.0));
            if (bad < 0) {
                return report;
            }
            pivot = static_cast<double>(h(bad, bad));
        }
    }
    raise(error_code::invalid_argument,
          "H [" + std::to_string(h.rows()) + " x " + std::to_string(h.rows()) +
              "] is not positive definite under any damping: " + std::to_string(report.attempts) + " attempts from " +
              std::to_string(damp) + " to " + std::to_string(report.damping) +
              " of its mean diagonal, the last with a floor of " + std::to_string(report.floor) +
              ", fail; last at column " + std::to_string(bad) + ", pivot " + std::to_string(pivot));
}

} // namespace tersor::inline v0

#endif // TERSOR_SOLVERS_GPTQ_DAMPING_HPP

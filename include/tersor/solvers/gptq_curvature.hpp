#ifndef TERSOR_SOLVERS_GPTQ_CURVATURE_HPP
#define TERSOR_SOLVERS_GPTQ_CURVATURE_HPP

// H while a matrix is solved: in memory once, in the order of columns that a step needs, and during a pass together with
// its factor, which takes the upper triangle; the lower one and a diagonal beside it keep what H was.

#include "tersor/core/execution.hpp"
#include "tersor/linalg/matrix_view.hpp"
#include "tersor/solvers/gptq_damping.hpp"
#include "tersor/solvers/gptq_factor.hpp"
#include "tersor/solvers/gptq_order.hpp"
#include "tersor/solvers/hessian.hpp"

#include <Eigen/Core>

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

namespace tersor::inline v0::detail {

template <class Scalar>
class curvature {
public:
    /// Takes H, in the order of its columns. Errors: `invalid_argument` if it has seen nothing.
    void load(const hessian& h) {
        values_ = h.template matrix<Scalar>();
        order_ = natural_order(values_.rows());
        is_factored_ = false;
        diagonal_.resize(order_.size());
        for (index j = 0; j < values_.rows(); ++j) {
            diagonal_[static_cast<std::size_t>(j)] = values_(j, j);
        }
    }
    [[nodiscard]] bool is_loaded() const noexcept { return !diagonal_.empty(); }

    /// The diagonal of H in its own order.
    [[nodiscard]] const std::vector<Scalar>& diagonal() const noexcept { return diagonal_; }

    /// H with row and column order[k] at k.
    [[nodiscard]] linalg::matrix_view<const Scalar> in_order(const std::vector<index>& order) {
        if (is_factored_) {
            restore(diagonal_);
            is_factored_ = false;
        }
        if (order != order_) {
            std::vector<index> place(order.size()), moves(order.size());
            for (std::size_t k = 0; k < order.size(); ++k) {
                place[static_cast<std::size_t>(order_[k])] = static_cast<index>(k);
            }
            for (std::size_t k = 0; k < order.size(); ++k) {
                moves[k] = place[static_cast<std::size_t>(order[k])];
            }
            reorder(linalg::view(values_), std::span<const index>(moves));
            order_ = order;
        }
        return linalg::view(std::as_const(values_));
    }

    /// The factor of a pass over columns `order` of H with another diagonal, damped. It holds until H is asked for.
    [[nodiscard]] pass_factor<Scalar> factor(const std::vector<index>& order, const std::vector<Scalar>& diagonal,
                                             double damp, bool is_inverse, damping_report& report,
                                             const execution& exec) {
        static_cast<void>(in_order(order));
        is_factored_ = true;
        report = factor_damped(values_, [&](auto&) { restore(diagonal); }, damp, exec.part(0.0, 0.5));
        return make_pass_factor(values_, is_inverse, exec.part(0.5, 1.0));
    }

private:
    using matrix = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

    /// The upper triangle from the lower one.
    void restore(const std::vector<Scalar>& diagonal) {
        constexpr index edge = 64;
        const index n = values_.rows();
        for (index i0 = 0; i0 < n; i0 += edge) {
            for (index j0 = i0; j0 < n; j0 += edge) {
                for (index i = i0; i < std::min(i0 + edge, n); ++i) {
                    for (index j = std::max(j0, i + 1); j < std::min(j0 + edge, n); ++j) {
                        values_(i, j) = values_(j, i);
                    }
                }
            }
        }
        for (index j = 0; j < n; ++j) {
            values_(j, j) = diagonal[static_cast<std::size_t>(order_[static_cast<std::size_t>(j)])];
        }
    }

    matrix values_;
    std::vector<index> order_;     // columns of H
    std::vector<Scalar> diagonal_; // in H's own order
    bool is_factored_ = false;
};

} // namespace tersor::inline v0::detail

#endif // TERSOR_SOLVERS_GPTQ_CURVATURE_HPP

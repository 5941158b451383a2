#ifndef TERSOR_SOLVERS_GPTQ_SOLVER_HPP
#define TERSOR_SOLVERS_GPTQ_SOLVER_HPP

// The steps of `gptq`, in one precision and for one kind of cells: load, fit grids, pass, refine, evaluate.
//
//   reference   the order and the grids of the reference program, one pass
//   fast        grids of the original weights, columns by falling diagonal of H, one pass
//   best        grids of least squared error weighted by that diagonal, the same pass, refinement of codes and scales
//               in turn; a second pass under the refined scales, refined too; of each row the better one is kept
//
// H is in memory once beside what the `hessian` holds: as its factor during a pass, as itself during refinement.

#include "tersor/core/error.hpp"
#include "tersor/core/strided.hpp"
#include "tersor/linalg/cholesky.hpp"
#include "tersor/solvers/gptq_damping.hpp"
#include "tersor/solvers/gptq_factor.hpp"
#include "tersor/solvers/gptq_fallback.hpp"
#include "tersor/solvers/gptq_options.hpp"
#include "tersor/solvers/gptq_order.hpp"
#include "tersor/solvers/gptq_pass.hpp"
#include "tersor/solvers/gptq_problem.hpp"
#include "tersor/solvers/gptq_refine.hpp"
#include "tersor/solvers/gptq_result.hpp"
#include "tersor/solvers/hessian.hpp"
#include "tersor/solvers/objective.hpp"

#include <Eigen/Core>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

namespace tersor::inline v0::detail {

template <class Cells, class Scalar>
class gptq_solver {
public:
    /// For weights [rows x cols] in groups of `group` values of a row, or, shared, with one set of parameters.
    gptq_solver(Cells cells, const hessian& h, const gptq_options& options, index rows, index cols, index group,
                bool is_shared)
        : cells_(std::move(cells)), hessian_(h), options_(options), solution_(rows, cols, (cols - 1) / group + 1) {
        problem_.rows = rows;
        problem_.cols = cols;
        problem_.group = group;
        problem_.groups = (cols - 1) / group + 1;
        problem_.is_shared = is_shared;
        report_.tokens = h.tokens();
        report_.objective = report_.objective_rtn = std::numeric_limits<double>::quiet_NaN();
    }

    /// Takes the weights and solves.
    template <class Source>
    void solve(const strided<Source, 2>& source) {
        cells_.prepare(load_weights(source, problem_));
        stored_order_ = process_order_ = natural_order(problem_.cols);
        if (is_fallback()) {
            report_.is_fallback = true;
            if (options_.fallback == gptq_fallback::rtn) {
                fit_all();
                round_plainly(cells_, problem_, solution_);
            } else {
                round_around_medians(cells_, problem_, solution_);
            }
            return;
        }
        choose_orders();
        fit_fixed();
        run_pass(solution_, part(0.1, is_best() ? 0.3 : 1.0));
        if (is_best()) {
            refine();
        }
    }

    [[nodiscard]] const Cells& cells() const noexcept { return cells_; }
    [[nodiscard]] const weight_problem<Scalar>& problem() const noexcept { return problem_; }
    /// Codes and parameters in stored order, and the store that the parameters were decoded from.
    [[nodiscard]] weight_codes<Cells>& solution() noexcept { return solution_; }
    [[nodiscard]] typename Cells::store_type& stored() noexcept { return stored_; }
    /// The columns of W in stored order.
    [[nodiscard]] const std::vector<index>& stored_order() const noexcept { return stored_order_; }
    [[nodiscard]] gptq_report& report() noexcept { return report_; }
    [[nodiscard]] bool has_objective() const noexcept { return options_.objectives && hessian_.samples() > 0; }

    /// tr((W - Q) H (W - Q)^T), where decode(row, values) writes a row of Q in stored order.
    template <class Decode>
    [[nodiscard]] double objective_of(const Decode& decode, const execution& exec) {
        if (!holds_h_) {
            reload(stored_order_);
        }
        std::vector<double> sums(static_cast<std::size_t>(problem_.rows));
        exec.for_each(row_panel::count_of(problem_.rows), [&](index i) {
            const row_panel panel = row_panel::at(i, problem_.rows);
            const index n = problem_.cols;
            std::vector<Scalar> errors(static_cast<std::size_t>(panel.count * n));
            for (index r = 0; r < panel.count; ++r) {
                Scalar* const row = errors.data() + r * n;
                decode(panel.first + r, row);
                const Scalar* const w = problem_.weights.data() + (panel.first + r) * n;
                for (index k = 0; k < n; ++k) {
                    row[k] = w[k] - row[k];
                }
            }
            const auto rows =
                row_objectives<Scalar>({errors.data(), panel.count, n, n}, linalg::view(std::as_const(h_)));
            std::copy(rows.begin(), rows.end(), sums.begin() + panel.first);
        });
        double sum = 0;
        for (const double x : sums) {
            sum += x;
        }
        return sum;
    }

private:
    using matrix = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    using parameters = typename Cells::parameters;

    [[nodiscard]] bool is_best() const noexcept { return options_.mode == quantize_mode::best; }
    /// A part of solving; what is left is for the objectives.
    [[nodiscard]] execution part(double from, double to) const {
        const double share = has_objective() ? 0.8 : 1.0;
        return options_.execution.part(share * from, share * to);
    }
    [[nodiscard]] bool is_fallback() const noexcept {
        return hessian_.tokens() < options_.fallback_tokens && (hessian_.tokens() > 0 || hessian_.samples() == 0);
    }
    [[nodiscard]] bool one_group() const noexcept { return problem_.groups <= 1; }

    /// Makes h_ the undamped H in an order of W's columns; what it was is freed first.
    void reload(const std::vector<index>& order) {
        matrix().swap(h_);
        h_ = hessian_.template matrix<Scalar>();
        if (!std::is_sorted(order.begin(), order.end())) {
            reorder(linalg::view(h_), std::span<const index>(order));
        }
        holds_h_ = true;
    }

    void choose_orders() {
        reload(stored_order_);
        diagonal_.resize(static_cast<std::size_t>(problem_.cols));
        importance_.resize(diagonal_.size());
        for (index j = 0; j < problem_.cols; ++j) {
            Scalar& value = diagonal_[static_cast<std::size_t>(j)] = h_(j, j);
            importance_[static_cast<std::size_t>(j)] = static_cast<float>(value);
            if (value == 0) {
                report_.dead_columns.push_back(j);
                value = 1;
            }
        }
        const bool is_reference = options_.mode == quantize_mode::reference;
        grids_ = options_.grids;
        if (grids_ == group_grids::automatic) {
            grids_ = is_reference && !options_.static_groups ? group_grids::lazy : group_grids::fixed;
        }
        if (one_group() || Cells::is_lossy) {
            grids_ = group_grids::fixed;
        }
        const std::vector<index> falling = falling_order(diagonal_);
        if (options_.act_order && !options_.static_groups && !one_group()) {
            stored_order_ = falling;
            report_.order.assign(falling.begin(), falling.end());
            // Groups of the stored order are processed one after the other, by falling diagonal inside and outside.
        } else if (grids_ == group_grids::fixed && (options_.act_order || !is_reference)) {
            process_order_ = falling;
        } else if (options_.order == group_order::gar) {
            process_order_ = group_aware_order(diagonal_, problem_.group);
        }
    }

    /// Grids that are found before the pass. A single group is fitted to all columns, as the reference program does,
    /// more groups after dead columns were cleared.
    void fit_fixed() {
        if (!one_group()) {
            clear_columns(problem_, importance_);
        }
        if (!report_.order.empty()) {
            reorder_columns(problem_, importance_, stored_order_);
        }
        if (grids_ == group_grids::fixed) {
            fit_all();
        }
        clear_columns(problem_, importance_);
    }

    void fit_all() {
        const index n = problem_.cols;
        if (problem_.is_shared) {
            parameters p{};
            cells_.fit(problem_.weights, {}, problem_.rows * n, &p);
            std::fill(solution_.parameters.begin(), solution_.parameters.end(), p);
        } else {
            const std::span<const float> weights =
                is_best() ? std::span<const float>(importance_) : std::span<const float>{};
            part(0.0, 0.1).for_each(row_panel::count_of(problem_.rows), [&](index i) {
                const row_panel panel = row_panel::at(i, problem_.rows);
                for (index r = panel.first; r < panel.first + panel.count; ++r) {
                    cells_.fit({problem_.weights.data() + r * n, static_cast<std::size_t>(n)}, weights, problem_.group,
                               solution_.parameters.data() + r * problem_.groups);
                }
            });
        }
        if (!is_best()) {
            stored_ = Cells::store(solution_.parameters);
        }
    }

    void run_pass(weight_codes<Cells>& solution, const execution& exec) {
        const pass_factor<Scalar> factor = factored(exec.part(0.0, 0.4));
        const gptq_pass<Cells, Scalar> pass(cells_, problem_, factor, process_order_, grids_, options_.block);
        report_.row_losses.assign(static_cast<std::size_t>(problem_.rows), 0.0);
        exec.part(0.4, 1.0).for_each(row_panel::count_of(problem_.rows), [&](index i) {
            const row_panel panel = row_panel::at(i, problem_.rows);
            pass.run(panel, solution, report_.row_losses.data() + panel.first);
        });
        report_.loss = 0;
        for (const double loss : report_.row_losses) {
            report_.loss += loss;
        }
    }

    [[nodiscard]] pass_factor<Scalar> factored(const execution& exec) {
        std::vector<index> order(stored_order_.size());
        for (std::size_t k = 0; k < order.size(); ++k) {
            order[k] = stored_order_[static_cast<std::size_t>(process_order_[k])];
        }
        const auto fill = [&](matrix& h) {
            reload(order);
            holds_h_ = false;
            for (index j = 0; j < h.rows(); ++j) {
                h(j, j) = diagonal_[static_cast<std::size_t>(order[static_cast<std::size_t>(j)])];
            }
        };
        const damping_report report = factor_damped(h_, fill, options_.damp, exec.part(0.0, 0.5));
        report_.damping = report.damping;
        report_.damping_floor = report.floor;
        report_.attempts = report.attempts;
        return make_pass_factor(h_, grids_ != group_grids::fixed, exec.part(0.5, 1.0));
    }

    /// Refines codes and scales; parameters of a lossy store only afterwards, and then codes under them.
    void refine() {
        std::vector<double> first = refine_all(solution_, true, part(0.3, 0.6));
        if constexpr (Cells::has_scale) {
            weight_codes<Cells> second = solution_;
            stored_ = Cells::store(second.parameters);
            grids_ = group_grids::fixed;
            run_pass(second, part(0.6, 0.75));
            const std::vector<double> objectives = refine_all(second, !Cells::is_lossy, part(0.75, 1.0));
            for (std::size_t r = 0; r < objectives.size(); ++r) {
                if (Cells::is_lossy || objectives[r] < first[r]) {
                    solution_.copy_row(second, static_cast<index>(r), problem_);
                }
            }
        } else {
            stored_ = Cells::store(solution_.parameters);
        }
    }

    std::vector<double> refine_all(weight_codes<Cells>& solution, bool with_scales, const execution& exec) {
        reload(stored_order_);
        std::vector<double> objectives(static_cast<std::size_t>(problem_.rows));
        exec.for_each(row_panel::count_of(problem_.rows), [&](index i) {
            const row_panel panel = row_panel::at(i, problem_.rows);
            refinement<Cells, Scalar> work(cells_, problem_, linalg::view(std::as_const(h_)), panel, solution);
            for (int turn = 0; turn < options_.refinements; ++turn) {
                const index codes = work.refine_codes();
                const index scales = with_scales && turn + 1 < options_.refinements ? work.refine_scales() : 0;
                if (codes + scales == 0) {
                    break;
                }
            }
            const std::vector<double> sums = work.objectives();
            std::copy(sums.begin(), sums.end(), objectives.begin() + panel.first);
        });
        return objectives;
    }

    Cells cells_;
    const hessian& hessian_;
    const gptq_options& options_;
    gptq_report report_;
    weight_problem<Scalar> problem_;
    weight_codes<Cells> solution_;
    typename Cells::store_type stored_{};
    matrix h_;
    bool holds_h_ = false;             // H undamped in stored order, not its factor
    std::vector<Scalar> diagonal_;     // of W's columns; dead ones count as 1
    std::vector<float> importance_;    // H_jj of stored columns; 0 if dead
    std::vector<index> stored_order_;  // columns of W
    std::vector<index> process_order_; // stored columns
    group_grids grids_ = group_grids::fixed;
};

} // namespace tersor::inline v0::detail

#endif // TERSOR_SOLVERS_GPTQ_SOLVER_HPP

#ifndef TERSOR_SOLVERS_GPTQ_SOLVER_HPP
#define TERSOR_SOLVERS_GPTQ_SOLVER_HPP

// The steps of `gptq`, in one precision and for one kind of cells: load, fit grids, pass, refine, evaluate.
//
//   reference   the order and the grids of the reference program, one pass
//   fast        grids of the original weights, columns by falling diagonal of H, one pass
//   best        scales of least squared error weighted by that diagonal, the same pass, sweeps that refine codes and
//               scales
//
// H is in memory once beside what the `hessian` holds.

#include "tersor/core/error.hpp"
#include "tersor/core/strided.hpp"
#include "tersor/solvers/gptq_curvature.hpp"
#include "tersor/solvers/gptq_fallback.hpp"
#include "tersor/solvers/gptq_grid_search.hpp"
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
        if (!h_.is_loaded()) {
            h_.load(hessian_);
        }
        const linalg::matrix_view<const Scalar> h = h_.in_order(stored_order_);
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
            const auto rows = row_objectives<Scalar>({errors.data(), panel.count, n, n}, h);
            std::copy(rows.begin(), rows.end(), sums.begin() + panel.first);
        });
        double sum = 0;
        for (const double x : sums) {
            sum += x;
        }
        return sum;
    }

private:
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

    void choose_orders() {
        h_.load(hessian_);
        diagonal_ = h_.diagonal();
        importance_.assign(diagonal_.begin(), diagonal_.end());
        for (index j = 0; j < problem_.cols; ++j) {
            Scalar& value = diagonal_[static_cast<std::size_t>(j)];
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
            part(0.0, 0.1).for_each(row_panel::count_of(problem_.rows), [&](index i) {
                const row_panel panel = row_panel::at(i, problem_.rows);
                for (index r = panel.first; r < panel.first + panel.count; ++r) {
                    fit_row({problem_.weights.data() + r * n, static_cast<std::size_t>(n)},
                            solution_.parameters.data() + r * problem_.groups);
                }
            });
        }
        if (!is_best()) {
            stored_ = Cells::store(solution_.parameters);
        }
    }

    /// The range of each group; with a search, the scale of least error weighted by the diagonal of H.
    void fit_row(std::span<const Scalar> values, parameters* p) const {
        const bool is_searched = (is_best() || options_.mse) && !report_.is_fallback;
        const std::span<const float> weights = is_searched ? importance_ : std::span<const float>{};
        if constexpr (Cells::has_scale) {
            cells_.fit(values, {}, problem_.group, p);
            if (is_searched) {
                thread_local grid_search<Cells> search;
                thread_local std::vector<float> narrow;
                narrow.assign(values.begin(), values.end());
                search.improve(cells_, narrow, weights, problem_.group, p);
            }
        } else {
            cells_.fit(values, weights, problem_.group, p);
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
        damping_report report;
        pass_factor<Scalar> factor =
            h_.factor(order, diagonal_, options_.damp, grids_ != group_grids::fixed, report, exec);
        report_.damping = report.damping;
        report_.damping_floor = report.floor;
        report_.attempts = report.attempts;
        return factor;
    }

    /// Refines codes and scales; parameters of a lossy store are stored when they are refined, and codes once more.
    void refine() {
        if constexpr (Cells::is_lossy) {
            refine_all(options_.refinements, true, part(0.3, 0.7));
            stored_ = Cells::store(solution_.parameters);
            refine_all(std::max(options_.refinements, 1), false, part(0.7, 1.0));
        } else {
            refine_all(options_.refinements, true, part(0.3, 1.0));
        }
    }

    void refine_all(int sweeps, bool with_scales, const execution& exec) {
        if (sweeps == 0) {
            return;
        }
        const linalg::matrix_view<const Scalar> h = h_.in_order(stored_order_);
        std::vector<double> objectives(static_cast<std::size_t>(problem_.rows));
        exec.for_each(row_panel::count_of(problem_.rows), [&](index i) {
            const row_panel panel = row_panel::at(i, problem_.rows);
            refinement<Cells, Scalar> work(cells_, problem_, h, panel, solution_);
            for (int sweep = 0; sweep < sweeps && work.sweep(with_scales); ++sweep) {
            }
            std::copy(work.objectives().begin(), work.objectives().end(), objectives.begin() + panel.first);
        });
        report_.objective = 0;
        for (const double objective : objectives) {
            report_.objective += objective;
        }
    }

    Cells cells_;
    const hessian& hessian_;
    const gptq_options& options_;
    gptq_report report_;
    weight_problem<Scalar> problem_;
    weight_codes<Cells> solution_;
    typename Cells::store_type stored_{};
    curvature<Scalar> h_;
    std::vector<Scalar> diagonal_;     // of W's columns; dead ones count as 1
    std::vector<float> importance_;    // H_jj of stored columns; 0 if dead
    std::vector<index> stored_order_;  // columns of W
    std::vector<index> process_order_; // stored columns
    group_grids grids_ = group_grids::fixed;
};

} // namespace tersor::inline v0::detail

#endif // TERSOR_SOLVERS_GPTQ_SOLVER_HPP

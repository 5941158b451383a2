#ifndef TERSOR_SOLVERS_GPTQ_INTEGERS_HPP
#define TERSOR_SOLVERS_GPTQ_INTEGERS_HPP

// `gptq` for integers whose bits and groups are known only at run time, with its result as plain numbers: what a
// converter of checkpoints or a comparison with the reference program needs.
//
//   q = scale[group_index[j]] * (code_j - zero[group_index[j]])

#include "tersor/core/error.hpp"
#include "tersor/core/strided.hpp"
#include "tersor/solvers/gptq_check.hpp"
#include "tersor/solvers/gptq_integer_cells.hpp"
#include "tersor/solvers/gptq_result.hpp"
#include "tersor/solvers/gptq_solver.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tersor::inline v0 {

/// Integer grids of each row.
struct integer_grid {
    int bits = 4;
    bool symmetric = false;   ///< modes fast and best: all 2^bits levels, the largest magnitude half a step inside
    index group = whole_row;  ///< values of a row that share a scale, or whole_row
    bool half_scales = false; ///< modes fast and best: scales are those of half precision, and codes chosen under them
};

/// Codes [rows x cols] in the order of W's columns, from 0 on, and their grids.
struct integer_gptq_result : gptq_report {
    index rows = 0, cols = 0, groups = 0;
    std::vector<std::uint8_t> codes;
    std::vector<double> scales, zeros;     ///< [rows x groups]
    std::vector<std::int32_t> group_index; ///< of every column
};

namespace detail {

template <class Scalar, class W, class Cells>
integer_gptq_result gptq_integers(const W& w, const hessian& h, const integer_grid& grid, const gptq_options& options,
                                  const Cells& cells) {
    const auto source = as_strided(w);
    integer_gptq_result result;
    result.rows = source.sizes[0];
    result.cols = source.sizes[1];
    const index n = result.cols, group = grid.group == whole_row ? n : grid.group;
    gptq_solver<Cells, Scalar> solver(cells, h, options, result.rows, n, group, false);
    solver.solve(source);
    const auto& solution = solver.solution();
    const auto at = [&](index row, index k) -> const auto& {
        return solution.parameters[static_cast<std::size_t>(row * solver.problem().groups + k / group)];
    };
    if (solver.has_objective() && std::isnan(solver.report().objective)) {
        solver.report().objective = solver.objective_of(
            [&](index row, Scalar* values) {
                for (index k = 0; k < n; ++k) {
                    values[k] =
                        solver.cells().decode(solution.codes[static_cast<std::size_t>(row * n + k)], at(row, k), 0);
                }
            },
            options.execution.part(0.8, 0.9));
    }
    static_cast<gptq_report&>(result) = std::move(solver.report());
    result.groups = solver.problem().groups;
    result.codes.resize(solution.codes.size());
    result.group_index.resize(static_cast<std::size_t>(n));
    for (index k = 0; k < n; ++k) {
        const index column = solver.stored_order()[static_cast<std::size_t>(k)];
        result.group_index[static_cast<std::size_t>(column)] = static_cast<std::int32_t>(k / group);
        for (index r = 0; r < result.rows; ++r) {
            result.codes[static_cast<std::size_t>(r * n + column)] =
                solution.codes[static_cast<std::size_t>(r * n + k)];
        }
    }
    for (const auto& p : solution.parameters) {
        result.scales.push_back(static_cast<double>(p.scale));
        result.zeros.push_back(static_cast<double>(p.zero));
    }
    return result;
}

template <class Scalar, class W>
integer_gptq_result gptq_integers(const W& w, const hessian& h, const integer_grid& grid, const gptq_options& options) {
    const auto rule = reference_rule<Scalar>(grid.bits, grid.symmetric, options);
    return options.mode == quantize_mode::reference
               ? gptq_integers<Scalar>(w, h, grid, options, reference_cells<Scalar>{{rule}})
               : gptq_integers<Scalar>(w, h, grid, options, integer_cells<Scalar>{{rule}, grid.half_scales});
}

} // namespace detail

/// As `gptq`, for integers on this grid; objective_rtn is NaN.
/// Errors: as `gptq`; `invalid_argument` unless the grid has 2 to 8 bits and a group of at least 1.
template <class W>
[[nodiscard]] integer_gptq_result gptq(const W& w, const hessian& h, const integer_grid& grid,
                                       const gptq_options& options = {}) {
    static_assert(eigen_object<W> && detail::rank_of<W>() == 2, "gptq takes a dense Eigen matrix of two dimensions");
    if constexpr (!detail::has_memory<W>()) {
        const typename W::PlainObject evaluated = w;
        return gptq(evaluated, h, grid, options);
    } else {
        if (grid.bits < 2 || grid.bits > 8 || grid.group < 0) {
            raise(error_code::invalid_argument, "gptq: a grid of " + std::to_string(grid.bits) +
                                                    " bits and groups of " + std::to_string(grid.group) +
                                                    ": expected 2 to 8 bits and at least 1, or 0 for a whole row");
        }
        detail::check_gptq(as_strided(w).sizes[0], as_strided(w).sizes[1], grid.group, h, options);
        return options.precision == hessian_precision::fp64 ? detail::gptq_integers<double>(w, h, grid, options)
                                                            : detail::gptq_integers<float>(w, h, grid, options);
    }
}

/// The same in mode reference, whatever options.mode says.
template <class W>
[[nodiscard]] integer_gptq_result gptq_reference(const W& w, const hessian& h, const integer_grid& grid,
                                                 gptq_options options = {}) {
    options.mode = quantize_mode::reference;
    return gptq(w, h, grid, options);
}

} // namespace tersor::inline v0

#endif // TERSOR_SOLVERS_GPTQ_INTEGERS_HPP

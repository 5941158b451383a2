#ifndef TERSOR_SOLVERS_GPTQ_HPP
#define TERSOR_SOLVERS_GPTQ_HPP

// gptq<Quantizer>(W, hessian, options): codes of a weight matrix chosen for the least error of the layer's outputs,
// tr((W - Q) H (W - Q)^T), instead of the least error of each weight. Source: Frantar et al., GPTQ: Accurate
// Post-Training Quantization for Generative Pre-trained Transformers, arXiv:2210.17323; mode reference reproduces the
// program of its authors (IST-DASLab/gptq).
//
// It works with any quantizer that has scalar codes: integers with or without zero points, codebooks, MX and NVFP4,
// double-quantized scales, the block types of GGUF, and a user's own.

#include "tersor/core/error.hpp"
#include "tersor/core/strided.hpp"
#include "tersor/quantizers/decode_panel.hpp"
#include "tersor/quantizers/quantize.hpp"
#include "tersor/solvers/gptq_cells.hpp"
#include "tersor/solvers/gptq_check.hpp"
#include "tersor/solvers/gptq_integer_cells.hpp"
#include "tersor/solvers/gptq_options.hpp"
#include "tersor/solvers/gptq_result.hpp"
#include "tersor/solvers/gptq_solver.hpp"
#include "tersor/solvers/hessian.hpp"

#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace tersor::inline v0 {

namespace detail {

/// Solves with these cells; `finish(solver)` makes the tensor.
template <class Q, class Scalar, class W, class Cells, class Finish>
gptq_result<Q> gptq_with(const W& w, const hessian& h, const gptq_options& options, const Q& quantizer, Cells cells,
                         const Finish& finish) {
    const auto source = as_strided(w);
    const index rows = source.sizes[0], cols = source.sizes[1];
    gptq_solver<Cells, Scalar> solver(std::move(cells), h, options, rows, cols, group_length<Q>(cols), is_shared<Q>);
    solver.solve(source);
    gptq_result<Q> result;
    result.weights = finish(solver);
    if (solver.has_objective()) {
        const execution& exec = options.execution;
        const auto decode_in_order = [&](const auto& q, std::span<const index> columns) {
            return [&q, columns, cols](index row, Scalar* values) {
                thread_local std::vector<float> decoded;
                decoded.resize(static_cast<std::size_t>(cols));
                decode_run(q, row, 0, cols, decoded.data());
                for (std::size_t k = 0; k < decoded.size(); ++k) {
                    values[k] =
                        static_cast<Scalar>(decoded[columns.empty() ? k : static_cast<std::size_t>(columns[k])]);
                }
            };
        };
        double& objective = solver.report().objective;
        if (std::isnan(objective)) {
            objective = solver.objective_of(decode_in_order(result.weights, {}), exec.part(0.8, 0.88));
        }
        const auto plain = quantize<Q>(w, {.mode = options.mode, .execution = exec.part(0.88, 0.92)}, quantizer);
        solver.report().objective_rtn =
            solver.objective_of(decode_in_order(plain, solver.stored_order()), exec.part(0.92, 1.0));
    }
    static_cast<gptq_report&>(result) = std::move(solver.report());
    return result;
}

template <class Q, class Scalar, class W>
gptq_result<Q> gptq_in(const W& w, const hessian& h, const gptq_options& options, const Q& quantizer) {
    const auto finish = [](auto& solver) {
        return solver.cells().finish(solver.problem().rows, solver.problem().cols, solver.solution().codes.data(),
                                     std::move(solver.solution().parameters), std::move(solver.stored()));
    };
    if constexpr (block_quantizer<Q>) {
        return gptq_with<Q, Scalar>(w, h, options, quantizer, block_cells<Q, Scalar>{quantizer, options.mode}, finish);
    } else {
        if constexpr (reference_quantizer<Q>) {
            if (options.mode == quantize_mode::reference) {
                const auto finish_grid = [&](auto& solver) {
                    return finish_reference<Q, Scalar>(quantizer, solver.problem().rows, solver.problem().cols,
                                                       solver.solution().codes, solver.solution().parameters);
                };
                return gptq_with<Q, Scalar>(
                    w, h, options, quantizer,
                    reference_cells<Scalar>{{reference_rule<Scalar>(Q::format::bits, !affine_quantizer<Q>, options)}},
                    finish_grid);
            }
        }
        return gptq_with<Q, Scalar>(w, h, options, quantizer, code_cells<Q, Scalar>{quantizer}, finish);
    }
}

} // namespace detail

/// Quantizes weights W [rows x cols] (an Eigen matrix of float, double, half or bfloat16) for inputs with the Hessian h
/// of as many columns. `quantizer` carries state that its type does not fix, such as a codebook read from a file.
/// The result says what was done: damping, attempts, dead columns, losses, objectives before and after.
/// Errors: `shape_mismatch` if W is empty, its columns are not those of h or not whole blocks, or a group is longer
/// than a row; `non_finite` naming the first weight; `invalid_argument` for options outside their domain or if h is not
/// positive definite under any damping; `cancelled`.
template <quantizer Q, class W>
[[nodiscard]] gptq_result<Q> gptq(const W& w, const hessian& h, const gptq_options& options = {},
                                  const Q& quantizer = {}) {
    static_assert(eigen_object<W> && detail::rank_of<W>() == 2, "gptq takes a dense Eigen matrix of two dimensions");
    static_assert(!block_quantizer<Q> || detail::scalar_block_quantizer<Q>,
                  "gptq chooses codes one by one: this block type has none (the grids of iq1, iq2 and iq3 code several "
                  "values at once); quantize it with an importance instead");
    if constexpr (!detail::has_memory<W>()) {
        const typename W::PlainObject evaluated = w;
        return gptq<Q>(evaluated, h, options, quantizer);
    } else {
        const index rows = as_strided(w).sizes[0], cols = as_strided(w).sizes[1];
        detail::check_gptq(rows, cols, Q::group, h, options);
        detail::check_whole_blocks<Q>(make_row_layout<Q>(rows, cols));
        return options.precision == hessian_precision::fp64 ? detail::gptq_in<Q, double>(w, h, options, quantizer)
                                                            : detail::gptq_in<Q, float>(w, h, options, quantizer);
    }
}

/// As `gptq`, in groups of `group` values of a row, whatever Q's own are: for sizes that are known only at run time. Q is
/// one of groups or rows, such as per_channel<absmax<int4>>; `group` is at least 1, or whole_row. Errors: as `gptq`.
/// Objectives are NaN but where refinement has computed one. Not for mode reference of integers: see gptq_integers.hpp.
template <code_quantizer Q, class W>
[[nodiscard]] grouped_gptq_result<Q> gptq_grouped(const W& w, const hessian& h, index group,
                                                  const gptq_options& options = {}, const Q& quantizer = {}) {
    static_assert(eigen_object<W> && detail::rank_of<W>() == 2, "gptq takes a dense Eigen matrix of two dimensions");
    static_assert(!detail::is_shared<Q>, "gptq_grouped takes a quantizer of groups or rows, such as per_channel<Q>");
    if constexpr (!detail::has_memory<W>()) {
        const typename W::PlainObject evaluated = w;
        return gptq_grouped<Q>(evaluated, h, group, options, quantizer);
    } else {
        const auto source = as_strided(w);
        const index rows = source.sizes[0], cols = source.sizes[1];
        if (group < 0) {
            raise(error_code::invalid_argument,
                  "gptq: groups of " + std::to_string(group) + " values: expected at least 1, or 0 for a whole row");
        }
        detail::check_gptq(rows, cols, group, h, options);
        using cells = detail::code_cells<Q, float>;
        detail::gptq_solver<cells, float> solver(cells{quantizer}, h, options, rows, cols, group == 0 ? cols : group,
                                                 false);
        solver.solve(source);
        grouped_gptq_result<Q> result;
        result.codes = std::move(solver.solution().codes);
        result.parameters = std::move(solver.solution().parameters);
        result.stored = std::move(solver.stored());
        static_cast<gptq_report&>(result) = std::move(solver.report());
        return result;
    }
}

} // namespace tersor::inline v0

#endif // TERSOR_SOLVERS_GPTQ_HPP

#ifndef TERSOR_EXAMPLES_CLI_SOLVE_HPP
#define TERSOR_EXAMPLES_CLI_SOLVE_HPP

// GPTQ behind the program's encoders: what a tensor is solved with and what came of it. Groups have a size that is known
// only at run time, so that one instance per format serves all of them.

#include "encoder.hpp"
#include "solve_task.hpp"

#include "tersor/core/strided.hpp"
#include "tersor/io/affine_weight.hpp"
#include "tersor/quantizers/per_channel.hpp"
#include "tersor/solvers/gptq_check.hpp"
#include "tersor/solvers/gptq_solver.hpp"

#include <Eigen/Core>

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace cli {

/// Codes [rows x cols], a byte each, and parameters [rows x groups]; stored column k is column order[k] of the weight,
/// or k if there is no order.
template <class Quantizer>
struct solved_rows {
    std::vector<std::uint8_t> codes;
    std::vector<typename Quantizer::parameters> parameters;
    std::vector<std::int32_t> order;
};

/// Solves a matrix whose rows are cut into groups of `group` values. `finish(solver)` can take more than the rows.
template <class Quantizer, class Finish>
[[nodiscard]] solved_rows<Quantizer> solve_rows(std::span<const float> values, tersor::index rows, tersor::index cols,
                                                tersor::index group, solve_task& task, const Finish& finish) {
    static_assert(Quantizer::group == tersor::whole_row);
    using cells = tersor::detail::code_cells<Quantizer, float>;
    using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    tersor::detail::check_gptq(rows, cols, group, *task.inputs, task.options);
    const Eigen::Map<const matrix> weights(values.data(), rows, cols);
    tersor::detail::gptq_solver<cells, float> solver(cells{}, *task.inputs, task.options, rows, cols, group, false);
    solver.solve(tersor::as_strided(weights));
    solved_rows<Quantizer> result;
    finish(solver);
    result.codes = std::move(solver.solution().codes);
    result.parameters = std::move(solver.solution().parameters);
    task.report = std::move(solver.report());
    result.order = task.report.order;
    return result;
}

/// A matrix of integers of that many bits by the rules of the reference program.
[[nodiscard]] tersor::affine_weight solve_reference(std::span<const float> values, const target& what,
                                                    tersor::index group, solve_task& task);

/// A matrix of integers, solved.
template <class Quantizer>
[[nodiscard]] tersor::affine_weight solve_integers(std::span<const float> values, const target& what,
                                                   tersor::index group, solve_task& task) {
    using format = typename Quantizer::format;
    if (task.options.mode == tersor::quantize_mode::reference) {
        return solve_reference(values, what, group, task);
    }
    const auto rows = static_cast<std::size_t>(what.rows()), cols = static_cast<std::size_t>(what.cols());
    const auto solved = solve_rows<tersor::per_channel<Quantizer>>(values, what.rows(), what.cols(), group, task,
                                                                   [](auto&) {});
    constexpr int shift = -static_cast<int>(format::lowest);
    tersor::affine_weight w;
    w.bits = format::bits;
    w.rows = what.rows();
    w.cols = what.cols();
    w.groups = (w.cols - 1) / group + 1;
    w.codes.resize(rows * cols);
    w.group_index.resize(cols);
    for (std::size_t k = 0; k < cols; ++k) {
        const std::size_t column = solved.order.empty() ? k : static_cast<std::size_t>(solved.order[k]);
        w.group_index[column] = static_cast<std::int32_t>(static_cast<tersor::index>(k) / group);
        for (std::size_t row = 0; row < rows; ++row) {
            const auto code = static_cast<tersor::code_t<format>>(solved.codes[row * cols + k]);
            w.codes[row * cols + column] = static_cast<std::uint8_t>(static_cast<int>(code) + shift);
        }
    }
    for (const auto& p : solved.parameters) {
        w.scales.push_back(static_cast<float>(p.scale));
        if constexpr (tersor::affine_quantizer<Quantizer>) {
            w.zeros.push_back(static_cast<std::uint8_t>(static_cast<int>(p.zero) + shift));
        } else {
            w.zeros.push_back(static_cast<std::uint8_t>(shift));
        }
    }
    return w;
}

} // namespace cli

#endif // TERSOR_EXAMPLES_CLI_SOLVE_HPP

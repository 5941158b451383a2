#ifndef TERSOR_EXAMPLES_CLI_SOLVE_HPP
#define TERSOR_EXAMPLES_CLI_SOLVE_HPP

// GPTQ behind the program's encoders: what a tensor is solved with and what came of it. Groups have a size that is known
// only at run time.

#include "encoder.hpp"
#include "solve_task.hpp"

#include "tersor/io/affine_weight.hpp"
#include "tersor/quantizers/per_channel.hpp"
#include "tersor/solvers/gptq.hpp"

#include <Eigen/Core>

#include <span>

namespace cli {

/// Solves a matrix whose rows are cut into groups of `group` values.
template <class Quantizer>
[[nodiscard]] tersor::grouped_gptq_result<Quantizer> solve_rows(std::span<const float> values, tersor::index rows,
                                                                tersor::index cols, tersor::index group,
                                                                solve_task& task) {
    using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    const Eigen::Map<const matrix> weights(values.data(), rows, cols);
    auto solved = tersor::gptq_grouped<Quantizer>(weights, *task.inputs, group, task.options);
    task.report = static_cast<const tersor::gptq_report&>(solved);
    return solved;
}

/// A matrix of integers, solved with scales as its layout stores them.
[[nodiscard]] tersor::affine_weight solve_integers(std::span<const float> values, const target& what,
                                                   tersor::index group, solve_task& task);

} // namespace cli

#endif // TERSOR_EXAMPLES_CLI_SOLVE_HPP

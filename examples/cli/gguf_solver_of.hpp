#ifndef TERSOR_EXAMPLES_CLI_GGUF_SOLVER_OF_HPP
#define TERSOR_EXAMPLES_CLI_GGUF_SOLVER_OF_HPP

// Makes a gguf_solver of a block quantizer; for the files of the families.

#include "gguf_solver.hpp"

#include "tersor/solvers/gptq.hpp"

#include <Eigen/Core>

#include <algorithm>

namespace cli {

template <tersor::block_quantizer Quantizer>
[[nodiscard]] constexpr gguf_solver gguf_solver_of() noexcept {
    return {static_cast<tersor::gguf_type>(Quantizer::type_id),
            [](std::span<const float> values, std::size_t columns, solve_task& task, std::span<std::byte> blocks) {
                using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
                const Eigen::Map<const matrix> weights(values.data(),
                                                       static_cast<Eigen::Index>(values.size() / columns),
                                                       static_cast<Eigen::Index>(columns));
                auto solved = tersor::gptq<Quantizer>(weights, *task.inputs, task.options);
                std::ranges::copy(std::as_bytes(std::span(solved.weights.codes())), blocks.begin());
                task.report = static_cast<const tersor::gptq_report&>(solved);
            }};
}

} // namespace cli

#endif // TERSOR_EXAMPLES_CLI_GGUF_SOLVER_OF_HPP

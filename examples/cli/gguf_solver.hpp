#ifndef TERSOR_EXAMPLES_CLI_GGUF_SOLVER_HPP
#define TERSOR_EXAMPLES_CLI_GGUF_SOLVER_HPP

// GPTQ for the block formats of GGUF. Each family of them is one source file, so that they compile side by side.

#include "solve_task.hpp"

#include "tersor/io/gguf_types.hpp"

#include <cstddef>
#include <span>

namespace cli {

/// One block format that GPTQ can choose the codes of.
struct gguf_solver {
    tersor::gguf_type type;
    /// Whole rows of whole blocks.
    void (*solve)(std::span<const float> values, std::size_t columns, solve_task& task, std::span<std::byte> blocks);
};

/// The solver of that type, or null: the grids of iq1, iq2 and iq3 code several values at once.
[[nodiscard]] const gguf_solver* find_gguf_solver(tersor::gguf_type type) noexcept;

/// The families behind find_gguf_solver.
[[nodiscard]] std::span<const gguf_solver> legacy_gguf_solvers() noexcept;
[[nodiscard]] std::span<const gguf_solver> k_gguf_solvers() noexcept;
[[nodiscard]] std::span<const gguf_solver> small_gguf_solvers() noexcept;

} // namespace cli

#endif // TERSOR_EXAMPLES_CLI_GGUF_SOLVER_HPP

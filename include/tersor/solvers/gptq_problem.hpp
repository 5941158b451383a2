#ifndef TERSOR_SOLVERS_GPTQ_PROBLEM_HPP
#define TERSOR_SOLVERS_GPTQ_PROBLEM_HPP

// What the passes of the solver share: the weights and codes in stored order, in panels of rows. Rows are independent.

#include "tersor/core/concepts.hpp"
#include "tersor/linalg/matrix_view.hpp"
#include "tersor/solvers/gptq_cells.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace tersor::inline v0::detail {

/// A run of rows that one thread works on.
struct row_panel {
    index first;
    index count;
    /// Rows of a panel: enough for the products to run at full speed, few enough for caches and threads.
    static constexpr index most = 128;

    [[nodiscard]] static index count_of(index rows) noexcept { return (rows + most - 1) / most; }
    [[nodiscard]] static row_panel at(index i, index rows) noexcept {
        return {i * most, std::min(most, rows - i * most)};
    }
};

/// Weights [rows x cols] in stored order, dead columns cleared, and how they are cut into groups.
template <class Scalar>
struct weight_problem {
    std::vector<Scalar> weights;
    index rows = 0, cols = 0;
    index group = 0;        ///< values per group
    index groups = 0;       ///< per row
    bool is_shared = false; ///< one set of parameters for all rows

    [[nodiscard]] linalg::matrix_view<const Scalar> w() const noexcept { return {weights.data(), rows, cols, cols}; }
    [[nodiscard]] bool is_ragged(index g) const noexcept { return (g + 1) * group > cols; }
    [[nodiscard]] index length_of(index g) const noexcept { return std::min(group, cols - g * group); }
};

/// Codes [rows x cols], a byte each, and parameters [rows x groups], in stored order.
template <class Cells>
struct weight_codes {
    std::vector<std::uint8_t> codes;
    std::vector<typename Cells::parameters> parameters;

    weight_codes(index rows, index cols, index groups)
        : codes(static_cast<std::size_t>(rows * cols)), parameters(static_cast<std::size_t>(rows * groups)) {}
};

/// Errors W - Q of a panel, [count x cols].
template <class Cells, class Scalar>
void errors_of(const Cells& cells, const weight_problem<Scalar>& problem, const weight_codes<Cells>& solution,
               row_panel panel, linalg::matrix_view<Scalar> errors) {
    for (index r = 0; r < panel.count; ++r) {
        const index row = panel.first + r;
        const Scalar* const w = problem.weights.data() + row * problem.cols;
        const std::uint8_t* const codes = solution.codes.data() + row * problem.cols;
        for (index g = 0; g < problem.groups; ++g) {
            const auto& p = solution.parameters[static_cast<std::size_t>(row * problem.groups + g)];
            const index start = g * problem.group, length = problem.length_of(g);
            for (index i = 0; i < length; ++i) {
                errors(r, start + i) = w[start + i] - cells.decode(codes[start + i], p, i);
            }
        }
    }
}

} // namespace tersor::inline v0::detail

#endif // TERSOR_SOLVERS_GPTQ_PROBLEM_HPP

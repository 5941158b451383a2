#ifndef TERSOR_SOLVERS_GPTQ_PROBLEM_HPP
#define TERSOR_SOLVERS_GPTQ_PROBLEM_HPP

// What the passes of the solver share: the weights and codes in stored order, in panels of rows. Rows are independent.

#include "tersor/core/concepts.hpp"
#include "tersor/core/error.hpp"
#include "tersor/core/strided.hpp"
#include "tersor/linalg/matrix_view.hpp"
#include "tersor/solvers/gptq_cells.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

namespace tersor::inline v0::detail {

/// A run of rows that one thread works on.
struct row_panel {
    index first;
    index count;

    /// How many panels some rows are cut into, each long enough for the products to run at full speed.
    [[nodiscard]] static index count_of(index rows) noexcept { return (rows + height(rows) - 1) / height(rows); }
    [[nodiscard]] static row_panel at(index i, index rows) noexcept {
        return {i * height(rows), std::min(height(rows), rows - i * height(rows))};
    }

private:
    // At least sixteen panels of many rows, for threads; what they hold stays in caches.
    [[nodiscard]] static index height(index rows) noexcept {
        return std::clamp<index>((rows / 16 + 63) / 64 * 64, 128, 512);
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

/// Takes the weights [rows x cols] of a problem; returns their largest magnitude. Errors: `non_finite` for one that is
/// not finite as a float, which is what quantizers take.
template <class Scalar, class Source>
[[nodiscard]] float load_weights(const strided<Source, 2>& source, weight_problem<Scalar>& problem) {
    problem.weights.resize(static_cast<std::size_t>(problem.rows * problem.cols));
    Scalar largest = 0;
    for (index r = 0; r < problem.rows; ++r) {
        for (index c = 0; c < problem.cols; ++c) {
            const auto value = static_cast<Scalar>(source.data[r * source.strides[0] + c * source.strides[1]]);
            if (!(std::abs(value) <= static_cast<Scalar>(std::numeric_limits<float>::max()))) {
                raise(error_code::non_finite, "gptq: the weight at (" + std::to_string(r) + ", " + std::to_string(c) +
                                                  ") is " + std::to_string(static_cast<double>(value)) +
                                                  ": expected a finite float");
            }
            largest = std::max(largest, std::abs(value));
            problem.weights[static_cast<std::size_t>(r * problem.cols + c)] = value;
        }
    }
    return static_cast<float>(largest);
}

/// Puts column order[k] of the weights, and its importance, at k.
template <class Scalar>
void reorder_columns(weight_problem<Scalar>& problem, std::vector<float>& importance, std::span<const index> order) {
    const std::vector<float> old(importance);
    for (std::size_t k = 0; k < order.size(); ++k) {
        importance[k] = old[static_cast<std::size_t>(order[k])];
    }
    std::vector<Scalar> row(order.size());
    for (index r = 0; r < problem.rows; ++r) {
        Scalar* const values = problem.weights.data() + r * problem.cols;
        std::copy_n(values, row.size(), row.begin());
        for (std::size_t k = 0; k < row.size(); ++k) {
            values[k] = row[static_cast<std::size_t>(order[k])];
        }
    }
}

/// Makes the weights of columns without importance zero.
template <class Scalar>
void clear_columns(weight_problem<Scalar>& problem, std::span<const float> importance) {
    for (index k = 0; k < problem.cols; ++k) {
        for (index r = 0; r < problem.rows && importance[static_cast<std::size_t>(k)] == 0; ++r) {
            problem.weights[static_cast<std::size_t>(r * problem.cols + k)] = 0;
        }
    }
}

/// Codes [rows x cols], a byte each, and parameters [rows x groups], in stored order.
template <class Cells>
struct weight_codes {
    std::vector<std::uint8_t> codes;
    std::vector<typename Cells::parameters> parameters;

    weight_codes(index rows, index cols, index groups)
        : codes(static_cast<std::size_t>(rows * cols)), parameters(static_cast<std::size_t>(rows * groups)) {}

    /// Takes row r of another solution of the problem.
    template <class Scalar>
    void copy_row(const weight_codes& other, index r, const weight_problem<Scalar>& problem) {
        std::copy_n(other.codes.begin() + r * problem.cols, problem.cols, codes.begin() + r * problem.cols);
        std::copy_n(other.parameters.begin() + r * problem.groups, problem.groups,
                    parameters.begin() + r * problem.groups);
    }
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

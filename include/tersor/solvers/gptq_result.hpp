#ifndef TERSOR_SOLVERS_GPTQ_RESULT_HPP
#define TERSOR_SOLVERS_GPTQ_RESULT_HPP

// What GPTQ returns: the quantized weights, the order of their columns, and what it took.

#include "tersor/core/concepts.hpp"
#include "tersor/core/quantized_tensor.hpp"
#include "tersor/quantizers/dequantize.hpp"

#include <Eigen/Core>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace tersor::inline v0 {

/// What a run of `gptq` did. Objectives and losses belong to W as given.
struct gptq_report {
    /// Empty, or: stored column k is column order[k] of W.
    std::vector<std::int32_t> order;
    /// tr((W - Q) H (W - Q)^T) with H undamped, and the same for plain rounding with this quantizer; NaN if not asked
    /// for or if there is no H.
    double objective = 0;
    double objective_rtn = 0;
    /// Sum of squared errors of the last pass under H damped, halved as in the reference program; of each row too. With
    /// one pass and no refinement 2 loss = tr((W - Q) (H + damping) (W - Q)^T), dead columns of W counted as zeros.
    double loss = 0;
    std::vector<double> row_losses;
    /// What was added to the diagonal of H, as a part of its mean; the absolute floor below it, if that was not enough.
    double damping = 0;
    double damping_floor = 0;
    /// Factorizations tried by the last pass.
    int attempts = 0;
    /// Columns that no input reaches, H_jj = 0: their weights count as zeros.
    std::vector<index> dead_columns;
    /// Tokens that H has seen.
    index tokens = 0;
    /// Whether plain rounding was stored because these were too few.
    bool is_fallback = false;
};

/// The result of `gptq`.
template <quantizer Q>
struct gptq_result : gptq_report {
    /// [rows x cols], columns in stored order.
    quantized_tensor<Q, 2> weights;

    /// The group of every column of W.
    [[nodiscard]] std::vector<std::int32_t> group_index() const {
        const index group =
            weights.layout().groups_per_row == 0 ? std::max<index>(weights.cols(), 1) : weights.layout().group;
        std::vector<std::int32_t> groups(static_cast<std::size_t>(weights.cols()));
        for (std::size_t k = 0; k < groups.size(); ++k) {
            const std::size_t column = order.empty() ? k : static_cast<std::size_t>(order[k]);
            groups[column] = static_cast<std::int32_t>(static_cast<index>(k) / group);
        }
        return groups;
    }

    /// The quantized weights [rows x cols] in the order of W's columns.
    [[nodiscard]] Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> dequantize() const {
        using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
        matrix stored = tersor::dequantize(weights);
        if (order.empty()) {
            return stored;
        }
        matrix values(stored.rows(), stored.cols());
        for (index k = 0; k < stored.cols(); ++k) {
            values.col(order[static_cast<std::size_t>(k)]) = stored.col(k);
        }
        return values;
    }
};

/// The result of `gptq_grouped`, columns in stored order.
template <quantizer Q>
struct grouped_gptq_result : gptq_report {
    std::vector<std::uint8_t> codes;                     ///< [rows x cols], a byte each
    std::vector<typename Q::parameters> parameters;      ///< [rows x groups], as a decoder will have them
    parameter_array<Q> stored{};                         ///< the same as they are stored, where that is with loss
};

} // namespace tersor::inline v0

#endif // TERSOR_SOLVERS_GPTQ_RESULT_HPP

#ifndef TERSOR_EXAMPLES_CLI_TENSOR_SOLVER_HPP
#define TERSOR_EXAMPLES_CLI_TENSOR_SOLVER_HPP

// Takes one tensor after the other through scales, GPTQ and the encoder of its format, and measures what came of it in
// the terms of the model: the values that layers had before any scales.

#include "scaling.hpp"
#include "solve_task.hpp"
#include "solver.hpp"

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace cli {

/// One tensor on its way.
struct solver_job {
    std::string name;         ///< in the model
    std::int64_t columns = 0; ///< of a row
    std::span<const float> values;
    std::span<float> decoded; ///< gets what they became
    bool has_inputs = false;
    /// Encodes values into the file.
    std::function<void(std::span<const float>, std::span<float>, solve_task*)> encode;
    /// What plain rounding would make of values.
    std::function<void(std::span<const float>, std::span<float>)> round;
};

class tensor_solver {
public:
    /// `inputs` may be null; all are borrowed.
    tensor_solver(const quantize_arguments& arguments, const solver_choice& choice, const layer_inputs* inputs,
                  const model_scaling& scaling, const threads& workers)
        : arguments_(arguments), choice_(choice), inputs_(inputs), scaling_(scaling), workers_(workers) {}

    /// Encodes a tensor; reports on it where its inputs are known. `progress` gets 0 to 1.
    [[nodiscard]] std::optional<solver_report> run(const solver_job& job,
                                                   const std::function<void(double)>& progress) const;

private:
    const quantize_arguments& arguments_;
    const solver_choice& choice_;
    const layer_inputs* inputs_;
    const model_scaling& scaling_;
    const threads& workers_;
};

} // namespace cli

#endif // TERSOR_EXAMPLES_CLI_TENSOR_SOLVER_HPP

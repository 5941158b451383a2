#ifndef TERSOR_EXAMPLES_CLI_PLAN_HPP
#define TERSOR_EXAMPLES_CLI_PLAN_HPP

// What becomes of every tensor of a model, decided before anything is written.

#include "commands.hpp"
#include "encoder.hpp"
#include "layer_inputs.hpp"
#include "model.hpp"
#include "report.hpp"
#include "selection.hpp"
#include "solver.hpp"

#include "tersor/io/json_value.hpp"

#include <memory>
#include <string>
#include <vector>

namespace cli {

/// One tensor of the model.
struct planned_tensor {
    const weight* source = nullptr;
    std::unique_ptr<cli::encoder> encoder; ///< null: kept as it is
    cli::target target;
    bool has_inputs = false; ///< recorded ones, which a solver uses
};

/// All of them, in the order of the model.
struct plan {
    std::vector<planned_tensor> tensors;
    double damp = -1.0;             ///< of GPTQ; below 0: another solver
    bool has_static_groups = false; ///< of GPTQ

    /// The tensors of the output.
    [[nodiscard]] std::vector<tersor::safetensors_declaration> declarations() const;
    /// Names, shapes and sizes, without errors.
    [[nodiscard]] cli::report report() const;
    /// The value of "quantization_config" in config.json; null if the layout has none. Throws usage_error where one
    /// config.json cannot say it all.
    [[nodiscard]] tersor::json::value quantization_config() const;
    /// The same for the metadata of a single file, where only compressed-tensors needs it; null otherwise.
    [[nodiscard]] tersor::json::value file_config() const;
};

/// Throws usage_error for rules and combinations that this model does not allow. `inputs` may be null; `precisions`
/// holds the SPECs that stand in for --to.
[[nodiscard]] plan make_plan(const model& from, const quantize_arguments& arguments, const layer_inputs* inputs,
                             const precision_map& precisions);

/// Whether a GGUF file is to be written, by --layout, the output and --to. Throws usage_error where they disagree.
[[nodiscard]] bool wants_gguf(const quantize_arguments& arguments);

} // namespace cli

#endif // TERSOR_EXAMPLES_CLI_PLAN_HPP

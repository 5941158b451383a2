#ifndef TERSOR_EXAMPLES_CLI_PLAN_HPP
#define TERSOR_EXAMPLES_CLI_PLAN_HPP

// What becomes of every tensor of a model, decided before anything is written.

#include "commands.hpp"
#include "encoder.hpp"
#include "model.hpp"
#include "report.hpp"

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
};

/// All of them, in the order of the model.
struct plan {
    std::vector<planned_tensor> tensors;

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

/// Throws usage_error for rules and combinations that this model does not allow.
[[nodiscard]] plan make_plan(const model& from, const quantize_arguments& arguments);

/// Whether a GGUF file is to be written, by --layout, the output and --to. Throws usage_error where they disagree.
[[nodiscard]] bool wants_gguf(const quantize_arguments& arguments);

} // namespace cli

#endif // TERSOR_EXAMPLES_CLI_PLAN_HPP

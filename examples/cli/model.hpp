#ifndef TERSOR_EXAMPLES_CLI_MODEL_HPP
#define TERSOR_EXAMPLES_CLI_MODEL_HPP

// Opening and reading models: the library's reader of every layout, compiled once for all commands.

#include "tersor/core/execution.hpp"
#include "tersor/io/quantized_model.hpp"

#include <span>
#include <string>

namespace cli {

/// Throws usage_error for a kind of file that is not available, such as .gguf.
void require_known_kind(const std::string& path);

/// Opens a .safetensors file or a folder.
[[nodiscard]] tersor::quantized_model open_model(const std::string& path);

/// The values of a weight as floats.
void read_values(const tersor::quantized_model& model, const tersor::model_weight& weight, std::span<float> values,
                 const tersor::execution& exec);

/// Lets the system have back the memory of a weight's part of the file.
void release_pages(const tersor::model_weight& weight) noexcept;

} // namespace cli

#endif // TERSOR_EXAMPLES_CLI_MODEL_HPP

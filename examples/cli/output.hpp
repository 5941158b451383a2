#ifndef TERSOR_EXAMPLES_CLI_OUTPUT_HPP
#define TERSOR_EXAMPLES_CLI_OUTPUT_HPP

// Where results go: never onto their own input, never half.

#include "tersor/io/json_value.hpp"
#include "tersor/io/safetensors_model.hpp"
#include "tersor/io/safetensors_model_writer.hpp"

#include <string>

namespace cli {

/// Throws if writing `output` would replace a file of the model, or a folder that holds one.
void require_separate(const tersor::safetensors_model& model, const std::string& output);

/// Throws if `output` exists and may not be replaced.
void require_free(const std::string& output, bool force);

/// Adds a tensor as it is.
void copy_tensor(const tersor::safetensors_tensor& tensor, tersor::safetensors_model_writer& out);

/// Adds the small files of a model's folder (tokenizer.json, ...) to a folder, and config.json with
/// `quantization_config`, which is left out where it is null. Weights in any form are not copied.
void copy_companions(const tersor::safetensors_model& model, const tersor::json::value& quantization_config,
                     tersor::safetensors_model_writer& out);

} // namespace cli

#endif // TERSOR_EXAMPLES_CLI_OUTPUT_HPP

#ifndef TERSOR_EXAMPLES_CLI_OUTPUT_HPP
#define TERSOR_EXAMPLES_CLI_OUTPUT_HPP

// Where results go: never onto their own input, never half.

#include "model.hpp"

#include "tersor/io/json_value.hpp"
#include "tersor/io/safetensors_model_writer.hpp"

#include <cstddef>
#include <functional>
#include <span>
#include <string>

namespace cli {

/// Throws if writing `output` would replace a file of the model, or a folder that holds one.
void require_separate(const model& from, const std::string& output);

/// Throws if `output` exists and may not be replaced.
void require_free(const std::string& output, bool force);

/// Gives the bytes of a plain weight to `append`, in pieces, with rows in the order of the weight's values.
void copy_bytes(const weight& w, const std::function<void(std::span<const std::byte>)>& append);

/// Adds a plain weight as it is.
void copy_tensor(const weight& w, tersor::safetensors_model_writer& out);

/// Adds the small files of a model's folder (tokenizer.json, ...) to a folder, and config.json with
/// `quantization_config`, which is left out where it is null. Weights in any form are not copied.
/// A GGUF file has no such files.
void copy_companions(const model& from, const tersor::json::value& quantization_config,
                     tersor::safetensors_model_writer& out);

} // namespace cli

#endif // TERSOR_EXAMPLES_CLI_OUTPUT_HPP

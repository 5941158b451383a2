#ifndef TERSOR_EXAMPLES_CLI_GGUF_MODEL_HPP
#define TERSOR_EXAMPLES_CLI_GGUF_MODEL_HPP

// What a model is in GGUF: the names of its tensors there, its metadata, and what recipes need to know of it.

#include "model.hpp"

#include "tersor/io/gguf_metadata.hpp"
#include "tersor/io/imatrix_entry.hpp"
#include "tersor/io/llama_config.hpp"
#include "tersor/io/llama_tokenizer.hpp"
#include "tersor/io/recipe.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cli {

/// A model on its way into a GGUF file.
class gguf_model {
public:
    /// A folder in llama layout takes the names and the metadata of llama.cpp; a GGUF file keeps its own; a bare
    /// .safetensors file keeps its names. Errors: unsupported for a folder of another architecture or with tensors
    /// that it does not know, corrupt_file for missing tensors or other shapes than config.json says.
    explicit gguf_model(const model& from);

    /// The name of a weight in the file.
    [[nodiscard]] std::string name_of(const weight& w) const;
    /// Its name as far as llama.cpp's rules go: also for a bare file with the names of transformers.
    [[nodiscard]] std::string known_name(const weight& w) const;
    /// Whether the file leaves a weight out, because it can be computed.
    [[nodiscard]] bool leaves_out(const weight& w) const;
    /// The heads whose rows are to be interleaved; 0 for all but queries and keys of a llama folder.
    [[nodiscard]] std::int64_t heads_of(const weight& w) const;
    /// Factors of the rotary frequencies that go with the model; empty: none.
    [[nodiscard]] std::vector<float> rope_factors() const;
    [[nodiscard]] tersor::recipe_model recipe_model(bool has_importance) const;
    /// The metadata of the file, `importance` being null or what the tensors are quantized with.
    [[nodiscard]] tersor::gguf_metadata metadata(std::uint32_t file_type, const tersor::imatrix* importance,
                                                 const std::string& importance_file) const;
    /// What the user should know, such as a missing tokenizer.
    [[nodiscard]] const std::vector<std::string>& notes() const noexcept { return notes_; }

private:
    void read_tokenizer();
    void check_tensors() const;

    const model& from_;
    std::optional<tersor::llama::config> config_; ///< of a folder
    std::optional<tersor::llama::tokenizer> tokenizer_;
    std::vector<std::string> notes_;
};

} // namespace cli

#endif // TERSOR_EXAMPLES_CLI_GGUF_MODEL_HPP

#ifndef TERSOR_EXAMPLES_CLI_MODEL_HPP
#define TERSOR_EXAMPLES_CLI_MODEL_HPP

// Opening and reading models of every kind: .safetensors files and folders through the library's reader of layouts,
// .gguf files through its reader of GGUF. One list of weights for all commands, compiled once.

#include "tersor/core/execution.hpp"
#include "tersor/io/gguf.hpp"
#include "tersor/io/quantized_model.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cli {

/// A tensor of the file that holds a weight, or a part of it.
struct stored_part {
    std::string name;
    std::string type; ///< "BF16", "q4_k"
    std::vector<std::int64_t> shape;
    std::span<const std::byte> data;
};

/// One weight of a model.
struct weight {
    std::string name; ///< as the model is seen: see naming
    std::vector<std::int64_t> shape;
    std::string_view layout; ///< "plain", "bitsandbytes", "compressed-tensors", "gguf"
    std::string spec;        ///< "int8/row", "q4_k", "bf16"
    tersor::safetensors_dtype dtype = tersor::safetensors_dtype::f32; ///< of the values
    std::uint64_t bytes = 0;
    bool is_readable = false;       ///< whether its values can be read as floats
    std::vector<stored_part> parts; ///< the codes or plain values first
    std::int64_t heads = 0;         ///< not 0: the file holds the rows of so many heads interleaved
    std::size_t place = 0;          ///< among the weights of the reader

    [[nodiscard]] bool is_quantized() const noexcept { return layout != "plain"; }
    [[nodiscard]] std::int64_t elements() const noexcept;
};

/// How the tensors of a GGUF file of the architecture llama are called: as in the file, or as in transformers, whose
/// order of rows their values then have, too.
enum class naming { file, hugging_face };

/// An open model.
class model {
public:
    /// Opens a .safetensors or .gguf file or a folder. Errors as the library's readers.
    [[nodiscard]] static model open(const std::string& path, naming names = naming::hugging_face);

    /// In the order of the file.
    [[nodiscard]] std::span<const weight> weights() const noexcept { return weights_; }
    /// The weight of that name, or null.
    [[nodiscard]] const weight* find(std::string_view name) const noexcept;
    /// The values of a weight as floats.
    void read(const weight& w, std::span<float> values, const tersor::execution& exec) const;

    [[nodiscard]] const std::string& path() const noexcept { return path_; }
    [[nodiscard]] bool is_folder() const noexcept { return !gguf_ && tensors_.files().is_folder(); }
    [[nodiscard]] std::uint64_t data_bytes() const noexcept;
    /// The files that hold the weights.
    [[nodiscard]] std::vector<std::string> files() const;

    /// The GGUF file, or null.
    [[nodiscard]] const tersor::gguf_file* gguf() const noexcept { return gguf_ ? &*gguf_ : nullptr; }
    /// The reader of the other kinds; empty for a GGUF file.
    [[nodiscard]] const tersor::quantized_model& tensors() const noexcept { return tensors_; }

private:
    void list_tensors();
    void list_gguf(naming names);

    std::string path_;
    std::optional<tersor::gguf_file> gguf_;
    tersor::quantized_model tensors_;
    std::vector<weight> weights_;
    std::vector<std::size_t> by_name_;
};

/// Whether a path means a GGUF file.
[[nodiscard]] bool is_gguf_path(std::string_view path) noexcept;

/// Lets the system have back the memory of a weight's part of the file.
void release_pages(const weight& w) noexcept;

} // namespace cli

#endif // TERSOR_EXAMPLES_CLI_MODEL_HPP

#ifndef TERSOR_EXAMPLES_CLI_GGUF_PLAN_HPP
#define TERSOR_EXAMPLES_CLI_GGUF_PLAN_HPP

// What becomes of every tensor of a model in a GGUF file, decided before anything is written.

#include "commands.hpp"
#include "gguf_codec.hpp"
#include "layer_inputs.hpp"
#include "model.hpp"
#include "report.hpp"
#include "selection.hpp"

#include "tersor/io/gguf_layout.hpp"
#include "tersor/io/gguf_metadata.hpp"
#include "tersor/io/imatrix_entry.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace cli {

/// One tensor of the GGUF file.
struct planned_gguf_tensor {
    const weight* source = nullptr; ///< null: `values` hold it
    std::string name;               ///< in the file
    std::vector<std::int64_t> shape;
    tersor::gguf_type type = tersor::gguf_type::f32;
    bool is_chosen = false;            ///< by a SPEC; else kept
    std::int64_t heads = 0;            ///< not 0: rows of so many heads become interleaved
    std::span<const float> importance; ///< empty: none
    std::vector<float> values;
    std::string known_name;  ///< as llama.cpp calls it, also where the file does not
    bool has_inputs = false; ///< recorded ones, which a solver uses

    /// Whether its bytes can be taken as they are.
    [[nodiscard]] bool is_copy() const noexcept;
    [[nodiscard]] tersor::gguf_declaration declaration() const;
};

/// All of them, in the order of the file.
struct gguf_plan {
    std::vector<planned_gguf_tensor> tensors;
    tersor::gguf_metadata metadata;
    std::vector<std::string> notes;

    [[nodiscard]] std::vector<tersor::gguf_declaration> declarations() const;
    /// Names, shapes and sizes, without errors.
    [[nodiscard]] cli::report report() const;
};

/// Throws usage_error for rules and combinations that this model does not allow. The plan borrows from the model and
/// the importance, which may be null, as may the inputs; `precisions` holds the SPECs that stand in for --to.
[[nodiscard]] gguf_plan make_gguf_plan(const model& from, const tersor::imatrix* importance,
                                       const quantize_arguments& arguments, const layer_inputs* inputs,
                                       const precision_map& precisions);

} // namespace cli

#endif // TERSOR_EXAMPLES_CLI_GGUF_PLAN_HPP

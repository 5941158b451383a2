#ifndef TERSOR_EXAMPLES_CLI_ENCODER_HPP
#define TERSOR_EXAMPLES_CLI_ENCODER_HPP

// The narrow gate between the program, which decides at run time, and the library's quantizers, which are types: one
// encoder per tensor. Each family of formats is one source file, so that they compile side by side.

#include "spec.hpp"

#include "tersor/core/execution.hpp"
#include "tersor/io/compressed_tensors.hpp"
#include "tersor/io/safetensors_model_writer.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cli {

struct solve_task;

/// Whose files are written.
enum class layout : std::uint8_t { plain, bitsandbytes, gptq, gptq_v2, awq, compressed_tensors, gguf };

[[nodiscard]] std::string_view to_string(layout kind) noexcept;

/// One tensor and what becomes of it.
struct target {
    std::string name;
    std::vector<std::int64_t> shape;
    tersor::safetensors_dtype original = tersor::safetensors_dtype::f32; ///< of the values in the model
    cli::spec spec;
    cli::layout layout = layout::plain;
    bool is_reference = false; ///< --mode reference
    bool is_solved = false;    ///< by GPTQ: encode will have a task
    bool is_searched = false;  ///< by HQQ
    bool reorders = false;     ///< GPTQ with --act-order, groups in another order than the columns

    [[nodiscard]] std::int64_t rows() const noexcept { return shape.empty() ? 1 : shape.front(); }
    [[nodiscard]] std::int64_t cols() const noexcept { return shape.empty() ? 1 : shape.back(); }
};

/// What is encoded, how, and where it goes.
struct encoding {
    std::span<const float> values;
    std::span<float> decoded; ///< what a reader will get from the file
    const tersor::execution& threads;
    tersor::safetensors_model_writer* out = nullptr; ///< null: only `decoded` is wanted
    solve_task* task = nullptr;                      ///< null: every value to its nearest code
    bool is_plain = false;                           ///< that also where the target is searched
};

/// Quantizes one tensor and writes it.
class encoder {
public:
    virtual ~encoder() = default;

    /// The tensors of the file that hold it.
    [[nodiscard]] virtual std::vector<tersor::safetensors_declaration> declare() const = 0;

    /// Quantizes the values, appends them to the output, and gives back what they became.
    virtual void encode(const encoding& work) = 0;

    /// How compressed-tensors calls it; nothing for the other layouts.
    [[nodiscard]] virtual std::optional<tersor::compressed_tensors::scheme> scheme() const { return {}; }

    /// Whether the bytes of declare() depend on the values, so that they have to be seen first: `prepare` then.
    [[nodiscard]] virtual bool wants_values() const noexcept { return false; }
    virtual void prepare(std::span<const float>, const tersor::execution&) {}
};

/// The encoder of a tensor; throws usage_error where its format, group and layout do not go together.
[[nodiscard]] std::unique_ptr<encoder> make_encoder(const target& what);

/// The families behind make_encoder.
[[nodiscard]] std::unique_ptr<encoder> make_absmax_encoder(const target& what);
[[nodiscard]] std::unique_ptr<encoder> make_zero_point_encoder(const target& what);
[[nodiscard]] std::unique_ptr<encoder> make_codebook_encoder(const target& what);
[[nodiscard]] std::unique_ptr<encoder> make_float_encoder(const target& what);
[[nodiscard]] std::unique_ptr<encoder> make_plain_encoder(const target& what);

/// Throws usage_error: the layout cannot hold it, and what can.
[[noreturn]] void refuse_combination(const target& what, const std::string& possible);

/// Throws usage_error if columns are reordered, for layouts without an index of their groups.
void refuse_reordering(const target& what);

} // namespace cli

#endif // TERSOR_EXAMPLES_CLI_ENCODER_HPP

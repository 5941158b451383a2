#ifndef TERSOR_EXAMPLES_CLI_SCALING_HPP
#define TERSOR_EXAMPLES_CLI_SCALING_HPP

// AWQ and SmoothQuant in a model: scales per input column of layers that share an input, which the tensor before them
// takes the inverse of, so that the model computes what it did. Known are the names of llama models:
//
//   q_proj, k_proj, v_proj <- input_layernorm      gate_proj, up_proj <- post_attention_layernorm
//   o_proj <- rows of v_proj, where heads are not shared      down_proj <- rows of up_proj
//
// A norm is stored in its own type; the scales are those that its rounded weights stand for. Layers that no scale can
// be folded for are left as they are.

#include "layer_inputs.hpp"
#include "solver.hpp"
#include "spec.hpp"

#include "tersor/solvers/awq_search.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace cli {

/// What is done to one weight before it is quantized: W diag(columns), bounded, its rows divided by `rows`.
struct weight_scaling {
    std::vector<float> columns; ///< empty: ones
    std::vector<float> rows;    ///< empty: ones
    Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> lower, upper; ///< per group; empty: none
    tersor::index group = 0;                                                            ///< columns of a group
};

/// All of a model.
struct model_scaling {
    std::map<std::string, weight_scaling, std::less<>> weights;
    std::map<std::string, std::vector<float>, std::less<>> kept; ///< new values of tensors that are not quantized
    std::vector<std::string> notes;

    [[nodiscard]] const weight_scaling* find(std::string_view name) const noexcept;
};

/// Makes values [rows x columns] what is quantized.
void apply(const weight_scaling& scaling, std::int64_t columns, std::span<float> values);
/// The opposite, without bounds.
void restore(const weight_scaling& scaling, std::int64_t columns, std::span<float> values);

/// A weight that is going to be quantized.
struct scaled_candidate {
    const weight* source = nullptr;
    std::string known_name; ///< as transformers calls it
    cli::spec spec;
    bool has_inputs = false;
    std::function<void(std::span<const float>, std::span<float>)> round; ///< plainly
};

/// Finds the scales of a model.
[[nodiscard]] model_scaling find_scaling(const model& from, std::span<const scaled_candidate> candidates,
                                         const layer_inputs& inputs, const solver_choice& choice,
                                         const quantize_arguments& arguments, const threads& workers);

using float_matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// The library's own search for the format and group of a SPEC; nothing for those that it is not compiled for.
[[nodiscard]] std::optional<tersor::awq_report> search_awq(const spec& s, const std::vector<float_matrix>& weights,
                                                           const tersor::channel_statistics& magnitudes,
                                                           const tersor::hessian& h,
                                                           const tersor::awq_options& options);

/// Clipping bounds of each row and group of scaled weights, after AWQ: of the bounds 1, .95, ... .55 of the largest
/// magnitude the one whose rounding has the least error d H_gg d^T, where groups have `group` columns. `round` rounds a
/// matrix of that shape; bounds are appended to those of earlier layers.
void search_clip(const float_matrix& weights, const std::vector<float>& scales, tersor::index group,
                 const float_matrix& h, const std::function<void(std::span<const float>, std::span<float>)>& round,
                 const tersor::execution& exec, weight_scaling& found);

} // namespace cli

#endif // TERSOR_EXAMPLES_CLI_SCALING_HPP

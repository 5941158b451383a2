#ifndef TERSOR_IO_QUANTIZED_MODEL_HPP
#define TERSOR_IO_QUANTIZED_MODEL_HPP

// The weights of a model, whatever they are stored as: plain tensors, the bitsandbytes layout, the compressed-tensors
// layout, mixed in any way. Companion tensors are grouped into the weights that they belong to.

#include "tersor/core/execution.hpp"
#include "tersor/core/quantized_tensor.hpp"
#include "tersor/io/json_value.hpp"
#include "tersor/io/safetensors_model.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tersor::inline v0 {

/// How a weight is stored.
enum class weight_layout { plain, bitsandbytes, compressed_tensors };

/// One weight of a model.
struct model_weight {
    std::string name;                ///< of the weight: NAME.weight, also where the file holds NAME.weight_packed
    std::vector<std::int64_t> shape; ///< of the weight, not of what is stored
    weight_layout layout = weight_layout::plain;
    std::string spec;          ///< "nf4/64+dq", "int8/row", "uint4/32", "fp8_e4m3/tensor", "mxfp4", "bf16", "i64"
    safetensors_dtype dtype{}; ///< of the values: what a plain tensor stores, what a quantized one was made from
    std::uint64_t bytes = 0;   ///< of all its tensors in the file
    bool is_readable = false;  ///< whether `read` can give its values: everything but integers, booleans and the like
    std::vector<const safetensors_tensor*> parts; ///< its tensors in the file, the codes (or plain values) first

    /// The number of values.
    [[nodiscard]] std::int64_t elements() const noexcept {
        std::int64_t product = 1;
        for (const std::int64_t extent : shape) {
            product *= extent;
        }
        return product;
    }
};

/// A model opened for reading. Move-only; its weights stay valid when it moves.
class quantized_model {
public:
    quantized_model() = default;

    /// Opens a .safetensors file or a Hugging Face folder. Errors: as safetensors_model::open; corrupt_file naming the
    /// tensor where companions are missing or do not fit; unsupported for a variant of a layout that is not read.
    [[nodiscard]] static quantized_model open(const std::string& path);

    /// The weights, in the order of the file.
    [[nodiscard]] std::span<const model_weight> weights() const noexcept;
    /// The weight of that name, or null.
    [[nodiscard]] const model_weight* find(std::string_view name) const noexcept;
    /// The weight of that name; invalid_argument if there is none.
    [[nodiscard]] const model_weight& at(std::string_view name) const;

    /// The values of a weight of this model in row-major order, in float, not yet rounded to its dtype. `to` has
    /// elements() of them. Errors: shape_mismatch; unsupported if it is not readable.
    void read(const model_weight& weight, std::span<float> to, const execution& exec = {}) const;
    [[nodiscard]] std::vector<float> read(const model_weight& weight, const execution& exec = {}) const;

    /// Whether load<Q> can give the weight.
    template <quantizer Q>
    [[nodiscard]] bool holds(const model_weight& weight) const noexcept;
    /// The weight as a quantized tensor, as it is stored. unsupported if it is stored in another way.
    template <quantizer Q, int Rank = 2>
    [[nodiscard]] quantized_tensor<Q, Rank> load(const model_weight& weight) const;

    /// The content of config.json of a folder, else null.
    [[nodiscard]] const json::value& config() const noexcept;
    /// The files and their tensors.
    [[nodiscard]] const safetensors_model& files() const noexcept;
};

} // namespace tersor::inline v0

#endif // TERSOR_IO_QUANTIZED_MODEL_HPP

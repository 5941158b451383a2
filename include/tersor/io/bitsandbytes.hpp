#ifndef TERSOR_IO_BITSANDBYTES_HPP
#define TERSOR_IO_BITSANDBYTES_HPP

// Writing weights as bitsandbytes stores them in a checkpoint.

#include "tersor/core/quantized_tensor.hpp"
#include "tersor/io/json_value.hpp"
#include "tersor/io/safetensors_layout.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tersor::inline v0::bitsandbytes {

/// How a weight is written.
struct write_options {
    /// The type of the values before quantization: f32, f16 or bf16. Readers round what they decode to it.
    safetensors_dtype original = safetensors_dtype::bf16;
    /// With double quantization: parameters().offset() of the tensor, if it is known when the tensor is declared. It
    /// stands as text in the file; without it the text is padded with spaces to the longest that it can be.
    std::optional<float> offset;
};

/// Whether the layout can hold a quantizer.
template <quantizer Q>
inline constexpr bool can_hold = false;

/// The tensors that a weight of that shape becomes. unsupported if the layout cannot hold it.
template <quantizer Q>
[[nodiscard]] std::vector<safetensors_declaration> declare(std::string_view name, std::span<const std::int64_t> shape,
                                                           const write_options& options = {});

/// Calls out.append(name, bytes) for each tensor of a weight; `out` is a safetensors_writer or
/// safetensors_model_writer. 4-bit and dynamic8 weights are quantized with `axis = flat`.
template <class Out, class Q, int Rank, class Kind, class C, class P>
void append(Out& out, std::string_view name, const basic_quantized<Q, Rank, Kind, C, P>& weight,
            const write_options& options = {});

/// What config.json says of a model in this layout.
struct config {
    bool int8 = false;               ///< LLM.int8 instead of 4 bits
    std::string_view type = "nf4";   ///< or fp4
    bool double_quant = false;
    std::string_view compute_dtype = "bfloat16";
    std::vector<std::string> skipped_modules; ///< linear layers that are not quantized, without ".weight"
};

/// The value of "quantization_config" in config.json.
[[nodiscard]] json::value quantization_config(const config& c);

} // namespace tersor::inline v0::bitsandbytes

#endif // TERSOR_IO_BITSANDBYTES_HPP

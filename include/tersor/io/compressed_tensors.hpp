#ifndef TERSOR_IO_COMPRESSED_TENSORS_HPP
#define TERSOR_IO_COMPRESSED_TENSORS_HPP

// Writing weights in the layout of compressed-tensors.

#include "tersor/core/quantized_tensor.hpp"
#include "tersor/io/json_value.hpp"
#include "tersor/io/safetensors_layout.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tersor::inline v0::compressed_tensors {

/// The variants of the layout, as "format" in config.json names them with '-'.
enum class format {
    int_quantized,
    pack_quantized,
    float_quantized,
    naive_quantized,
    mxfp4_pack_quantized,
    mxfp8_quantized,
    nvfp4_pack_quantized
};

/// Which values share a scale.
enum class strategy { tensor, channel, group, tensor_group };

/// How the weights of a module are stored.
struct scheme {
    compressed_tensors::format format = format::pack_quantized;
    int bits = 4;
    bool is_float = false;
    bool symmetric = true;
    compressed_tensors::strategy strategy = strategy::group;
    index group = 0; ///< values per group for the strategies group and tensor_group, else 0

    friend bool operator==(const scheme&, const scheme&) = default;
};

/// Whether the layout can hold a quantizer.
template <quantizer Q>
inline constexpr bool can_hold = false;

/// How a quantizer is stored; `wanted` chooses among the variants that fit it (8-bit integers: int_quantized,
/// pack_quantized). unsupported if the layout cannot hold it.
template <quantizer Q>
[[nodiscard]] scheme scheme_of(std::optional<format> wanted = {});

/// The tensors that a weight [rows, cols] becomes: NAME.weight_packed, NAME.weight_scale, ... unsupported if the
/// layout cannot hold it, as when cols is not a multiple of the group.
template <quantizer Q>
[[nodiscard]] std::vector<safetensors_declaration> declare(std::string_view name, std::span<const std::int64_t> shape,
                                                           std::optional<format> wanted = {});

/// Calls out.append(name, bytes) for each tensor of a weight; `out` is a safetensors_writer or safetensors_model_writer.
template <class Out, class Q, class Kind, class C, class P>
void append(Out& out, std::string_view name, const basic_quantized<Q, 2, Kind, C, P>& weight,
            std::optional<format> wanted = {});

/// Collects how every weight of a model is stored and says so for config.json.
class config_builder {
public:
    /// A quantized weight; `name` with or without ".weight".
    void add(std::string_view name, const scheme& s);
    /// A linear layer that is not quantized.
    void ignore(std::string_view name);
    /// The value of "quantization_config" in config.json. In a single file it stands as text in the metadata
    /// "quantization_config".
    [[nodiscard]] json::value build() const;
};

} // namespace tersor::inline v0::compressed_tensors

#endif // TERSOR_IO_COMPRESSED_TENSORS_HPP

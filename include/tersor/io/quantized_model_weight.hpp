#ifndef TERSOR_IO_QUANTIZED_MODEL_WEIGHT_HPP
#define TERSOR_IO_QUANTIZED_MODEL_WEIGHT_HPP

// One weight of a model: what is said of it, and the same four questions put to every layout: what it is, what its
// values are, which quantizer it holds, and that quantized tensor.

#include "tersor/core/error.hpp"
#include "tersor/formats/convert.hpp"
#include "tersor/formats/fp8.hpp"
#include "tersor/io/affine_weight.hpp"
#include "tersor/io/awq_reader.hpp"
#include "tersor/io/bitsandbytes_load.hpp"
#include "tersor/io/compressed_tensors_load.hpp"
#include "tersor/io/gptq_load.hpp"
#include "tersor/io/json_value.hpp"
#include "tersor/io/safetensors_values.hpp"

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace tersor::inline v0 {

/// How a weight is stored.
enum class weight_layout { plain, bitsandbytes, compressed_tensors, gptq, awq };

/// One weight of a model.
struct model_weight {
    std::string name;                ///< of the weight: NAME.weight, also where the file holds NAME.weight_packed
    std::vector<std::int64_t> shape; ///< of the weight, not of what is stored
    weight_layout layout = weight_layout::plain;
    std::string spec; ///< "nf4/64+dq", "int8/row", "uint4/32", "fp8_e4m3/tensor", "mxfp4", "bf16", "i64"
    safetensors_dtype dtype =
        safetensors_dtype::f32; ///< of the values: what a plain tensor stores, what others decode to
    std::uint64_t bytes = 0;    ///< of all its tensors in the file
    bool is_readable = false;   ///< whether it has values to read: all but integers, booleans and the like
    std::vector<const safetensors_tensor*> parts; ///< its tensors in the file, the codes or plain values first

    /// The number of values.
    [[nodiscard]] std::int64_t elements() const noexcept {
        std::int64_t product = 1;
        for (const std::int64_t extent : shape) {
            product *= extent;
        }
        return product;
    }
};

namespace detail {

/// A plain tensor, or the weight of a layout.
using weight_content = std::variant<const safetensors_tensor*, bitsandbytes::blockwise_weight,
                                    bitsandbytes::int8_weight, compressed_tensors::stored_weight,
                                    gptq_layout::stored_weight, awq_layout::stored_weight>;

[[nodiscard]] constexpr bool is_fp8(safetensors_dtype type) noexcept {
    return type == safetensors_dtype::f8_e4m3 || type == safetensors_dtype::f8_e5m2 ||
           type == safetensors_dtype::f8_e4m3fnuz || type == safetensors_dtype::f8_e5m2fnuz;
}

/// The type that a configuration names for the values of a model, else `otherwise`.
[[nodiscard]] inline safetensors_dtype dtype_of_model(const json::value& config, safetensors_dtype otherwise) {
    for (const std::string_view name : {"dtype", "torch_dtype"}) {
        const json::value* const named = config.find(name);
        if (named != nullptr && named->is(json::kind::string)) {
            for (const auto type : {safetensors_dtype::f32, safetensors_dtype::f16, safetensors_dtype::bf16}) {
                if (named->as_string() == bitsandbytes::detail::torch_name(type)) {
                    return type;
                }
            }
        }
    }
    return otherwise;
}

inline void add_parts(model_weight& weight, std::initializer_list<const safetensors_tensor*> parts) {
    for (const safetensors_tensor* const part : parts) {
        if (part != nullptr) {
            weight.parts.push_back(part);
            weight.bytes += part->data.size();
        }
    }
}

[[nodiscard]] inline model_weight named_weight(std::string name, std::vector<std::int64_t> shape, weight_layout layout,
                                               safetensors_dtype dtype) {
    model_weight weight;
    weight.name = std::move(name);
    weight.shape = std::move(shape);
    weight.layout = layout;
    weight.dtype = dtype;
    weight.is_readable = true;
    return weight;
}

[[nodiscard]] inline model_weight describe(const safetensors_tensor* tensor, const json::value&) {
    model_weight weight = named_weight(tensor->name, tensor->shape, weight_layout::plain, tensor->dtype);
    for (const char c : to_string(tensor->dtype)) {
        weight.spec += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    if (is_fp8(tensor->dtype)) {
        weight.spec = "fp8" + weight.spec.substr(2);
    }
    weight.is_readable = is_float(tensor->dtype) || is_fp8(tensor->dtype);
    add_parts(weight, {tensor});
    return weight;
}

[[nodiscard]] inline model_weight describe(const bitsandbytes::blockwise_weight& w, const json::value&) {
    model_weight weight = named_weight(w.name, w.state.shape, weight_layout::bitsandbytes, w.state.dtype);
    weight.spec = w.state.type + "/" + std::to_string(w.state.blocksize) + (w.state.nested ? "+dq" : "");
    add_parts(weight, {w.codes, w.absmax, w.map, w.nested_absmax, w.nested_map, w.text});
    return weight;
}

[[nodiscard]] inline model_weight describe(const bitsandbytes::int8_weight& w, const json::value& config) {
    const safetensors_dtype dtype = dtype_of_model(config, safetensors_dtype::f16);
    model_weight weight = named_weight(w.codes->name, w.codes->shape, weight_layout::bitsandbytes, dtype);
    weight.spec = "int8/row";
    add_parts(weight, {w.codes, w.largest, w.format});
    return weight;
}

[[nodiscard]] inline model_weight describe(const compressed_tensors::stored_weight& w, const json::value& config) {
    using compressed_tensors::format;
    using compressed_tensors::strategy;
    const bool own_type = is_float(w.scale->dtype);
    const safetensors_dtype dtype = own_type ? w.scale->dtype : dtype_of_model(config, safetensors_dtype::bf16);
    model_weight weight = named_weight(w.name, {w.rows, w.cols}, weight_layout::compressed_tensors, dtype);
    const compressed_tensors::scheme& s = w.scheme;
    switch (s.format) {
    case format::mxfp4_pack_quantized:
        weight.spec = "mxfp4";
        break;
    case format::mxfp8_quantized:
        weight.spec = "mxfp8";
        break;
    case format::nvfp4_pack_quantized:
        weight.spec = "nvfp4";
        break;
    default:
        weight.spec = s.is_float    ? (w.codes->dtype == safetensors_dtype::f8_e5m2 ? "fp8_e5m2" : "fp8_e4m3")
                      : s.symmetric ? "int" + std::to_string(s.bits)
                                    : "uint" + std::to_string(s.bits);
        weight.spec += s.strategy == strategy::tensor    ? "/tensor"
                       : s.strategy == strategy::channel ? "/row"
                                                         : "/" + std::to_string(s.group);
        weight.spec += s.strategy == strategy::block ? "x" + std::to_string(s.block_rows) : "";
    }
    add_parts(weight, {w.codes, w.scale, w.zero_point, w.shape, w.global_scale, w.group_index});
    return weight;
}

[[nodiscard]] inline model_weight describe_affine(const std::string& name, const affine_shape& s, weight_layout layout,
                                                  safetensors_dtype scales) {
    model_weight weight = named_weight(name, {s.rows, s.cols}, layout, scales);
    weight.spec = (s.symmetric ? "int" : "uint") + std::to_string(s.bits) + "/" +
                  (s.group > 0 ? std::to_string(s.group) : "row");
    return weight;
}

[[nodiscard]] inline model_weight describe(const gptq_layout::stored_weight& w, const json::value&) {
    model_weight weight = describe_affine(w.name, w.shape, weight_layout::gptq, w.scales->dtype);
    add_parts(weight, {w.codes, w.zeros, w.scales, w.group_index});
    return weight;
}

[[nodiscard]] inline model_weight describe(const awq_layout::stored_weight& w, const json::value&) {
    model_weight weight = describe_affine(w.name, w.shape, weight_layout::awq, w.scales->dtype);
    add_parts(weight, {w.codes, w.zeros, w.scales});
    return weight;
}

template <class Format>
void read_fp8(const safetensors_tensor& tensor, std::span<float> to) {
    const auto* const codes = reinterpret_cast<const std::uint8_t*>(tensor.data.data());
    decode<Format>(std::span<const std::uint8_t>(codes, tensor.data.size()), to);
}

template <class Execution>
void read_weight(const safetensors_tensor* tensor, std::span<float> to, const Execution&) {
    switch (tensor->dtype) {
    case safetensors_dtype::f8_e4m3:
        return read_fp8<fp8_e4m3>(*tensor, to);
    case safetensors_dtype::f8_e5m2:
        return read_fp8<fp8_e5m2>(*tensor, to);
    case safetensors_dtype::f8_e4m3fnuz:
        return read_fp8<fp8_e4m3fnuz>(*tensor, to);
    case safetensors_dtype::f8_e5m2fnuz:
        return read_fp8<fp8_e5m2fnuz>(*tensor, to);
    default:
        read_floats(*tensor, to);
    }
}

template <class Content, class Execution>
void read_weight(const Content& content, std::span<float> to, const Execution& exec) {
    decode(content, to, exec);
}

template <class Q, class Content>
[[nodiscard]] bool holds_weight(const Content& content) {
    if constexpr (std::is_pointer_v<Content>) {
        return false;
    } else {
        return holds<Q>(content);
    }
}

template <class Q, int Rank, class Content>
[[nodiscard]] quantized_tensor<Q, Rank> load_weight(const Content& content) {
    if constexpr (std::is_pointer_v<Content>) {
        raise(error_code::unsupported, "tensor " + quote_name(content->name) + " is not quantized: it is " +
                                           std::string(to_string(content->dtype)));
    } else {
        return load<Q, Rank>(content);
    }
}

/// Whether a weight is integers with scales and zero points, as layouts exchange them.
template <class Content>
[[nodiscard]] bool holds_affine_weight(const Content& content) noexcept {
    if constexpr (requires { holds_affine(content); }) {
        return holds_affine(content);
    } else {
        return requires { to_affine(content); };
    }
}

template <class Content>
[[nodiscard]] affine_weight load_affine_weight(const Content& content, std::string_view name) {
    if constexpr (requires { to_affine(content); }) {
        return to_affine(content);
    } else {
        raise(error_code::unsupported,
              "weight " + quote_name(name) + " is not stored as integers with scales and zero points");
    }
}

/// Whether a tensor holds codes of compressed-tensors: by its name and type, and the scales beside it.
template <class Find>
[[nodiscard]] bool holds_compressed_codes(const safetensors_tensor& tensor, const Find& find) {
    using type = safetensors_dtype;
    constexpr std::string_view packed = "_packed";
    if (tensor.name.ends_with(packed)) {
        const std::string base = tensor.name.substr(0, tensor.name.size() - packed.size());
        const bool is_weight = base == "weight" || base.ends_with(".weight");
        return is_weight || find(base + "_scale") != nullptr;
    }
    const bool fits = tensor.dtype == type::i8 || tensor.dtype == type::f8_e4m3 || tensor.dtype == type::f8_e5m2;
    return fits && find(tensor.name + "_scale") != nullptr;
}

/// Raises corrupt_file for a companion that no weight of its layout has taken.
template <class Find>
void refuse_orphan(const safetensors_tensor& tensor, std::string_view source, const Find& find) {
    constexpr std::string_view suffixes[] = {".absmax", ".quant_map", ".nested_absmax", ".nested_quant_map"};
    for (const std::string_view suffix : suffixes) {
        const std::string_view name = tensor.name;
        if (name.ends_with(suffix) && find(name.substr(0, name.size() - suffix.size())) != nullptr) {
            raise(error_code::corrupt_file, std::string(source) + ": tensor " + quote_name(name) +
                                                " is part of a bitsandbytes weight, but its quant_state is missing or "
                                                "does not ask for it");
        }
    }
    if (tensor.name == "qzeros" || tensor.name.ends_with(".qzeros")) {
        raise(error_code::corrupt_file, std::string(source) + ": tensor " + quote_name(tensor.name) +
                                            " is part of a GPTQ or AWQ weight, but its qweight is missing");
    }
}

} // namespace detail

} // namespace tersor::inline v0

#endif // TERSOR_IO_QUANTIZED_MODEL_WEIGHT_HPP

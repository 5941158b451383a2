#ifndef TERSOR_IO_BITSANDBYTES_READER_HPP
#define TERSOR_IO_BITSANDBYTES_READER_HPP

// Reading weights that bitsandbytes stored: the companions are found and checked against each other once; then values
// are decoded, or a quantized tensor is made. The maps stored in the file are used, whatever this library's own are;
// codes may be stored in any element type of whole bytes.

#include "tersor/core/error.hpp"
#include "tersor/formats/table_format.hpp"
#include "tersor/io/bitsandbytes.hpp"
#include "tersor/io/quantized_model_rows.hpp"
#include "tersor/io/safetensors_values.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tersor::inline v0::bitsandbytes {

/// A 4-bit or dynamic8 weight in a file. The tensors are those of the file, checked.
struct blockwise_weight {
    quant_state state;
    std::string name;
    std::int64_t count = 0;  ///< values
    std::int64_t blocks = 0; ///< scales
    const safetensors_tensor* text = nullptr;
    const safetensors_tensor* codes = nullptr;
    const safetensors_tensor* absmax = nullptr;
    const safetensors_tensor* map = nullptr;
    const safetensors_tensor* nested_absmax = nullptr; ///< null without double quantization, as is the next
    const safetensors_tensor* nested_map = nullptr;

    [[nodiscard]] int bits() const noexcept { return state.type == "dynamic8" ? 8 : 4; }
};

/// An LLM.int8 weight in a file.
struct int8_weight {
    const safetensors_tensor* codes = nullptr;
    const safetensors_tensor* largest = nullptr; ///< SCB
    const safetensors_tensor* format = nullptr;  ///< weight_format, or null
};

namespace detail {

inline constexpr std::string_view state_mark = ".quant_state.bitsandbytes__";

[[noreturn]] inline void corrupt(std::string_view source, std::string_view name, const std::string& problem) {
    raise(error_code::corrupt_file,
          std::string(source) + ": tensor " + tersor::detail::quote_name(name) + " " + problem);
}

inline void require_shape(std::string_view source, const safetensors_tensor& tensor, safetensors_dtype dtype,
                          std::int64_t elements) {
    if (tensor.dtype != dtype || tensor.elements() != elements) {
        corrupt(source, tensor.name,
                "is " + std::string(to_string(tensor.dtype)) + " " + tersor::detail::describe_shape(tensor.shape) +
                    ", but its weight needs " + std::string(to_string(dtype)) + " of " + std::to_string(elements));
    }
}

[[nodiscard]] constexpr std::int64_t parts_of(std::int64_t count, std::int64_t size) noexcept {
    return count / size + (count % size != 0);
}

} // namespace detail

/// Whether a tensor of that name holds a quant_state.
[[nodiscard]] inline bool is_state(std::string_view name) noexcept {
    return name.find(detail::state_mark) != std::string_view::npos;
}

/// The weight that a quant_state belongs to. `find(name)` gives a tensor of the file or null; `source` names the file.
/// corrupt_file, naming the tensor, where companions are missing or do not fit each other.
template <class Find>
[[nodiscard]] blockwise_weight find_blockwise(const safetensors_tensor& text, std::string_view source,
                                              const Find& find) {
    blockwise_weight weight;
    const std::size_t mark = text.name.find(detail::state_mark);
    weight.name = text.name.substr(0, mark);
    weight.text = &text;
    if (text.dtype != safetensors_dtype::u8) {
        detail::corrupt(source, text.name, "is " + std::string(to_string(text.dtype)) + ", not U8");
    }
    const std::string_view json(reinterpret_cast<const char*>(text.data.data()), text.data.size());
    const std::string place = std::string(source) + ": tensor " + tersor::detail::quote_name(text.name);
    weight.state = read_state(json, place);
    const std::string ending = text.name.substr(mark + detail::state_mark.size());
    if (weight.state.type != ending || (ending != "nf4" && ending != "fp4" && ending != "dynamic8")) {
        raise(error_code::unsupported, place + ": the type " + tersor::detail::quote_name(weight.state.type) +
                                           "; nf4, fp4 and dynamic8 can be read, under the name of their type");
    }
    const auto companion = [&](std::string_view suffix) -> const safetensors_tensor& {
        const std::string name = weight.name + std::string(suffix);
        const safetensors_tensor* const found = find(name);
        if (found == nullptr) {
            detail::corrupt(source, name, "is missing: " + tersor::detail::quote_name(text.name) + " asks for it");
        }
        return *found;
    };
    weight.codes = &companion("");
    weight.absmax = &companion(".absmax");
    weight.map = &companion(".quant_map");
    if (weight.state.nested) {
        weight.nested_absmax = &companion(".nested_absmax");
        weight.nested_map = &companion(".nested_quant_map");
    } else if (find(weight.name + ".nested_absmax") != nullptr) {
        raise(error_code::corrupt_file,
              place + ": no 'nested_offset', but there is '" + weight.name + ".nested_absmax'");
    }
    const auto [count, problem] = tersor::detail::size_of_tensor(safetensors_dtype::u8, weight.state.shape);
    if (problem != nullptr) {
        detail::corrupt(source, text.name, "gives a shape with " + std::string(problem));
    }
    weight.count = static_cast<std::int64_t>(count);
    weight.blocks = detail::parts_of(weight.count, weight.state.blocksize);
    const std::uint64_t bytes = weight.bits() == 8 ? count : count / 2 + count % 2;
    // codes stored as wider elements fill up the last one
    const auto width = static_cast<std::uint64_t>(bits_of(weight.codes->dtype) + 7) / 8;
    if (weight.codes->data.size() < bytes || weight.codes->data.size() - bytes >= width) {
        detail::corrupt(source, weight.name,
                        "has " + std::to_string(weight.codes->data.size()) + " bytes of codes; the shape " +
                            tersor::detail::describe_shape(weight.state.shape) + " of its quant_state needs " +
                            std::to_string(bytes));
    }
    using type = safetensors_dtype;
    detail::require_shape(source, *weight.absmax, weight.state.nested ? type::u8 : type::f32, weight.blocks);
    detail::require_shape(source, *weight.map, type::f32, std::int64_t{1} << weight.bits());
    if (weight.state.nested) {
        detail::require_shape(source, *weight.nested_absmax, type::f32,
                              detail::parts_of(weight.blocks, weight.state.nested->blocksize));
        detail::require_shape(source, *weight.nested_map, type::f32, 256);
    }
    for (const safetensors_tensor* const map : {weight.map, weight.nested_map}) {
        if (map != nullptr) {
            for (const float value : read_floats(*map)) {
                if (!std::isfinite(value)) {
                    detail::corrupt(source, map->name, "holds a value that is not finite");
                }
            }
        }
    }
    return weight;
}

/// The weight of a tensor PREFIX.SCB, as find_blockwise does; the values of LLM.int8 weights are not checked.
template <class Find>
[[nodiscard]] int8_weight find_int8(const safetensors_tensor& largest, std::string_view source, const Find& find) {
    const std::string prefix = largest.name.substr(0, largest.name.size() - std::string_view("SCB").size());
    int8_weight weight{find(prefix + "weight"), &largest, find(prefix + "weight_format")};
    if (weight.codes == nullptr) {
        detail::corrupt(source, prefix + "weight",
                        "is missing: " + tersor::detail::quote_name(largest.name) + " asks for it");
    }
    if (weight.codes->dtype != safetensors_dtype::i8 || weight.codes->shape.size() != 2) {
        detail::corrupt(source, weight.codes->name,
                        "is " + std::string(to_string(weight.codes->dtype)) + " " +
                            tersor::detail::describe_shape(weight.codes->shape) + ", not an I8 matrix");
    }
    detail::require_shape(source, largest, safetensors_dtype::f32, weight.codes->shape[0]);
    if (weight.format != nullptr) {
        const bool is_byte = weight.format->data.size() == 1;
        if (!is_byte || weight.format->data[0] != std::byte{0}) {
            raise(error_code::unsupported,
                  std::string(source) + ": tensor " + tersor::detail::quote_name(weight.format->name) +
                      " names a weight format other than 0 (rows), which bitsandbytes no longer reads either");
        }
    }
    return weight;
}

namespace detail {

/// The scales of all blocks, decoded.
template <class Parameters>
[[nodiscard]] std::vector<Parameters> read_scales(const blockwise_weight& weight) {
    std::vector<Parameters> scales(static_cast<std::size_t>(weight.blocks));
    if (!weight.state.nested) {
        static_assert(sizeof(Parameters) == sizeof(float));
        if (!scales.empty()) {
            std::memcpy(scales.data(), weight.absmax->data.data(), scales.size() * sizeof(float));
        }
        return scales;
    }
    const std::vector<float> nested = read_floats(*weight.nested_absmax), map = read_floats(*weight.nested_map);
    const auto block = static_cast<std::size_t>(weight.state.nested->blocksize);
    for (std::size_t i = 0; i < scales.size(); ++i) {
        const auto code = static_cast<std::size_t>(weight.absmax->data[i]);
        scales[i] = {exact::product(map[code], nested[i / block]) + weight.state.nested->offset};
    }
    return scales;
}

[[nodiscard]] inline const std::uint8_t* bytes_at(const safetensors_tensor& tensor) noexcept {
    return reinterpret_cast<const std::uint8_t*>(tensor.data.data());
}

template <class Format>
void decode_as(const blockwise_weight& weight, const Format& format, std::span<float> out, const execution& exec) {
    using quantizer = absmax<Format>;
    tersor::detail::stored_rows<quantizer> rows;
    rows.quantizer.codes = format;
    rows.codes = bytes_at(*weight.codes);
    rows.rows = 1;
    rows.length = weight.count;
    rows.group = weight.state.blocksize;
    rows.parameters = read_scales<typename quantizer::parameters>(weight);
    tersor::detail::decode_rows(rows, out, exec);
}

} // namespace detail

/// The values of a weight, in float: map[code] * scale. `out` has `count` of them.
template <class Execution>
void decode(const blockwise_weight& weight, std::span<float> out, const Execution& exec) {
    if (weight.count == 0) {
        return;
    }
    const std::vector<float> map = read_floats(*weight.map);
    if (weight.bits() == 8) {
        detail::decode_as(weight, table_format<8>(map), out, exec);
    } else if (std::ranges::equal(map, nf4::values)) {
        detail::decode_as(weight, nf4{}, out, exec);
    } else {
        detail::decode_as(weight, table_format<4, true>(map), out, exec);
    }
}

/// The values of a weight, in float.
template <class Execution>
void decode(const int8_weight& weight, std::span<float> out, const Execution& exec) {
    if (out.empty()) {
        return;
    }
    tersor::detail::stored_rows<llm_int8> rows;
    rows.codes = detail::bytes_at(*weight.codes);
    rows.rows = weight.codes->shape[0];
    rows.length = rows.row_stride = rows.group = weight.codes->shape[1];
    rows.groups_per_row = 1;
    for (const float largest : read_floats(*weight.largest)) {
        rows.parameters.push_back({largest});
    }
    tersor::detail::decode_rows(rows, out, exec);
}

} // namespace tersor::inline v0::bitsandbytes

#endif // TERSOR_IO_BITSANDBYTES_READER_HPP

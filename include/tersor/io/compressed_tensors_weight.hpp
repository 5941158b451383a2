#ifndef TERSOR_IO_COMPRESSED_TENSORS_WEIGHT_HPP
#define TERSOR_IO_COMPRESSED_TENSORS_WEIGHT_HPP

// A weight that compressed-tensors stored, and what the configuration of its model says to tell variants apart.

#include "tersor/io/compressed_tensors_scheme.hpp"
#include "tersor/io/json_value.hpp"
#include "tersor/io/safetensors_tensor.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace tersor::inline v0::compressed_tensors {

/// A weight in a file. The tensors are those of the file, checked.
struct stored_weight {
    std::string name;
    compressed_tensors::scheme scheme;
    std::int64_t rows = 0;
    std::int64_t cols = 0;
    std::int64_t groups = 1; ///< scales of a row
    const safetensors_tensor* codes = nullptr;
    const safetensors_tensor* scale = nullptr;
    const safetensors_tensor* zero_point = nullptr;   ///< or null, as are the next
    const safetensors_tensor* shape = nullptr;        ///< of packed integers
    const safetensors_tensor* global_scale = nullptr; ///< of NVFP4
    const safetensors_tensor* group_index = nullptr;  ///< "weight_g_idx": the group of every column
};

/// What a configuration says of weights, to choose by.
struct hint {
    std::int64_t bits = 0;
    std::int64_t group = 0;
    std::int64_t block_rows = 0;
};

/// The hints of a "quantization_config"; what does not have the form of one gives none.
[[nodiscard]] inline std::vector<hint> hints_of(const json::value& quantization_config) {
    std::vector<hint> hints;
    const json::value* const groups = quantization_config.find("config_groups");
    if (groups == nullptr || !groups->is(json::kind::object)) {
        return hints;
    }
    const auto number = [](const json::value* v) {
        const bool fits = v != nullptr && v->is(json::kind::number) && v->is_integer() && v->as_double() > 0.0 &&
                          v->as_double() < 0x1p40;
        return fits ? v->as_integer() : 0;
    };
    for (const json::member& group : groups->as_object()) {
        if (const json::value* const weights = group.content.find("weights")) {
            hint h{number(weights->find("num_bits")), number(weights->find("group_size")), 0};
            const json::value* const block = weights->find("block_structure");
            if (block != nullptr && block->is(json::kind::array) && block->as_array().size() == 2) {
                h.block_rows = number(&block->as_array()[0]);
                h.group = number(&block->as_array()[1]);
            }
            hints.push_back(h);
        }
    }
    return hints;
}

} // namespace tersor::inline v0::compressed_tensors

#endif // TERSOR_IO_COMPRESSED_TENSORS_WEIGHT_HPP

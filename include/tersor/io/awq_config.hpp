#ifndef TERSOR_IO_AWQ_CONFIG_HPP
#define TERSOR_IO_AWQ_CONFIG_HPP

// What a model in the layout of AWQ says of itself: "quantization_config" of config.json, and quant_config.json of
// AutoAWQ, which has the names w_bit and q_group_size. Source: AutoAWQ AwqConfig, transformers AwqConfig.

#include "tersor/io/affine_weight.hpp"
#include "tersor/io/affine_weight_config.hpp"
#include "tersor/io/json_value.hpp"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace tersor::inline v0::awq_layout {

/// What a configuration says.
struct config {
    int bits = 4;
    std::int64_t group_size = 128; ///< -1: the whole row
    bool zero_point = true;
    std::vector<std::string> skipped_modules; ///< layers that are not quantized, without ".weight"
};

/// The configuration of weights of that shape.
[[nodiscard]] inline config config_of(const affine_shape& shape) {
    config c;
    c.bits = shape.bits;
    c.group_size = shape.group > 0 ? static_cast<std::int64_t>(shape.group) : -1;
    return c;
}

/// The value of "quantization_config" in config.json.
[[nodiscard]] inline json::value quantization_config(const config& c) {
    json::value skipped;
    for (const std::string& module : c.skipped_modules) {
        skipped.push_back(module);
    }
    json::object members;
    members.push_back({"bits", c.bits});
    members.push_back({"group_size", c.group_size});
    members.push_back({"modules_to_not_convert", std::move(skipped)});
    members.push_back({"quant_method", "awq"});
    members.push_back({"version", "gemm"});
    members.push_back({"zero_point", c.zero_point});
    return members;
}

/// The content of AutoAWQ's quant_config.json.
[[nodiscard]] inline json::value quant_config(const config& c) {
    json::object members;
    members.push_back({"zero_point", c.zero_point});
    members.push_back({"q_group_size", c.group_size});
    members.push_back({"w_bit", c.bits});
    members.push_back({"version", "GEMM"});
    return members;
}

/// What a "quantization_config" or quant_config.json says. corrupt_file for a member of another type or out of range;
/// unsupported for another quant_method or version than gemm.
[[nodiscard]] inline config read_config(const json::value& from) {
    using tersor::detail::fail_config;
    config c;
    if (const std::string method = tersor::detail::read_text(from, {"quant_method"}, "awq"); method != "awq") {
        fail_config("quant_method", "is '" + method + "', not 'awq'", error_code::unsupported);
    }
    std::int64_t bits = c.bits;
    tersor::detail::read_number(from, {"bits", "w_bit"}, 1, 8, bits);
    if (bits != 4) {
        fail_config("bits", "is " + std::to_string(bits) + "; this layout has 4", error_code::unsupported);
    }
    tersor::detail::read_number(from, {"group_size", "q_group_size"}, -1, INT32_MAX, c.group_size);
    if (c.group_size == 0) {
        fail_config("group_size", "is 0");
    }
    tersor::detail::read_flag(from, "zero_point", c.zero_point);
    if (const std::string version = tersor::detail::read_text(from, {"version", "checkpoint_format"}, "gemm");
        version != "gemm") {
        fail_config("version", "is '" + version + "'; 'gemm' can be read", error_code::unsupported);
    }
    const json::value* const skipped = tersor::detail::find_member(from, {"modules_to_not_convert"});
    if (skipped != nullptr && skipped->is(json::kind::array)) {
        for (const json::value& module : skipped->as_array()) {
            c.skipped_modules.push_back(module.as_string());
        }
    }
    return c;
}

} // namespace tersor::inline v0::awq_layout

#endif // TERSOR_IO_AWQ_CONFIG_HPP

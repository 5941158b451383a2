#ifndef TERSOR_IO_BITSANDBYTES_CONFIG_HPP
#define TERSOR_IO_BITSANDBYTES_CONFIG_HPP

// "quantization_config" of config.json for a model in the bitsandbytes layout, with the members and the order that
// transformers writes (BitsAndBytesConfig.to_dict, sorted). dynamic8 weights have no such entry: transformers does not
// know them.

#include "tersor/io/json_value.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tersor::inline v0::bitsandbytes {

/// What config.json says of a model in this layout.
struct config {
    bool int8 = false;                        ///< LLM.int8 instead of 4 bits
    std::string type = "nf4";                 ///< or "fp4"
    bool double_quant = false;                ///< whether scales are quantized too
    std::string compute_dtype = "bfloat16";   ///< what a program computes in: "float32", "float16" or "bfloat16"
    std::vector<std::string> skipped_modules; ///< linear layers that are not quantized, without ".weight"
};

/// The value of "quantization_config" in config.json.
[[nodiscard]] inline json::value quantization_config(const config& c) {
    json::value skipped;
    for (const std::string& module : c.skipped_modules) {
        skipped.push_back(module);
    }
    json::object members;
    members.push_back({"_load_in_4bit", !c.int8});
    members.push_back({"_load_in_8bit", c.int8});
    members.push_back({"bnb_4bit_compute_dtype", c.compute_dtype});
    members.push_back({"bnb_4bit_quant_storage", "uint8"});
    members.push_back({"bnb_4bit_quant_type", c.type});
    members.push_back({"bnb_4bit_use_double_quant", c.double_quant});
    members.push_back({"llm_int8_enable_fp32_cpu_offload", false});
    members.push_back({"llm_int8_has_fp16_weight", false});
    members.push_back({"llm_int8_skip_modules", std::move(skipped)});
    members.push_back({"llm_int8_threshold", 6.0});
    members.push_back({"load_in_4bit", !c.int8});
    members.push_back({"load_in_8bit", c.int8});
    members.push_back({"quant_method", "bitsandbytes"});
    return members;
}

} // namespace tersor::inline v0::bitsandbytes

#endif // TERSOR_IO_BITSANDBYTES_CONFIG_HPP

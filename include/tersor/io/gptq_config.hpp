#ifndef TERSOR_IO_GPTQ_CONFIG_HPP
#define TERSOR_IO_GPTQ_CONFIG_HPP

// What a model in the layout of GPTQ says of itself: quantize_config.json, and "quantization_config" of config.json
// with the same members. Older files have them in other places: "format" for "checkpoint_format", "damp_percent" in
// "meta". Source: AutoGPTQ BaseQuantizeConfig, GPTQModel QuantizeConfig.

#include "tersor/core/error.hpp"
#include "tersor/io/affine_weight.hpp"
#include "tersor/io/affine_weight_config.hpp"
#include "tersor/io/gptq_layout.hpp"
#include "tersor/io/json_value.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tersor::inline v0::gptq_layout {

/// A layer that is stored in another way than the others.
struct module_rule {
    std::string name; ///< of the layer, without ".weight", or a regular expression that is none of a name
    int bits = 4;
    std::int64_t group_size = 128;
    bool desc_act = false;
    std::optional<bool> sym;

    friend bool operator==(const module_rule&, const module_rule&) = default;
};

/// What a configuration says.
struct config {
    int bits = 4;
    std::int64_t group_size = 128; ///< -1: the whole row
    bool desc_act = false;         ///< whether columns were quantized by descending activation
    std::optional<bool> sym;       ///< whether zero points are all 2^(bits - 1); nothing if it is not said
    gptq_layout::storage storage;  ///< by "checkpoint_format"; version 1 if it is not said
    double damp_percent = 0.01;
    bool true_sequential = true;
    bool static_groups = false;
    bool lm_head = false;                     ///< whether the head is quantized too
    std::vector<std::string> skipped_modules; ///< layers that are not quantized, without ".weight"
    std::vector<module_rule> rules;           ///< layers that differ
};

/// The configuration of weights of that shape.
[[nodiscard]] inline config config_of(const affine_shape& shape, const storage& s = {}) {
    config c;
    c.bits = shape.bits;
    c.group_size = shape.group > 0 ? static_cast<std::int64_t>(shape.group) : -1;
    c.desc_act = !shape.in_order;
    c.sym = shape.symmetric;
    c.storage = s;
    return c;
}

namespace detail {

/// A regular expression that matches one name.
[[nodiscard]] inline std::string pattern_of(std::string_view name) {
    constexpr std::string_view special = "\\^$.|?*+()[]{}";
    std::string pattern = "^";
    for (const char c : name) {
        pattern += special.find(c) == std::string_view::npos ? "" : "\\";
        pattern += c;
    }
    return pattern + "$";
}

/// The name that pattern_of made a pattern of; nothing for another pattern.
[[nodiscard]] inline std::optional<std::string> name_of(std::string_view pattern) {
    if (pattern.size() < 2 || pattern.front() != '^' || pattern.back() != '$') {
        return {};
    }
    std::string name;
    for (const char c : pattern.substr(1, pattern.size() - 2)) {
        if (c != '\\') {
            name += c;
        }
    }
    return pattern_of(name) == pattern ? std::optional(name) : std::nullopt;
}

/// The members that layers may have of their own; those that are missing stay as they are.
inline void read_rule(const json::value& from, module_rule& to) {
    std::int64_t bits = to.bits;
    tersor::detail::read_number(from, {"bits", "w_bit"}, 2, 8, bits);
    to.bits = static_cast<int>(bits);
    tersor::detail::read_number(from, {"group_size", "q_group_size"}, -1, INT32_MAX, to.group_size);
    if (to.group_size == 0) {
        tersor::detail::fail_config("group_size", "is 0");
    }
    tersor::detail::read_flag(from, "desc_act", to.desc_act);
    if (bool sym = false; tersor::detail::find_member(from, {"sym"}) != nullptr) {
        tersor::detail::read_flag(from, "sym", sym);
        to.sym = sym;
    }
}

} // namespace detail

/// The value of "quantization_config" in config.json, and the content of quantize_config.json.
[[nodiscard]] inline json::value quantization_config(const config& c) {
    json::object members;
    members.push_back({"bits", c.bits});
    members.push_back({"checkpoint_format", checkpoint_format(c.storage)});
    members.push_back({"damp_percent", c.damp_percent});
    members.push_back({"desc_act", c.desc_act});
    if (!c.skipped_modules.empty() || !c.rules.empty()) {
        // "-:" before a pattern: modules that are left as they are; "+:" those that differ
        json::object dynamic;
        for (const std::string& module : c.skipped_modules) {
            dynamic.push_back({"-:" + detail::pattern_of(module), json::object{}});
        }
        for (const module_rule& rule : c.rules) {
            json::object content;
            content.push_back({"bits", rule.bits});
            content.push_back({"desc_act", rule.desc_act});
            content.push_back({"group_size", rule.group_size});
            content.push_back({"sym", rule.sym.value_or(true)});
            dynamic.push_back({"+:" + detail::pattern_of(rule.name), std::move(content)});
        }
        members.push_back({"dynamic", std::move(dynamic)});
    }
    members.push_back({"group_size", c.group_size});
    members.push_back({"lm_head", c.lm_head});
    members.push_back({"pack_dtype", "int32"});
    members.push_back({"quant_method", "gptq"});
    members.push_back({"static_groups", c.static_groups});
    members.push_back({"sym", c.sym.value_or(true)});
    members.push_back({"true_sequential", c.true_sequential});
    return members;
}

/// What a "quantization_config" or quantize_config.json says. corrupt_file for a member of another type or out of
/// range; unsupported for another quant_method, a checkpoint_format or pack_dtype that is not read.
[[nodiscard]] inline config read_config(const json::value& from) {
    using tersor::detail::fail_config;
    config c;
    if (const std::string method = tersor::detail::read_text(from, {"quant_method"}, "gptq"); method != "gptq") {
        fail_config("quant_method", "is '" + method + "', not 'gptq'", error_code::unsupported);
    }
    module_rule common{{}, c.bits, c.group_size, c.desc_act, {}};
    detail::read_rule(from, common);
    c.bits = common.bits;
    c.group_size = common.group_size;
    c.desc_act = common.desc_act;
    c.sym = common.sym;
    tersor::detail::read_flag(from, "true_sequential", c.true_sequential);
    tersor::detail::read_flag(from, "static_groups", c.static_groups);
    tersor::detail::read_flag(from, "lm_head", c.lm_head);
    const std::string format = tersor::detail::read_text(from, {"checkpoint_format", "format"}, "gptq");
    if (format == "gptq_v2") {
        c.storage.zeros = version::v2;
    } else if (format == "gptq_p") {
        c.storage = {version::v2, packing::planes, c.storage.scales};
    } else if (format != "gptq") {
        fail_config("checkpoint_format", "is '" + format + "'; 'gptq', 'gptq_v2' and 'gptq_p' can be read",
                    error_code::unsupported);
    }
    if (const std::string type = tersor::detail::read_text(from, {"pack_dtype"}, "int32"); type != "int32") {
        fail_config("pack_dtype", "is '" + type + "'; words of int32 can be read", error_code::unsupported);
    }
    const json::value* damp = tersor::detail::find_member(from, {"damp_percent"});
    if (const json::value* const meta = tersor::detail::find_member(from, {"meta"});
        damp == nullptr && meta != nullptr) {
        damp = tersor::detail::find_member(*meta, {"damp_percent"});
    }
    if (damp != nullptr) {
        if (!damp->is(json::kind::number)) {
            fail_config("damp_percent", "is not a number");
        }
        c.damp_percent = damp->as_double();
    }
    const json::value* const dynamic = tersor::detail::find_member(from, {"dynamic"});
    if (dynamic != nullptr && dynamic->is(json::kind::object)) {
        for (const json::member& rule : dynamic->as_object()) {
            const bool has_sign = rule.name.starts_with("-:") || rule.name.starts_with("+:");
            const std::string_view pattern = std::string_view(rule.name).substr(has_sign ? 2 : 0);
            const std::string name = detail::name_of(pattern).value_or(std::string(pattern));
            if (rule.name.starts_with("-:")) {
                c.skipped_modules.push_back(name);
            } else {
                common.name = name;
                c.rules.push_back(common);
                detail::read_rule(rule.content, c.rules.back());
            }
        }
    }
    return c;
}

} // namespace tersor::inline v0::gptq_layout

#endif // TERSOR_IO_GPTQ_CONFIG_HPP

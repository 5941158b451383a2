#ifndef TERSOR_IO_COMPRESSED_TENSORS_CONFIG_HPP
#define TERSOR_IO_COMPRESSED_TENSORS_CONFIG_HPP

// "quantization_config" of config.json for a model in the layout of compressed-tensors: one config group per way that
// weights are stored, with its targets, and the linear layers that are not quantized.
//
// With one way, the target is the class "Linear" and the rest is ignored. With several, targets are names: where all
// modules whose names differ only in the numbers of layers are stored alike, one regular expression for them, which the
// library matches at the start of a name, else each name by itself. Embeddings, which are no Linear, are always named.
// Members as the library writes them; those that older versions refuse are left out where they say nothing.

#include "tersor/io/compressed_tensors_scheme.hpp"
#include "tersor/io/json_value.hpp"

#include <algorithm>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tersor::inline v0::compressed_tensors {

namespace detail {

/// The module of a weight: its name without ".weight".
[[nodiscard]] inline std::string module_of(std::string_view weight) {
    constexpr std::string_view last = ".weight";
    return std::string(weight.ends_with(last) ? weight.substr(0, weight.size() - last.size()) : weight);
}

/// A regular expression for a name in which the numbers between dots are any numbers; the name itself if it has none.
[[nodiscard]] inline std::string pattern_of(std::string_view module) {
    constexpr std::string_view special = "\\^$.|?*+()[]{}";
    std::string pattern = "re:^";
    bool has_number = false;
    for (std::size_t begin = 0; begin <= module.size();) {
        const std::size_t end = std::min(module.find('.', begin), module.size());
        const std::string_view part = module.substr(begin, end - begin);
        if (!part.empty() && part.find_first_not_of("0123456789") == std::string_view::npos) {
            pattern += "\\d+";
            has_number = true;
        } else {
            for (const char c : part) {
                pattern += special.find(c) == std::string_view::npos ? "" : "\\";
                pattern += c;
            }
        }
        pattern += end < module.size() ? "\\." : "";
        begin = end + 1;
    }
    return has_number ? pattern + "$" : std::string(module);
}

[[nodiscard]] inline json::value arguments_of(const scheme& s) {
    json::object members;
    members.push_back({"actorder", s.act_order ? json::value("group") : json::value()});
    members.push_back({"block_structure", nullptr});
    members.push_back({"dynamic", false});
    members.push_back({"group_size", s.group > 0 ? json::value(s.group) : json::value()});
    members.push_back({"num_bits", s.bits});
    members.push_back({"observer", "minmax"});
    members.push_back({"observer_kwargs", json::object{}});
    if (s.format == format::nvfp4_pack_quantized) {
        members.push_back({"scale_dtype", "torch.float8_e4m3fn"});
    } else if (s.format == format::mxfp4_pack_quantized || s.format == format::mxfp8_quantized) {
        members.push_back({"scale_dtype", "torch.uint8"});
    }
    members.push_back({"strategy", to_string(s.strategy)});
    members.push_back({"symmetric", s.symmetric});
    members.push_back({"type", s.is_float ? "float" : "int"});
    return members;
}

/// The formats int-quantized and float-quantized are those of layers whose inputs are quantized as they come, row by
/// row; their readers refuse them otherwise.
[[nodiscard]] inline json::value inputs_of(const scheme& s) {
    if (s.format != format::int_quantized && s.format != format::float_quantized) {
        return nullptr;
    }
    json::object members;
    members.push_back({"actorder", nullptr});
    members.push_back({"block_structure", nullptr});
    members.push_back({"dynamic", true});
    members.push_back({"group_size", nullptr});
    members.push_back({"num_bits", 8});
    members.push_back({"observer", nullptr});
    members.push_back({"observer_kwargs", json::object{}});
    members.push_back({"strategy", "token"});
    members.push_back({"symmetric", true});
    members.push_back({"type", s.is_float ? "float" : "int"});
    return members;
}

} // namespace detail

/// Collects how every weight of a model is stored and says so for config.json.
class config_builder {
public:
    /// A quantized weight; `name` with or without ".weight". `is_linear`: not an embedding.
    void add(std::string_view name, const scheme& s, bool is_linear = true) {
        auto place = std::find(schemes_.begin(), schemes_.end(), s);
        if (place == schemes_.end()) {
            place = schemes_.insert(schemes_.end(), s);
        }
        modules_.push_back({detail::module_of(name), static_cast<std::size_t>(place - schemes_.begin()), is_linear});
    }

    /// A linear layer that is not quantized.
    void ignore(std::string_view name) { modules_.push_back({detail::module_of(name), ignored, true}); }

    /// Whether no weight was added.
    [[nodiscard]] bool empty() const noexcept { return schemes_.empty(); }

    /// The value of "quantization_config" in config.json. In a single file it stands as text in the metadata
    /// "quantization_config".
    [[nodiscard]] json::value build() const {
        json::value groups = json::object{};
        for (std::size_t i = 0; i < schemes_.size(); ++i) {
            json::value group;
            group["format"] = to_string(schemes_[i].format);
            group["input_activations"] = detail::inputs_of(schemes_[i]);
            group["output_activations"] = nullptr;
            group["targets"] = targets(i);
            group["weights"] = detail::arguments_of(schemes_[i]);
            groups["group_" + std::to_string(i)] = std::move(group);
        }
        const bool alike = std::all_of(schemes_.begin(), schemes_.end(),
                                       [this](const scheme& s) { return s.format == schemes_.front().format; });
        json::value result;
        result["config_groups"] = std::move(groups);
        result["format"] = schemes_.empty() ? "dense" : alike ? to_string(schemes_.front().format) : "mixed-precision";
        result["global_compression_ratio"] = nullptr;
        json::array left_out;
        for (const layer& m : modules_) {
            if (m.scheme == ignored) {
                left_out.push_back(m.name);
            }
        }
        result["ignore"] = std::move(left_out);
        result["kv_cache_scheme"] = nullptr;
        result["quant_method"] = "compressed-tensors";
        result["quantization_status"] = "compressed";
        return result;
    }

private:
    static constexpr std::size_t ignored = static_cast<std::size_t>(-1);

    struct layer {
        std::string name;
        std::size_t scheme;
        bool is_linear;
    };

    [[nodiscard]] json::array targets(std::size_t scheme) const {
        const bool only_one = schemes_.size() == 1;
        std::map<std::string, bool> pattern_is_pure; // whether all modules of a pattern are stored alike
        for (const layer& m : modules_) {
            bool& pure = pattern_is_pure.try_emplace(detail::pattern_of(m.name), true).first->second;
            pure = pure && m.scheme == scheme;
        }
        json::array result;
        if (only_one) {
            result.push_back("Linear");
        }
        std::map<std::string, bool> given;
        for (const layer& m : modules_) {
            if (m.scheme != scheme || (only_one && m.is_linear)) {
                continue;
            }
            const std::string pattern = detail::pattern_of(m.name);
            const std::string& target = pattern_is_pure[pattern] ? pattern : m.name;
            if (given.try_emplace(target, true).second) {
                result.push_back(target);
            }
        }
        return result;
    }

    std::vector<scheme> schemes_;
    std::vector<layer> modules_;
};

} // namespace tersor::inline v0::compressed_tensors

#endif // TERSOR_IO_COMPRESSED_TENSORS_CONFIG_HPP

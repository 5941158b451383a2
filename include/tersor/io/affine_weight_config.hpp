#ifndef TERSOR_IO_AFFINE_WEIGHT_CONFIG_HPP
#define TERSOR_IO_AFFINE_WEIGHT_CONFIG_HPP

// Reading the members of a "quantization_config": each is optional, null counts as not there, and one of another type
// or out of range is an error that names it.

#include "tersor/core/error.hpp"
#include "tersor/io/json_value.hpp"

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace tersor::inline v0::detail {

[[noreturn]] inline void fail_config(std::string_view member, const std::string& problem,
                                     error_code code = error_code::corrupt_file) {
    raise(code, "quantization_config: '" + std::string(member) + "' " + problem);
}

/// The first of these members that is there and not null.
[[nodiscard]] inline const json::value* find_member(const json::value& from,
                                                    std::initializer_list<std::string_view> names) {
    for (const std::string_view name : names) {
        const json::value* const found = from.find(name);
        if (found != nullptr && !found->is(json::kind::null)) {
            return found;
        }
    }
    return nullptr;
}

inline void read_flag(const json::value& from, std::string_view name, bool& to) {
    if (const json::value* const found = find_member(from, {name})) {
        if (!found->is(json::kind::boolean)) {
            fail_config(name, "is not true or false");
        }
        to = found->as_boolean();
    }
}

inline void read_number(const json::value& from, std::initializer_list<std::string_view> names, std::int64_t lowest,
                        std::int64_t highest, std::int64_t& to) {
    if (const json::value* const found = find_member(from, names)) {
        const bool is_number = found->is_integer() && found->as_double() >= static_cast<double>(lowest) &&
                               found->as_double() <= static_cast<double>(highest);
        if (!is_number) {
            fail_config(*names.begin(),
                        "is not an integer from " + std::to_string(lowest) + " to " + std::to_string(highest));
        }
        to = found->as_integer();
    }
}

/// The text of a member in lower case, or `otherwise`.
[[nodiscard]] inline std::string read_text(const json::value& from, std::initializer_list<std::string_view> names,
                                           const char* otherwise) {
    const json::value* const found = find_member(from, names);
    std::string text = otherwise;
    if (found != nullptr) {
        if (!found->is(json::kind::string)) {
            fail_config(*names.begin(), "is not a string");
        }
        text = found->as_string();
    }
    for (char& c : text) {
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    return text;
}

/// The "quant_method" of a configuration, "gptq" for the old form that has none but "desc_act"; else empty.
[[nodiscard]] inline std::string method_of(const json::value& quantization_config) {
    const json::value* const method = find_member(quantization_config, {"quant_method"});
    if (method == nullptr) {
        return find_member(quantization_config, {"desc_act"}) != nullptr       ? "gptq"
               : find_member(quantization_config, {"q_group_size"}) != nullptr ? "awq"
                                                                               : "";
    }
    return method->is(json::kind::string) ? read_text(quantization_config, {"quant_method"}, "") : std::string();
}

} // namespace tersor::inline v0::detail

#endif // TERSOR_IO_AFFINE_WEIGHT_CONFIG_HPP

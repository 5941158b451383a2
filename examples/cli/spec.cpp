#include "spec.hpp"

#include "gguf_codec.hpp"
#include "usage.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <initializer_list>
#include <string>
#include <vector>

namespace cli {

namespace {

using tersor::whole_row;
using tersor::whole_tensor;

constexpr std::array own_formats{
    format_info{"int8", family::absmax, 8, whole_row, "codes -127..127 times a scale"},
    format_info{"int7", family::absmax, 7, whole_row, ""},
    format_info{"int6", family::absmax, 6, 128, ""},
    format_info{"int5", family::absmax, 5, 128, ""},
    format_info{"int4", family::absmax, 4, 128, ""},
    format_info{"int3", family::absmax, 3, 128, ""},
    format_info{"int2", family::absmax, 2, 128, ""},
    format_info{"uint8", family::zero_point, 8, whole_row, "codes 0..255 with a scale and a zero point"},
    format_info{"uint7", family::zero_point, 7, whole_row, ""},
    format_info{"uint6", family::zero_point, 6, 128, ""},
    format_info{"uint5", family::zero_point, 5, 128, ""},
    format_info{"uint4", family::zero_point, 4, 128, ""},
    format_info{"uint3", family::zero_point, 3, 128, ""},
    format_info{"uint2", family::zero_point, 2, 128, ""},
    format_info{"nf4", family::codebook, 4, 64, "bitsandbytes NormalFloat"},
    format_info{"fp4", family::codebook, 4, 64, "bitsandbytes 4-bit float"},
    format_info{"dynamic8", family::codebook, 8, 4096, "bitsandbytes 8-bit dynamic map"},
    format_info{"fp8_e4m3", family::small_float, 8, whole_row, "8-bit float with a scale"},
    format_info{"fp8_e5m2", family::small_float, 8, whole_row, ""},
    format_info{"mxfp4", family::mx, 4, 32, "OCP microscaling, a power of two per 32 values"},
    format_info{"mxfp8", family::mx, 8, 32, ""},
    format_info{"nvfp4", family::nvfp4, 4, 16, "an fp8 scale per 16 values, a float scale per tensor"},
    format_info{"f32", family::plain, 32, 0, "a cast, no scales"},
    format_info{"f16", family::plain, 16, 0, ""},
    format_info{"bf16", family::plain, 16, 0, ""},
};

constexpr std::string_view mix_ending = "_mix";

// A recipe that is called as a type is the type's name with an ending.
std::string name_of(const tersor::gguf_recipe& recipe) {
    const bool is_type = tersor::find_gguf_type(recipe.name) != nullptr;
    return std::string(recipe.name) + (is_type ? std::string(mix_ending) : "");
}

// The program's own formats, the block formats of GGUF whose names are not taken, and the recipes. The list never
// changes, so that pointers into it and the names that it owns stay valid.
const std::vector<format_info>& known_formats() {
    static const std::vector<std::string> recipe_names = [] {
        std::vector<std::string> names;
        for (const tersor::gguf_recipe& recipe : tersor::gguf_recipes) {
            names.push_back(name_of(recipe));
        }
        return names;
    }();
    static const std::vector<format_info> formats = [] {
        std::vector<format_info> all(own_formats.begin(), own_formats.end());
        for (const tersor::gguf_type_info& info : tersor::gguf_types) {
            if (is_gguf_format(info) &&
                std::ranges::find(own_formats, info.name, &format_info::name) == own_formats.end()) {
                const auto bits = static_cast<int>(8 * info.block_bytes / info.block_values);
                all.push_back({info.name, family::gguf, bits, static_cast<tersor::index>(info.block_values), ""});
            }
        }
        for (const std::string& name : recipe_names) {
            all.push_back({name, family::recipe, 0, 0, ""});
        }
        return all;
    }();
    return formats;
}

std::string list_of(std::initializer_list<family> families) {
    std::string text;
    for (const format_info& f : known_formats()) {
        if (std::ranges::find(families, f.family) != families.end()) {
            text += (text.empty() ? "" : " ") + std::string(f.name);
        }
    }
    return text;
}

const format_info& find_format(std::string_view name, std::string_view whole) {
    const auto& formats = known_formats();
    if (const auto found = std::ranges::find(formats, name, &format_info::name); found != formats.end()) {
        return *found;
    }
    // llama.cpp writes Q4_K_M
    std::string lower(name);
    std::ranges::transform(lower, lower.begin(),
                           [](char c) { return 'A' <= c && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    const auto found = std::ranges::find(formats, lower, &format_info::name);
    if (found != formats.end() && (found->family == family::gguf || found->family == family::recipe)) {
        return *found;
    }
    throw usage_error("unknown format '" + std::string(name) + "' in '" + std::string(whole) + "'; available: " +
                      list_of({family::absmax, family::zero_point, family::codebook, family::small_float, family::mx,
                               family::nvfp4, family::plain, family::gguf, family::recipe}));
}

tersor::index parse_group(std::string_view text, std::string_view whole) {
    if (text == "tensor") {
        return whole_tensor;
    }
    if (text == "row") {
        return whole_row;
    }
    tersor::index number = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (problem != std::errc() || end != text.data() + text.size() || number < 1) {
        throw usage_error("'" + std::string(text) + "' is no group in '" + std::string(whole) +
                          "': expected tensor, row or a positive number of values");
    }
    return number;
}

calibrator parse_calibrator(std::string_view text, std::string_view whole) {
    if (text == "max") {
        return {};
    }
    if (text == "mse") {
        return {calibrator::method::mse, 100.0};
    }
    if (text == "kl") {
        return {calibrator::method::kl, 100.0};
    }
    constexpr std::string_view percentile = "percentile=";
    if (text.starts_with(percentile)) {
        const std::string_view digits = text.substr(percentile.size());
        double percent = 0.0;
        const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), percent);
        if (problem == std::errc() && end == digits.data() + digits.size() && percent > 0.0 && percent <= 100.0) {
            return {calibrator::method::percentile, percent};
        }
        throw usage_error("'" + std::string(digits) + "' is no percentile in '" + std::string(whole) +
                          "': expected a number above 0 and at most 100");
    }
    throw usage_error("unknown calibrator '" + std::string(text) + "' in '" + std::string(whole) +
                      "'; available: max, percentile=P, mse, kl");
}

// Whether a format fixes how many values share a scale.
bool has_own_group(const format_info& format) {
    return format.family == family::mx || format.family == family::nvfp4 || format.family == family::gguf ||
           format.family == family::recipe;
}

// A shape that the format fixes, or none.
void check_group(const spec& s, std::string_view whole) {
    const auto refuse = [&](const std::string& what) { throw usage_error(what + " in '" + std::string(whole) + "'"); };
    if (s.is_plain()) {
        if (s.explicit_group || s.double_quant || s.range != calibrator{}) {
            refuse("'" + std::string(s.format->name) + "' is a cast: it has no groups, scales or calibrators");
        }
        return;
    }
    if (s.is_gguf() && s.range != calibrator{}) {
        refuse("'" + std::string(s.format->name) + "' finds its scales itself (--mode), it takes no calibrator");
    }
    if (s.format->family == family::recipe && s.explicit_group) {
        refuse("'" + std::string(s.format->name) + "' chooses a type for each tensor, it has no groups");
    }
    const bool is_fixed = has_own_group(*s.format);
    if (is_fixed && s.group != s.format->group) {
        refuse("'" + std::string(s.format->name) + "' has groups of " + std::to_string(s.format->group) + " values");
    }
    if (s.double_quant && s.format->family != family::codebook) {
        refuse("+dq needs scales that a layout stores in 8 bits (nf4, fp4), not those of '" +
               std::string(s.format->name) + "'");
    }
}

// "  title   words", lines of at most 100 characters.
std::string wrapped(const std::string& title, const std::string& words) {
    std::string text, line = "  " + title;
    line.resize(18, ' ');
    for (std::size_t from = 0; from < words.size();) {
        const std::size_t end = std::min(words.find(' ', from), words.size());
        if (line.size() + end - from > 100) {
            line.erase(line.find_last_not_of(' ') + 1);
            text += line + "\n";
            line.assign(18, ' ');
        }
        line += words.substr(from, end - from) + " ";
        from = end + 1;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    return text + line + "\n";
}

} // namespace

std::span<const format_info> all_formats() noexcept {
    return known_formats();
}

bool is_gguf_format(const tersor::gguf_type_info& info) noexcept {
    return info.is_block_format() && find_gguf_codec(info.type) != nullptr;
}

const tersor::gguf_type_info* spec::gguf_type() const noexcept {
    return tersor::find_gguf_type(format->name);
}

const tersor::gguf_recipe* spec::recipe() const noexcept {
    if (format->family != family::recipe) {
        return nullptr;
    }
    std::string_view name = format->name;
    if (name.ends_with(mix_ending)) {
        name.remove_suffix(mix_ending.size());
    }
    return tersor::find_gguf_recipe(name);
}

std::string spec::text() const {
    std::string result(format->name);
    if (!is_plain() && !has_own_group(*format)) {
        result += group == whole_tensor ? "/tensor" : group == whole_row ? "/row" : "/" + std::to_string(group);
    }
    result += double_quant ? "+dq" : "";
    if (range.how == calibrator::method::mse) {
        result += "@mse";
    } else if (range.how == calibrator::method::kl) {
        result += "@kl";
    } else if (range.how == calibrator::method::percentile) {
        char digits[32];
        const auto end = std::to_chars(digits, digits + sizeof(digits), range.percent).ptr;
        result += "@percentile=" + std::string(digits, end);
    }
    return result;
}

spec parse_spec(std::string_view text) {
    std::string_view rest = text;
    spec result;
    if (const auto at = rest.find('@'); at != std::string_view::npos) {
        result.range = parse_calibrator(rest.substr(at + 1), text);
        rest = rest.substr(0, at);
    }
    if (const auto plus = rest.find('+'); plus != std::string_view::npos) {
        if (rest.substr(plus) != "+dq") {
            throw usage_error("'" + std::string(rest.substr(plus)) + "' in '" + std::string(text) +
                              "': only +dq can follow the group");
        }
        result.double_quant = true;
        rest = rest.substr(0, plus);
    }
    const auto slash = rest.find('/');
    result.format = &find_format(rest.substr(0, slash), text);
    result.group = result.format->group;
    if (slash != std::string_view::npos) {
        result.group = parse_group(rest.substr(slash + 1), text);
        result.explicit_group = true;
    }
    check_group(result, text);
    return result;
}

std::string spec_help() {
    std::string text = "SPEC = FORMAT[/GROUP][+dq][@CALIBRATOR], such as int8/row, uint4/64, nf4/64+dq, int4/32@mse\n\n"
                       "  FORMAT          without /GROUP   what\n";
    for (const format_info& f : own_formats) {
        std::string line = "  " + std::string(f.name);
        line.resize(18, ' ');
        line += f.family == family::plain ? "" : f.group == whole_row ? "/row" : "/" + std::to_string(f.group);
        line.resize(35, ' ');
        line += f.what;
        line.erase(line.find_last_not_of(' ') + 1);
        text += line + "\n";
    }
    return text + "\n  For files NAME.gguf:\n" + wrapped("types", list_of({family::gguf})) +
           "                  also mxfp4 and nvfp4 (there in GGUF's own layout), f32, f16, bf16\n" +
           wrapped("recipes", list_of({family::recipe})) +
           "                  a type for each tensor, embeddings and the head too, as llama.cpp chooses it for a\n"
           "                  file of that name (_mix where the name alone is a type)\n"
           "\n"
           "  GROUP           the values that share a scale: tensor, row, or a number of values along a row\n"
           "                  (nf4, fp4, dynamic8: along the whole tensor). A default number of values gives way to\n"
           "                  row in tensors whose rows it does not divide.\n"
           "  +dq             nf4, fp4: the scales are stored in 8 bits\n"
           "  CALIBRATOR      the range of a group: max (default), percentile=P (the narrowest that holds P per cent of\n"
           "                  the values; others saturate), mse (the share of the range with the least squared error),\n"
           "                  kl (the range that keeps most of the distribution of the values)\n";
}

} // namespace cli

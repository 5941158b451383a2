#include "commands.hpp"
#include "model.hpp"
#include "output.hpp"
#include "report.hpp"
#include "table.hpp"
#include "text.hpp"

#include "tersor/io/json.hpp"
#include "tersor/version.hpp"

#include <charconv>
#include <cstdio>
#include <string_view>
#include <utility>
#include <vector>

namespace cli {

namespace {

namespace json = tersor::json;
using tersor::gguf_value;
using tersor::gguf_value_type;

double bits_per_value(std::uint64_t bytes, std::uint64_t values) {
    return values == 0 ? 0.0 : 8.0 * static_cast<double>(bytes) / static_cast<double>(values);
}

struct totals {
    std::uint64_t values = 0;
    std::uint64_t bytes = 0;
};

totals total_of(const model& m) {
    totals sum;
    for (const weight& w : m.weights()) {
        sum.values += static_cast<std::uint64_t>(w.elements());
        sum.bytes += w.bytes;
    }
    return sum;
}

// The double of the fewest digits that is that float: 1e-05 and not 9.999999747378752e-06.
double as_written(float value) {
    char digits[32];
    const char* const end = std::to_chars(digits, digits + sizeof(digits), value).ptr;
    double result = static_cast<double>(value);
    std::from_chars(digits, end, result);
    return result;
}

template <class T>
json::array elements_of(const gguf_value& value) {
    const auto elements = value.as<std::vector<T>>();
    return {elements.begin(), elements.end()};
}

// Arrays of more elements, such as vocabularies, are only described.
constexpr std::uint64_t shown_elements = 16;

json::array array_of(const gguf_value& value) {
    switch (value.element_type()) {
    case gguf_value_type::string: {
        json::array texts;
        for (const std::string& text : value.as<std::vector<std::string>>()) {
            texts.push_back(valid_utf8(text));
        }
        return texts;
    }
    case gguf_value_type::boolean:
        return elements_of<bool>(value);
    case gguf_value_type::f32:
    case gguf_value_type::f64:
        return elements_of<double>(value);
    case gguf_value_type::u64:
        return elements_of<std::uint64_t>(value);
    default:
        return elements_of<std::int64_t>(value);
    }
}

json::value json_of(const gguf_value& value) {
    switch (value.type()) {
    case gguf_value_type::array:
        return value.count() > shown_elements ? json::value(value.describe()) : json::value(array_of(value));
    case gguf_value_type::string:
        return valid_utf8(value.as<std::string>());
    case gguf_value_type::boolean:
        return value.as<bool>();
    case gguf_value_type::f32:
        return as_written(value.as<float>());
    case gguf_value_type::f64:
        return value.as<double>();
    case gguf_value_type::u64:
        return value.as<std::uint64_t>();
    default:
        return value.as<std::int64_t>();
    }
}

// One file of the model and what it says of itself.
struct file_facts {
    std::string path;
    std::uint64_t bytes = 0;
    std::size_t stored = 0;
    std::vector<std::pair<std::string, json::value>> metadata;
};

std::vector<file_facts> files_of(const model& m) {
    std::vector<file_facts> all;
    if (const tersor::gguf_file* const file = m.gguf()) {
        file_facts& facts = all.emplace_back(file_facts{m.path(), file->size(), file->tensors().size(), {}});
        for (const tersor::gguf_metadata_entry& entry : file->metadata()) {
            facts.metadata.emplace_back(valid_utf8(entry.key), json_of(entry.value));
        }
    }
    for (const tersor::safetensors_file& file : m.tensors().files().files()) {
        file_facts& facts = all.emplace_back(file_facts{file.source(), file.size(), file.tensors().size(), {}});
        for (const auto& [key, value] : file.metadata()) {
            facts.metadata.emplace_back(key, value);
        }
    }
    return all;
}

std::string text_of(const model& m) {
    std::string text;
    for (const file_facts& file : files_of(m)) {
        text += printable(file.path) + ": " + size_text(file.bytes) + ", " + count_text(file.stored, "stored tensor") +
                "\n";
        for (const auto& [key, value] : file.metadata) {
            const std::string shown = value.is(json::kind::string) ? value.as_string() : json::write(value);
            text += "  " + printable(key) + ": " + printable(cut_text(shown, 200)) + "\n";
        }
    }
    if (const json::value* const quantization = m.tensors().config().find("quantization_config")) {
        if (const json::value* const method = quantization->find("quant_method");
            method != nullptr && method->is(json::kind::string)) {
            text += "quantization_config: " + printable(method->as_string()) + "\n";
        }
    }
    table grid({"tensor", ">shape", "spec", "layout", ">bits", ">bytes"});
    for (const weight& w : m.weights()) {
        grid.add({printable(w.name), shape_text(w.shape), w.spec, std::string(w.layout),
                  fixed_text(bits_per_value(w.bytes, static_cast<std::uint64_t>(w.elements())), 3),
                  size_text(w.bytes)});
    }
    grid.add_rule();
    const totals sum = total_of(m);
    grid.add({count_text(m.weights().size(), "tensor"), std::to_string(sum.values), "", "",
              fixed_text(bits_per_value(sum.bytes, sum.values), 3), size_text(sum.bytes)});
    return text + grid.text();
}

json::value to_json(const weight& w) {
    json::value entry;
    entry["name"] = valid_utf8(w.name);
    entry["shape"] = json::array(w.shape.begin(), w.shape.end());
    entry["spec"] = w.spec;
    entry["layout"] = w.layout;
    entry["dtype"] = tersor::to_string(w.dtype);
    entry["bytes"] = w.bytes;
    entry["bits_per_weight"] = bits_per_value(w.bytes, static_cast<std::uint64_t>(w.elements()));
    json::array parts;
    for (const stored_part& part : w.parts) {
        json::value stored;
        stored["name"] = valid_utf8(part.name);
        stored["dtype"] = part.type;
        stored["shape"] = json::array(part.shape.begin(), part.shape.end());
        stored["bytes"] = part.data.size();
        parts.push_back(std::move(stored));
    }
    entry["parts"] = std::move(parts);
    return entry;
}

std::string json_of(const model& m) {
    json::value result;
    result["tool"] = "tersor";
    result["version"] = tersor::version;
    result["model"] = m.path();
    json::array files;
    for (file_facts& file : files_of(m)) {
        json::value entry;
        entry["path"] = file.path;
        entry["bytes"] = file.bytes;
        json::object metadata;
        for (auto& [key, value] : file.metadata) {
            metadata.push_back({std::move(key), std::move(value)});
        }
        entry["metadata"] = json::value(std::move(metadata));
        files.push_back(std::move(entry));
    }
    result["files"] = std::move(files);
    json::array tensors;
    for (const weight& w : m.weights()) {
        tensors.push_back(to_json(w));
    }
    result["tensors"] = std::move(tensors);
    const totals sum = total_of(m);
    json::value total;
    total["tensors"] = m.weights().size();
    total["weights"] = sum.values;
    total["bytes"] = sum.bytes;
    total["bits_per_weight"] = bits_per_value(sum.bytes, sum.values);
    result["total"] = std::move(total);
    return json::write(result, 2) + "\n";
}

} // namespace

void inspect(const inspect_arguments& arguments) {
    const model m = model::open(arguments.model, naming::file);
    if (arguments.json != "-") {
        std::fputs(text_of(m).c_str(), stdout);
    }
    if (!arguments.json.empty()) {
        if (arguments.json != "-") {
            require_separate(m, arguments.json);
        }
        write_report(arguments.json, json_of(m));
    }
}

} // namespace cli

#include "commands.hpp"
#include "model.hpp"
#include "output.hpp"
#include "report.hpp"
#include "table.hpp"
#include "text.hpp"

#include "tersor/io/json.hpp"
#include "tersor/version.hpp"

#include <cstdio>
#include <string_view>

namespace cli {

namespace {

namespace json = tersor::json;

std::string_view to_string(tersor::weight_layout kind) {
    switch (kind) {
    case tersor::weight_layout::bitsandbytes:
        return "bitsandbytes";
    case tersor::weight_layout::compressed_tensors:
        return "compressed-tensors";
    default:
        return "plain";
    }
}

double bits_per_value(std::uint64_t bytes, std::uint64_t values) {
    return values == 0 ? 0.0 : 8.0 * static_cast<double>(bytes) / static_cast<double>(values);
}

struct totals {
    std::uint64_t values = 0;
    std::uint64_t bytes = 0;
};

totals total_of(const tersor::quantized_model& model) {
    totals sum;
    for (const tersor::model_weight& w : model.weights()) {
        sum.values += static_cast<std::uint64_t>(w.elements());
        sum.bytes += w.bytes;
    }
    return sum;
}

std::string text_of(const tersor::quantized_model& model) {
    std::string text;
    for (const tersor::safetensors_file& file : model.files().files()) {
        text += printable(file.source()) + ": " + size_text(file.size()) + ", " +
                count_text(file.tensors().size(), "stored tensor") + "\n";
        for (const auto& [key, value] : file.metadata()) {
            text += "  " + printable(key) + ": " + printable(cut_text(value, 200)) + "\n";
        }
    }
    if (const json::value* const quantization = model.config().find("quantization_config")) {
        if (const json::value* const method = quantization->find("quant_method");
            method != nullptr && method->is(json::kind::string)) {
            text += "quantization_config: " + printable(method->as_string()) + "\n";
        }
    }
    table grid({"tensor", ">shape", "spec", "layout", ">bits", ">bytes"});
    for (const tersor::model_weight& w : model.weights()) {
        grid.add({printable(w.name), shape_text(w.shape), w.spec, std::string(to_string(w.layout)),
                  fixed_text(bits_per_value(w.bytes, static_cast<std::uint64_t>(w.elements())), 3),
                  size_text(w.bytes)});
    }
    grid.add_rule();
    const totals sum = total_of(model);
    grid.add({count_text(model.weights().size(), "tensor"), std::to_string(sum.values), "", "",
              fixed_text(bits_per_value(sum.bytes, sum.values), 3), size_text(sum.bytes)});
    return text + grid.text();
}

std::string json_of(const tersor::quantized_model& model) {
    json::value result;
    result["tool"] = "tersor";
    result["version"] = tersor::version;
    result["model"] = model.files().path();
    json::array files;
    for (const tersor::safetensors_file& file : model.files().files()) {
        json::value entry;
        entry["path"] = file.source();
        entry["bytes"] = file.size();
        json::value metadata{json::object{}};
        for (const auto& [key, value] : file.metadata()) {
            metadata[key] = value;
        }
        entry["metadata"] = std::move(metadata);
        files.push_back(std::move(entry));
    }
    result["files"] = std::move(files);
    json::array tensors;
    for (const tersor::model_weight& w : model.weights()) {
        json::value entry;
        entry["name"] = w.name;
        entry["shape"] = json::array(w.shape.begin(), w.shape.end());
        entry["spec"] = w.spec;
        entry["layout"] = to_string(w.layout);
        entry["dtype"] = tersor::to_string(w.dtype);
        entry["bytes"] = w.bytes;
        entry["bits_per_weight"] = bits_per_value(w.bytes, static_cast<std::uint64_t>(w.elements()));
        json::array parts;
        for (const tersor::safetensors_tensor* const part : w.parts) {
            json::value stored;
            stored["name"] = part->name;
            stored["dtype"] = tersor::to_string(part->dtype);
            stored["shape"] = json::array(part->shape.begin(), part->shape.end());
            stored["bytes"] = part->data.size();
            parts.push_back(std::move(stored));
        }
        entry["parts"] = std::move(parts);
        tensors.push_back(std::move(entry));
    }
    result["tensors"] = std::move(tensors);
    const totals sum = total_of(model);
    json::value total;
    total["tensors"] = model.weights().size();
    total["weights"] = sum.values;
    total["bytes"] = sum.bytes;
    total["bits_per_weight"] = bits_per_value(sum.bytes, sum.values);
    result["total"] = std::move(total);
    return json::write(result, 2) + "\n";
}

} // namespace

void inspect(const inspect_arguments& arguments) {
    const auto model = open_model(arguments.model);
    if (arguments.json != "-") {
        std::fputs(text_of(model).c_str(), stdout);
    }
    if (!arguments.json.empty()) {
        if (arguments.json != "-") {
            require_separate(model.files(), arguments.json);
        }
        write_report(arguments.json, json_of(model));
    }
}

} // namespace cli

#include "plan.hpp"

#include "affine_target.hpp"
#include "usage.hpp"

#include "tersor/io/bitsandbytes_config.hpp"
#include "tersor/io/compressed_tensors_config.hpp"
#include "tersor/io/transcode_config.hpp"

#include <algorithm>
#include <optional>
#include <set>

namespace cli {

namespace {

using tersor::safetensors_dtype;

std::optional<layout> parse_layout(const std::string& name) {
    if (name.empty()) {
        return {};
    }
    for (const layout kind : {layout::bitsandbytes, layout::gptq, layout::gptq_v2, layout::awq,
                              layout::compressed_tensors, layout::gguf}) {
        if (name == to_string(kind)) {
            return kind;
        }
    }
    throw usage_error("unknown layout '" + name +
                      "'; available: bitsandbytes, gptq, gptq-v2, awq, compressed-tensors, gguf");
}

layout layout_for(const spec& s, std::optional<layout> wanted) {
    if (s.is_plain()) {
        return layout::plain;
    }
    return wanted.value_or(s.format->family == family::codebook ? layout::bitsandbytes : layout::compressed_tensors);
}

// A default group gives way to the whole row where it does not divide it.
void fit_group(target& what) {
    spec& s = what.spec;
    const bool is_free = s.format->family == family::absmax || s.format->family == family::zero_point ||
                         s.format->family == family::small_float;
    if (is_free && !s.explicit_group && s.group > 0 && what.cols() % s.group != 0) {
        s.group = tersor::whole_row;
    }
}

std::unique_ptr<encoder> encoder_for(const target& what) {
    try {
        return make_encoder(what);
    } catch (const tersor::error& e) {
        if (e.code() == tersor::error_code::unsupported) {
            throw usage_error(e.what());
        }
        throw;
    }
}

std::string module_of(const std::string& name) {
    constexpr std::string_view ending = ".weight";
    return name.ends_with(ending) ? name.substr(0, name.size() - ending.size()) : name;
}

void refuse_gguf(const spec& s) {
    if (s.is_gguf()) {
        throw usage_error("'" + s.text() + "' is a format of GGUF files; write NAME.gguf");
    }
}

// A linear layer, as far as names and shapes tell.
bool is_kept_layer(const planned_tensor& t) {
    const std::string& name = t.source->name;
    return t.source->shape.size() == 2 && name.ends_with(".weight") && name.find("embed_tokens") == std::string::npos &&
           name.find("wte") == std::string::npos && name.find("token_embd") == std::string::npos;
}

// What GPTQ and AWQ checkpoints say of themselves.
tersor::json::value affine_config(const plan& p, layout kind) {
    std::vector<tersor::affine_layer> layers;
    std::vector<std::string> skipped;
    for (const planned_tensor& t : p.tensors) {
        if (t.encoder != nullptr && t.target.layout == kind) {
            layers.push_back({t.source->name, affine_shape_of(t.target), false});
        } else if (is_kept_layer(t)) {
            skipped.push_back(module_of(t.source->name));
        }
    }
    try {
        tersor::json::value config = tersor::quantization_config(affine_target_of(kind), layers, skipped);
        if (p.damp >= 0.0 && kind != layout::awq) {
            config["damp_percent"] = p.damp;
            config["static_groups"] = p.has_static_groups;
        }
        return config;
    } catch (const tersor::error& e) {
        throw usage_error(std::string(e.what()) + "; gptq and compressed-tensors can mix them");
    }
}

tersor::json::value bitsandbytes_config(const plan& p) {
    tersor::bitsandbytes::config config;
    std::set<std::string> kinds;
    for (const planned_tensor& t : p.tensors) {
        const bool is_quantized = t.encoder != nullptr && !t.target.spec.is_plain();
        if (!is_quantized && is_kept_layer(t)) {
            config.skipped_modules.push_back(module_of(t.source->name));
        }
        if (is_quantized) {
            const spec& s = t.target.spec;
            kinds.insert(s.format->family == family::absmax ? "int8/row" : s.format->bits == 8 ? "dynamic8" : "4-bit");
            config.type = s.format->name;
            config.double_quant = s.double_quant;
            config.compute_dtype = t.source->dtype == safetensors_dtype::bf16  ? "bfloat16"
                                   : t.source->dtype == safetensors_dtype::f16 ? "float16"
                                                                               : "float32";
        }
    }
    if (kinds.size() > 1) {
        throw usage_error("config.json of the layout bitsandbytes cannot say that some weights are " + *kinds.begin() +
                          " and others " + *kinds.rbegin() + "; write a single .safetensors file, or use one kind");
    }
    config.int8 = kinds.contains("int8/row");
    return kinds.contains("dynamic8") ? tersor::json::value() : tersor::bitsandbytes::quantization_config(config);
}

tersor::json::value compressed_tensors_config(const plan& p) {
    tersor::compressed_tensors::config_builder config;
    for (const planned_tensor& t : p.tensors) {
        if (t.encoder != nullptr && t.encoder->scheme()) {
            config.add(t.source->name, *t.encoder->scheme());
        } else if (is_kept_layer(t)) {
            config.ignore(t.source->name);
        }
    }
    return config.build();
}

} // namespace

std::vector<tersor::safetensors_declaration> plan::declarations() const {
    std::vector<tersor::safetensors_declaration> all;
    for (const planned_tensor& t : tensors) {
        if (t.encoder == nullptr) {
            all.push_back({t.source->name, t.source->dtype, t.source->shape});
        } else {
            std::ranges::move(t.encoder->declare(), std::back_inserter(all));
        }
    }
    return all;
}

tersor::json::value plan::file_config() const {
    for (const planned_tensor& t : tensors) {
        if (t.encoder != nullptr && is_affine_layout(t.target.layout)) {
            return affine_config(*this, t.target.layout);
        }
    }
    const bool has_scheme = std::ranges::any_of(
        tensors, [](const planned_tensor& t) { return t.encoder != nullptr && t.encoder->scheme().has_value(); });
    return has_scheme ? compressed_tensors_config(*this) : tersor::json::value();
}

report plan::report() const {
    cli::report result;
    std::set<std::string_view> layouts;
    for (const planned_tensor& t : tensors) {
        if (t.encoder == nullptr) {
            result.kept.push_back({t.source->name, t.source->shape, std::string(tersor::to_string(t.source->dtype)),
                                   t.source->bytes, t.source->bytes});
            continue;
        }
        tensor_report entry;
        entry.name = t.source->name;
        entry.shape = t.source->shape;
        entry.spec = t.target.spec.text();
        entry.weights = static_cast<std::uint64_t>(t.source->elements());
        entry.bytes_in = t.source->bytes;
        for (const tersor::safetensors_declaration& d : t.encoder->declare()) {
            entry.bytes_out += tersor::bytes_of(d);
        }
        layouts.insert(to_string(t.target.layout));
        result.tensors.push_back(std::move(entry));
    }
    for (const std::string_view name : layouts) {
        result.layout += (result.layout.empty() ? "" : " + ") + std::string(name);
    }
    return result;
}

tersor::json::value plan::quantization_config() const {
    std::set<layout> layouts;
    for (const planned_tensor& t : tensors) {
        if (t.encoder != nullptr && t.target.layout != layout::plain) {
            layouts.insert(t.target.layout);
        }
    }
    if (layouts.empty()) {
        return {};
    }
    if (layouts.size() > 1) {
        throw usage_error("config.json names one layout, these formats need two (" +
                          std::string(to_string(*layouts.begin())) + " and " +
                          std::string(to_string(*layouts.rbegin())) +
                          "); write a single .safetensors file, or use formats of one layout");
    }
    if (is_affine_layout(*layouts.begin())) {
        return affine_config(*this, *layouts.begin());
    }
    return layouts.contains(layout::bitsandbytes) ? bitsandbytes_config(*this) : compressed_tensors_config(*this);
}

plan make_plan(const model& from, const quantize_arguments& arguments, const layer_inputs* inputs,
               const precision_map& precisions) {
    selection rules(arguments, precisions);
    const std::optional<layout> wanted = parse_layout(arguments.layout);
    const solver_choice solver = parse_solver(arguments);
    plan result;
    result.damp = solver.gptq ? gptq_options_of(arguments).damp : -1.0;
    result.has_static_groups = arguments.static_groups;
    std::vector<solved_name> solved;
    for (const weight& w : from.weights()) {
        if (w.is_quantized()) {
            throw usage_error("'" + from.path() + "' is quantized already (tensor '" + w.name + "' as " + w.spec +
                              "); dequantize it first");
        }
        planned_tensor& planned = result.tensors.emplace_back();
        planned.source = &w;
        if (const auto chosen = rules.choose(w.name, "", w.shape, w.dtype)) {
            refuse_gguf(*chosen);
            planned.target = {
                w.name, w.shape, w.dtype, *chosen, layout_for(*chosen, wanted), arguments.mode == "reference"};
            fit_group(planned.target);
            planned.has_inputs = !chosen->is_plain() && inputs != nullptr && inputs->has(w.name);
            if (planned.has_inputs || (!chosen->is_plain() && solver.wants_inputs())) {
                solved.push_back({w.name, w.shape.back()});
            }
        }
    }
    rules.check_patterns();
    if (inputs != nullptr) {
        static_cast<void>(check_inputs(*inputs, solved, arguments));
    }
    for (planned_tensor& planned : result.tensors) {
        if (planned.target.spec.format == nullptr) {
            continue;
        }
        target& t = planned.target;
        if (!t.spec.is_plain()) {
            t.is_solved = solver.gptq && planned.has_inputs;
            t.reorders = t.is_solved && reorders(arguments, t.spec.group, t.cols());
            t.is_searched = solver.hqq;
            if (solver.hqq && t.spec.format->family != family::zero_point) {
                throw usage_error("--solver hqq finds scales and zero points: uint2 to uint8, not '" + t.spec.text() +
                                  "' of '" + t.name + "'");
            }
            if (solver.gptq && t.spec.range != calibrator{}) {
                throw usage_error("--solver gptq finds the range of '" + t.name + "' itself, '" + t.spec.text() +
                                  "' names another way");
            }
        }
        planned.encoder = encoder_for(t);
    }
    return result;
}

bool wants_gguf(const quantize_arguments& arguments) {
    const std::optional<layout> named = parse_layout(arguments.layout);
    const spec to = arguments.to.empty() ? parse_spec("f32") : parse_spec(arguments.to);
    const bool is_gguf_file = is_gguf_path(arguments.output);
    if (named && *named != layout::gguf && (is_gguf_file || to.is_gguf())) {
        throw usage_error("the layout " + arguments.layout + " cannot hold " +
                          (is_gguf_file ? "'" + arguments.output + "'" : to.text()) +
                          ": GGUF files have the layout gguf");
    }
    if ((named == layout::gguf || to.is_gguf()) && !is_gguf_file && !arguments.output.empty()) {
        throw usage_error((named ? std::string("the layout gguf") : "'" + to.text() + "'") +
                          " makes a GGUF file: -o NAME.gguf, not '" + arguments.output + "'");
    }
    return is_gguf_file || named == layout::gguf || to.is_gguf();
}

} // namespace cli

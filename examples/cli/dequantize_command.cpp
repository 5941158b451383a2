#include "cancellation.hpp"
#include "commands.hpp"
#include "model.hpp"
#include "output.hpp"
#include "progress.hpp"
#include "usage.hpp"
#include "values.hpp"

#include "tersor/formats/convert.hpp"
#include "tersor/formats/half.hpp"

#include <array>
#include <utility>
#include <vector>

namespace cli {

namespace {

using tersor::safetensors_dtype;

safetensors_dtype parse_dtype(const std::string& name) {
    constexpr std::array<std::pair<std::string_view, safetensors_dtype>, 3> known{
        {{"f32", safetensors_dtype::f32}, {"f16", safetensors_dtype::f16}, {"bf16", safetensors_dtype::bf16}}};
    for (const auto& [text, dtype] : known) {
        if (name == text) {
            return dtype;
        }
    }
    throw usage_error("unknown dtype '" + name + "'; available: f32, f16, bf16");
}

void write(const std::string& name, safetensors_dtype dtype, std::span<const float> values,
           std::vector<std::uint16_t>& codes, tersor::safetensors_model_writer& out) {
    if (dtype == safetensors_dtype::f32) {
        return out.append(name, values);
    }
    codes.resize(values.size());
    if (dtype == safetensors_dtype::f16) {
        tersor::encode<tersor::fp16>(values, codes);
    } else {
        tersor::encode<tersor::bf16>(values, codes);
    }
    out.append(name, codes);
}

} // namespace

void dequantize(const dequantize_arguments& arguments) {
    const safetensors_dtype dtype = parse_dtype(arguments.dtype);
    if (!arguments.output.ends_with(".safetensors")) {
        throw usage_error("dequantize writes a .safetensors file, not '" + arguments.output + "'");
    }
    const threads workers(arguments.threads);
    const auto model = open_model(arguments.model);
    require_separate(model.files(), arguments.output);
    require_free(arguments.output, arguments.force);
    std::vector<tersor::safetensors_declaration> tensors;
    for (const tersor::model_weight& weight : model.weights()) {
        tensors.push_back({weight.name, weight.is_readable ? dtype : weight.dtype, weight.shape});
    }
    tersor::safetensors_model_options options;
    options.existing = arguments.force ? tersor::existing_target::overwrite : tersor::existing_target::refuse;
    tersor::safetensors_model_writer out(arguments.output, std::move(tensors), options);
    progress_bar progress(model.files().data_bytes(), arguments.quiet);
    std::vector<float> values;
    std::vector<std::uint16_t> codes;
    for (const tersor::model_weight& weight : model.weights()) {
        check_cancelled();
        progress.start(weight.name, weight.bytes);
        if (weight.is_readable) {
            values.resize(static_cast<std::size_t>(weight.elements()));
            read_values(model, weight, values, workers.run([&](double done) { progress.update(0.8 * done); }));
            write(weight.name, dtype, values, codes, out);
        } else {
            copy_tensor(*weight.parts.front(), out);
        }
        release_pages(weight);
        progress.finish();
    }
    check_cancelled();
    out.commit();
}

} // namespace cli

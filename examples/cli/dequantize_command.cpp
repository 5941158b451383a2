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

// Block formats that the program cannot decode are nothing that safetensors could hold.
void require_copyable(const weight& w) {
    if (!w.is_readable && w.is_quantized()) {
        tersor::raise(tersor::error_code::unsupported,
                      "tensor '" + w.name + "' is " + w.spec + ", which cannot be read");
    }
}

} // namespace

void dequantize(const dequantize_arguments& arguments) {
    const safetensors_dtype dtype = parse_dtype(arguments.dtype);
    if (!arguments.output.ends_with(".safetensors")) {
        throw usage_error("dequantize writes a .safetensors file, not '" + arguments.output + "'");
    }
    const threads workers(arguments.threads);
    const model from = model::open(arguments.model);
    require_separate(from, arguments.output);
    require_free(arguments.output, arguments.force);
    std::vector<tersor::safetensors_declaration> tensors;
    for (const weight& w : from.weights()) {
        require_copyable(w);
        tensors.push_back({w.name, w.is_readable ? dtype : w.dtype, w.shape});
    }
    tersor::safetensors_model_options options;
    options.existing = arguments.force ? tersor::existing_target::overwrite : tersor::existing_target::refuse;
    tersor::safetensors_model_writer out(arguments.output, std::move(tensors), options);
    progress_bar progress(from.data_bytes(), arguments.quiet);
    std::vector<float> values;
    std::vector<std::uint16_t> codes;
    for (const weight& w : from.weights()) {
        check_cancelled();
        progress.start(w.name, w.bytes);
        if (w.is_readable) {
            values.resize(static_cast<std::size_t>(w.elements()));
            from.read(w, values, workers.run([&](double done) { progress.update(0.8 * done); }));
            write(w.name, dtype, values, codes, out);
        } else {
            copy_tensor(w, out);
        }
        release_pages(w);
        progress.finish();
    }
    check_cancelled();
    out.commit();
}

} // namespace cli

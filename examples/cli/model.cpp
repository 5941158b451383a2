#include "model.hpp"

#include "usage.hpp"
#include "values.hpp"

namespace cli {

void require_known_kind(const std::string& path) {
    if (path.ends_with(".gguf")) {
        throw usage_error("'" + path +
                          "': GGUF files are not available yet; available: .safetensors files and folders "
                          "in Hugging Face layout");
    }
}

tersor::quantized_model open_model(const std::string& path) {
    require_known_kind(path);
    return tersor::quantized_model::open(path);
}

void read_values(const tersor::quantized_model& model, const tersor::model_weight& weight, std::span<float> values,
                 const tersor::execution& exec) {
    model.read(weight, values, exec);
}

void release_pages(const tersor::model_weight& weight) noexcept {
    for (const tersor::safetensors_tensor* const part : weight.parts) {
        release_pages(part->data);
    }
}

} // namespace cli

#include "model.hpp"

#include "gguf_codec.hpp"
#include "values.hpp"

#include "tersor/io/gguf_tensor_values.hpp"
#include "tersor/io/llama_metadata.hpp"
#include "tersor/io/llama_names.hpp"
#include "tersor/io/llama_rotary.hpp"
#include "tersor/io/sorted_order.hpp"

#include <utility>

namespace cli {

namespace {

namespace llama = tersor::llama;
using tersor::gguf_type;
using tersor::safetensors_dtype;

std::string_view to_string(tersor::weight_layout kind) {
    switch (kind) {
    case tersor::weight_layout::bitsandbytes:
        return "bitsandbytes";
    case tersor::weight_layout::compressed_tensors:
        return "compressed-tensors";
    case tersor::weight_layout::gptq:
        return "gptq";
    case tersor::weight_layout::awq:
        return "awq";
    default:
        return "plain";
    }
}

// The type of the same bytes in safetensors; block formats decode to floats.
safetensors_dtype dtype_of(gguf_type type) {
    switch (type) {
    case gguf_type::f16:
        return safetensors_dtype::f16;
    case gguf_type::bf16:
        return safetensors_dtype::bf16;
    case gguf_type::f64:
        return safetensors_dtype::f64;
    case gguf_type::i8:
        return safetensors_dtype::i8;
    case gguf_type::i16:
        return safetensors_dtype::i16;
    case gguf_type::i32:
        return safetensors_dtype::i32;
    case gguf_type::i64:
        return safetensors_dtype::i64;
    default:
        return safetensors_dtype::f32;
    }
}

weight weight_of(const tersor::gguf_tensor& tensor) {
    weight w;
    w.name = tensor.name;
    w.shape = tensor.shape();
    w.spec = tersor::to_string(tensor.type);
    const bool is_blocks = tersor::info_of(tensor.type).is_block_format();
    w.layout = is_blocks ? "gguf" : "plain";
    w.dtype = dtype_of(tensor.type);
    w.bytes = tensor.data.size();
    w.is_readable = is_blocks ? find_gguf_codec(tensor.type) != nullptr : tersor::is_float(w.dtype);
    w.parts.push_back({w.name, w.spec, w.shape, tensor.data});
    return w;
}

} // namespace

std::int64_t weight::elements() const noexcept {
    std::int64_t product = 1;
    for (const std::int64_t extent : shape) {
        product *= extent;
    }
    return product;
}

model model::open(const std::string& path, naming names) {
    model m;
    m.path_ = path;
    if (is_gguf_path(path)) {
        m.gguf_ = tersor::gguf_file::open(path);
        m.list_gguf(names);
    } else {
        m.tensors_ = tersor::quantized_model::open(path);
        m.path_ = m.tensors_.files().path();
        m.list_tensors();
    }
    m.by_name_ = tersor::detail::sorted_by_name(m.weights_.size(), [&m](std::size_t i) { return m.weights_[i].name; });
    return m;
}

void model::list_tensors() {
    for (const tersor::model_weight& from : tensors_.weights()) {
        weight w;
        w.name = from.name;
        w.shape = from.shape;
        w.layout = to_string(from.layout);
        w.spec = from.spec;
        w.dtype = from.dtype;
        w.bytes = from.bytes;
        w.is_readable = from.is_readable;
        w.place = weights_.size();
        for (const tersor::safetensors_tensor* const part : from.parts) {
            w.parts.push_back({part->name, std::string(tersor::to_string(part->dtype)), part->shape, part->data});
        }
        weights_.push_back(std::move(w));
    }
}

void model::list_gguf(naming names) {
    const auto heads = names == naming::hugging_face ? llama::read_head_counts(*gguf_) : std::nullopt;
    for (std::size_t i = 0; i < gguf_->tensors().size(); ++i) {
        weight w = weight_of(gguf_->tensors()[i]);
        w.place = i;
        if (heads) {
            const auto place = llama::place_of_gguf_name(w.name);
            if (!place) {
                if (w.name == "rope_freqs.weight") {
                    continue; // transformers computes it from config.json
                }
            } else {
                w.name = llama::hugging_face_name(*place);
                w.heads = w.shape.empty()                            ? 0
                          : place->role == llama::tensor_role::query ? heads->query
                          : place->role == llama::tensor_role::key   ? heads->key
                                                                     : 0;
            }
        }
        weights_.push_back(std::move(w));
    }
}

const weight* model::find(std::string_view name) const noexcept {
    const auto name_of = [this](std::size_t i) -> std::string_view { return weights_[i].name; };
    const std::size_t place = tersor::detail::find_sorted(by_name_, name, name_of);
    return place == by_name_.size() ? nullptr : &weights_[by_name_[place]];
}

void model::read(const weight& w, std::span<float> values, const tersor::execution& exec) const {
    if (!gguf_) {
        return tensors_.read(tensors_.weights()[w.place], values, exec);
    }
    const tersor::gguf_tensor& tensor = gguf_->tensors()[w.place];
    if (const gguf_codec* const codec = find_gguf_codec(tensor.type)) {
        decode_rows(*codec, tensor.data, values, exec);
    } else {
        tersor::read_floats(tensor, values);
    }
    if (w.heads != 0) {
        llama::separate_rotary_rows(values, w.shape.front(), w.heads);
    }
}

std::uint64_t model::data_bytes() const noexcept {
    std::uint64_t total = 0;
    for (const weight& w : weights_) {
        total += w.bytes;
    }
    return total;
}

std::vector<std::string> model::files() const {
    std::vector<std::string> paths;
    if (gguf_) {
        paths.push_back(path_);
    }
    for (const tersor::safetensors_file& file : tensors_.files().files()) {
        paths.push_back(file.source());
    }
    return paths;
}

bool is_gguf_path(std::string_view path) noexcept {
    return path.ends_with(".gguf");
}

void release_pages(const weight& w) noexcept {
    for (const stored_part& part : w.parts) {
        release_pages(part.data);
    }
}

} // namespace cli

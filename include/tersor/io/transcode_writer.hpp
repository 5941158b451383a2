#ifndef TERSOR_IO_TRANSCODE_WRITER_HPP
#define TERSOR_IO_TRANSCODE_WRITER_HPP

// Writing a whole model of affine weights: one after the other, so that one is in memory at a time. A folder also gets
// config.json with "quantization_config", and for GPTQ and AWQ the file that their older programs read instead
// (quantize_config.json, quant_config.json); a single file has the configuration in its metadata. Nothing appears
// under the final name before commit().

#include "tersor/formats/half.hpp"
#include "tersor/io/json.hpp"
#include "tersor/io/safetensors_model_writer.hpp"
#include "tersor/io/transcode.hpp"
#include "tersor/io/transcode_config.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tersor::inline v0 {

/// What is written beside the layers.
struct affine_model_options {
    std::vector<safetensors_declaration> plain; ///< further tensors, given by append_plain
    std::vector<std::string> skipped;           ///< linear layers that are not quantized, without ".weight"
    json::value config;                         ///< of the model: the content of its config.json, or null
    safetensors_model_options files;
};

/// A model being written. Move-only; without commit() nothing is left of it.
class affine_model_writer {
public:
    /// Starts a model: a file if `path` ends in .safetensors, else a folder. Errors: those of safetensors_model_writer;
    /// unsupported, naming the layer, if the layout cannot hold one.
    affine_model_writer(std::string path, affine_target target, std::vector<affine_layer> layers,
                        affine_model_options options = {})
        : target_(target), layers_(std::move(layers)), config_(std::move(options.config)) {
        std::vector<safetensors_declaration> tensors;
        for (const affine_layer& layer : layers_) {
            for (safetensors_declaration& tensor : declare(target_, layer.name, layer.shape)) {
                tensors.push_back(std::move(tensor));
            }
            if (layer.has_bias) {
                tensors.push_back({bias_of(layer), safetensors_dtype::f16, {layer.shape.rows}});
            }
        }
        tensors.insert(tensors.end(), options.plain.begin(), options.plain.end());
        quantization_ = quantization_config(target_, layers_, options.skipped);
        if (path.ends_with(".safetensors")) {
            options.files.metadata.emplace_back("quantization_config", json::write(quantization_));
        }
        out_ = safetensors_model_writer(std::move(path), std::move(tensors), std::move(options.files));
    }

    /// Adds the weight of a layer and, if it was declared, its bias, which is rounded to half. Errors: invalid_argument
    /// for an unknown layer; shape_mismatch if it is not as declared; those of append().
    void append(std::string_view name, const affine_weight& w, std::span<const float> bias = {}) {
        const affine_layer& layer = find(name);
        const affine_shape given = shape_of(w), &declared = layer.shape;
        const bool fits = given.bits == declared.bits && given.rows == declared.rows && given.cols == declared.cols &&
                          given.groups == declared.groups && (given.group == declared.group) &&
                          (given.symmetric || !declared.symmetric) && (given.in_order || !declared.in_order);
        if (!fits || bias.size() != (layer.has_bias ? static_cast<std::size_t>(given.rows) : 0)) {
            raise(error_code::shape_mismatch,
                  "layer " + detail::quote_name(name) + " " + detail::shape_of_values(given.rows, given.cols) + " of " +
                      std::to_string(given.bits) + " bits in " + std::to_string(given.groups) + " groups with " +
                      std::to_string(bias.size()) + " values of bias is not as it was declared: " +
                      detail::shape_of_values(declared.rows, declared.cols) + " of " + std::to_string(declared.bits) +
                      " bits in " + std::to_string(declared.groups) + " groups");
        }
        tersor::append(target_, out_, name, w, declared);
        if (layer.has_bias) {
            detail::append_scales(out_, bias_of(layer), bias, safetensors_dtype::f16);
        }
    }

    /// Adds the next bytes of a further tensor.
    void append_plain(std::string_view name, std::span<const std::byte> bytes) { out_.append(name, bytes); }

    /// Adds another file to a folder, such as the tokenizer's.
    void add_file(std::string_view name, std::string_view content) { out_.add_file(name, content); }

    /// Puts the model under its name. invalid_argument if a tensor lacks bytes; io if the system refuses.
    void commit() {
        if (out_.is_folder()) {
            json::value config = config_.is(json::kind::object) ? config_ : json::value(json::object{});
            config["quantization_config"] = quantization_;
            out_.add_file("config.json", json::write(config));
            if (target_.layout != affine_layout::compressed_tensors) {
                const bool is_awq = target_.layout == affine_layout::awq;
                const json::value older =
                    is_awq ? awq_layout::quant_config(awq_layout::read_config(quantization_)) : quantization_;
                out_.add_file(is_awq ? "quant_config.json" : "quantize_config.json", json::write(older));
            }
        }
        out_.commit();
    }

    /// The value of "quantization_config".
    [[nodiscard]] const json::value& quantization() const noexcept { return quantization_; }

private:
    [[nodiscard]] static std::string bias_of(const affine_layer& layer) {
        return detail::prefix_of(layer.name, "affine") + "bias";
    }

    [[nodiscard]] const affine_layer& find(std::string_view name) const {
        for (const affine_layer& layer : layers_) {
            if (layer.name == name) {
                return layer;
            }
        }
        raise(error_code::invalid_argument, "layer " + detail::quote_name(name) + " was not declared");
    }

    affine_target target_;
    std::vector<affine_layer> layers_;
    json::value config_;
    json::value quantization_;
    safetensors_model_writer out_;
};

} // namespace tersor::inline v0

#endif // TERSOR_IO_TRANSCODE_WRITER_HPP

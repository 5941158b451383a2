#ifndef TERSOR_IO_QUANTIZED_MODEL_HPP
#define TERSOR_IO_QUANTIZED_MODEL_HPP

// The weights of a model, whatever they are stored as: plain tensors, the layouts of bitsandbytes, compressed-tensors,
// GPTQ and AWQ, mixed in any way. Companion tensors are grouped into the weights that they belong to, and checked, when
// the model is opened; their shards do not matter.

#include "tersor/core/error.hpp"
#include "tersor/core/execution.hpp"
#include "tersor/core/quantized_tensor.hpp"
#include "tersor/io/awq_config.hpp"
#include "tersor/io/bitsandbytes_load.hpp"
#include "tersor/io/compressed_tensors_load.hpp"
#include "tersor/io/compressed_tensors_reader.hpp"
#include "tersor/io/gptq_config.hpp"
#include "tersor/io/json.hpp"
#include "tersor/io/mapped_file.hpp"
#include "tersor/io/quantized_model_weight.hpp"
#include "tersor/io/safetensors_model.hpp"
#include "tersor/io/safetensors_values.hpp"

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unistd.h>
#include <utility>
#include <variant>
#include <vector>

namespace tersor::inline v0 {

/// A model opened for reading. Move-only; its weights stay valid when it moves and end with it.
class quantized_model {
public:
    quantized_model() = default;

    /// Opens a .safetensors file or a Hugging Face folder. Errors: as safetensors_model::open; corrupt_file naming the
    /// tensor where companions are missing or do not fit; unsupported for a variant of a layout that is not read.
    [[nodiscard]] static quantized_model open(const std::string& path) {
        quantized_model model;
        model.files_ = safetensors_model::open(path);
        model.read_config();
        model.find_weights();
        return model;
    }

    /// The weights, in the order of the file.
    [[nodiscard]] std::span<const model_weight> weights() const noexcept { return weights_; }

    /// The weight of that name, or null.
    [[nodiscard]] const model_weight* find(std::string_view name) const noexcept {
        const auto place =
            std::lower_bound(by_name_.begin(), by_name_.end(), name,
                             [this](std::size_t i, std::string_view key) { return weights_[i].name < key; });
        return place != by_name_.end() && weights_[*place].name == name ? &weights_[*place] : nullptr;
    }

    /// The weight of that name; invalid_argument if there is none.
    [[nodiscard]] const model_weight& at(std::string_view name) const {
        if (const model_weight* const weight = find(name)) {
            return *weight;
        }
        raise(error_code::invalid_argument, files_.path() + ": no weight " + detail::quote_name(name) + " among its " +
                                                std::to_string(weights_.size()));
    }

    /// The values of a weight of this model in row-major order, in float, not rounded to its dtype. `to` has elements()
    /// of them. Errors: shape_mismatch for another number; unsupported if the weight is not readable; cancelled.
    template <std::same_as<execution> Execution = execution>
    void read(const model_weight& weight, std::span<float> to, const Execution& exec = {}) const {
        if (to.size() != static_cast<std::uint64_t>(weight.elements())) {
            raise(error_code::shape_mismatch, "weight " + detail::quote_name(weight.name) + " has " +
                                                  std::to_string(weight.elements()) + " values, the destination " +
                                                  std::to_string(to.size()));
        }
        std::visit([&](const auto& content) { detail::read_weight(content, to, exec); }, content_of(weight));
    }

    /// All values of a weight of this model. Memory: 4 bytes each.
    template <std::same_as<execution> Execution = execution>
    [[nodiscard]] std::vector<float> read(const model_weight& weight, const Execution& exec = {}) const {
        std::vector<float> values(weight.is_readable ? static_cast<std::size_t>(weight.elements()) : 0);
        if (!weight.is_readable) {
            static_cast<void>(read_floats(*weight.parts.front()));
        }
        read(weight, std::span<float>(values), exec);
        return values;
    }

    /// Whether load<Q> can give a weight of this model.
    template <quantizer Q>
    [[nodiscard]] bool holds(const model_weight& weight) const {
        return std::visit([](const auto& content) { return detail::holds_weight<Q>(content); }, content_of(weight));
    }

    /// The weight as a quantized tensor, just as it is stored: codes, parameters, maps. Errors: unsupported if it is
    /// stored in another way (ask holds<Q>); shape_mismatch for another rank.
    template <quantizer Q, int Rank = 2>
    [[nodiscard]] quantized_tensor<Q, Rank> load(const model_weight& weight) const {
        return std::visit([](const auto& content) { return detail::load_weight<Q, Rank>(content); },
                          content_of(weight));
    }

    /// Calls visitor(load<Q>(weight)) with the first of these quantizers that the weight holds; false if it holds none.
    template <quantizer... Qs, class Visitor>
    bool visit(const model_weight& weight, Visitor&& visitor) const {
        return ((holds<Qs>(weight) && (visitor(load<Qs>(weight)), true)) || ...);
    }

    /// Whether load_affine can give a weight of this model: integers of compressed-tensors, GPTQ and AWQ.
    [[nodiscard]] bool holds_affine(const model_weight& weight) const {
        return std::visit([](const auto& content) { return detail::holds_affine_weight(content); }, content_of(weight));
    }

    /// The weight as integers with scales and zero points, act-order included. Memory: a byte a value. Errors:
    /// unsupported if not holds_affine; corrupt_file for a scale that is not finite.
    [[nodiscard]] affine_weight load_affine(const model_weight& weight) const {
        return std::visit([&](const auto& content) { return detail::load_affine_weight(content, weight.name); },
                          content_of(weight));
    }

    /// The content of config.json of a folder, where quantize_config.json or quant_config.json stand in for a missing
    /// "quantization_config"; of a file the metadata "quantization_config", as the only member of that name; else null.
    [[nodiscard]] const json::value& config() const noexcept { return config_; }

    /// The files and their tensors.
    [[nodiscard]] const safetensors_model& files() const noexcept { return files_; }

private:
    [[nodiscard]] const detail::weight_content& content_of(const model_weight& weight) const {
        const model_weight& own = at(weight.name);
        return contents_[static_cast<std::size_t>(&own - weights_.data())];
    }

    void read_config() {
        const auto parse_file = [this](const char* name, json::value& to) {
            const std::string path = files_.path() + "/" + name;
            if (!files_.is_folder() || ::access(path.c_str(), F_OK) != 0) {
                return false;
            }
            const mapped_file file(path);
            to = json::parse(file.text(), path);
            return true;
        };
        const bool has_config = parse_file("config.json", config_);
        if (config_.find("quantization_config") == nullptr && (!has_config || config_.is(json::kind::object))) {
            json::value beside;
            if (parse_file("quantize_config.json", beside) || parse_file("quant_config.json", beside)) {
                config_["quantization_config"] = std::move(beside);
                return;
            }
        }
        if (has_config) {
            return;
        }
        for (const safetensors_file& file : files_.files()) {
            if (const std::string* const text = file.find_metadata("quantization_config")) {
                config_["quantization_config"] = json::parse(*text, file.source() + ": metadata 'quantization_config'");
                return;
            }
        }
    }

    [[nodiscard]] const std::string& source_of(std::size_t entry) const noexcept {
        return files_.files()[files_.entries()[entry].file].source();
    }

    void find_weights() {
        const auto entries = files_.entries();
        const auto find_tensor = [this](std::string_view name) { return files_.find(name); };
        const json::value* const quantization = config_.find("quantization_config");
        const std::vector<compressed_tensors::hint> hints = quantization != nullptr
                                                                ? compressed_tensors::hints_of(*quantization)
                                                                : std::vector<compressed_tensors::hint>{};
        const std::string method = quantization != nullptr ? detail::method_of(*quantization) : std::string();
        std::optional<gptq_layout::config> gptq;
        bool is_first = true;
        std::vector<model_weight> found;
        std::vector<detail::weight_content> contents;
        std::vector<const safetensors_tensor*> taken;
        const auto add = [&](auto content) {
            found.push_back(detail::describe(content, config_));
            taken.insert(taken.end(), found.back().parts.begin(), found.back().parts.end());
            contents.emplace_back(std::move(content));
        };
        for (std::size_t i = 0; i < entries.size(); ++i) {
            const safetensors_tensor& tensor = *entries[i].tensor;
            const std::string& source = source_of(i);
            if (bitsandbytes::is_state(tensor.name)) {
                add(bitsandbytes::find_blockwise(tensor, source, find_tensor));
            } else if (tensor.name == "SCB" || tensor.name.ends_with(".SCB")) {
                add(bitsandbytes::find_int8(tensor, source, find_tensor));
            } else if (detail::is_packed_codes(tensor.name)) {
                if (is_first && method == "gptq") {
                    gptq = gptq_layout::read_config(*quantization);
                } else if (is_first && method == "awq") {
                    static_cast<void>(awq_layout::read_config(*quantization));
                }
                is_first = false;
                const std::string_view prefix = std::string_view(tensor.name).substr(0, tensor.name.size() - 7);
                const safetensors_tensor* const scales = find_tensor(std::string(prefix) + "scales");
                const bool by_form = method != "gptq" && scales != nullptr && awq_layout::has_form(tensor, *scales);
                if (method == "awq" || by_form) {
                    add(awq_layout::find_weight(tensor, source, find_tensor));
                } else {
                    add(gptq_layout::find_weight(tensor, source, find_tensor, gptq));
                }
            } else if (detail::holds_compressed_codes(tensor, find_tensor)) {
                add(compressed_tensors::find_weight(tensor, source, find_tensor, hints));
            }
        }
        std::vector<const safetensors_tensor*> of_layouts = taken;
        std::sort(of_layouts.begin(), of_layouts.end());
        const auto twice = std::adjacent_find(of_layouts.begin(), of_layouts.end());
        if (twice != of_layouts.end()) {
            raise(error_code::corrupt_file,
                  files_.path() + ": tensor " + detail::quote_name((*twice)->name) + " belongs to two weights");
        }
        for (std::size_t i = 0; i < entries.size(); ++i) {
            const safetensors_tensor& tensor = *entries[i].tensor;
            if (!std::binary_search(of_layouts.begin(), of_layouts.end(), &tensor)) {
                detail::refuse_orphan(tensor, source_of(i), find_tensor);
                add(&tensor);
            }
        }
        sort_weights(std::move(found), std::move(contents));
    }

    // In the order of the file, by the first of their tensors.
    void sort_weights(std::vector<model_weight> found, std::vector<detail::weight_content> contents) {
        std::vector<std::pair<const safetensors_tensor*, std::size_t>> place_of;
        for (std::size_t i = 0; i < files_.entries().size(); ++i) {
            place_of.emplace_back(files_.entries()[i].tensor, i);
        }
        std::sort(place_of.begin(), place_of.end());
        std::vector<std::pair<std::size_t, std::size_t>> order;
        for (std::size_t i = 0; i < found.size(); ++i) {
            std::size_t first = place_of.size();
            for (const safetensors_tensor* const part : found[i].parts) {
                const auto place = std::lower_bound(place_of.begin(), place_of.end(), std::pair{part, std::size_t{0}});
                first = std::min(first, place->second);
            }
            order.emplace_back(first, i);
        }
        std::sort(order.begin(), order.end());
        for (const auto& [first, i] : order) {
            by_name_.push_back(weights_.size());
            weights_.push_back(std::move(found[i]));
            contents_.push_back(std::move(contents[i]));
        }
        std::sort(by_name_.begin(), by_name_.end(),
                  [this](std::size_t a, std::size_t b) { return weights_[a].name < weights_[b].name; });
        const auto twice = std::adjacent_find(by_name_.begin(), by_name_.end(), [this](std::size_t a, std::size_t b) {
            return weights_[a].name == weights_[b].name;
        });
        if (twice != by_name_.end()) {
            raise(error_code::corrupt_file,
                  files_.path() + ": weight " + detail::quote_name(weights_[*twice].name) + " is stored in two ways");
        }
    }

    safetensors_model files_;
    json::value config_;
    std::vector<model_weight> weights_;
    std::vector<detail::weight_content> contents_;
    std::vector<std::size_t> by_name_;
};

} // namespace tersor::inline v0

#endif // TERSOR_IO_QUANTIZED_MODEL_HPP

#ifndef TERSOR_IO_TRANSCODE_CONFIG_HPP
#define TERSOR_IO_TRANSCODE_CONFIG_HPP

// What config.json says of a model whose layers are affine weights, in any of their layouts. Layers of a GPTQ model
// that differ from the most common shape are named under "dynamic", which GPTQModel and vLLM read; an AWQ model has one
// group size; compressed-tensors has a config group for each way.

#include "tersor/io/awq_config.hpp"
#include "tersor/io/compressed_tensors_config.hpp"
#include "tersor/io/gptq_config.hpp"
#include "tersor/io/transcode.hpp"

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace tersor::inline v0 {

/// A layer of a model: its weight's name, with ".weight", and shape.
struct affine_layer {
    std::string name;
    affine_shape shape;
    bool has_bias = false; ///< whether the bias is written with the weight

    friend bool operator==(const affine_layer&, const affine_layer&) = default;
};

namespace detail {

[[nodiscard]] inline bool is_stored_alike(const affine_shape& a, const affine_shape& b) noexcept {
    return a.bits == b.bits && a.group == b.group && a.in_order == b.in_order;
}

[[nodiscard]] inline std::string module_name(std::string_view weight) {
    constexpr std::string_view last = ".weight";
    return std::string(weight.ends_with(last) ? weight.substr(0, weight.size() - last.size()) : weight);
}

/// The shape that most layers have, the first of equally many.
[[nodiscard]] inline affine_shape most_common(std::span<const affine_layer> layers) {
    affine_shape best;
    std::ptrdiff_t most = 0;
    for (const affine_layer& layer : layers) {
        const auto count = std::count_if(layers.begin(), layers.end(), [&layer](const affine_layer& other) {
            return is_stored_alike(layer.shape, other.shape);
        });
        if (count > most) {
            most = count;
            best = layer.shape;
        }
    }
    return best;
}

} // namespace detail

/// The value of "quantization_config" in config.json for layers that are stored so; `skipped` names the linear layers
/// that are not, without ".weight". unsupported for an AWQ model with several group sizes.
[[nodiscard]] inline json::value quantization_config(const affine_target& target, std::span<const affine_layer> layers,
                                                     std::span<const std::string> skipped = {}) {
    if (target.layout == affine_layout::compressed_tensors) {
        compressed_tensors::config_builder builder;
        for (const affine_layer& layer : layers) {
            builder.add(layer.name, compressed_tensors::scheme_of(
                                        layer.shape, compressed_tensors::storage_of(layer.shape, target.scales)));
        }
        for (const std::string& name : skipped) {
            builder.ignore(name);
        }
        return builder.build();
    }
    affine_shape common = detail::most_common(layers);
    if (target.layout == affine_layout::awq) {
        for (const affine_layer& layer : layers) {
            if (layer.shape.group != common.group) {
                raise(error_code::unsupported, "the configuration of awq names one group size, but " +
                                                   detail::quote_name(layer.name) + " has groups of " +
                                                   std::to_string(layer.shape.group) + " and others of " +
                                                   std::to_string(common.group) + " (0: the whole row)");
            }
        }
        awq_layout::config c = awq_layout::config_of(common);
        c.skipped_modules.assign(skipped.begin(), skipped.end());
        return awq_layout::quantization_config(c);
    }
    common.symmetric = std::all_of(layers.begin(), layers.end(), [&common](const affine_layer& layer) {
        return layer.shape.symmetric || !detail::is_stored_alike(layer.shape, common);
    });
    gptq_layout::config c = gptq_layout::config_of(common, detail::gptq_storage(target));
    c.skipped_modules.assign(skipped.begin(), skipped.end());
    for (const affine_layer& layer : layers) {
        c.lm_head = c.lm_head || detail::module_name(layer.name).ends_with("lm_head");
        if (!detail::is_stored_alike(layer.shape, common)) {
            const gptq_layout::config own = gptq_layout::config_of(layer.shape);
            c.rules.push_back({detail::module_name(layer.name), own.bits, own.group_size, own.desc_act, own.sym});
        }
    }
    return gptq_layout::quantization_config(c);
}

} // namespace tersor::inline v0

#endif // TERSOR_IO_TRANSCODE_CONFIG_HPP

#include "scaling.hpp"

#include "cancellation.hpp"
#include "text.hpp"

#include "tersor/formats/half.hpp"
#include "tersor/io/json_value.hpp"
#include "tersor/io/llama_names.hpp"
#include "tersor/solvers/awq_scales.hpp"
#include "tersor/solvers/channel_scaling.hpp"
#include "tersor/solvers/smooth_quant.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

namespace cli {

namespace {

using tersor::safetensors_dtype;

// Layers that share an input, and what takes their scales.
struct shared_input {
    std::vector<std::string_view> layers;
    std::string_view before;
};

const std::array<shared_input, 4>& shared_inputs() {
    static const std::array<shared_input, 4> all{{
        {{"self_attn.q_proj.weight", "self_attn.k_proj.weight", "self_attn.v_proj.weight"}, "input_layernorm.weight"},
        {{"self_attn.o_proj.weight"}, "self_attn.v_proj.weight"},
        {{"mlp.gate_proj.weight", "mlp.up_proj.weight"}, "post_attention_layernorm.weight"},
        {{"mlp.down_proj.weight"}, "mlp.up_proj.weight"},
    }};
    return all;
}

float stored(float value, safetensors_dtype type) noexcept {
    return type == safetensors_dtype::f16    ? tersor::fp16::decode(tersor::fp16::encode(value))
           : type == safetensors_dtype::bf16 ? tersor::bf16::decode(tersor::bf16::encode(value))
                                             : value;
}

std::string replaced_ending(const std::string& name, std::string_view ending, std::string_view by) {
    return name.substr(0, name.size() - ending.size()) + std::string(by);
}

class scaling_search {
public:
    scaling_search(const model& from, std::span<const scaled_candidate> candidates, const layer_inputs& inputs,
                   const solver_choice& choice, const quantize_arguments& arguments, const threads& workers)
        : from_(from), candidates_(candidates), inputs_(inputs), choice_(choice), arguments_(arguments),
          workers_(workers) {
        for (const weight& w : from.weights()) {
            const auto place = tersor::llama::place_of_gguf_name(w.name);
            by_name_.emplace(place ? tersor::llama::hugging_face_name(*place) : w.name, &w);
        }
        for (const scaled_candidate& c : candidates) {
            chosen_.emplace(c.known_name, &c);
        }
        const tersor::json::value* const type = from.tensors().config().find("model_type");
        adds_one_ = type != nullptr && type->is(tersor::json::kind::string) &&
                    type->as_string().find("gemma") != std::string::npos;
    }

    model_scaling run() {
        std::vector<std::string> unscaled;
        for (const scaled_candidate& c : candidates_) {
            bool is_known = false;
            for (const shared_input& shared : shared_inputs()) {
                for (const std::string_view layer : shared.layers) {
                    is_known = is_known || c.known_name.ends_with(layer);
                }
                if (c.known_name.ends_with(shared.layers.front())) {
                    scale(c.known_name, shared);
                }
            }
            if (!is_known) {
                unscaled.push_back(c.source->name);
            }
        }
        if (!unscaled.empty()) {
            result_.notes.push_back("not scaled, for it is not known what could take the scales: " +
                                    names_text(unscaled));
        }
        return std::move(result_);
    }

private:
    void leave(const std::string& name, const std::string& reason) {
        result_.notes.push_back("not scaled: " + name + ", " + reason);
    }

    [[nodiscard]] const weight* find(const std::string& name) const {
        const auto found = by_name_.find(name);
        return found == by_name_.end() ? nullptr : found->second;
    }
    [[nodiscard]] const scaled_candidate* find_chosen(const std::string& name) const {
        const auto found = chosen_.find(name);
        return found == chosen_.end() ? nullptr : found->second;
    }

    void scale(const std::string& first, const shared_input& shared) {
        check_cancelled();
        std::vector<const scaled_candidate*> layers;
        for (const std::string_view layer : shared.layers) {
            const std::string name = replaced_ending(first, shared.layers.front(), layer);
            const scaled_candidate* const chosen = find_chosen(name);
            if (chosen == nullptr) {
                return leave(first, "because " + name + " shares its input and is not quantized");
            }
            if (!chosen->has_inputs) {
                return leave(first, "because " + name + " has no inputs");
            }
            layers.push_back(chosen);
        }
        const std::int64_t columns = layers.front()->source->shape.back();
        const std::string before = replaced_ending(first, shared.layers.front(), shared.before);
        const weight* const earlier = find(before);
        if (earlier == nullptr || !earlier->is_readable || earlier->shape.empty()) {
            return leave(first, "because there is no " + before);
        }
        for (const scaled_candidate* const layer : layers) {
            if (layer->source->shape.back() != columns) {
                return leave(first, "because layers of one input have different columns");
            }
        }
        const bool is_norm = earlier->shape.size() == 1;
        if (earlier->shape.front() != columns) {
            return leave(first, "because " + before + " has " + std::to_string(earlier->shape.front()) +
                                    " outputs for its " + std::to_string(columns) + " columns" +
                                    (is_norm ? "" : " (shared heads)"));
        }
        if (find(replaced_ending(before, "weight", "bias")) != nullptr || (is_norm && adds_one_)) {
            return leave(first, "because of the form of " + before);
        }
        if (!is_norm && find_chosen(before) == nullptr) {
            return leave(first, "because " + before + " is kept as it is");
        }
        fold(layers, *earlier, is_norm, find_scales(layers, columns));
    }

    // Scales and bounds of layers that share an input.
    weight_scaling find_scales(const std::vector<const scaled_candidate*>& layers, std::int64_t columns) {
        std::vector<float_matrix> weights;
        for (const scaled_candidate* const layer : layers) {
            float_matrix& w = weights.emplace_back(static_cast<Eigen::Index>(layer->source->shape.front()),
                                                   static_cast<Eigen::Index>(columns));
            from_.read(*layer->source, {w.data(), static_cast<std::size_t>(w.size())}, {});
            require_finite(layer->source->name, layer->source->shape,
                           {w.data(), static_cast<std::size_t>(w.size())});
        }
        const tersor::channel_statistics magnitudes =
            inputs_.magnitudes(layers.front()->source->name, workers_.run());
        weight_scaling found;
        if (choice_.scales == solver_choice::scaling::smoothquant) {
            std::vector<float> largest(static_cast<std::size_t>(columns));
            for (const float_matrix& w : weights) {
                for (std::size_t j = 0; j < largest.size(); ++j) {
                    largest[j] = std::max(largest[j], w.col(static_cast<Eigen::Index>(j)).cwiseAbs().maxCoeff());
                }
            }
            const auto scales_of = [&](double alpha) {
                return tersor::smooth_quant_scales(magnitudes.max_magnitude(), largest, alpha);
            };
            if (arguments_.alpha >= 0.0) {
                found.columns = scales_of(arguments_.alpha);
                return found;
            }
            const tersor::hessian h = inputs_.second_moments(layers.front()->source->name, workers_.run());
            found.columns = search_power(layers, weights, h, scales_of);
            return found;
        }
        const tersor::hessian h = inputs_.second_moments(layers.front()->source->name, workers_.run());
        const bool alike = std::ranges::all_of(
            layers, [&](const scaled_candidate* layer) { return layer->spec == layers.front()->spec; });
        if (alike) {
            tersor::awq_options options;
            options.mode = gptq_options_of(arguments_).mode;
            options.clip = !choice_.gptq;
            options.execution = workers_.run();
            if (auto report = search_awq(layers.front()->spec, weights, magnitudes, h, options)) {
                found.columns = std::move(report->scales);
                found.lower = std::move(report->clip.lower);
                found.upper = std::move(report->clip.upper);
                found.group = layers.front()->spec.group;
                return found;
            }
        }
        const std::vector<float> mean = magnitudes.mean_magnitude();
        found.columns = search_power(layers, weights, h,
                                     [&](double ratio) { return tersor::awq_scales(mean, ratio); });
        const cli::spec& s = layers.front()->spec;
        const bool is_integer = s.format->family == family::absmax || s.format->family == family::zero_point;
        if (alike && !choice_.gptq && is_integer && s.range == calibrator{} && s.group != tersor::whole_tensor) {
            const auto moments = h.matrix<float>();
            for (std::size_t k = 0; k < layers.size(); ++k) {
                search_clip(weights[k], found.columns, s.group == tersor::whole_row ? columns : s.group, moments,
                            layers[k]->round, workers_.run(), found);
            }
        }
        return found;
    }

    // The powers 0, .05, ... .95 of a rule for scales, each tried with what the layers really become.
    std::vector<float> search_power(const std::vector<const scaled_candidate*>& layers,
                                    const std::vector<float_matrix>& weights, const tersor::hessian& h,
                                    const std::function<std::vector<float>(double)>& scales_of) {
        constexpr int steps = 20;
        const auto moments = h.matrix<float>();
        std::vector<float> best(static_cast<std::size_t>(moments.cols()), 1.0f);
        double least = std::numeric_limits<double>::infinity();
        for (int i = 0; i < steps; ++i) {
            check_cancelled();
            weight_scaling tried;
            tried.columns = scales_of(static_cast<double>(i) / steps);
            const bool is_usable =
                std::ranges::all_of(tried.columns, [](float s) { return s > 1e-6f && s < 1e6f; });
            double cost = 0.0;
            for (std::size_t k = 0; is_usable && k < layers.size(); ++k) {
                const std::span<const float> values(weights[k].data(), static_cast<std::size_t>(weights[k].size()));
                std::vector<float> scaled(values.begin(), values.end()), decoded(values.size());
                apply(tried, weights[k].cols(), scaled);
                layers[k]->round(scaled, decoded);
                restore(tried, weights[k].cols(), decoded);
                cost += objective_of(values, decoded, moments, workers_.run());
            }
            if (is_usable && cost < least) {
                least = cost;
                best = std::move(tried.columns);
            }
        }
        return best;
    }

    void fold(const std::vector<const scaled_candidate*>& layers, const weight& earlier, bool is_norm,
              weight_scaling found) {
        if (is_norm) {
            std::vector<float> norm(found.columns.size());
            from_.read(earlier, norm, {});
            for (std::size_t j = 0; j < norm.size(); ++j) {
                const float divided = stored(norm[j] / found.columns[j], earlier.dtype);
                const float effective = norm[j] / divided;
                const bool is_sound = std::isfinite(effective) && effective > 0.0f;
                found.columns[j] = is_sound ? effective : 1.0f;
                norm[j] = is_sound ? divided : norm[j];
            }
            result_.kept[earlier.name] = std::move(norm);
        } else {
            result_.weights[earlier.name].rows = found.columns;
        }
        Eigen::Index first = 0;
        for (const scaled_candidate* const layer : layers) {
            weight_scaling& to = result_.weights[layer->source->name];
            const auto rows = static_cast<Eigen::Index>(layer->source->shape.front());
            to.columns = found.columns;
            if (found.lower.size() != 0) {
                to.lower = found.lower.middleRows(first, rows);
                to.upper = found.upper.middleRows(first, rows);
                to.group = found.group;
            }
            first += rows;
        }
    }

    const model& from_;
    std::span<const scaled_candidate> candidates_;
    const layer_inputs& inputs_;
    const solver_choice& choice_;
    const quantize_arguments& arguments_;
    const threads& workers_;
    std::map<std::string, const weight*> by_name_; // as transformers calls them
    std::map<std::string, const scaled_candidate*> chosen_;
    bool adds_one_ = false; // norms have 1 + weight
    model_scaling result_;
};

} // namespace

model_scaling find_scaling(const model& from, std::span<const scaled_candidate> candidates,
                           const layer_inputs& inputs, const solver_choice& choice,
                           const quantize_arguments& arguments, const threads& workers) {
    return scaling_search(from, candidates, inputs, choice, arguments, workers).run();
}

} // namespace cli

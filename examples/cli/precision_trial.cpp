#include "precision_trial.hpp"

#include "cancellation.hpp"
#include "encoder.hpp"
#include "gguf_plan.hpp"
#include "plan.hpp"
#include "progress.hpp"
#include "scaling.hpp"
#include "solver.hpp"

#include <algorithm>
#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <utility>

namespace cli {

namespace {

// What stands behind the group of a SPEC.
std::string endings_of(const spec& s) {
    const std::string text = s.text();
    const auto from = text.find_first_of("+@");
    return from == std::string::npos ? "" : text.substr(from);
}

// A plan of a model in which all candidates have one SPEC.
quantize_arguments with_spec(const quantize_arguments& arguments, const spec& s) {
    quantize_arguments one = arguments;
    one.to = s.explicit_group ? s.text() : std::string(s.format->name) + endings_of(s);
    one.solver = "rtn";
    one.inputs.clear();
    one.act_order = one.static_groups = one.mse = one.has_damp = one.has_block = false;
    one.alpha = -1.0;
    return one;
}

double share_of(double noise, double signal) {
    return signal > 0.0 ? noise / signal : 0.0;
}

class choice_trial {
public:
    choice_trial(const model& from, const quantize_arguments& arguments, std::size_t choices, const threads& workers)
        : from_(from), arguments_(arguments), workers_(workers), inputs_(open_inputs(arguments)),
          progress_(from.data_bytes() * choices, arguments.quiet) {}

    void try_tensors(const spec& s) {
        const quantize_arguments one = with_spec(arguments_, s);
        plan p = make_plan(from_, one, nullptr, {});
        found_.other_bytes = 0;
        for (planned_tensor& t : p.tensors) {
            const bool is_free = t.encoder != nullptr && t.target.spec.format == s.format;
            std::uint64_t bytes = t.source->bytes;
            if (t.encoder != nullptr) {
                bytes = 0;
                for (const tersor::safetensors_declaration& d : t.encoder->declare()) {
                    bytes += tersor::bytes_of(d);
                }
            }
            if (!is_free) {
                found_.other_bytes += bytes;
                continue;
            }
            const std::span<const float> values = read(*t.source);
            const tersor::execution exec = workers_.run();
            t.encoder->encode({values, decoded_, exec});
            add(*t.source, t.target.spec, bytes, noise_of(*t.source, values, decoded_));
            progress_.finish();
        }
        // the header: names, types, shapes and places of all tensors
        found_.header_bytes = std::max(found_.header_bytes, 200 * p.declarations().size() + 4096);
    }

    void try_gguf(const spec& s) {
        const quantize_arguments one = with_spec(arguments_, s);
        const gguf_plan p = make_gguf_plan(from_, nullptr, one, nullptr, {});
        found_.other_bytes = 0;
        for (const planned_gguf_tensor& t : p.tensors) {
            const std::uint64_t bytes = tersor::bytes_of(t.declaration());
            const gguf_codec* const codec = find_gguf_codec(t.type);
            const bool is_free = t.source != nullptr && t.is_chosen && s.gguf_type() != nullptr &&
                                 t.type == s.gguf_type()->type && codec != nullptr;
            if (!is_free) {
                found_.other_bytes += bytes;
                continue;
            }
            const std::span<const float> values = read(*t.source);
            std::vector<std::byte> blocks(bytes);
            encode_rows(*codec, values, static_cast<std::size_t>(t.shape.back()), {}, tersor::quantize_mode::fast,
                        blocks, workers_.run());
            decode_rows(*codec, blocks, decoded_, workers_.run());
            add(*t.source, s, bytes, noise_of(*t.source, values, decoded_));
            progress_.finish();
        }
        found_.header_bytes = std::max(found_.header_bytes, 200 * p.tensors.size() + 4096);
    }

    [[nodiscard]] trial found() && { return std::move(found_); }

private:
    // The noise of a tensor as it comes to its outputs, where inputs are known, else that of its weights.
    double noise_of(const weight& w, std::span<const float> values, std::span<const float> decoded) {
        if (inputs_ != nullptr && inputs_->has(w.name)) {
            auto& moments = moments_[w.name];
            if (moments.size() == 0) {
                inputs_->require_columns(w.name, w.shape.back());
                moments = inputs_->second_moments(w.name, workers_.run()).matrix<float>();
            }
            const std::vector<float> nothing(values.size());
            return share_of(objective_of(values, decoded, moments, workers_.run()),
                            objective_of(values, nothing, moments, workers_.run()));
        }
        const tersor::error_sums sums = measure(w.shape, values, decoded, workers_.run());
        return share_of(sums.noise, sums.signal);
    }

    void add(const weight& w, const spec& s, std::uint64_t bytes, double noise) {
        auto place = std::ranges::find(found_.tensors, w.name, &tried_tensor::name);
        if (place == found_.tensors.end()) {
            found_.tensors.push_back({w.name, w.shape, static_cast<std::uint64_t>(w.elements()), {}});
            place = found_.tensors.end() - 1;
            found_.weights += place->weights;
        }
        place->choices.push_back({s, bytes, noise});
    }

    std::span<const float> read(const weight& w) {
        check_cancelled();
        progress_.start(w.name, w.bytes);
        values_.resize(static_cast<std::size_t>(w.elements()));
        decoded_.resize(values_.size());
        from_.read(w, values_, workers_.run());
        require_finite(w.name, w.shape, values_);
        return values_;
    }

    const model& from_;
    const quantize_arguments& arguments_;
    const threads& workers_;
    std::unique_ptr<layer_inputs> inputs_;
    progress_bar progress_;
    trial found_;
    std::map<std::string, float_matrix> moments_;
    std::vector<float> values_, decoded_;
};

} // namespace

trial try_choices(const model& from, const quantize_arguments& arguments, const std::vector<spec>& choices,
                  bool to_gguf, const threads& workers) {
    choice_trial trying(from, arguments, choices.size(), workers);
    for (const spec& s : choices) {
        to_gguf ? trying.try_gguf(s) : trying.try_tensors(s);
    }
    return std::move(trying).found();
}

} // namespace cli

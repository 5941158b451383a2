#include "precision.hpp"

#include "cancellation.hpp"
#include "encoder.hpp"
#include "gguf_plan.hpp"
#include "output.hpp"
#include "plan.hpp"
#include "progress.hpp"
#include "report.hpp"
#include "scaling.hpp"
#include "solver.hpp"
#include "table.hpp"
#include "text.hpp"
#include "usage.hpp"

#include "tersor/io/json.hpp"
#include "tersor/io/mapped_file.hpp"
#include "tersor/metrics/allocation.hpp"
#include "tersor/version.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <memory>
#include <optional>
#include <utility>

namespace cli {

namespace {

namespace json = tersor::json;

// What one SPEC makes of one tensor.
struct tried {
    spec what;
    std::uint64_t bytes = 0;
    double noise = 0.0; ///< relative to the tensor's signal
};

struct tried_tensor {
    std::string name;
    std::vector<std::int64_t> shape;
    std::uint64_t weights = 0;
    std::vector<tried> choices;
};

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

class precision_search {
public:
    precision_search(const model& from, const quantize_arguments& arguments, bool to_gguf, const threads& workers)
        : from_(from), arguments_(arguments), to_gguf_(to_gguf), workers_(workers), inputs_(open_inputs(arguments)),
          choices_(parse_choices(arguments, to_gguf)), progress_(from.data_bytes() * choices_.size(), arguments.quiet) {}

    precision_map run() {
        for (const spec& s : choices_) {
            to_gguf_ ? try_gguf(s) : try_tensors(s);
        }
        if (tensors_.empty()) {
            throw usage_error("no tensor of the model is quantized, so that there is nothing to choose");
        }
        std::vector<tersor::tensor_choices> items;
        std::uint64_t weights = 0;
        for (const tried_tensor& t : tensors_) {
            tersor::tensor_choices& item = items.emplace_back(tersor::tensor_choices{t.name, {}});
            for (const tried& c : t.choices) {
                item.choices.push_back({c.what.text(), static_cast<std::size_t>(c.bytes),
                                        c.noise * static_cast<double>(t.weights)});
            }
            weights += t.weights;
        }
        const std::size_t budget = budget_for(weights);
        tersor::precision_plan plan;
        try {
            plan = tersor::least_error(items, budget);
        } catch (const tersor::error& e) {
            throw usage_error(std::string("the target is too small for --choices: ") + e.what());
        }
        if (!arguments_.quiet && arguments_.json != "-") {
            std::fputs(text_of(plan, budget).c_str(), stdout);
        }
        if (!arguments_.plan_out.empty()) {
            write_report(arguments_.plan_out, json_of(plan, budget, weights));
        }
        precision_map precisions;
        for (std::size_t i = 0; i < tensors_.size(); ++i) {
            precisions.emplace(tensors_[i].name, tensors_[i].choices[plan.tensors[i].number].what);
        }
        return precisions;
    }

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
        auto place = std::ranges::find(tensors_, w.name, &tried_tensor::name);
        if (place == tensors_.end()) {
            tensors_.push_back({w.name, w.shape, static_cast<std::uint64_t>(w.elements()), {}});
            place = tensors_.end() - 1;
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

    void try_tensors(const spec& s) {
        const quantize_arguments one = with_spec(arguments_, s);
        plan p = make_plan(from_, one, nullptr, {});
        other_bytes_ = 0;
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
                other_bytes_ += bytes;
                continue;
            }
            const std::span<const float> values = read(*t.source);
            const tersor::execution exec = workers_.run();
            t.encoder->encode({values, decoded_, exec});
            add(*t.source, t.target.spec, bytes, noise_of(*t.source, values, decoded_));
            progress_.finish();
        }
        // the header: names, types, shapes and places of all tensors
        header_bytes_ = std::max(header_bytes_, 200 * p.declarations().size() + 4096);
    }

    void try_gguf(const spec& s) {
        const quantize_arguments one = with_spec(arguments_, s);
        const gguf_plan p = make_gguf_plan(from_, nullptr, one, nullptr, {});
        other_bytes_ = 0;
        for (const planned_gguf_tensor& t : p.tensors) {
            const std::uint64_t bytes = tersor::bytes_of(t.declaration());
            const gguf_codec* const codec = find_gguf_codec(t.type);
            const bool is_free = t.source != nullptr && t.is_chosen && s.gguf_type() != nullptr &&
                                 t.type == s.gguf_type()->type && codec != nullptr;
            if (!is_free) {
                other_bytes_ += bytes;
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
        header_bytes_ = std::max(header_bytes_, 200 * p.tensors.size() + 4096);
    }

    [[nodiscard]] std::size_t budget_for(std::uint64_t weights) const {
        if (arguments_.has_target_bits) {
            return tersor::bytes_at_bits(arguments_.target_bits, weights);
        }
        const std::uint64_t size = parse_size(arguments_.target_size);
        const std::uint64_t others = other_bytes_ + header_bytes_;
        if (others >= size) {
            throw usage_error("--target-size " + arguments_.target_size + " is less than the " + size_text(others) +
                              " of what is not chosen");
        }
        return size - others;
    }

    [[nodiscard]] std::string text_of(const tersor::precision_plan& plan, std::size_t budget) const {
        table grid({"tensor", ">shape", "plan", ">bits", ">bytes", ">relative error"});
        std::uint64_t weights = 0;
        for (std::size_t i = 0; i < tensors_.size(); ++i) {
            const tried_tensor& t = tensors_[i];
            const tried& c = t.choices[plan.tensors[i].number];
            grid.add({printable(t.name), shape_text(t.shape), c.what.text(), fixed_text(bits_of(c.bytes, t.weights), 3),
                      size_text(c.bytes), short_text(c.noise)});
            weights += t.weights;
        }
        grid.add_rule();
        grid.add({"plan", std::to_string(weights), "", fixed_text(bits_of(plan.bytes, weights), 3),
                  size_text(plan.bytes), short_text(plan.error / static_cast<double>(weights))});
        return grid.text() + "budget: " + size_text(budget) + (plan.is_optimal ? ", the optimum" : "") + "\n\n";
    }

    static double bits_of(std::uint64_t bytes, std::uint64_t weights) {
        return weights == 0 ? 0.0 : 8.0 * static_cast<double>(bytes) / static_cast<double>(weights);
    }

    [[nodiscard]] std::string json_of(const tersor::precision_plan& plan, std::size_t budget,
                                      std::uint64_t weights) const {
        json::value result;
        result["tool"] = "tersor";
        result["version"] = tersor::version;
        result["model"] = from_.path();
        json::array list;
        for (std::size_t i = 0; i < tensors_.size(); ++i) {
            const tried& c = tensors_[i].choices[plan.tensors[i].number];
            json::value entry;
            entry["name"] = tensors_[i].name;
            entry["spec"] = c.what.text();
            entry["bytes"] = c.bytes;
            entry["bits_per_weight"] = bits_of(c.bytes, tensors_[i].weights);
            entry["error"] = c.noise;
            list.push_back(std::move(entry));
        }
        result["tensors"] = std::move(list);
        json::value total;
        total["budget"] = budget;
        total["bytes"] = plan.bytes;
        total["bits_per_weight"] = bits_of(plan.bytes, weights);
        total["error"] = plan.error / static_cast<double>(weights);
        total["is_optimal"] = plan.is_optimal;
        result["total"] = std::move(total);
        return json::write(result, 2) + "\n";
    }

    const model& from_;
    const quantize_arguments& arguments_;
    bool to_gguf_;
    const threads& workers_;
    std::unique_ptr<layer_inputs> inputs_;
    std::vector<spec> choices_;
    progress_bar progress_;
    std::vector<tried_tensor> tensors_;
    std::map<std::string, float_matrix> moments_;
    std::uint64_t other_bytes_ = 0, header_bytes_ = 0;
    std::vector<float> values_, decoded_;
};

// What --plan-out wrote: the names and SPECs of its tensors.
precision_map read_plan(const model& from, const std::string& path) {
    const tersor::mapped_file file(path);
    const json::value content = json::parse(file.text(), path);
    const json::value* const list = content.is(json::kind::object) ? content.find("tensors") : nullptr;
    const auto fail = [&](const std::string& what) {
        tersor::raise(tersor::error_code::corrupt_file, path + ": " + what);
    };
    if (list == nullptr || !list->is(json::kind::array)) {
        fail("is no plan: it has no list 'tensors'");
    }
    precision_map precisions;
    for (const json::value& entry : list->as_array()) {
        const json::value* const name = entry.is(json::kind::object) ? entry.find("name") : nullptr;
        const json::value* const text = entry.is(json::kind::object) ? entry.find("spec") : nullptr;
        if (name == nullptr || text == nullptr || !name->is(json::kind::string) || !text->is(json::kind::string)) {
            fail("an entry of 'tensors' has no 'name' and 'spec'");
        }
        if (from.find(name->as_string()) == nullptr) {
            fail("tensor '" + name->as_string() + "' is not in the model");
        }
        if (!precisions.emplace(name->as_string(), parse_spec(text->as_string())).second) {
            fail("tensor '" + name->as_string() + "' stands there twice");
        }
    }
    return precisions;
}

} // namespace

std::uint64_t parse_size(const std::string& text) {
    constexpr std::array<std::pair<std::string_view, double>, 11> units{{{"", 1.0},
                                                                        {"B", 1.0},
                                                                        {"kB", 1e3},
                                                                        {"KB", 1e3},
                                                                        {"MB", 1e6},
                                                                        {"GB", 1e9},
                                                                        {"KiB", 1024.0},
                                                                        {"MiB", 1048576.0},
                                                                        {"GiB", 1073741824.0},
                                                                        {"M", 1e6},
                                                                        {"G", 1e9}}};
    double number = 0.0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
    std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
    unit.remove_prefix(std::min(unit.find_first_not_of(' '), unit.size()));
    const auto* const known = std::ranges::find(units, unit, [](const auto& u) { return u.first; });
    if (problem != std::errc() || known == units.end() || !(number > 0.0) || number * known->second > 9e15) {
        throw usage_error("'" + text + "' is no size: expected such as 800000, 12MB or 3.5MiB");
    }
    return static_cast<std::uint64_t>(number * known->second);
}

void check_precision_arguments(const quantize_arguments& a) {
    const bool has_target = a.has_target_bits || !a.target_size.empty();
    if (a.has_target_bits && !(a.target_bits > 0.0 && a.target_bits <= 64.0)) {
        throw usage_error("--target-bits " + short_text(a.target_bits) + ": expected above 0 and at most 64");
    }
    if (a.has_target_bits && !a.target_size.empty()) {
        throw usage_error("--target-bits and --target-size exclude each other");
    }
    if (!a.target_size.empty()) {
        static_cast<void>(parse_size(a.target_size));
    }
    if (has_target && !a.plan.empty()) {
        throw usage_error("--plan has its SPECs already; leave the target out");
    }
    if (has_target && !a.to.empty()) {
        throw usage_error("--to names one SPEC for all tensors; a target chooses among --choices");
    }
    if (!has_target && (!a.choices.empty() || !a.plan_out.empty())) {
        throw usage_error(std::string(a.choices.empty() ? "--plan-out" : "--choices") +
                          " is an option of --target-bits and --target-size");
    }
    if (a.to.empty() && a.plan.empty() && !has_target) {
        throw usage_error("--to is missing: what weights become, such as int8/row; or --target-bits, --target-size, "
                          "--plan");
    }
}

std::vector<spec> parse_choices(const quantize_arguments& arguments, bool to_gguf) {
    const std::string text = !arguments.choices.empty() ? arguments.choices
                             : to_gguf                  ? "q2_k,q3_k,q4_k,q5_k,q6_k,q8_0"
                                                        : "uint2,uint3,uint4,uint5,uint6,int8";
    std::vector<spec> choices;
    for (std::size_t from = 0; from <= text.size();) {
        const std::size_t end = std::min(text.find(',', from), text.size());
        choices.push_back(parse_spec(text.substr(from, end - from)));
        from = end + 1;
    }
    for (const spec& s : choices) {
        const bool fits = s.recipe() == nullptr &&
                          (s.is_plain() || (to_gguf ? s.gguf_type() != nullptr : !s.is_gguf()));
        if (!fits) {
            throw usage_error(s.recipe() != nullptr
                                  ? "'" + s.text() + "' chooses a type for each tensor itself; --choices are of types"
                                  : "--choices mixes types of GGUF files and others: '" + s.text() + "' is none of a " +
                                        (to_gguf ? ".gguf" : ".safetensors") + " file");
        }
        if (std::ranges::count(choices, s) > 1) {
            throw usage_error("--choices names " + s.text() + " twice");
        }
    }
    return choices;
}

precision_map find_precisions(const model& from, const quantize_arguments& arguments, bool to_gguf,
                              const threads& workers) {
    if (!arguments.plan.empty()) {
        precision_map precisions = read_plan(from, arguments.plan);
        for (const auto& [name, s] : precisions) {
            if (!s.is_plain() && (to_gguf ? s.gguf_type() == nullptr : s.is_gguf())) {
                throw usage_error("the plan has '" + s.text() + "' for '" + name + "', which is no type of a " +
                                  (to_gguf ? ".gguf" : ".safetensors") + " file");
            }
        }
        return precisions;
    }
    if (!arguments.has_target_bits && arguments.target_size.empty()) {
        return {};
    }
    return precision_search(from, arguments, to_gguf, workers).run();
}

} // namespace cli

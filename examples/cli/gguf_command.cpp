#include "gguf_command.hpp"

#include "cancellation.hpp"
#include "gguf_plan.hpp"
#include "gguf_solver.hpp"
#include "output.hpp"
#include "progress.hpp"
#include "solver.hpp"
#include "spec.hpp"
#include "tensor_solver.hpp"
#include "usage.hpp"

#include "tersor/formats/convert.hpp"
#include "tersor/formats/half.hpp"
#include "tersor/io/gguf_writer.hpp"
#include "tersor/io/imatrix.hpp"
#include "tersor/io/llama_names.hpp"
#include "tersor/io/llama_rotary.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace cli {

namespace {

tersor::quantize_mode mode_of(const quantize_arguments& arguments) {
    return arguments.mode == "reference" ? tersor::quantize_mode::reference
           : arguments.mode == "fast"    ? tersor::quantize_mode::fast
                                         : tersor::quantize_mode::best;
}

// Writes one tensor after the other, with memory that is used again.
class gguf_output {
public:
    gguf_output(const gguf_plan& plan, const model& from, const quantize_arguments& arguments,
                const tensor_solver& solver, const model_scaling& scaling, const threads& workers)
        : from_(from), solver_(solver), scaling_(scaling), mode_(mode_of(arguments)), workers_(workers), with_histograms_(!arguments.html.empty()),
          progress_(from.data_bytes(), arguments.quiet),
          out_(arguments.output, tersor::gguf_layout(plan.declarations(), plan.metadata),
               arguments.force ? tersor::existing_target::overwrite : tersor::existing_target::refuse) {}

    // `entry` is null for kept tensors.
    void write(const planned_gguf_tensor& t, tensor_report* entry) {
        check_cancelled();
        if (t.source == nullptr) {
            return out_.append(t.name, t.values);
        }
        progress_.start(t.source->name, t.source->bytes);
        const auto replaced = scaling_.kept.find(t.source->name);
        if (replaced != scaling_.kept.end()) {
            append_kept(t, replaced->second);
        } else if (t.is_copy() || !t.source->is_readable) { // what is not readable is integers
            copy_bytes(*t.source, [&](std::span<const std::byte> bytes) { out_.append(t.name, bytes); });
        } else {
            encode(t, entry);
        }
        release_pages(*t.source);
        progress_.finish();
    }

    void commit() {
        check_cancelled();
        out_.commit();
    }

private:
    void encode(const planned_gguf_tensor& t, tensor_report* entry) {
        values_.resize(static_cast<std::size_t>(t.source->elements()));
        from_.read(*t.source, values_, workers_.run());
        release_pages(*t.source);
        if (t.is_chosen) {
            require_finite(t.source->name, t.shape, values_);
        }
        if (t.heads != 0) {
            tersor::llama::interleave_rotary_rows(std::span<float>(values_), t.shape.front(), t.heads);
        }
        if (t.type == tersor::gguf_type::f32) {
            decoded_ = values_;
            out_.append(t.name, values_);
        } else if (t.type == tersor::gguf_type::f16) {
            cast<tersor::fp16>(t);
        } else if (t.type == tersor::gguf_type::bf16) {
            cast<tersor::bf16>(t);
        } else {
            quantize(t, entry);
        }
        if (entry != nullptr) {
            entry->errors = measure(t.shape, values_, decoded_, workers_.run());
            if (with_histograms_) {
                add_histograms(*entry, values_, decoded_);
            }
        }
    }

    // A norm that takes the inverse of scales.
    void append_kept(const planned_gguf_tensor& t, const std::vector<float>& values) {
        values_ = values;
        if (t.type == tersor::gguf_type::f16) {
            cast<tersor::fp16>(t);
        } else if (t.type == tersor::gguf_type::bf16) {
            cast<tersor::bf16>(t);
        } else {
            out_.append(t.name, values_);
        }
    }

    template <class Half>
    void cast(const planned_gguf_tensor& t) {
        std::vector<std::uint16_t> codes(values_.size());
        decoded_.resize(values_.size());
        tersor::encode<Half>(values_, codes);
        tersor::decode<Half>(codes, decoded_);
        out_.append(t.name, codes);
    }

    void quantize(const planned_gguf_tensor& t, tensor_report* entry) {
        const gguf_codec* const codec = find_gguf_codec(t.type);
        if (codec == nullptr) {
            throw usage_error("'" + t.source->name + "' becomes " + std::string(tersor::to_string(t.type)) +
                              ", which is not available");
        }
        blocks_.resize(tersor::bytes_of(t.declaration()));
        decoded_.resize(values_.size());
        const auto columns = static_cast<std::size_t>(t.shape.back());
        const auto progress = [&](double done) { progress_.update(0.8 * done); };
        const auto round = [&](std::span<const float> values, std::vector<std::byte>& blocks,
                               std::span<float> decoded) {
            blocks.resize(blocks_.size());
            encode_rows(*codec, values, columns, t.importance, mode_, blocks, workers_.run(progress));
            decode_rows(*codec, blocks, decoded, workers_.run());
        };
        solver_job job;
        job.name = t.source->name;
        job.columns = t.shape.back();
        job.values = values_;
        job.decoded = decoded_;
        job.has_inputs = t.has_inputs;
        job.encode = [&](std::span<const float> values, std::span<float> decoded, solve_task* task) {
            if (task == nullptr) {
                return round(values, blocks_, decoded);
            }
            find_gguf_solver(t.type)->solve(values, columns, *task, blocks_);
            decode_rows(*codec, blocks_, decoded, workers_.run());
        };
        std::vector<std::byte> scratch;
        job.round = [&](std::span<const float> values, std::span<float> decoded) { round(values, scratch, decoded); };
        auto solved = solver_.run(job, progress);
        if (entry != nullptr) {
            entry->solver = std::move(solved);
        }
        out_.append(t.name, blocks_);
    }

    const model& from_;
    const tensor_solver& solver_;
    const model_scaling& scaling_;
    tersor::quantize_mode mode_;
    const threads& workers_;
    bool with_histograms_;
    progress_bar progress_;
    tersor::gguf_writer out_;
    std::vector<float> values_;
    std::vector<float> decoded_;
    std::vector<std::byte> blocks_;
};

} // namespace

namespace {

// Scales of layers, found with the blocks that they become.
model_scaling find_gguf_scaling(const gguf_plan& plan, const model& from, const layer_inputs* inputs,
                                const solver_choice& choice, const quantize_arguments& arguments,
                                const threads& workers) {
    if (inputs == nullptr || choice.scales == solver_choice::scaling::none) {
        return {};
    }
    std::vector<scaled_candidate> candidates;
    for (const planned_gguf_tensor& t : plan.tensors) {
        if (t.source == nullptr || !t.is_chosen || find_gguf_codec(t.type) == nullptr) {
            continue;
        }
        const auto place = tersor::llama::place_of_gguf_name(t.known_name);
        scaled_candidate c;
        c.source = t.source;
        c.known_name = place ? tersor::llama::hugging_face_name(*place) : t.source->name;
        c.spec = parse_spec(tersor::to_string(t.type));
        c.has_inputs = t.has_inputs;
        const auto columns = static_cast<std::size_t>(t.shape.back());
        c.round = [&t, &workers, columns](std::span<const float> values, std::span<float> decoded) {
            std::vector<std::byte> blocks(tersor::bytes_of(t.declaration()));
            encode_rows(*find_gguf_codec(t.type), values, columns, t.importance, tersor::quantize_mode::fast, blocks,
                        workers.run());
            decode_rows(*find_gguf_codec(t.type), blocks, decoded, workers.run());
        };
        candidates.push_back(std::move(c));
    }
    return find_scaling(from, candidates, *inputs, choice, arguments, workers);
}

} // namespace

report quantize_to_gguf(const model& from, const quantize_arguments& arguments, const precision_map& precisions,
                        const threads& workers) {
    std::optional<tersor::imatrix> importance;
    if (!arguments.importance.empty()) {
        importance = tersor::read_imatrix(arguments.importance);
    }
    const solver_choice choice = parse_solver(arguments);
    const std::unique_ptr<layer_inputs> inputs = open_inputs(arguments);
    const gguf_plan plan =
        make_gguf_plan(from, importance ? &*importance : nullptr, arguments, inputs.get(), precisions);
    report r = plan.report();
    if (arguments.dry_run) {
        return r;
    }
    require_free(arguments.output, arguments.force);
    const model_scaling scaling = find_gguf_scaling(plan, from, inputs.get(), choice, arguments, workers);
    r.notes.insert(r.notes.end(), scaling.notes.begin(), scaling.notes.end());
    r.solver = choice.is_rounding() ? "" : arguments.solver;
    const tensor_solver solver(arguments, choice, inputs.get(), scaling, workers);
    gguf_output out(plan, from, arguments, solver, scaling, workers);
    auto entry = r.tensors.begin();
    for (const planned_gguf_tensor& t : plan.tensors) {
        out.write(t, t.is_chosen ? &*entry++ : nullptr);
    }
    out.commit();
    return r;
}

} // namespace cli

#include "cancellation.hpp"
#include "commands.hpp"
#include "gguf_command.hpp"
#include "model.hpp"
#include "output.hpp"
#include "plan.hpp"
#include "precision.hpp"
#include "progress.hpp"
#include "report.hpp"
#include "scaling.hpp"
#include "solver.hpp"
#include "tensor_solver.hpp"
#include "usage.hpp"
#include "values.hpp"

#include "tersor/formats/convert.hpp"
#include "tersor/formats/half.hpp"
#include "tersor/io/json.hpp"
#include "tersor/io/llama_names.hpp"

#include <chrono>
#include <cstdio>
#include <memory>
#include <utility>
#include <vector>

namespace cli {

namespace {

void check_arguments(const quantize_arguments& a) {
    if (a.mode != "best" && a.mode != "fast" && a.mode != "reference") {
        throw usage_error("unknown mode '" + a.mode + "'; available: best, fast, reference");
    }
    if (a.output.empty() && !a.dry_run) {
        throw usage_error("--output is missing: what to write, NAME.safetensors, NAME.gguf or a folder");
    }
}

// Memory that is used for one tensor after the other.
struct buffers {
    std::vector<float> values;
    std::vector<float> decoded;
};

std::span<const float> read(const model& from, const weight& w, buffers& memory) {
    memory.values.resize(static_cast<std::size_t>(w.elements()));
    from.read(w, memory.values, {});
    require_finite(w.name, w.shape, memory.values);
    return memory.values;
}

// Where the bytes of a tensor depend on its values, they are looked at before the file is begun.
void prepare(plan& p, const model& from, const threads& workers, buffers& memory) {
    for (planned_tensor& t : p.tensors) {
        if (t.encoder != nullptr && t.encoder->wants_values()) {
            check_cancelled();
            t.encoder->prepare(read(from, *t.source, memory), workers.run());
            release_pages(*t.source);
        }
    }
}

// What all tensors are written with.
struct writing {
    const model& from;
    const quantize_arguments& arguments;
    const threads& workers;
    const tensor_solver& solver;
    const model_scaling& scaling;
};

void encode(const planned_tensor& t, const writing& w, progress_bar& progress, buffers& memory,
            tersor::safetensors_model_writer& out, tensor_report& entry) {
    const std::span<const float> values = read(w.from, *t.source, memory);
    memory.decoded.resize(values.size());
    const auto update = [&](double done) { progress.update(0.8 * done); };
    solver_job job;
    job.name = t.source->name;
    job.columns = t.target.cols();
    job.values = values;
    job.decoded = memory.decoded;
    job.has_inputs = t.has_inputs;
    job.encode = [&](std::span<const float> given, std::span<float> decoded, solve_task* task) {
        const tersor::execution exec = w.workers.run(update);
        t.encoder->encode({given, decoded, exec, &out, task});
    };
    job.round = [&](std::span<const float> given, std::span<float> decoded) {
        const tersor::execution exec = w.workers.run();
        t.encoder->encode({given, decoded, exec, nullptr, nullptr, true});
    };
    entry.solver = w.solver.run(job, update);
    entry.errors = measure(t.source->shape, values, memory.decoded, w.workers.run());
    if (!w.arguments.html.empty()) {
        add_histograms(entry, values, memory.decoded);
    }
}

// A norm that takes the inverse of scales; the values are exact in its type.
void append_kept(const weight& w, const std::vector<float>& values, tersor::safetensors_model_writer& out) {
    if (w.dtype == tersor::safetensors_dtype::f32) {
        return out.append(w.name, values);
    }
    if (w.dtype == tersor::safetensors_dtype::f64) {
        return out.append(w.name, std::vector<double>(values.begin(), values.end()));
    }
    std::vector<std::uint16_t> codes(values.size());
    if (w.dtype == tersor::safetensors_dtype::f16) {
        tersor::encode<tersor::fp16>(values, codes);
    } else {
        tersor::encode<tersor::bf16>(values, codes);
    }
    out.append(w.name, codes);
}

// Scales of layers, found with what they become.
model_scaling scaling_of(const plan& p, const model& from, const layer_inputs* inputs, const solver_choice& choice,
                         const quantize_arguments& arguments, const threads& workers) {
    if (inputs == nullptr || choice.scales == solver_choice::scaling::none) {
        return {};
    }
    std::vector<scaled_candidate> candidates;
    for (const planned_tensor& t : p.tensors) {
        if (t.encoder == nullptr || t.target.spec.is_plain()) {
            continue;
        }
        const auto place = tersor::llama::place_of_gguf_name(t.source->name);
        const auto round = [&t, &workers](std::span<const float> values, std::span<float> decoded) {
            const tersor::execution exec = workers.run();
            t.encoder->encode({values, decoded, exec});
        };
        candidates.push_back({t.source, place ? tersor::llama::hugging_face_name(*place) : t.source->name,
                              t.target.spec, t.has_inputs, round});
    }
    return find_scaling(from, candidates, *inputs, choice, arguments, workers);
}

tersor::safetensors_model_options writer_options(const plan& p, const model& from,
                                                 const quantize_arguments& arguments) {
    tersor::safetensors_model_options options;
    options.existing = arguments.force ? tersor::existing_target::overwrite : tersor::existing_target::refuse;
    const auto files = from.tensors().files().files();
    if (!files.empty() && !files.front().metadata().empty()) {
        options.metadata = files.front().metadata();
    }
    std::erase_if(options.metadata, [](const auto& entry) { return entry.first == "quantization_config"; });
    if (arguments.output.ends_with(".safetensors")) {
        const tersor::json::value config = p.file_config();
        if (!config.is(tersor::json::kind::null)) {
            options.metadata.emplace_back("quantization_config", tersor::json::write(config));
        }
    }
    return options;
}

// The plan written out, figures added to the report.
void write_model(const plan& p, const writing& w, const tersor::json::value& config, buffers& memory, report& r) {
    progress_bar progress(w.from.data_bytes(), w.arguments.quiet);
    tersor::safetensors_model_writer out(w.arguments.output, p.declarations(), writer_options(p, w.from, w.arguments));
    auto entry = r.tensors.begin();
    for (const planned_tensor& t : p.tensors) {
        check_cancelled();
        progress.start(t.source->name, t.source->bytes);
        const auto replaced = w.scaling.kept.find(t.source->name);
        if (t.encoder != nullptr) {
            encode(t, w, progress, memory, out, *entry++);
        } else if (replaced != w.scaling.kept.end()) {
            append_kept(*t.source, replaced->second, out);
        } else {
            copy_tensor(*t.source, out);
        }
        release_pages(*t.source);
        progress.finish();
    }
    if (out.is_folder()) {
        copy_companions(w.from, config, out);
    }
    check_cancelled();
    out.commit();
}

report quantize_tensors(const model& from, const quantize_arguments& arguments, const precision_map& precisions,
                        const threads& workers) {
    if (!arguments.importance.empty()) {
        throw usage_error("--importance is for the block formats of GGUF files");
    }
    const solver_choice choice = parse_solver(arguments);
    const std::unique_ptr<layer_inputs> inputs = open_inputs(arguments);
    plan p = make_plan(from, arguments, inputs.get(), precisions);
    const bool is_folder = !arguments.output.empty() && !arguments.output.ends_with(".safetensors");
    const tersor::json::value config = is_folder ? p.quantization_config() : tersor::json::value();
    if (!arguments.dry_run) {
        require_free(arguments.output, arguments.force);
    }
    buffers memory;
    prepare(p, from, workers, memory);
    report r = p.report();
    r.solver = choice.is_rounding() ? "" : arguments.solver;
    if (!arguments.dry_run) {
        const model_scaling scaling = scaling_of(p, from, inputs.get(), choice, arguments, workers);
        r.notes.insert(r.notes.end(), scaling.notes.begin(), scaling.notes.end());
        const tensor_solver solver(arguments, choice, inputs.get(), scaling, workers);
        write_model(p, {from, arguments, workers, solver, scaling}, config, memory, r);
    }
    return r;
}

} // namespace

void quantize(const quantize_arguments& arguments) {
    const auto begin = std::chrono::steady_clock::now();
    check_arguments(arguments);
    check_precision_arguments(arguments);
    static_cast<void>(parse_solver(arguments));
    const bool to_gguf = wants_gguf(arguments);
    const threads workers(arguments.threads);
    const model from = model::open(arguments.model, to_gguf ? naming::file : naming::hugging_face);
    for (const std::string& path : {arguments.output, arguments.json, arguments.html, arguments.plan_out}) {
        if (!path.empty() && path != "-") {
            require_separate(from, path);
        }
    }
    const precision_map precisions = find_precisions(from, arguments, to_gguf, workers);
    report r = to_gguf ? quantize_to_gguf(from, arguments, precisions, workers)
                       : quantize_tensors(from, arguments, precisions, workers);
    r.model = arguments.model;
    r.output = arguments.output;
    r.is_plan = arguments.dry_run;
    r.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    if (!arguments.quiet && arguments.json != "-") {
        std::fputs(table_of(r).c_str(), stdout);
    }
    if (!arguments.json.empty()) {
        write_report(arguments.json, json_of(r));
    }
    if (!arguments.html.empty()) {
        write_report(arguments.html, html_of(r));
    }
}

} // namespace cli

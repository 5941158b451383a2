#include "cancellation.hpp"
#include "commands.hpp"
#include "gguf_command.hpp"
#include "model.hpp"
#include "output.hpp"
#include "plan.hpp"
#include "progress.hpp"
#include "report.hpp"
#include "usage.hpp"
#include "values.hpp"

#include "tersor/io/json.hpp"

#include <chrono>
#include <cstdio>
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

void encode(const planned_tensor& t, const model& from, const threads& workers, progress_bar& progress, buffers& memory,
            tersor::safetensors_model_writer& out, tensor_report& entry, bool with_histograms) {
    const std::span<const float> values = read(from, *t.source, memory);
    memory.decoded.resize(values.size());
    t.encoder->encode(values, workers.run([&](double done) { progress.update(0.8 * done); }), out, memory.decoded);
    entry.errors = measure(t.source->shape, values, memory.decoded, workers.run());
    if (with_histograms) {
        add_histograms(entry, values, memory.decoded);
    }
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
void write_model(const plan& p, const model& from, const tersor::json::value& config,
                 const quantize_arguments& arguments, const threads& workers, buffers& memory, report& r) {
    progress_bar progress(from.data_bytes(), arguments.quiet);
    tersor::safetensors_model_writer out(arguments.output, p.declarations(), writer_options(p, from, arguments));
    auto entry = r.tensors.begin();
    for (const planned_tensor& t : p.tensors) {
        check_cancelled();
        progress.start(t.source->name, t.source->bytes);
        if (t.encoder == nullptr) {
            copy_tensor(*t.source, out);
        } else {
            encode(t, from, workers, progress, memory, out, *entry++, !arguments.html.empty());
        }
        release_pages(*t.source);
        progress.finish();
    }
    if (out.is_folder()) {
        copy_companions(from, config, out);
    }
    check_cancelled();
    out.commit();
}

report quantize_tensors(const model& from, const quantize_arguments& arguments, const threads& workers) {
    if (!arguments.importance.empty()) {
        throw usage_error("--importance is for the block formats of GGUF files");
    }
    plan p = make_plan(from, arguments);
    const bool is_folder = !arguments.output.empty() && !arguments.output.ends_with(".safetensors");
    const tersor::json::value config = is_folder ? p.quantization_config() : tersor::json::value();
    if (!arguments.dry_run) {
        require_free(arguments.output, arguments.force);
    }
    buffers memory;
    prepare(p, from, workers, memory);
    report r = p.report();
    if (!arguments.dry_run) {
        write_model(p, from, config, arguments, workers, memory, r);
    }
    return r;
}

} // namespace

void quantize(const quantize_arguments& arguments) {
    const auto begin = std::chrono::steady_clock::now();
    check_arguments(arguments);
    const bool to_gguf = wants_gguf(arguments);
    const threads workers(arguments.threads);
    const model from = model::open(arguments.model, to_gguf ? naming::file : naming::hugging_face);
    for (const std::string& path : {arguments.output, arguments.json, arguments.html}) {
        if (!path.empty() && path != "-") {
            require_separate(from, path);
        }
    }
    report r = to_gguf ? quantize_to_gguf(from, arguments, workers) : quantize_tensors(from, arguments, workers);
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

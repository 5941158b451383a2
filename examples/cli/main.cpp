// The `tersor` program: quantizes, dequantizes, inspects and compares models on disk.

#include "cancellation.hpp"
#include "commands.hpp"
#include "spec.hpp"
#include "text.hpp"
#include "usage.hpp"

#include "tersor/version.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <exception>
#include <functional>
#include <new>
#include <string>

namespace {

using cli::usage_error;

constexpr const char* model_help = "a .safetensors or .gguf file, or a folder in Hugging Face layout";

// One line on standard error, whatever the message holds.
int fail(const std::string& message, int status) {
    std::fprintf(stderr, "tersor: %s\n", cli::printable(message).c_str());
    return status;
}

void add_solver_options(CLI::App& command, cli::quantize_arguments& arguments) {
    command
        .add_option("--solver", arguments.solver,
                    "how codes are chosen: rtn (default: to the nearest), gptq, awq, smoothquant, hqq, or awq+gptq, "
                    "smoothquant+gptq")
        ->type_name("NAME");
    command
        .add_option("--inputs", arguments.inputs,
                    "the inputs of layers: NAME.input [tokens, in] in a .safetensors file for the weight NAME.weight")
        ->type_name("FILE");
    command.add_option("--calibration", arguments.calibration, "tokens to run through the model (not yet)")
        ->type_name("FILE");
    command
        .add_option("--missing-inputs", arguments.missing_inputs,
                    "weights without inputs: error (default), or rtn to round them")
        ->type_name("NAME");
    command.add_option("--damp", arguments.damp, "gptq: added to the diagonal of H, as a part of its mean; 0.01")
        ->type_name("D")
        ->each([&arguments](const std::string&) { arguments.has_damp = true; });
    command.add_flag("--act-order", arguments.act_order, "gptq: columns by falling diagonal of H");
    command.add_flag("--static-groups", arguments.static_groups, "gptq: groups stay runs of columns, grids known before");
    command.add_option("--block", arguments.block, "gptq: columns whose corrections are applied together; 128")
        ->type_name("N")
        ->each([&arguments](const std::string&) { arguments.has_block = true; });
    command.add_flag("--mse", arguments.mse, "gptq, mode reference: search the grid of each group");
    command.add_option("--alpha", arguments.alpha, "smoothquant: the exponent of max|x|; searched by default")->type_name("A");
}

void add_precision_options(CLI::App& command, cli::quantize_arguments& arguments) {
    command
        .add_option("--target-bits", arguments.target_bits,
                    "in place of --to: the best choice for each tensor within so many bits per weight")
        ->type_name("B")
        ->each([&arguments](const std::string&) { arguments.has_target_bits = true; });
    command.add_option("--target-size", arguments.target_size, "the same within a size of the file, such as 12MB")
        ->type_name("SIZE");
    command.add_option("--choices", arguments.choices, "what is chosen from")->type_name("SPEC,SPEC,...");
    command.add_option("--plan-out", arguments.plan_out, "write what was chosen as JSON (- for standard output)")
        ->type_name("FILE");
    command.add_option("--plan", arguments.plan, "in place of --to: what --plan-out wrote")->type_name("FILE");
}

void add_quantize(CLI::App& app, cli::quantize_arguments& arguments, std::function<void()>& run) {
    CLI::App& command = *app.add_subcommand("quantize", "Quantize the weights of a model");
    command.add_option("MODEL", arguments.model, model_help)->required();
    command.add_option("-o,--output", arguments.output, "what to write: NAME.safetensors, NAME.gguf, or a folder")
        ->type_name("OUT");
    command.add_option("--to", arguments.to, "what weights become, such as int8/row or q4_k_m (see below)")
        ->type_name("SPEC");
    command
        .add_option(
            "--layout", arguments.layout,
            "whose files to write: gguf (default for NAME.gguf), bitsandbytes (default for nf4, fp4, dynamic8), "
            "compressed-tensors (default for the rest), gptq, gptq-v2 or awq")
        ->type_name("NAME");
    command
        .add_option("--set", arguments.set,
                    "for tensors whose name matches REGEX, SPEC instead of --to; repeatable, the first match wins")
        ->type_name("REGEX=SPEC")
        ->expected(1)
        ->take_all();
    command.add_option("--skip", arguments.skip, "keep tensors whose name matches as they are; repeatable")
        ->type_name("REGEX")
        ->expected(1)
        ->take_all();
    command.add_flag("--all", arguments.all, "quantize token embeddings and the output head too");
    command
        .add_option("--mode", arguments.mode,
                    "best (default): the least error that a thorough search finds; fast: the peer's own accuracy or "
                    "better, quickly; reference: bytes as the peer writes them (GGUF types: as ggml; dynamic8 and +dq: "
                    "as bitsandbytes on a CPU; --solver gptq: as IST-DASLab's program, intN having 2^N levels)")
        ->type_name("NAME");
    command
        .add_option("--importance", arguments.importance,
                    "GGUF types: weighs errors by input column; NAME.importance in a .safetensors file, or an imatrix "
                    "of llama.cpp")
        ->type_name("FILE");
    add_solver_options(command, arguments);
    add_precision_options(command, arguments);
    command.add_option("--threads", arguments.threads, "how many threads work; default: one per core")->type_name("N");
    command.add_option("--json", arguments.json, "write a report as JSON (- for standard output)")->type_name("FILE");
    command.add_option("--html", arguments.html, "write a report as a page with pictures")->type_name("FILE");
    command.add_flag("--dry-run", arguments.dry_run, "show the plan and its sizes, write nothing");
    command.add_flag("--quiet", arguments.quiet, "no progress bar, no table");
    command.add_flag("--force", arguments.force, "overwrite an existing OUT");
    command.footer("Quantized are two-dimensional float tensors, except those whose name contains embed_tokens, wte,\n"
                   "lm_head, token_embd or output.weight. Everything else is kept as it is.\n\n" +
                   cli::spec_help());
    command.callback([&] { run = [&] { cli::quantize(arguments); }; });
}

void add_dequantize(CLI::App& app, cli::dequantize_arguments& arguments, std::function<void()>& run) {
    CLI::App& command = *app.add_subcommand("dequantize", "Write a quantized model as plain floats");
    command.add_option("MODEL", arguments.model, model_help)->required();
    command.add_option("-o,--output", arguments.output, "the .safetensors file to write")
        ->type_name("OUT.safetensors")
        ->required();
    command.add_option("--dtype", arguments.dtype, "f32 (default), f16 or bf16")->type_name("NAME");
    command.add_option("--threads", arguments.threads, "how many threads work; default: one per core")->type_name("N");
    command.add_flag("--quiet", arguments.quiet, "no progress bar");
    command.add_flag("--force", arguments.force, "overwrite an existing OUT");
    command.callback([&] { run = [&] { cli::dequantize(arguments); }; });
}

void add_inspect(CLI::App& app, cli::inspect_arguments& arguments, std::function<void()>& run) {
    CLI::App& command = *app.add_subcommand("inspect", "List the weights of a model");
    command.add_option("FILE", arguments.model, model_help)->required();
    command.add_option("--json", arguments.json, "write the list as JSON (- for standard output)")->type_name("FILE");
    command.callback([&] { run = [&] { cli::inspect(arguments); }; });
}

void add_compare(CLI::App& app, cli::compare_arguments& arguments, std::function<void()>& run) {
    CLI::App& command = *app.add_subcommand("compare", "Error figures tensor by tensor");
    command.add_option("A", arguments.a, std::string("the original: ") + model_help)->required();
    command.add_option("B", arguments.b, "the other one, which may be quantized")->required();
    command.add_option("--json", arguments.json, "write the figures as JSON (- for standard output)")
        ->type_name("FILE");
    command.add_option("--html", arguments.html, "write them as a page with pictures")->type_name("FILE");
    command.add_option("--threads", arguments.threads, "how many threads work; default: one per core")->type_name("N");
    command.add_flag("--quiet", arguments.quiet, "no progress bar, no table");
    command.callback([&] { run = [&] { cli::compare(arguments); }; });
}

void add_calibrate(CLI::App& app, cli::calibrate_arguments& arguments, std::function<void()>& run) {
    CLI::App& command = *app.add_subcommand("calibrate", "Find ranges of recorded data");
    command
        .add_option("DATA", arguments.data,
                    "a .safetensors file; each tensor is a dataset, NAME.0, NAME.1, ... are batches of NAME")
        ->required();
    command.add_option("--method", arguments.method, "min_max, moving_average, percentile, mse or kl")
        ->type_name("NAME")
        ->required();
    command
        .add_option("--compatibility", arguments.compatibility,
                    "give what another tool gives for the data: modelopt, onnxruntime or pytorch")
        ->type_name("TOOL");
    command.add_option("--momentum", arguments.momentum, "moving_average: the weight of a new batch; 0.01")
        ->type_name("M");
    command.add_option("--percentile", arguments.percentile, "percentile: the share inside, in per cent; 99.9")
        ->type_name("P");
    command.add_option("--bins", arguments.bins, "bins of the histogram, a power of two from 16 to 65536; 4096, or as TOOL")
        ->type_name("N");
    command.add_option("--bits", arguments.bits, "of the integers, 2 to 8; 8")->type_name("N");
    command.add_flag("--signed,!--unsigned", arguments.is_signed, "the integers have a sign (default), or none");
    command.add_flag("--symmetric,!--asymmetric", arguments.is_symmetric,
                     "the zero point is 0 (default), or what fits the data");
    command.add_flag("--skip-non-finite", arguments.skip_non_finite, "leave NaN and infinities out, and count them");
    command.add_option("--json", arguments.json, "write the ranges as JSON (- for standard output)")
        ->type_name("FILE");
    command.add_option("--threads", arguments.threads, "how many threads work; default: one per core")->type_name("N");
    command.add_flag("--quiet", arguments.quiet, "no progress bar, no table");
    command.callback([&] { run = [&] { cli::calibrate(arguments); }; });
}

int run_program(int argc, char** argv) {
    CLI::App app("tersor: few-bit models on disk");
    app.name("tersor");
    app.set_version_flag("--version", std::string("tersor ") + tersor::version);
    app.require_subcommand(1);
    app.footer("`tersor COMMAND --help` tells more. Exit status: 0; 1 a run-time failure; 2 wrong usage.");
    std::function<void()> run;
    cli::quantize_arguments quantize;
    cli::dequantize_arguments dequantize;
    cli::inspect_arguments inspect;
    cli::compare_arguments compare;
    cli::calibrate_arguments calibrate;
    add_quantize(app, quantize, run);
    add_dequantize(app, dequantize, run);
    add_inspect(app, inspect, run);
    add_compare(app, compare, run);
    add_calibrate(app, calibrate, run);
    constexpr std::array later{"perplexity", "generate"};
    if (argc > 1 && std::ranges::find(later, std::string_view(argv[1])) != later.end()) {
        throw usage_error("the command '" + std::string(argv[1]) +
                          "' is not available yet; available: quantize, dequantize, inspect, compare, "
                          "calibrate");
    }
    try {
        app.parse(argc, argv);
    } catch (const CLI::Success& e) { // help and version
        return app.exit(e);
    } catch (const CLI::ParseError& e) {
        throw usage_error(std::string(e.what()) + " (see tersor --help)");
    }
    run();
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    try {
        cli::catch_signals();
        return run_program(argc, argv);
    } catch (const usage_error& e) {
        return fail(e.what(), 2);
    } catch (const std::bad_alloc&) {
        return fail("out of memory", 1);
    } catch (const std::exception& e) {
        return fail(e.what(), 1);
    }
}

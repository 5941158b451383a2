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

void refuse_later_options(CLI::App& command) {
    command
        .add_option_function<std::string>(
            "--solver",
            [](const std::string& name) {
                if (name != "rtn") {
                    throw usage_error("--solver " + name + " is not available; available: rtn");
                }
            },
            "how codes are chosen: rtn (to the nearest)")
        ->type_name("NAME");
    for (const char* const name : {"--inputs", "--calibration"}) {
        command
            .add_option_function<std::string>(
                name, [name](const std::string&) { throw usage_error(std::string(name) + " is not available yet"); })
            ->group("");
    }
}

void add_quantize(CLI::App& app, cli::quantize_arguments& arguments, std::function<void()>& run) {
    CLI::App& command = *app.add_subcommand("quantize", "Quantize the weights of a model");
    command.add_option("MODEL", arguments.model, model_help)->required();
    command.add_option("-o,--output", arguments.output, "what to write: NAME.safetensors, NAME.gguf, or a folder")
        ->type_name("OUT");
    command.add_option("--to", arguments.to, "what weights become, such as int8/row or q4_k_m (see below)")
        ->type_name("SPEC")
        ->required();
    command
        .add_option(
            "--layout", arguments.layout,
            "whose files to write: gguf (default for NAME.gguf), bitsandbytes (default for nf4, fp4, dynamic8) or "
            "compressed-tensors")
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
                    "as bitsandbytes on a CPU)")
        ->type_name("NAME");
    command
        .add_option("--importance", arguments.importance,
                    "GGUF types: weighs errors by input column; NAME.importance in a .safetensors file, or an imatrix "
                    "of llama.cpp")
        ->type_name("FILE");
    refuse_later_options(command);
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
    add_quantize(app, quantize, run);
    add_dequantize(app, dequantize, run);
    add_inspect(app, inspect, run);
    add_compare(app, compare, run);
    constexpr std::array later{"calibrate", "perplexity", "generate"};
    if (argc > 1 && std::ranges::find(later, std::string_view(argv[1])) != later.end()) {
        throw usage_error("the command '" + std::string(argv[1]) +
                          "' is not available yet; available: quantize, dequantize, inspect, compare");
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

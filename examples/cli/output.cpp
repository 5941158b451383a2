#include "output.hpp"

#include "cancellation.hpp"

#include "tersor/io/awq_config.hpp"
#include "tersor/io/json.hpp"
#include "tersor/io/llama_rotary.hpp"
#include "tersor/io/mapped_file.hpp"
#include "tersor/io/posix.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <sys/stat.h>
#include <vector>

namespace cli {

namespace {

constexpr off_t largest_companion = off_t{64} << 20;

bool is_companion(const std::string& folder, const std::string& name) {
    constexpr std::array<std::string_view, 10> weights{".safetensors", ".gguf", ".bin", ".pt",  ".pth",
                                                       ".h5",          ".onnx", ".ot",  ".npz", ".msgpack"};
    struct stat status {};
    return name != "model.safetensors.index.json" && name != "config.json" && name != "quantize_config.json" &&
           name != "quant_config.json" && !name.starts_with('.') &&
           std::ranges::none_of(weights, [&](std::string_view ending) { return name.ends_with(ending); }) &&
           ::stat((folder + "/" + name).c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
           status.st_size <= largest_companion;
}

bool exists(const std::string& path) {
    struct stat status {};
    return ::lstat(path.c_str(), &status) == 0;
}

// The file that tools of GPTQ and AWQ read beside or instead of config.json.
void add_older_config(const tersor::json::value& config, tersor::safetensors_model_writer& out) {
    const tersor::json::value* const method = config.find("quant_method");
    if (method == nullptr || !method->is(tersor::json::kind::string)) {
        return;
    }
    if (method->as_string() == "gptq") {
        out.add_file("quantize_config.json", tersor::json::write(config, 2) + "\n");
    } else if (method->as_string() == "awq") {
        const auto older = tersor::awq_layout::quant_config(tersor::awq_layout::read_config(config));
        out.add_file("quant_config.json", tersor::json::write(older, 2) + "\n");
    }
}

} // namespace

void require_separate(const model& from, const std::string& output) {
    const auto refuse = [&](const std::string& input) {
        tersor::raise(tersor::error_code::io, "the output '" + output + "' is the input '" + input + "'");
    };
    if (tersor::same_file(from.path(), output)) {
        refuse(from.path());
    }
    for (const std::string& file : from.files()) {
        if (tersor::same_file(file, output)) {
            refuse(file);
        }
        const bool is_file = output.ends_with(".safetensors") || is_gguf_path(output);
        if (!is_file && exists(output) && tersor::inside_folder(file, output)) {
            tersor::raise(tersor::error_code::io, "the output folder '" + output + "' holds the input '" + file + "'");
        }
    }
}

void require_free(const std::string& output, bool force) {
    if (!force && exists(output)) {
        tersor::raise(tersor::error_code::io, "'" + output + "' exists; --force overwrites it");
    }
}

void copy_bytes(const weight& w, const std::function<void(std::span<const std::byte>)>& append) {
    constexpr std::size_t piece = std::size_t{8} << 20;
    std::span<const std::byte> data = w.parts.front().data;
    std::vector<std::byte> ordered;
    if (w.heads != 0) {
        ordered.assign(data.begin(), data.end());
        tersor::llama::separate_rotary_rows(std::span<std::byte>(ordered), w.shape.front(), w.heads);
        data = ordered;
    }
    for (std::size_t first = 0; first < data.size(); first += piece) {
        check_cancelled();
        append(data.subspan(first, std::min(piece, data.size() - first)));
    }
}

void copy_tensor(const weight& w, tersor::safetensors_model_writer& out) {
    copy_bytes(w, [&](std::span<const std::byte> bytes) { out.append(w.name, bytes); });
}

void copy_companions(const model& from, const tersor::json::value& quantization_config,
                     tersor::safetensors_model_writer& out) {
    tersor::json::value config{tersor::json::object{}};
    if (from.is_folder()) {
        for (const tersor::folder_entry& entry : tersor::list_folder(from.path())) {
            if (!entry.is_folder && is_companion(from.path(), entry.name)) {
                out.add_file(entry.name, tersor::mapped_file(from.path() + "/" + entry.name).text());
            }
        }
        const std::string path = from.path() + "/config.json";
        if (exists(path)) {
            const tersor::mapped_file file(path);
            config = tersor::json::parse(file.text(), path);
        }
    }
    if (!quantization_config.is(tersor::json::kind::null)) {
        config["quantization_config"] = quantization_config;
        add_older_config(quantization_config, out);
    }
    if (!config.as_object().empty()) {
        out.add_file("config.json", tersor::json::write(config, 2) + "\n");
    }
}

} // namespace cli

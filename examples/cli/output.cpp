#include "output.hpp"

#include "cancellation.hpp"

#include "tersor/io/json.hpp"
#include "tersor/io/mapped_file.hpp"
#include "tersor/io/posix.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <sys/stat.h>

namespace cli {

namespace {

constexpr off_t largest_companion = off_t{64} << 20;

bool is_companion(const std::string& folder, const std::string& name) {
    constexpr std::array<std::string_view, 10> weights{".safetensors", ".gguf", ".bin", ".pt",  ".pth",
                                                       ".h5",          ".onnx", ".ot",  ".npz", ".msgpack"};
    struct stat status {};
    return name != "model.safetensors.index.json" && name != "config.json" && !name.starts_with('.') &&
           std::ranges::none_of(weights, [&](std::string_view ending) { return name.ends_with(ending); }) &&
           ::stat((folder + "/" + name).c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
           status.st_size <= largest_companion;
}

bool exists(const std::string& path) {
    struct stat status {};
    return ::lstat(path.c_str(), &status) == 0;
}

} // namespace

void require_separate(const tersor::safetensors_model& model, const std::string& output) {
    const auto refuse = [&](const std::string& input) {
        tersor::raise(tersor::error_code::io, "the output '" + output + "' is the input '" + input + "'");
    };
    if (tersor::same_file(model.path(), output)) {
        refuse(model.path());
    }
    for (const tersor::safetensors_file& file : model.files()) {
        if (tersor::same_file(file.source(), output)) {
            refuse(file.source());
        }
        if (!output.ends_with(".safetensors") && exists(output) && tersor::inside_folder(file.source(), output)) {
            tersor::raise(tersor::error_code::io,
                          "the output folder '" + output + "' holds the input '" + file.source() + "'");
        }
    }
}

void require_free(const std::string& output, bool force) {
    if (!force && exists(output)) {
        tersor::raise(tersor::error_code::io, "'" + output + "' exists; --force overwrites it");
    }
}

void copy_tensor(const tersor::safetensors_tensor& tensor, tersor::safetensors_model_writer& out) {
    constexpr std::size_t piece = std::size_t{8} << 20;
    for (std::size_t first = 0; first < tensor.data.size(); first += piece) {
        check_cancelled();
        out.append(tensor.name, tensor.data.subspan(first, std::min(piece, tensor.data.size() - first)));
    }
}

void copy_companions(const tersor::safetensors_model& model, const tersor::json::value& quantization_config,
                     tersor::safetensors_model_writer& out) {
    tersor::json::value config{tersor::json::object{}};
    if (model.is_folder()) {
        for (const tersor::folder_entry& entry : tersor::list_folder(model.path())) {
            if (!entry.is_folder && is_companion(model.path(), entry.name)) {
                out.add_file(entry.name, tersor::mapped_file(model.path() + "/" + entry.name).text());
            }
        }
        const std::string path = model.path() + "/config.json";
        if (exists(path)) {
            const tersor::mapped_file file(path);
            config = tersor::json::parse(file.text(), path);
        }
    }
    if (!quantization_config.is(tersor::json::kind::null)) {
        config["quantization_config"] = quantization_config;
    }
    if (!config.as_object().empty()) {
        out.add_file("config.json", tersor::json::write(config, 2) + "\n");
    }
}

} // namespace cli

#ifndef TERSOR_TESTS_CLI_GGUF_FILES_HPP
#define TERSOR_TESTS_CLI_GGUF_FILES_HPP

// Runs of the program that write GGUF files.

#include "program.hpp"

#include "tersor/io/gguf.hpp"

#include <filesystem>
#include <map>
#include <string>
#include <vector>

/// The folder of the bundled model.
inline const std::string demo = TERSOR_TESTS_DIR "/../examples/models/demo";

/// A folder with the file that is written and its report.
class Gguf : public testing::Test {
protected:
    // Quantizes with these options; the file is `out`.
    [[nodiscard]] outcome quantize(const std::string& model, const std::string& to,
                                   std::vector<std::string> more = {}) const {
        more.insert(more.begin(), {"quantize", model, "-o", out, "--to", to, "--force", "--quiet", "--json", report});
        return run(more);
    }

    // The tensor types of the file by name.
    [[nodiscard]] std::map<std::string, std::string> types() const {
        std::map<std::string, std::string> all;
        const auto file = tersor::gguf_file::open(out);
        for (const tersor::gguf_tensor& t : file.tensors()) {
            all.emplace(t.name, tersor::to_string(t.type));
        }
        return all;
    }

    // The values of a tensor of the file.
    [[nodiscard]] std::vector<float> read_back(const std::string& name) const {
        const std::string back = folder / "back.safetensors";
        EXPECT_TRUE(run({"dequantize", out, "-o", back, "--force"}).ok());
        const auto model = tersor::quantized_model::open(back);
        return model.read(model.at(name));
    }

    // A copy of the demo's folder with its config.json changed.
    [[nodiscard]] std::string changed_demo(const std::string& name, const tersor::json::value& value) const {
        const std::string to = folder / "changed";
        std::filesystem::create_directories(to);
        constexpr auto all =
            std::filesystem::copy_options::recursive | std::filesystem::copy_options::overwrite_existing;
        std::filesystem::copy(demo, to, all);
        tersor::json::value config = read_json(demo + "/config.json");
        config[name] = value;
        static_cast<void>(folder.write("changed/config.json", tersor::json::write(config)));
        return to;
    }

    temporary_folder folder;
    std::string out = folder / "out.gguf";
    std::string report = folder / "report.json";
};

#endif // TERSOR_TESTS_CLI_GGUF_FILES_HPP

// Layers to try quantize_layers on: make_layers layers.safetensors. The tokens of a layer are no multiple of anything.

#include <tersor/io/safetensors_values.hpp>
#include <tersor/io/safetensors_writer.hpp>

#include <cstdint>
#include <cstdio>
#include <random>
#include <string>
#include <vector>

int main(int count, char** arguments) {
    if (count != 2) {
        std::fprintf(stderr, "usage: make_layers LAYERS.safetensors\n");
        return 2;
    }
    const struct {
        const char* name;
        std::int64_t rows, columns, sequences, tokens;
    } layers[] = {
        {"attention", 24, 160, 3, 1001}, {"up", 40, 130, 1, 2777}, {"down", 16, 128, 2, 5}, {"head", 8, 131, 1, 1}};
    try {
        std::vector<tersor::safetensors_declaration> declared;
        for (const auto& l : layers) {
            declared.push_back({std::string(l.name) + ".weight", tersor::safetensors_dtype::f32, {l.rows, l.columns}});
            declared.push_back(
                {std::string(l.name) + ".input", tersor::safetensors_dtype::f32, {l.sequences, l.tokens, l.columns}});
        }
        tersor::safetensors_writer writer(arguments[1], tersor::safetensors_layout(declared, {}),
                                          tersor::existing_target::overwrite);
        std::mt19937 engine(1);
        for (const auto& tensor : declared) {
            std::int64_t size = 1;
            for (const std::int64_t n : tensor.shape) {
                size *= n;
            }
            std::vector<float> values(static_cast<std::size_t>(size));
            for (float& value : values) {
                value = static_cast<float>(static_cast<int>(engine() % 2001) - 1000) * 0x1p-9f;
            }
            writer.append(tensor.name, values);
        }
        writer.commit();
    } catch (const tersor::error& error) {
        std::fprintf(stderr, "make_layers: %s\n", error.what());
        return 1;
    }
    return 0;
}

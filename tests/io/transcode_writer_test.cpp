#include "tersor/io/transcode_writer.hpp"

#include "tersor/io/quantized_model.hpp"
#include "tests/common/temporary_folder.hpp"
#include "tests/io/affine_weights.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace {

using namespace tersor;
using checkpoint::any_affine;
using checkpoint::expect_error;
using checkpoint::same_floats;

struct layer {
    std::string name;
    affine_weight weight;
    std::vector<float> bias;
};

std::vector<layer> example(affine_layout layout) {
    std::vector<layer> layers{{"m.0.q.weight", checkpoint::symmetric(any_affine(4, 32, 96, 32, 1)), {}},
                              {"m.0.up.weight", any_affine(4, 64, 64, 32, 2), std::vector<float>(64, 0.5f)}};
    if (layout != affine_layout::awq) {
        layers.push_back({"m.1.up.weight", checkpoint::act_ordered(any_affine(8, 32, 64, 32, 3), 4), {}});
    }
    return layers;
}

std::vector<affine_layer> declared(const std::vector<layer>& layers) {
    std::vector<affine_layer> result;
    for (const layer& l : layers) {
        result.push_back({l.name, shape_of(l.weight), !l.bias.empty()});
    }
    return result;
}

void write(const std::string& path, const affine_target& target, const std::vector<layer>& layers,
           affine_model_options options = {}) {
    const std::vector<float> norm{1.0f, 2.0f};
    options.plain.push_back({"m.norm.weight", safetensors_dtype::f32, {2}});
    affine_model_writer out(path, target, declared(layers), std::move(options));
    for (const layer& l : layers) {
        out.append(l.name, l.weight, l.bias);
    }
    out.append_plain("m.norm.weight", std::as_bytes(std::span(norm)));
    out.commit();
}

void expect_model(const std::string& path, affine_layout layout, const std::vector<layer>& layers) {
    const auto model = quantized_model::open(path);
    std::size_t weights = 1;
    for (const layer& l : layers) {
        SCOPED_TRACE(l.name);
        const model_weight& w = model.at(l.name);
        EXPECT_EQ(w.layout, layout == affine_layout::awq                  ? weight_layout::awq
                            : layout == affine_layout::compressed_tensors ? weight_layout::compressed_tensors
                                                                          : weight_layout::gptq);
        EXPECT_EQ(w.spec, std::string(is_symmetric(l.weight) ? "int" : "uint") + std::to_string(l.weight.bits) + "/32");
        EXPECT_EQ(w.dtype, safetensors_dtype::f16);
        ASSERT_TRUE(model.holds_affine(w));
        EXPECT_TRUE(model.load_affine(w) == l.weight);
        EXPECT_TRUE(same_floats(model.read(w), values_of(l.weight)));
        weights += 1 + (l.bias.empty() ? 0u : 1u);
        if (!l.bias.empty()) {
            EXPECT_EQ(model.read(model.at(l.name.substr(0, l.name.size() - 6) + "bias")), l.bias);
        }
    }
    EXPECT_EQ(model.weights().size(), weights);
    EXPECT_FALSE(model.holds_affine(model.at("m.norm.weight")));
    expect_error(error_code::unsupported, {"'m.norm.weight'"},
                 [&] { (void)model.load_affine(model.at("m.norm.weight")); });
}

} // namespace

TEST(TranscodeWriter, FoldersAndFilesOfEveryLayoutAreReadBack) {
    for (const auto layout : {affine_layout::gptq, affine_layout::gptq_v2, affine_layout::gptq_p, affine_layout::awq,
                              affine_layout::compressed_tensors}) {
        SCOPED_TRACE(to_string(layout));
        const temporary_folder folder;
        const auto layers = example(layout);
        for (const std::string name : {"model", "m.safetensors"}) {
            SCOPED_TRACE(name);
            write(folder / name, {layout}, layers);
            expect_model(folder / name, layout, layers);
        }
    }
}

TEST(TranscodeWriter, KeepsTheModelsOwnConfiguration) {
    const temporary_folder folder;
    affine_model_options options;
    options.config = json::parse(R"({"model_type":"llama","quantization_config":{"quant_method":"old"}})");
    options.skipped = {"lm_head"};
    options.files.largest_shard = 2000;
    const auto layers = example(affine_layout::gptq);
    write(folder / "model", {affine_layout::gptq}, layers, options);
    expect_model(folder / "model", affine_layout::gptq, layers);
    const json::value config = json::parse(temporary_folder::read(folder / "model/config.json"));
    EXPECT_EQ(config.at("model_type").as_string(), "llama");
    EXPECT_EQ(config.at("quantization_config").at("quant_method").as_string(), "gptq");
    EXPECT_EQ(json::parse(temporary_folder::read(folder / "model/quantize_config.json")),
              config.at("quantization_config"));
    EXPECT_FALSE(temporary_folder::read(folder / "model/model.safetensors.index.json").empty());
}

TEST(TranscodeWriter, AConfigurationBesideTheModelIsRead) {
    // asymmetric zero points of version 2 are read right only by what a configuration says
    const temporary_folder folder;
    const std::vector<layer> layers{{"l.weight", any_affine(4, 32, 64, 32, 2), {}}};
    write(folder / "model", {affine_layout::gptq_v2}, layers);
    (void)folder.write("model/config.json", R"({"model_type":"llama"})");
    const auto model = quantized_model::open(folder / "model");
    EXPECT_TRUE(model.load_affine(model.at("l.weight")) == layers[0].weight);
    (void)folder.write("model/quantize_config.json", R"({"bits":4,"desc_act":false,"sym":false})");
    const auto first = quantized_model::open(folder / "model");
    EXPECT_FALSE(first.load_affine(first.at("l.weight")) == layers[0].weight);
    (void)folder.write("model/quantize_config.json", R"({"bits":17,"desc_act":false})");
    expect_error(error_code::corrupt_file, {"'bits'"}, [&] { (void)quantized_model::open(folder / "model"); });
}

TEST(TranscodeWriter, LeavesNothingWithoutCommit) {
    const temporary_folder folder;
    const auto layers = example(affine_layout::gptq);
    {
        affine_model_writer out(folder / "model", {affine_layout::gptq}, declared(layers));
        out.append(layers[0].name, layers[0].weight);
        expect_error(error_code::invalid_argument, {"'other.weight'"},
                     [&] { out.append("other.weight", layers[0].weight); });
        expect_error(error_code::shape_mismatch, {"'m.0.up.weight'", "[32 x 96]", "[64 x 64]"},
                     [&] { out.append("m.0.up.weight", layers[0].weight, layers[1].bias); });
        expect_error(error_code::shape_mismatch, {"'m.0.up.weight'", "0 values of bias"},
                     [&] { out.append("m.0.up.weight", layers[1].weight); });
        expect_error(error_code::invalid_argument, {}, [&] { out.commit(); });
    }
    EXPECT_TRUE(list_folder(folder.path()).empty());
    expect_error(error_code::unsupported, {"'m.1.up.weight'", "8"},
                 [&] { affine_model_writer(folder / "x", {affine_layout::awq}, declared(layers)); });
}

TEST(TranscodeWriter, OrphansAreNamed) {
    const temporary_folder folder;
    checkpoint::tensors file = checkpoint::written_gptq("l.weight", any_affine(4, 32, 64, 32, 2), {});
    file.all.erase("l.qweight");
    file.write(folder / "m.safetensors");
    expect_error(error_code::corrupt_file, {"m.safetensors", "'l.qzeros'", "qweight is missing"},
                 [&] { (void)quantized_model::open(folder / "m.safetensors"); });
    file = checkpoint::written_awq("l.weight", any_affine(4, 32, 64, 32, 2));
    file.write(folder / "m.safetensors", {{"quantization_config", R"({"quant_method":"awq","version":"gemv"})"}});
    expect_error(error_code::unsupported, {"'gemv'"}, [&] { (void)quantized_model::open(folder / "m.safetensors"); });
    file.write(folder / "m.safetensors", {{"quantization_config", R"({"quant_method":"gptq"})"}});
    expect_error(error_code::corrupt_file, {"'l."}, [&] { (void)quantized_model::open(folder / "m.safetensors"); });
}

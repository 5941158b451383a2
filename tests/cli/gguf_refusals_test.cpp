// GGUF files: from other GGUF files, to other kinds, and what cannot be done.

#include "gguf_files.hpp"

#include "tersor/io/gguf_writer.hpp"

#include <filesystem>

namespace {

using tersor::gguf_file;

TEST_F(Gguf, AGgufFileBecomesAnother) {
    ASSERT_TRUE(quantize(demo, "f16", {"--all"}).ok());
    const std::string f16 = folder / "f16.gguf";
    std::filesystem::rename(out, f16);
    ASSERT_TRUE(quantize(f16, "q5_k", {"--mode", "fast", "--skip", "attn_k"}).ok());
    const auto kinds = types();
    EXPECT_EQ(kinds.at("blk.0.attn_q.weight"), "q5_k");
    EXPECT_EQ(kinds.at("blk.0.attn_output.weight"), "q5_k"); // no head, although its name ends so
    EXPECT_EQ(kinds.at("blk.0.attn_k.weight"), "f16");
    EXPECT_EQ(kinds.at("token_embd.weight"), "f16");
    EXPECT_EQ(kinds.at("output.weight"), "f16");
    const gguf_file before = gguf_file::open(f16), after = gguf_file::open(out);
    EXPECT_EQ(before.metadata().size(), after.metadata().size());
    EXPECT_EQ(after.get<std::uint32_t>("general.file_type"), 17u);
    EXPECT_EQ(after.get<std::vector<std::string>>("tokenizer.ggml.tokens"),
              before.get<std::vector<std::string>>("tokenizer.ggml.tokens"));
    const auto kept = before.tensor("blk.0.attn_k.weight").data, again = after.tensor("blk.0.attn_k.weight").data;
    EXPECT_TRUE(std::ranges::equal(kept, again));
    // both ways give the same file as one step
    std::filesystem::rename(out, folder / "two.gguf");
    ASSERT_TRUE(quantize(demo, "q5_k", {"--mode", "fast", "--set", "embed|lm_head|k_proj=f16"}).ok());
    EXPECT_TRUE(run({"compare", out, folder / "two.gguf", "--json", report, "--quiet"}).ok());
    EXPECT_EQ(read_json(report).at("total").at("mse").as_double(), 0.0);
}

TEST_F(Gguf, AGgufFileBecomesAnotherLayout) {
    ASSERT_TRUE(quantize(demo, "f32", {"--all"}).ok());
    const std::string gguf = folder / "int8.safetensors", direct = folder / "direct.safetensors";
    ASSERT_TRUE(run({"quantize", out, "-o", gguf, "--to", "int8/row", "--skip", "k_proj", "--quiet"}).ok());
    ASSERT_TRUE(run({"quantize", demo, "-o", direct, "--to", "int8/row", "--skip", "k_proj", "--quiet"}).ok());
    const auto a = tersor::quantized_model::open(gguf), b = tersor::quantized_model::open(direct);
    ASSERT_EQ(a.weights().size(), b.weights().size());
    for (const tersor::model_weight& weight : b.weights()) {
        EXPECT_EQ(a.read(a.at(weight.name)), b.read(weight)) << weight.name;
    }
}

TEST_F(Gguf, InspectShowsTypesAndMetadata) {
    ASSERT_TRUE(quantize(demo, "q6_k", {"--mode", "fast"}).ok());
    const outcome o = run({"inspect", out, "--json", report});
    ASSERT_TRUE(o.ok());
    EXPECT_NE(o.out.find("general.architecture: llama"), std::string::npos);
    EXPECT_NE(o.out.find("blk.0.attn_q.weight"), std::string::npos);
    const auto list = read_json(report);
    const auto& metadata = list.at("files").as_array()[0].at("metadata");
    EXPECT_EQ(metadata.at("llama.block_count").as_unsigned(), 3u);
    EXPECT_EQ(metadata.at("tokenizer.ggml.add_bos_token").as_boolean(), false);
    const tersor::json::value* const entry = find_entry(list.at("tensors"), "blk.0.attn_q.weight");
    ASSERT_NE(entry, nullptr);
    EXPECT_EQ(entry->at("spec").as_string(), "q6_k");
    EXPECT_EQ(entry->at("layout").as_string(), "gguf");
    EXPECT_EQ(entry->at("bytes").as_unsigned(), 256u * 210u);
    EXPECT_DOUBLE_EQ(entry->at("bits_per_weight").as_double(), 6.5625);
}

TEST_F(Gguf, ADryRunKnowsTheSizes) {
    for (const char* const to : {"q4_k_m", "q8_0", "f16"}) {
        ASSERT_TRUE(quantize(demo, to, {"--mode", "fast"}).ok());
        const auto done = read_json(report);
        std::filesystem::remove(out);
        ASSERT_TRUE(quantize(demo, to, {"--dry-run"}).ok());
        EXPECT_EQ(read_json(report).at("total").at("bytes_out"), done.at("total").at("bytes_out"));
        EXPECT_FALSE(std::filesystem::exists(out));
    }
    EXPECT_TRUE(run({"quantize", demo, "--to", "q4_k", "--dry-run"}).ok());
}

TEST_F(Gguf, WhatDoesNotGoTogetherIsWrongUsage) {
    const std::string model = folder / "m.safetensors", other = folder / "o.safetensors";
    make_model(model, {{"a.weight", {4, 96}, some_values(384, 1)}});
    const auto expect = [&](const std::vector<std::string>& arguments, std::string_view what) {
        const outcome o = run(arguments);
        EXPECT_EQ(o.status, 2) << testing::PrintToString(arguments) << o.err;
        EXPECT_TRUE(o.says(what)) << testing::PrintToString(arguments);
    };
    expect({"quantize", model, "-o", out, "--to", "int8"}, "the layout gguf cannot hold 'a.weight' as int8/row");
    expect({"quantize", model, "-o", out, "--to", "q4_k"}, "types that fit: f32, f16, q4_0");
    expect({"quantize", model, "-o", out, "--to", "q4_0@mse"}, "takes no calibrator");
    expect({"quantize", model, "-o", out, "--to", "q4_0/64"}, "groups of 32");
    expect({"quantize", model, "-o", out, "--to", "q4_k_m/32"}, "no groups");
    expect({"quantize", model, "-o", out, "--to", "q4_9"}, "unknown format 'q4_9'");
    expect({"quantize", model, "-o", out, "--to", "q4_0", "--layout", "bitsandbytes"}, "layout gguf");
    expect({"quantize", model, "-o", other, "--to", "q4_0"}, "-o NAME.gguf");
    expect({"quantize", model, "-o", other, "--to", "int8", "--layout", "gguf"}, "-o NAME.gguf");
    expect({"quantize", model, "-o", other, "--to", "int8", "--set", "a=q4_0"}, "NAME.gguf");
    expect({"quantize", model, "-o", other, "--to", "int8", "--importance", model}, "--importance is for");
    expect({"quantize", demo, "-o", out, "--to", "iq2_xxs", "--mode", "reference"}, "needs --importance");
    expect({"quantize", demo, "-o", out, "--to", "q4_k", "--skip", "nothing"}, "matches no");
    EXPECT_FALSE(std::filesystem::exists(out));
    ASSERT_TRUE(quantize(model, "q4_0").ok());
    expect({"quantize", out, "-o", folder / "again.gguf", "--to", "q8_0"}, "quantized already");
}

TEST_F(Gguf, ImportanceMustFit) {
    const std::string model = folder / "m.safetensors";
    make_model(model, {{"a.weight", {4, 64}, some_values(256, 1)}});
    make_model(folder / "i.safetensors", {{"a.importance", {32}, std::vector<float>(32, 1.0f)}});
    const outcome o = quantize(model, "q4_0", {"--importance", folder / "i.safetensors"});
    EXPECT_EQ(o.status, 1);
    EXPECT_TRUE(o.says("is for 32 columns"));
    const outcome none = quantize(model, "q4_0", {"--importance", model});
    EXPECT_EQ(none.status, 1);
    EXPECT_TRUE(none.says("no importance file"));
    EXPECT_FALSE(std::filesystem::exists(out));
}

TEST_F(Gguf, FoldersThatLlamaCppWouldNotRunAreRefused) {
    const auto expect = [&](const std::string& name, const tersor::json::value& value, std::string_view what) {
        const outcome o = quantize(changed_demo(name, value), "q4_k");
        EXPECT_EQ(o.status, 1) << o.err;
        EXPECT_TRUE(o.says(what)) << name;
        EXPECT_FALSE(std::filesystem::exists(out));
    };
    expect("architectures", tersor::json::array{"GPT2LMHeadModel"}, "architecture 'GPT2LMHeadModel'");
    expect("num_hidden_layers", 4, "'model.layers.3.input_layernorm.weight' is missing");
    expect("num_hidden_layers", 2, "has no place in the architecture llama");
    expect("intermediate_size", 1024, "by config.json it is");
    expect("num_key_value_heads", 3, "do not go together");
    expect("hidden_act", "gelu", "hidden_act 'gelu'");
    expect("vocab_size", nullptr, "'vocab_size' is missing");
}

TEST_F(Gguf, AFolderWithoutATokenizerSaysSo) {
    const std::string model = changed_demo("bos_token_id", nullptr);
    std::filesystem::remove(model + "/tokenizer.json");
    ASSERT_TRUE(quantize(model, "q8_0").ok());
    EXPECT_EQ(gguf_file::open(out).get<std::string>("tokenizer.ggml.model"), "none");
    EXPECT_NE(read_json(report).at("notes").as_array()[0].as_string().find("tokenizer"), std::string::npos);
}

TEST_F(Gguf, TheInputIsNeverTheOutput) {
    ASSERT_TRUE(quantize(demo, "f16").ok());
    const std::string before = temporary_folder::read(out);
    const outcome o = run({"quantize", out, "-o", out, "--to", "q8_0", "--force"});
    EXPECT_EQ(o.status, 1);
    EXPECT_TRUE(o.says("is the input"));
    const outcome kept = run({"quantize", demo, "-o", out, "--to", "q8_0"});
    EXPECT_EQ(kept.status, 1);
    EXPECT_TRUE(kept.says("--force"));
    EXPECT_EQ(temporary_folder::read(out), before);
}

TEST_F(Gguf, DamagedFilesAreFailures) {
    ASSERT_TRUE(quantize(demo, "q8_0").ok());
    const std::string cut = folder.write("cut.gguf", temporary_folder::read(out).substr(0, 20000));
    for (const std::vector<std::string>& arguments :
         std::vector<std::vector<std::string>>{{"inspect", cut},
                                               {"dequantize", cut, "-o", folder / "x.safetensors"},
                                               {"compare", demo, cut},
                                               {"quantize", cut, "-o", folder / "x.gguf", "--to", "q8_0"},
                                               {"inspect", folder / "none.gguf"}}) {
        const outcome o = run(arguments);
        EXPECT_EQ(o.status, 1) << testing::PrintToString(arguments) << o.err;
        EXPECT_TRUE(o.says(""));
    }
}

TEST_F(Gguf, MemoryStaysNearTheLargestTensor) {
    // 24 tensors of 1 MiB of floats each
    std::vector<made_tensor> tensors;
    for (int i = 0; i < 24; ++i) {
        tensors.push_back({"blk." + std::to_string(i) + ".ffn_up.weight", {1024, 256}, some_values(1 << 18, 9)});
    }
    make_model(folder / "m.safetensors", tensors);
    make_matrix(folder / "small.safetensors", 16, 256);
    const outcome small = quantize(folder / "small.safetensors", "q8_0");
    const outcome large = quantize(folder / "m.safetensors", "q8_0");
    ASSERT_TRUE(large.ok());
    EXPECT_LT(large.peak_kib, small.peak_kib + 4 * 1024 + 4096);
}

} // namespace

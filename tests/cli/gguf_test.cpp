// GGUF files: written, read back, compared.

#include "gguf_files.hpp"

#include "tersor/io/gguf_tensor_values.hpp"
#include "tersor/io/gguf_writer.hpp"
#include "tersor/io/llama_rotary.hpp"

#include <array>
#include <cmath>
#include <set>
#include <tuple>

namespace {

using tersor::gguf_file;
using tersor::gguf_type;

TEST_F(Gguf, EveryTypeTakesTheBytesOfItsBlocks) {
    make_model(folder / "m.safetensors", {{"a.weight", {3, 512}, some_values(1536, 3)}, {"n", {5}, some_values(5, 4)}});
    for (const tersor::gguf_type_info& info : tersor::gguf_types) {
        if (!info.is_block_format()) {
            continue;
        }
        const std::string name(info.name);
        ASSERT_TRUE(quantize(folder / "m.safetensors", name, {"--mode", "fast", "--layout", "gguf"}).ok()) << name;
        const gguf_file file = gguf_file::open(out);
        const tersor::gguf_tensor& t = file.tensor("a.weight");
        EXPECT_EQ(t.type, info.type);
        EXPECT_EQ(t.columns(), 512);
        EXPECT_EQ(t.rows(), 3);
        EXPECT_EQ(t.data.size(), 1536u / info.block_values * info.block_bytes) << name;
        EXPECT_EQ(read_floats(file.tensor("n")), some_values(5, 4));
        const auto entry = read_json(report).at("tensors").as_array()[0];
        EXPECT_EQ(entry.at("spec").as_string(), name);
        EXPECT_EQ(entry.at("bytes_out").as_unsigned(), t.data.size());
        const double bits = 8.0 * info.block_bytes / info.block_values;
        EXPECT_DOUBLE_EQ(entry.at("bits_per_weight").as_double(), bits);
        EXPECT_GT(entry.at("sqnr_db").as_double(), bits > 3.0 ? 3.0 * bits - 3.0 : 0.0) << name;
    }
}

TEST_F(Gguf, ABareFileKeepsItsNamesAndDimensionsTurn) {
    make_model(folder / "m.safetensors", usual_tensors());
    ASSERT_TRUE(quantize(folder / "m.safetensors", "q8_0").ok());
    const auto kinds = types();
    EXPECT_EQ(kinds.at("model.layers.1.up.weight"), "q8_0");
    EXPECT_EQ(kinds.at("model.embed_tokens.weight"), "f32");
    EXPECT_EQ(kinds.at("lm_head.weight"), "f32");
    EXPECT_EQ(kinds.at("experts"), "f32");
    EXPECT_EQ(kinds.size(), usual_tensors().size());
    const gguf_file file = gguf_file::open(out);
    EXPECT_EQ(file.tensor("model.layers.1.up.weight").ne, (std::array<std::int64_t, 4>{64, 96, 1, 1}));
    EXPECT_EQ(file.tensor("experts").shape(), (std::vector<std::int64_t>{2, 8, 64}));
    EXPECT_EQ(file.get<std::uint32_t>("general.file_type"), 7u);
    EXPECT_EQ(file.get<std::uint32_t>("general.quantization_version"), 2u);
}

TEST_F(Gguf, AFolderBecomesAModelThatSaysWhatItIs) {
    ASSERT_TRUE(quantize(demo, "q4_k").ok());
    const gguf_file file = gguf_file::open(out);
    EXPECT_EQ(file.get<std::string>("general.architecture"), "llama");
    EXPECT_EQ(file.get<std::string>("general.name"), "demo");
    EXPECT_EQ(file.get<std::uint32_t>("general.file_type"), 15u);
    EXPECT_EQ(file.get<std::uint32_t>("llama.block_count"), 3u);
    EXPECT_EQ(file.get<std::uint32_t>("llama.context_length"), 256u);
    EXPECT_EQ(file.get<std::uint32_t>("llama.embedding_length"), 256u);
    EXPECT_EQ(file.get<std::uint32_t>("llama.feed_forward_length"), 512u);
    EXPECT_EQ(file.get<std::uint32_t>("llama.attention.head_count"), 4u);
    EXPECT_EQ(file.get<std::uint32_t>("llama.attention.head_count_kv"), 2u);
    EXPECT_EQ(file.get<float>("llama.attention.layer_norm_rms_epsilon"), 1e-5f);
    EXPECT_EQ(file.get<std::uint32_t>("llama.rope.dimension_count"), 64u);
    EXPECT_EQ(file.get<float>("llama.rope.freq_base"), 10000.0f);
    EXPECT_EQ(file.get<std::uint32_t>("llama.vocab_size"), 80u);
    EXPECT_EQ(file.get<std::string>("tokenizer.ggml.model"), "gpt2");
    EXPECT_EQ(file.get<std::string>("tokenizer.ggml.pre"), "gpt-2");
    EXPECT_EQ(file.get<std::vector<std::string>>("tokenizer.ggml.tokens").size(), 80u);
    EXPECT_EQ(file.get<std::vector<int>>("tokenizer.ggml.token_type")[0], 3);
    EXPECT_EQ(file.at("tokenizer.ggml.merges").count(), 0u);
    EXPECT_EQ(file.get<std::uint32_t>("tokenizer.ggml.bos_token_id"), 0u);
    EXPECT_EQ(file.get<std::uint32_t>("tokenizer.ggml.eos_token_id"), 1u);
    EXPECT_FALSE(file.get<bool>("tokenizer.ggml.add_bos_token"));
    const auto kinds = types();
    EXPECT_EQ(kinds.size(), 30u);
    EXPECT_EQ(kinds.at("token_embd.weight"), "bf16");
    EXPECT_EQ(kinds.at("output.weight"), "bf16");
    EXPECT_EQ(kinds.at("output_norm.weight"), "f32");
    EXPECT_EQ(kinds.at("blk.2.ffn_norm.weight"), "f32");
    EXPECT_EQ(kinds.at("blk.2.attn_output.weight"), "q4_k");
    EXPECT_EQ(file.tensor("blk.0.ffn_down.weight").ne, (std::array<std::int64_t, 4>{512, 256, 1, 1}));
    EXPECT_EQ(read_json(report).at("tensors").as_array().size(), 21u);
}

TEST_F(Gguf, QueriesAndKeysAreInterleavedAndComeBack) {
    ASSERT_TRUE(quantize(demo, "f32", {"--all"}).ok());
    const gguf_file file = gguf_file::open(out);
    const auto model = tersor::quantized_model::open(demo);
    for (const auto& [hugging_face, gguf, heads] : std::vector<std::tuple<std::string, std::string, int>>{
             {"self_attn.q_proj", "attn_q", 4}, {"self_attn.k_proj", "attn_k", 2}, {"self_attn.v_proj", "attn_v", 0}}) {
        const auto& weight = model.at("model.layers.1." + hugging_face + ".weight");
        std::vector<float> expected = model.read(weight);
        if (heads != 0) {
            tersor::llama::interleave_rotary_rows(std::span<float>(expected), weight.shape[0], heads);
        }
        EXPECT_EQ(read_floats(file.tensor("blk.1." + gguf + ".weight")), expected) << gguf;
    }
    ASSERT_TRUE(run({"dequantize", out, "-o", folder / "back.safetensors"}).ok());
    const auto back = tersor::quantized_model::open(folder / "back.safetensors");
    EXPECT_EQ(back.weights().size(), model.weights().size());
    for (const tersor::model_weight& weight : model.weights()) {
        EXPECT_EQ(back.read(back.at(weight.name)), model.read(weight)) << weight.name;
    }
}

TEST_F(Gguf, ErrorsAreThoseOfTheFile) {
    ASSERT_TRUE(quantize(demo, "q4_0").ok());
    const auto first = read_json(report);
    ASSERT_TRUE(run({"compare", demo, out, "--json", folder / "compared.json", "--quiet"}).ok());
    const auto compared = read_json(folder / "compared.json");
    EXPECT_EQ(compared.at("tensors").as_array().size(), 30u);
    for (const tersor::json::value& entry : first.at("tensors").as_array()) {
        const tersor::json::value* const other = find_entry(compared.at("tensors"), entry.at("name").as_string());
        ASSERT_NE(other, nullptr);
        EXPECT_EQ(other->at("spec").as_string(), "q4_0");
        EXPECT_EQ(other->at("bytes_out"), entry.at("bytes_out"));
        EXPECT_NEAR(other->at("sqnr_db").as_double(), entry.at("sqnr_db").as_double(), 1e-9);
        EXPECT_GT(entry.at("sqnr_db").as_double(), 18.0);
    }
    const tersor::json::value* const norm = find_entry(compared.at("tensors"), "model.norm.weight");
    ASSERT_NE(norm, nullptr);
    EXPECT_EQ(norm->at("mse").as_double(), 0.0);
}

TEST_F(Gguf, ARecipeChoosesForEachTensor) {
    ASSERT_TRUE(quantize(demo, "Q4_K_M", {"--mode", "fast"}).ok());
    const auto kinds = types();
    EXPECT_EQ(kinds.at("token_embd.weight"), "q4_k");
    EXPECT_EQ(kinds.at("output.weight"), "q6_k");
    EXPECT_EQ(kinds.at("blk.0.attn_v.weight"), "q4_k");
    EXPECT_EQ(kinds.at("blk.1.ffn_down.weight"), "q4_k");
    EXPECT_EQ(kinds.at("blk.2.attn_v.weight"), "q6_k");
    EXPECT_EQ(kinds.at("blk.2.ffn_down.weight"), "q6_k");
    EXPECT_EQ(kinds.at("blk.2.attn_q.weight"), "q4_k");
    EXPECT_EQ(kinds.at("blk.2.attn_norm.weight"), "f32");
    EXPECT_EQ(gguf_file::open(out).get<std::uint32_t>("general.file_type"), 15u);
    // the type alone, the recipe called as the type, and a rule that wins
    ASSERT_TRUE(quantize(demo, "q2_k", {"--mode", "fast"}).ok());
    EXPECT_EQ(types().at("blk.0.ffn_down.weight"), "q2_k");
    ASSERT_TRUE(quantize(demo, "q2_k_mix", {"--mode", "fast", "--set", "attn_q=q8_0", "--skip", "lm_head"}).ok());
    EXPECT_EQ(types().at("blk.0.ffn_down.weight"), "q3_k");
    EXPECT_EQ(types().at("blk.0.attn_q.weight"), "q8_0");
    EXPECT_EQ(types().at("output.weight"), "bf16");
}

TEST_F(Gguf, TiedEmbeddingsTakeThePlaceOfTheHead) {
    const std::string tied = changed_demo("tie_word_embeddings", true);
    const auto model = tersor::quantized_model::open(demo);
    std::vector<made_tensor> tensors;
    for (const tersor::model_weight& weight : model.weights()) {
        if (weight.name != "lm_head.weight") {
            tensors.push_back({weight.name, weight.shape, model.read(weight)});
        }
    }
    tersor::safetensors_model_options options;
    options.existing = tersor::existing_target::overwrite;
    make_model(tied + "/model.safetensors", tensors, options);
    ASSERT_TRUE(quantize(tied, "q4_k_m", {"--mode", "fast"}).ok());
    EXPECT_EQ(types().at("token_embd.weight"), "q6_k");
    EXPECT_FALSE(types().contains("output.weight"));
}

TEST_F(Gguf, ScaledRotaryFrequenciesAreATensor) {
    const std::string scaled =
        changed_demo("rope_scaling", tersor::json::object{{"rope_type", "llama3"},
                                                          {"factor", 8.0},
                                                          {"low_freq_factor", 1.0},
                                                          {"high_freq_factor", 4.0},
                                                          {"original_max_position_embeddings", 64}});
    ASSERT_TRUE(quantize(scaled, "q8_0").ok());
    const std::vector<float> factors = read_floats(gguf_file::open(out).tensor("rope_freqs.weight"));
    ASSERT_EQ(factors.size(), 32u);
    EXPECT_EQ(factors.front(), 1.0f);
    EXPECT_EQ(factors.back(), 8.0f);
    ASSERT_TRUE(run({"dequantize", out, "-o", folder / "back.safetensors"}).ok());
    EXPECT_EQ(tersor::quantized_model::open(folder / "back.safetensors").weights().size(), 30u);
    const std::string linear = changed_demo("rope_scaling", tersor::json::object{{"type", "linear"}, {"factor", 4.0}});
    ASSERT_TRUE(quantize(linear, "q8_0").ok());
    EXPECT_EQ(gguf_file::open(out).get<std::string>("llama.rope.scaling.type"), "linear");
    EXPECT_EQ(gguf_file::open(out).get<float>("llama.rope.scaling.factor"), 4.0f);
}

TEST_F(Gguf, ARecipeAvoidsRowsThatDoNotFit) {
    make_model(folder / "m.safetensors", {{"blk.0.attn_q.weight", {4, 96}, some_values(384, 1)},
                                          {"blk.0.attn_k.weight", {4, 100}, some_values(400, 2)},
                                          {"output.weight", {4, 96}, some_values(384, 3)}});
    ASSERT_TRUE(quantize(folder / "m.safetensors", "q4_k_m").ok());
    EXPECT_EQ(types().at("blk.0.attn_q.weight"), "q5_0");
    EXPECT_EQ(types().at("blk.0.attn_k.weight"), "f16");
    EXPECT_EQ(types().at("output.weight"), "q8_0");
}

TEST_F(Gguf, ImportanceOfEveryFormWeighsAlike) {
    const std::string model = folder / "m.safetensors";
    make_model(model, {{"a.weight", {8, 256}, some_values(2048, 3)}, {"b.weight", {8, 256}, some_values(2048, 4)}});
    std::vector<float> columns(256);
    for (std::size_t i = 0; i < columns.size(); ++i) {
        columns[i] = i < 128 ? 100.0f : 0.25f;
    }
    make_model(folder / "i.safetensors", {{"a.importance", {256}, columns}});
    std::string binary;
    const auto add = [&binary](const auto& value) {
        binary.append(reinterpret_cast<const char*>(&value), sizeof(value));
    };
    for (const std::int32_t number : {1, 8}) {
        add(number);
    }
    binary += "a.weight";
    for (const std::int32_t number : {2, 256}) {
        add(number);
    }
    std::vector<float> sums;
    for (const float c : columns) {
        add(2.0f * c);
        sums.push_back(16.0f * c);
    }
    static_cast<void>(folder.write("i.dat", binary));
    tersor::gguf_metadata metadata;
    metadata.add("general.type", "imatrix").add("imatrix.chunk_count", std::uint32_t{5});
    tersor::gguf_writer file(folder / "i.gguf", tersor::gguf_layout({{"a.weight.in_sum2", gguf_type::f32, {256, 1}},
                                                                     {"a.weight.counts", gguf_type::f32, {1, 1}}},
                                                                    metadata));
    file.append("a.weight.in_sum2", sums);
    file.append("a.weight.counts", std::vector<float>{16.0f});
    file.commit();
    ASSERT_TRUE(quantize(model, "q4_k").ok());
    const auto data_of = [this](const char* name) {
        const gguf_file f = gguf_file::open(out);
        const auto data = f.tensor(name).data;
        return std::string(reinterpret_cast<const char*>(data.data()), data.size());
    };
    const std::string plain = data_of("a.weight"), other = data_of("b.weight");
    std::set<std::string> weighted;
    for (const char* const name : {"i.safetensors", "i.dat", "i.gguf"}) {
        ASSERT_TRUE(quantize(model, "q4_k", {"--importance", folder / name}).ok()) << name;
        weighted.insert(data_of("a.weight"));
        EXPECT_EQ(data_of("b.weight"), other);
        const gguf_file f = gguf_file::open(out);
        EXPECT_EQ(f.get<std::string>("quantize.imatrix.file"), folder / name);
        EXPECT_EQ(f.get<std::uint32_t>("quantize.imatrix.entries_count"), 1u);
        EXPECT_EQ(read_json(report).at("notes").as_array().size(), 1u);
    }
    EXPECT_EQ(weighted.size(), 1u);
    EXPECT_NE(*weighted.begin(), plain);
    // the heavy columns are better than without
    const auto error_of_first_half = [&] {
        const std::vector<float> decoded = read_back("a.weight"), values = some_values(2048, 3);
        double sum = 0;
        for (std::size_t i = 0; i < values.size(); ++i) {
            sum += i % 256 < 128 ? std::pow(static_cast<double>(decoded[i] - values[i]), 2) : 0.0;
        }
        return sum;
    };
    const double with = error_of_first_half();
    ASSERT_TRUE(quantize(model, "q4_k").ok());
    EXPECT_LE(with, error_of_first_half());
}

} // namespace

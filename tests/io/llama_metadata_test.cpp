#include "tersor/io/llama_metadata.hpp"

#include "common/temporary_folder.hpp"

#include "tersor/io/gguf_writer.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

namespace {

namespace llama = tersor::llama;
using tersor::gguf_file;
using tersor::gguf_metadata;

class LlamaMetadata : public testing::Test {
protected:
    // A file of that metadata and nothing else.
    [[nodiscard]] gguf_file file_of(const gguf_metadata& metadata) const {
        const std::string path = folder / "m.gguf";
        tersor::gguf_writer(path, tersor::gguf_layout({}, metadata), tersor::existing_target::overwrite).commit();
        return gguf_file::open(path);
    }

    temporary_folder folder;
};

TEST_F(LlamaMetadata, HyperParametersHaveTheTypesThatLlamaCppReads) {
    llama::config c;
    c.context_length = 512;
    c.embedding_length = 256;
    c.block_count = 6;
    c.feed_forward_length = 768;
    c.head_count = 8;
    c.head_count_kv = 4;
    c.head_length = 64;
    c.explicit_head_length = true;
    c.vocabulary = 100;
    c.rms_epsilon = 1e-5;
    c.rope_base = 1e6;
    c.scaling.type = "yarn";
    c.scaling.factor = 4.0;
    c.scaling.original_context = 128;
    c.scaling.attention_factor = 1.25;
    c.scaling.beta_fast = 16.0;
    gguf_metadata m;
    llama::add_config(m, c, "name", 15);
    const gguf_file file = file_of(m);
    using type = tersor::gguf_value_type;
    for (const char* const key :
         {"general.file_type", "general.quantization_version", "llama.block_count", "llama.context_length",
          "llama.embedding_length", "llama.feed_forward_length", "llama.attention.head_count",
          "llama.attention.head_count_kv", "llama.attention.key_length", "llama.attention.value_length",
          "llama.vocab_size", "llama.rope.dimension_count", "llama.rope.scaling.original_context_length"}) {
        EXPECT_EQ(file.at(key).type(), type::u32) << key;
    }
    for (const char* const key : {"llama.rope.freq_base", "llama.attention.layer_norm_rms_epsilon",
                                  "llama.rope.scaling.factor", "llama.rope.scaling.yarn_attn_factor"}) {
        EXPECT_EQ(file.at(key).type(), type::f32) << key;
    }
    EXPECT_EQ(file.get<std::string>("llama.rope.scaling.type"), "yarn");
    EXPECT_EQ(file.get<float>("llama.rope.scaling.yarn_beta_fast"), 16.0f);
    EXPECT_FALSE(file.contains("llama.rope.scaling.yarn_beta_slow")); // llama.cpp has a default for what is not said
    EXPECT_FALSE(file.contains("llama.rope.scaling.yarn_ext_factor"));
    EXPECT_EQ(file.get<std::uint32_t>("llama.attention.key_length"), 64u);
    EXPECT_EQ(file.get<std::uint32_t>("general.quantization_version"), 2u);
    const auto heads = llama::read_head_counts(file);
    ASSERT_TRUE(heads);
    EXPECT_EQ(heads->query, 8);
    EXPECT_EQ(heads->key, 4);
}

TEST_F(LlamaMetadata, ATokenizerIsWrittenWhole) {
    llama::tokenizer t;
    t.pre = "llama-bpe";
    t.tokens = {"<s>", "a", "[PAD2]"};
    t.types = {llama::token_type::control, llama::token_type::normal, llama::token_type::unused};
    t.bos = 0;
    t.padding = 2;
    t.adds_bos = true;
    t.chat_template = "{{ x }}";
    gguf_metadata m;
    llama::add_tokenizer(m, t);
    const gguf_file file = file_of(m);
    EXPECT_EQ(file.get<std::string>("tokenizer.ggml.model"), "gpt2");
    EXPECT_EQ(file.get<std::string>("tokenizer.ggml.pre"), "llama-bpe");
    EXPECT_EQ(file.get<std::vector<std::string>>("tokenizer.ggml.tokens"), t.tokens);
    EXPECT_EQ(file.get<std::vector<int>>("tokenizer.ggml.token_type"), (std::vector<int>{3, 1, 5}));
    EXPECT_EQ(file.at("tokenizer.ggml.token_type").element_type(), tersor::gguf_value_type::i32);
    EXPECT_EQ(file.at("tokenizer.ggml.merges").element_type(), tersor::gguf_value_type::string);
    EXPECT_EQ(file.get<std::uint32_t>("tokenizer.ggml.bos_token_id"), 0u);
    EXPECT_EQ(file.get<std::uint32_t>("tokenizer.ggml.padding_token_id"), 2u);
    EXPECT_FALSE(file.contains("tokenizer.ggml.eos_token_id"));
    EXPECT_TRUE(file.get<bool>("tokenizer.ggml.add_bos_token"));
    EXPECT_EQ(file.get<std::string>("tokenizer.chat_template"), "{{ x }}");
}

TEST_F(LlamaMetadata, HeadsAreThoseOfLlamaFilesOnly) {
    EXPECT_FALSE(llama::read_head_counts(file_of({})));
    EXPECT_FALSE(llama::read_head_counts(file_of(gguf_metadata().add("general.architecture", "qwen2"))));
    EXPECT_FALSE(llama::read_head_counts(file_of(gguf_metadata().add("general.architecture", 7))));
    const auto heads = llama::read_head_counts(file_of(
        gguf_metadata().add("general.architecture", "llama").add("llama.attention.head_count", std::uint32_t{8})));
    ASSERT_TRUE(heads);
    EXPECT_EQ(heads->key, 8); // as many as queries where the file does not say
}

TEST_F(LlamaMetadata, ALlamaFileWithoutHeadsIsCorrupt) {
    const auto code_of = [this](const gguf_metadata& m) {
        try {
            static_cast<void>(llama::read_head_counts(file_of(m)));
        } catch (const tersor::error& e) {
            return std::optional(e.code());
        }
        return std::optional<tersor::error_code>();
    };
    gguf_metadata m;
    m.add("general.architecture", "llama");
    EXPECT_EQ(code_of(m), tersor::error_code::corrupt_file);
    EXPECT_EQ(code_of(gguf_metadata(m).add("llama.attention.head_count", 0)), tersor::error_code::corrupt_file);
    EXPECT_EQ(code_of(gguf_metadata(m).add("llama.attention.head_count", -8)), tersor::error_code::corrupt_file);
    EXPECT_EQ(code_of(gguf_metadata(m).add("llama.attention.head_count", "8")), tersor::error_code::corrupt_file);
    EXPECT_EQ(code_of(gguf_metadata(m).add("llama.attention.head_count", std::vector<int>{8, 8})),
              tersor::error_code::corrupt_file);
}

} // namespace

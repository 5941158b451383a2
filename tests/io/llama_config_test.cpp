#include "tersor/io/llama_config.hpp"

#include "tersor/io/json.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <string>

namespace {

namespace llama = tersor::llama;
namespace json = tersor::json;

json::value usual_config() {
    return json::parse(R"({"architectures": ["LlamaForCausalLM"], "vocab_size": 4096, "hidden_size": 256,
        "intermediate_size": 768, "num_hidden_layers": 6, "num_attention_heads": 8, "num_key_value_heads": 4,
        "max_position_embeddings": 512, "rms_norm_eps": 1e-05, "rope_theta": 10000.0, "hidden_act": "silu",
        "tie_word_embeddings": false})",
                       "config");
}

tersor::error_code code_of(const json::value& from) {
    try {
        static_cast<void>(llama::read_config(from, "config.json"));
    } catch (const tersor::error& e) {
        EXPECT_NE(std::string(e.what()).find("config.json"), std::string::npos) << e.what();
        return e.code();
    }
    ADD_FAILURE() << "no error";
    return tersor::error_code::io;
}

TEST(LlamaConfig, TheNumbersAreRead) {
    const llama::config c = llama::read_config(usual_config(), "config.json");
    EXPECT_EQ(c.context_length, 512u);
    EXPECT_EQ(c.embedding_length, 256u);
    EXPECT_EQ(c.block_count, 6u);
    EXPECT_EQ(c.feed_forward_length, 768u);
    EXPECT_EQ(c.head_count, 8u);
    EXPECT_EQ(c.head_count_kv, 4u);
    EXPECT_EQ(c.head_length, 32u);
    EXPECT_FALSE(c.explicit_head_length);
    EXPECT_EQ(c.vocabulary, 4096u);
    EXPECT_EQ(c.rms_epsilon, 1e-5);
    EXPECT_EQ(c.rope_base, 10000.0);
    EXPECT_FALSE(c.tied_embeddings);
    EXPECT_TRUE(llama::rope_factors(c).empty());
}

TEST(LlamaConfig, WhatIsNotSaidHasTheDefaultsOfTransformers) {
    json::value from = usual_config();
    from["num_key_value_heads"] = nullptr;
    from["rms_norm_eps"] = nullptr;
    from["rope_theta"] = nullptr;
    from["hidden_act"] = nullptr;
    from["head_dim"] = 64;
    from["tie_word_embeddings"] = true;
    const llama::config c = llama::read_config(from, "config.json");
    EXPECT_EQ(c.head_count_kv, 8u);
    EXPECT_EQ(c.rms_epsilon, 1e-6);
    EXPECT_EQ(c.rope_base, 10000.0);
    EXPECT_EQ(c.head_length, 64u);
    EXPECT_TRUE(c.explicit_head_length);
    EXPECT_TRUE(c.tied_embeddings);
}

TEST(LlamaConfig, NewerFilesKeepTheRotaryNumbersTogether) {
    json::value from = usual_config();
    from["rope_parameters"]["rope_type"] = "default";
    from["rope_parameters"]["rope_theta"] = 500000.0;
    const llama::config c = llama::read_config(from, "config.json");
    EXPECT_EQ(c.rope_base, 500000.0);
    EXPECT_TRUE(c.scaling.type.empty());
}

TEST(LlamaConfig, YarnKeepsTheNumbersThatAreSaid) {
    json::value from = usual_config();
    from["rope_scaling"] = json::parse(R"({"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 512,
        "attn_factor": 1.5, "beta_fast": 16, "beta_slow": null})",
                                       "r");
    const llama::rope_scaling yarn = llama::read_config(from, "config.json").scaling;
    EXPECT_EQ(yarn.factor, 4.0);
    EXPECT_EQ(yarn.original_context, 512u);
    EXPECT_EQ(yarn.attention_factor, 1.5); // either name
    EXPECT_EQ(yarn.beta_fast, 16.0);
    EXPECT_FALSE(yarn.beta_slow || yarn.extrapolation_factor);
    from["rope_scaling"]["attention_factor"] = 2.0;
    EXPECT_EQ(llama::read_config(from, "config.json").scaling.attention_factor, 2.0);
    from["rope_scaling"]["beta_fast"] = -1;
    EXPECT_THROW(static_cast<void>(llama::read_config(from, "config.json")), tersor::error);
}

TEST(LlamaConfig, AnotherComputationIsUnsupported) {
    using tersor::error_code;
    for (const auto& [name, value] : std::initializer_list<std::pair<const char*, json::value>>{
             {"architectures", json::array{"MixtralForCausalLM"}},
             {"architectures", json::array{"Qwen2ForCausalLM"}},
             {"hidden_act", "gelu"},
             {"num_local_experts", 8},
             {"partial_rotary_factor", 0.5},
             {"rope_scaling", json::object{{"type", "dynamic"}, {"factor", 2.0}}}}) {
        json::value from = usual_config();
        from[name] = value;
        EXPECT_EQ(code_of(from), error_code::unsupported) << name;
    }
    EXPECT_EQ(code_of(json::object{}), error_code::unsupported);
    EXPECT_EQ(code_of(json::value()), error_code::unsupported);
}

TEST(LlamaConfig, NumbersThatCannotBeAreCorrupt) {
    for (const auto& [name, value] :
         std::initializer_list<std::pair<const char*, json::value>>{{"hidden_size", nullptr},
                                                                    {"hidden_size", 0},
                                                                    {"hidden_size", -256},
                                                                    {"hidden_size", 256.5},
                                                                    {"hidden_size", "256"},
                                                                    {"hidden_size", std::uint64_t{1} << 63},
                                                                    {"num_hidden_layers", (1 << 24) + 1},
                                                                    {"num_attention_heads", 0},
                                                                    {"num_key_value_heads", 3},
                                                                    {"head_dim", 31},
                                                                    {"rms_norm_eps", 0.0},
                                                                    {"rms_norm_eps", -1.0},
                                                                    {"rope_theta", "many"}}) {
        json::value from = usual_config();
        from[name] = value;
        EXPECT_EQ(code_of(from), tersor::error_code::corrupt_file) << name;
    }
}

TEST(LlamaConfig, FactorsOfLlama3FollowTheWavelengths) {
    json::value from = usual_config();
    from["head_dim"] = 64;
    from["rope_theta"] = 500000.0;
    from["rope_scaling"] = json::object{{"rope_type", "llama3"},
                                        {"factor", 32.0},
                                        {"low_freq_factor", 1.0},
                                        {"high_freq_factor", 4.0},
                                        {"original_max_position_embeddings", 8192}};
    const llama::config c = llama::read_config(from, "config.json");
    const std::vector<float> factors = llama::rope_factors(c);
    ASSERT_EQ(factors.size(), 32u);
    for (std::size_t i = 0; i < factors.size(); ++i) {
        const double wavelength = 2 * std::numbers::pi * std::pow(500000.0, static_cast<double>(i) / 32.0);
        if (wavelength < 2048) {
            EXPECT_EQ(factors[i], 1.0f) << i;
        } else if (wavelength > 8192) {
            EXPECT_EQ(factors[i], 32.0f) << i;
        } else {
            EXPECT_GT(factors[i], 1.0f) << i;
            EXPECT_LT(factors[i], 32.0f) << i;
        }
        EXPECT_GE(factors[i], i == 0 ? 1.0f : factors[i - 1]) << i;
    }
    // by hand: wavelength 2 pi 500000^(15/32) = 2949.6, smooth = (8192 / 2949.6 - 1) / 3
    const double smooth = (8192.0 / (2 * std::numbers::pi * std::pow(500000.0, 15.0 / 32.0)) - 1.0) / 3.0;
    EXPECT_FLOAT_EQ(factors[15], static_cast<float>(1.0 / ((1.0 - smooth) / 32.0 + smooth)));
}

} // namespace

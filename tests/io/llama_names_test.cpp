#include "tersor/io/llama_names.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace {

namespace llama = tersor::llama;

TEST(LlamaNames, EveryTensorHasItsNameInBothWorlds) {
    const std::vector<std::pair<std::string, std::string>> pairs{
        {"model.embed_tokens.weight", "token_embd.weight"},
        {"model.norm.weight", "output_norm.weight"},
        {"lm_head.weight", "output.weight"},
        {"model.layers.0.input_layernorm.weight", "blk.0.attn_norm.weight"},
        {"model.layers.7.self_attn.q_proj.weight", "blk.7.attn_q.weight"},
        {"model.layers.10.self_attn.k_proj.weight", "blk.10.attn_k.weight"},
        {"model.layers.10.self_attn.k_proj.bias", "blk.10.attn_k.bias"},
        {"model.layers.3.self_attn.v_proj.weight", "blk.3.attn_v.weight"},
        {"model.layers.3.self_attn.o_proj.weight", "blk.3.attn_output.weight"},
        {"model.layers.125.post_attention_layernorm.weight", "blk.125.ffn_norm.weight"},
        {"model.layers.1.mlp.gate_proj.weight", "blk.1.ffn_gate.weight"},
        {"model.layers.1.mlp.up_proj.weight", "blk.1.ffn_up.weight"},
        {"model.layers.1.mlp.down_proj.weight", "blk.1.ffn_down.weight"},
    };
    for (const auto& [hugging_face, gguf] : pairs) {
        const auto place = llama::place_of_hugging_face_name(hugging_face);
        ASSERT_TRUE(place) << hugging_face;
        EXPECT_EQ(llama::gguf_name(*place), gguf);
        EXPECT_EQ(llama::place_of_gguf_name(gguf), place);
        EXPECT_EQ(llama::hugging_face_name(*place), hugging_face);
    }
}

TEST(LlamaNames, OtherNamesHaveNoPlace) {
    for (const char* const name :
         {"", "weight", ".weight", "model.embed_tokens", "model.layers.0.weight", "model.layers..mlp.up_proj.weight",
          "model.layers.-1.mlp.up_proj.weight", "model.layers.01.mlp.up_proj.weight",
          "model.layers.99999999999.mlp.up_proj.weight", "model.layers.1x.mlp.up_proj.weight",
          "model.layers.0.self_attn.qkv_proj.weight", "model.layers.0.model.norm.weight", "self_attn.q_proj.weight",
          "model.layers.0.self_attn.q_proj.weight_scale", "token_embd.weight"}) {
        EXPECT_FALSE(llama::place_of_hugging_face_name(name)) << name;
    }
    for (const char* const name : {"", "blk.0.weight", "blk.0.attn_qkv.weight", "attn_q.weight", "blk.0.output.weight",
                                   "blk.1048576.attn_q.weight", "rope_freqs.weight", "lm_head.weight"}) {
        EXPECT_FALSE(llama::place_of_gguf_name(name)) << name;
    }
}

TEST(LlamaNames, WhatTransformersDerivesIsKnown) {
    EXPECT_TRUE(llama::is_derived("model.layers.0.self_attn.rotary_emb.inv_freq"));
    EXPECT_FALSE(llama::is_derived("model.layers.0.self_attn.q_proj.weight"));
}

} // namespace

#include "tersor/io/recipe.hpp"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace {

using tersor::gguf_type;
using tersor::recipe_model;

const std::vector<std::int64_t> matrix{4096, 4096};

gguf_type choose(std::string_view recipe, std::string_view name, const recipe_model& model,
                 const std::vector<std::int64_t>& shape = matrix) {
    return tersor::choose_type(*tersor::find_gguf_recipe(recipe), name, shape, model);
}

// One letter per layer, for readable expectations.
std::string types_by_layer(std::string_view recipe, const std::string& tensor, const recipe_model& model) {
    std::string letters;
    for (int layer = 0; layer < model.layers; ++layer) {
        switch (choose(recipe, "blk." + std::to_string(layer) + "." + tensor + ".weight", model)) {
        case gguf_type::q2_k:
            letters += '2';
            break;
        case gguf_type::q3_k:
            letters += '3';
            break;
        case gguf_type::q4_k:
            letters += '4';
            break;
        case gguf_type::q5_k:
            letters += '5';
            break;
        case gguf_type::q6_k:
            letters += '6';
            break;
        default:
            letters += '?';
            break;
        }
    }
    return letters;
}

// What llama-quantize shows for Llama-2-7B and Llama-3-8B (32 layers).
TEST(Recipe, TheKnownMixesOf32LayersComeOut) {
    const recipe_model llama2{.layers = 32};
    // layers 0-3 and 28-31, and 6, 9, ... 27
    std::string expected(32, '4');
    for (const int layer : {0, 1, 2, 3, 6, 9, 12, 15, 18, 21, 24, 27, 28, 29, 30, 31}) {
        expected[static_cast<std::size_t>(layer)] = '6';
    }
    EXPECT_EQ(types_by_layer("q4_k_m", "attn_v", llama2), expected);
    EXPECT_EQ(types_by_layer("q4_k_m", "ffn_down", llama2), expected);
    EXPECT_EQ(types_by_layer("q4_k_m", "attn_q", llama2), std::string(32, '4'));
    EXPECT_EQ(types_by_layer("q4_k_m", "attn_output", llama2), std::string(32, '4'));
    EXPECT_EQ(types_by_layer("q4_k_m", "ffn_gate", llama2), std::string(32, '4'));
    EXPECT_EQ(types_by_layer("q4_k_s", "attn_v", llama2), "5555" + std::string(28, '4'));
    EXPECT_EQ(types_by_layer("q4_k_s", "ffn_down", llama2), "5555" + std::string(28, '4'));
    EXPECT_EQ(types_by_layer("q5_k_s", "attn_v", llama2), std::string(32, '5'));
    EXPECT_EQ(types_by_layer("q3_k_m", "attn_v", llama2), "55" + std::string(30, '4'));
    EXPECT_EQ(types_by_layer("q3_k_m", "ffn_down", llama2), "55" + std::string(30, '4'));
    EXPECT_EQ(types_by_layer("q3_k_m", "attn_output", llama2), std::string(32, '4'));
    EXPECT_EQ(types_by_layer("q3_k_m", "attn_k", llama2), std::string(32, '3'));
    EXPECT_EQ(types_by_layer("q3_k_l", "attn_v", llama2), std::string(32, '5'));
    EXPECT_EQ(types_by_layer("q3_k_l", "ffn_down", llama2), std::string(32, '5'));
    EXPECT_EQ(types_by_layer("q3_k_s", "ffn_down", llama2), std::string(32, '3'));
    EXPECT_EQ(types_by_layer("q2_k", "attn_v", llama2), std::string(32, '3'));
    EXPECT_EQ(types_by_layer("q2_k", "ffn_down", llama2), std::string(32, '3'));
    EXPECT_EQ(types_by_layer("q2_k", "attn_output", llama2), std::string(32, '3'));
    EXPECT_EQ(types_by_layer("q2_k", "ffn_up", llama2), std::string(32, '2'));
    EXPECT_EQ(types_by_layer("q2_k_s", "ffn_down", llama2), "4444" + std::string(28, '2'));
    EXPECT_EQ(types_by_layer("q2_k_s", "attn_v", llama2), std::string(32, '2'));
    EXPECT_EQ(types_by_layer("q6_k", "attn_v", llama2), std::string(32, '6'));
    std::string five = expected;
    for (char& letter : five) {
        letter = letter == '4' ? '5' : letter;
    }
    EXPECT_EQ(types_by_layer("q5_k_m", "ffn_down", llama2), five);
}

TEST(Recipe, SharedHeadsGetMore) {
    const recipe_model llama3{.layers = 32, .query_heads_per_kv = 4};
    EXPECT_EQ(types_by_layer("q2_k", "attn_v", llama3), std::string(32, '4'));
    EXPECT_EQ(types_by_layer("q2_k_s", "attn_v", llama3), std::string(32, '4'));
    EXPECT_EQ(types_by_layer("iq4_xs", "attn_v", llama3), std::string(32, '5'));
    EXPECT_EQ(types_by_layer("iq3_s", "attn_v", llama3), std::string(32, '4'));
    EXPECT_EQ(types_by_layer("iq2_xxs", "attn_v", llama3), std::string(32, '4'));
    const recipe_model seventy{.layers = 80, .query_heads_per_kv = 8};
    EXPECT_EQ(choose("q3_k_s", "blk.40.attn_v.weight", seventy), gguf_type::q5_k);
    EXPECT_EQ(choose("q4_k_m", "blk.41.attn_v.weight", seventy), gguf_type::q5_k);
    EXPECT_EQ(choose("q4_k_m", "blk.41.attn_q.weight", seventy), gguf_type::q4_k);
    const recipe_model sixty_five{.layers = 80};
    EXPECT_EQ(choose("q4_k_m", "blk.41.attn_v.weight", sixty_five), gguf_type::q4_k);
}

TEST(Recipe, EmbeddingsAndHeadHaveTheirOwnTypes) {
    const recipe_model model{.layers = 32}, tied{.layers = 32, .tied_embeddings = true};
    const std::map<std::string_view, std::pair<gguf_type, gguf_type>> expected{
        {"q4_k_m", {gguf_type::q4_k, gguf_type::q6_k}},  {"q2_k", {gguf_type::q2_k, gguf_type::q6_k}},
        {"q8_0", {gguf_type::q8_0, gguf_type::q8_0}},    {"q4_0", {gguf_type::q4_0, gguf_type::q6_k}},
        {"iq2_xxs", {gguf_type::q2_k, gguf_type::q5_k}}, {"iq1_s", {gguf_type::q2_k, gguf_type::q5_k}},
        {"iq2_m", {gguf_type::iq3_s, gguf_type::q5_k}},  {"iq3_xxs", {gguf_type::iq3_s, gguf_type::q5_k}},
        {"iq3_m", {gguf_type::iq3_s, gguf_type::q6_k}},  {"iq4_xs", {gguf_type::iq4_xs, gguf_type::q6_k}},
        {"tq1_0", {gguf_type::q4_k, gguf_type::q6_k}},   {"mxfp4_moe", {gguf_type::q8_0, gguf_type::q8_0}}};
    for (const auto& [name, types] : expected) {
        EXPECT_EQ(choose(name, "token_embd.weight", model), types.first) << name;
        EXPECT_EQ(choose(name, "output.weight", model), types.second) << name;
        EXPECT_EQ(choose(name, "token_embd.weight", tied), types.second) << name;
    }
}

TEST(Recipe, ImportanceChangesSomeChoices) {
    recipe_model model{.layers = 32};
    EXPECT_EQ(choose("iq3_xxs", "blk.9.attn_v.weight", model), gguf_type::iq3_s);
    EXPECT_EQ(choose("iq3_xxs", "blk.9.ffn_down.weight", model), gguf_type::q3_k);
    EXPECT_EQ(choose("iq3_xxs", "blk.1.ffn_down.weight", model), gguf_type::q4_k);
    EXPECT_EQ(choose("iq4_xs", "blk.1.ffn_down.weight", model), gguf_type::q5_k);
    EXPECT_EQ(choose("q4_0", "blk.1.ffn_down.weight", model), gguf_type::q4_0);
    model.has_importance = true;
    EXPECT_EQ(choose("iq3_xxs", "blk.9.attn_v.weight", model), gguf_type::iq3_xxs);
    EXPECT_EQ(choose("iq3_xxs", "blk.9.ffn_down.weight", model), gguf_type::iq3_xxs);
    EXPECT_EQ(choose("iq4_xs", "blk.1.ffn_down.weight", model), gguf_type::iq4_xs);
    EXPECT_EQ(choose("q4_0", "blk.1.ffn_down.weight", model), gguf_type::q4_1);
    EXPECT_EQ(choose("q5_0", "blk.1.ffn_down.weight", model), gguf_type::q5_1);
    EXPECT_EQ(choose("q4_0", "blk.9.ffn_down.weight", model), gguf_type::q4_0);
}

TEST(Recipe, SmallTypesAreMixed) {
    const recipe_model model{.layers = 32};
    EXPECT_EQ(choose("iq2_s", "blk.9.ffn_up.weight", model), gguf_type::iq2_xs);
    EXPECT_EQ(choose("iq2_m", "blk.9.ffn_up.weight", model), gguf_type::iq2_s);
    EXPECT_EQ(choose("iq2_m", "blk.9.attn_v.weight", model), gguf_type::iq3_s);
    EXPECT_EQ(choose("iq2_xs", "blk.9.attn_v.weight", model), gguf_type::q2_k);
    EXPECT_EQ(choose("iq2_m", "blk.3.ffn_down.weight", model), gguf_type::iq3_s);
    EXPECT_EQ(choose("iq2_m", "blk.4.ffn_down.weight", model), gguf_type::iq2_s);
    EXPECT_EQ(choose("iq1_s", "blk.9.attn_output.weight", model), gguf_type::iq2_xxs);
    EXPECT_EQ(choose("iq3_xxs", "blk.9.attn_q.weight", model), gguf_type::iq2_s);
    EXPECT_EQ(choose("iq3_xs", "blk.9.attn_k.weight", model), gguf_type::iq3_xxs);
    EXPECT_EQ(choose("iq3_xs", "blk.9.ffn_gate.weight", model), gguf_type::iq3_xxs);
    EXPECT_EQ(choose("iq3_xs", "blk.3.ffn_gate.weight", model), gguf_type::iq3_s);
    EXPECT_EQ(choose("iq3_xs", "blk.28.ffn_up.weight", model), gguf_type::iq3_s);
    EXPECT_EQ(choose("iq3_m", "blk.9.attn_v.weight", model), gguf_type::q4_k);
    EXPECT_EQ(choose("iq3_m", "blk.9.attn_output.weight", model), gguf_type::q4_k);
}

TEST(Recipe, ExpertsHaveRulesOfTheirOwn) {
    const recipe_model mixtral{.layers = 32, .query_heads_per_kv = 4, .experts = 8};
    EXPECT_EQ(choose("q4_k_m", "blk.9.attn_v.weight", mixtral), gguf_type::q8_0);
    EXPECT_EQ(choose("q4_k_m", "blk.9.attn_k.weight", mixtral), gguf_type::q8_0);
    EXPECT_EQ(choose("q4_k_m", "blk.10.attn_output.weight", mixtral), gguf_type::q5_k);
    EXPECT_EQ(choose("q4_k_m", "blk.9.ffn_down_exps.weight", mixtral, {8, 4096, 14336}), gguf_type::q6_k);
    EXPECT_EQ(choose("mxfp4_moe", "blk.9.ffn_down_exps.weight", mixtral, {8, 4096, 14336}), gguf_type::mxfp4);
    EXPECT_EQ(choose("mxfp4_moe", "blk.9.attn_q.weight", mixtral), gguf_type::q8_0);
}

TEST(Recipe, RowsThatAreNoWholeBlocksGetATypeThatFits) {
    using enum gguf_type;
    const std::map<gguf_type, gguf_type> next{{q2_k, q4_0},     {q3_k, q4_0},    {q4_k, q5_0},      {q5_k, q5_1},
                                              {q6_k, q8_0},     {iq1_s, iq4_nl}, {iq1_m, iq4_nl},   {iq2_xxs, iq4_nl},
                                              {iq2_xs, iq4_nl}, {iq2_s, iq4_nl}, {iq3_xxs, iq4_nl}, {iq3_s, iq4_nl},
                                              {iq4_xs, iq4_nl}, {tq1_0, q4_0},   {tq2_0, q4_0}};
    for (const auto& [type, other] : next) {
        EXPECT_EQ(tersor::fitting_type(type, 512), type);
        EXPECT_EQ(tersor::fitting_type(type, 96), other) << tersor::to_string(type);
        EXPECT_EQ(tersor::fitting_type(type, 100), f16) << tersor::to_string(type);
    }
    EXPECT_EQ(tersor::fitting_type(q8_0, 32), q8_0);
    EXPECT_EQ(tersor::fitting_type(q8_0, 33), f16);
    EXPECT_EQ(tersor::fitting_type(q2_0, 96), q4_0);
    const recipe_model model{.layers = 32};
    EXPECT_EQ(choose("q4_k_m", "blk.5.attn_q.weight", model, {64, 96}), q5_0);
    EXPECT_EQ(choose("q4_k_m", "output.weight", model, {64, 96}), q8_0);
    EXPECT_EQ(choose("q4_k_m", "output.weight", model, {64, 100}), f16);
}

TEST(Recipe, SomeTensorsAreLeftAlone) {
    EXPECT_TRUE(tersor::recipe_applies("blk.0.attn_q.weight", matrix));
    EXPECT_TRUE(tersor::recipe_applies("token_embd.weight", matrix));
    EXPECT_TRUE(tersor::recipe_applies("blk.0.ffn_up_exps.weight", std::vector<std::int64_t>{8, 64, 64}));
    EXPECT_FALSE(tersor::recipe_applies("blk.0.attn_norm.weight", std::vector<std::int64_t>{64}));
    EXPECT_FALSE(tersor::recipe_applies("blk.0.attn_norm.weight", matrix));
    EXPECT_FALSE(tersor::recipe_applies("blk.0.ffn_gate_inp.weight", matrix));
    EXPECT_FALSE(tersor::recipe_applies("blk.0.attn_q.bias", matrix));
    EXPECT_FALSE(tersor::recipe_applies("a", {}));
}

TEST(Recipe, EveryRecipeHasAFileTypeOfItsOwn) {
    std::map<std::uint32_t, std::string_view> seen;
    for (const tersor::gguf_recipe& recipe : tersor::gguf_recipes) {
        EXPECT_TRUE(seen.emplace(recipe.file_type, recipe.name).second) << recipe.name;
        EXPECT_EQ(tersor::find_gguf_recipe(recipe.name), &recipe);
    }
    EXPECT_EQ(tersor::find_gguf_recipe("q4_k"), nullptr);
    EXPECT_EQ(tersor::find_gguf_recipe("q4_k_m")->file_type, 15u);
}

TEST(Recipe, LayersBeyondAnyModelDoNotOverflow) {
    EXPECT_EQ(choose("q4_k_m", "blk.99999999999999999999.ffn_down.weight", {.layers = 32}), gguf_type::q6_k);
}

} // namespace

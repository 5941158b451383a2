#include "tersor/io/gptq_config.hpp"

#include "tersor/io/awq_config.hpp"
#include "tersor/io/json.hpp"
#include "tersor/io/transcode_config.hpp"
#include "tests/io/checkpoint_tensors.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace {

using namespace tersor;
using checkpoint::expect_error;

gptq_layout::config read(const std::string& text) {
    return gptq_layout::read_config(json::parse(text));
}

void expect_refused(const std::string& text, error_code code, std::initializer_list<std::string_view> words) {
    expect_error(code, words, [&] { (void)read(text); });
}

} // namespace

TEST(GptqConfig, SaysWhatReadersAskFor) {
    gptq_layout::config c = gptq_layout::config_of({4, 64, 256, 2, 128, true, true});
    EXPECT_EQ(json::write(gptq_layout::quantization_config(c)),
              R"({"bits":4,"checkpoint_format":"gptq","damp_percent":0.01,"desc_act":false,"group_size":128,)"
              R"("lm_head":false,"pack_dtype":"int32","quant_method":"gptq","static_groups":false,"sym":true,)"
              R"("true_sequential":true})");
    c = gptq_layout::config_of({3, 64, 256, 1, 0, false, false},
                               {gptq_layout::version::v2, gptq_layout::packing::planes});
    c.skipped_modules = {"lm_head", "model.layers.0.gate"};
    c.rules = {{"model.layers.1.up", 8, 32, true, false}};
    c.damp_percent = 0.05;
    const std::string text = json::write(gptq_layout::quantization_config(c));
    EXPECT_NE(text.find(R"("checkpoint_format":"gptq_p")"), std::string::npos) << text;
    EXPECT_NE(text.find(R"("-:^model\\.layers\\.0\\.gate$":{})"), std::string::npos) << text;
    EXPECT_NE(text.find(R"("group_size":-1)"), std::string::npos) << text;
    const gptq_layout::config back = read(text);
    EXPECT_EQ(back.bits, 3);
    EXPECT_EQ(back.group_size, -1);
    EXPECT_TRUE(back.desc_act);
    EXPECT_EQ(back.sym, false);
    EXPECT_EQ(back.storage, c.storage);
    EXPECT_EQ(back.damp_percent, 0.05);
    EXPECT_EQ(back.skipped_modules, c.skipped_modules);
    EXPECT_EQ(back.rules, c.rules);
}

TEST(GptqConfig, ReadsTheFilesOfOlderPrograms) {
    const auto old = read(R"({"bits": 4, "group_size": 128, "damp_percent": 0.1, "desc_act": true, "sym": true,
                              "true_sequential": false, "model_name_or_path": null, "checkpoint_format": null})");
    EXPECT_TRUE(old.desc_act);
    EXPECT_EQ(old.sym, true);
    EXPECT_FALSE(old.true_sequential);
    EXPECT_EQ(old.damp_percent, 0.1);
    EXPECT_EQ(old.storage.zeros, gptq_layout::version::v1);
    EXPECT_FALSE(read("{}").sym.has_value());
    const auto recent = read(R"({"quant_method":"gptq","format":"gptq_v2","meta":{"damp_percent":0.05},
                                 "dynamic":{".*\\.up$":{"bits":8}}})");
    EXPECT_EQ(recent.storage.zeros, gptq_layout::version::v2);
    EXPECT_EQ(recent.damp_percent, 0.05);
    ASSERT_EQ(recent.rules.size(), 1u);
    EXPECT_EQ(recent.rules[0].name, ".*\\.up$");
    EXPECT_EQ(recent.rules[0].bits, 8);
    EXPECT_EQ(recent.rules[0].group_size, 128);
}

TEST(GptqConfig, NamesWhatIsWrong) {
    const auto corrupt = error_code::corrupt_file, unsupported = error_code::unsupported;
    expect_refused(R"({"bits":"four"})", corrupt, {"'bits'", "2 to 8"});
    expect_refused(R"({"bits":9})", corrupt, {"'bits'"});
    expect_refused(R"({"bits":4.5})", corrupt, {"'bits'"});
    expect_refused(R"({"group_size":0})", corrupt, {"'group_size'", "0"});
    expect_refused(R"({"group_size":-2})", corrupt, {"'group_size'"});
    expect_refused(R"({"desc_act":1})", corrupt, {"'desc_act'"});
    expect_refused(R"({"sym":"yes"})", corrupt, {"'sym'"});
    expect_refused(R"({"damp_percent":"a"})", corrupt, {"'damp_percent'"});
    expect_refused(R"({"checkpoint_format":7})", corrupt, {"'checkpoint_format'"});
    expect_refused(R"({"checkpoint_format":"marlin"})", unsupported, {"'marlin'", "gptq_v2"});
    expect_refused(R"({"pack_dtype":"int16"})", unsupported, {"'int16'"});
    expect_refused(R"({"quant_method":"awq"})", unsupported, {"'awq'"});
}

TEST(AwqConfig, IsWrittenAndReadInBothForms) {
    awq_layout::config c = awq_layout::config_of({4, 64, 256, 2, 128, false, true});
    EXPECT_EQ(json::write(awq_layout::quantization_config(c)),
              R"({"bits":4,"group_size":128,"modules_to_not_convert":null,"quant_method":"awq","version":"gemm",)"
              R"("zero_point":true})");
    EXPECT_EQ(json::write(awq_layout::quant_config(c)),
              R"({"zero_point":true,"q_group_size":128,"w_bit":4,"version":"GEMM"})");
    c.skipped_modules = {"lm_head"};
    EXPECT_EQ(awq_layout::read_config(awq_layout::quantization_config(c)).skipped_modules, c.skipped_modules);
    EXPECT_EQ(awq_layout::read_config(awq_layout::quant_config(c)).group_size, 128);
    expect_error(error_code::unsupported, {"'gemv'", "'gemm'"},
                 [] { (void)awq_layout::read_config(json::parse(R"({"version":"GEMV"})")); });
    expect_error(error_code::unsupported, {"'bits'", "8"},
                 [] { (void)awq_layout::read_config(json::parse(R"({"w_bit":8})")); });
}

TEST(TranscodeConfig, LayersThatDifferAreNamed) {
    const affine_shape coarse{4, 64, 256, 2, 128, true, true}, fine{8, 64, 256, 8, 32, false, true};
    const std::vector<affine_layer> layers{{"a.weight", coarse}, {"b.weight", fine}, {"c.weight", coarse}};
    const std::vector<std::string> skipped{"lm_head"};
    const auto gptq = gptq_layout::read_config(quantization_config({affine_layout::gptq_v2}, layers, skipped));
    EXPECT_EQ(gptq.bits, 4);
    EXPECT_EQ(gptq.sym, true);
    EXPECT_EQ(gptq.storage.zeros, gptq_layout::version::v2);
    EXPECT_EQ(gptq.skipped_modules, skipped);
    EXPECT_EQ(gptq.rules, (std::vector<gptq_layout::module_rule>{{"b", 8, 32, false, false}}));
    const auto compressed = quantization_config({affine_layout::compressed_tensors}, layers, skipped);
    EXPECT_EQ(compressed.at("config_groups").as_object().size(), 2u);
    EXPECT_EQ(compressed.at("ignore").as_array()[0].as_string(), "lm_head");
    expect_error(error_code::unsupported, {"'b.weight'", "32", "128"},
                 [&] { (void)quantization_config({affine_layout::awq}, layers); });
    EXPECT_EQ(quantization_config({affine_layout::awq}, std::vector<affine_layer>{{"a.weight", coarse}})
                  .at("group_size")
                  .as_integer(),
              128);
}

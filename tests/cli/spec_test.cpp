#include "examples/cli/spec.hpp"

#include "examples/cli/usage.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace {

using cli::parse_spec;
using cli::usage_error;

std::string message_of(std::string_view text) {
    try {
        static_cast<void>(parse_spec(text));
    } catch (const usage_error& e) {
        return e.what();
    }
    return "accepted";
}

TEST(Spec, EveryFormatHasADefaultGroupAndASpellingThatReadsBack) {
    for (const cli::format_info& format : cli::all_formats()) {
        const cli::spec s = parse_spec(format.name);
        EXPECT_EQ(s.format, &format);
        EXPECT_EQ(s.group, format.group);
        EXPECT_FALSE(s.explicit_group);
        EXPECT_EQ(parse_spec(s.text()).text(), s.text());
    }
}

TEST(Spec, KeepsEveryPart) {
    for (const char* const text :
         {"int8/row", "uint4/128", "nf4/64+dq", "int4/32@mse", "uint4/64@kl", "fp8_e4m3/tensor", "int3/7", "uint2/row@percentile=99.9",
          "fp4/32+dq@mse", "dynamic8/256", "mxfp4", "nvfp4", "f16", "q4_k", "iq4_nl", "tq1_0", "q4_k_m", "q2_k_mix"}) {
        EXPECT_EQ(parse_spec(text).text(), text);
    }
    EXPECT_EQ(parse_spec("int8/row@max").text(), "int8/row");
    EXPECT_EQ(parse_spec("mxfp4/32").text(), "mxfp4");
    EXPECT_EQ(parse_spec("q4_k/256").text(), "q4_k");
    EXPECT_EQ(parse_spec("Q4_K_M").text(), "q4_k_m"); // as llama.cpp writes it
    EXPECT_EQ(parse_spec("int4@percentile=99.5").range.percent, 99.5);
    EXPECT_EQ(parse_spec("int8/tensor").group, tersor::whole_tensor);
}

TEST(Spec, RefusesWhatItDoesNotKnowAndSaysWhatItDoes) {
    EXPECT_NE(message_of("int9").find("unknown format 'int9'"), std::string::npos);
    EXPECT_NE(message_of("int9").find("int8 int7"), std::string::npos);
    EXPECT_NE(message_of("q4_9").find("unknown format 'q4_9'"), std::string::npos);
    EXPECT_NE(message_of("q4_9").find(" q4_k "), std::string::npos);
    EXPECT_NE(message_of("int8@median").find("available: max, percentile=P, mse, kl"), std::string::npos);
    for (const char* const text : {"",
                                   "/row",
                                   "int8/",
                                   "int8/0",
                                   "int8/-4",
                                   "int8/4x",
                                   "int8/99999999999999999999",
                                   "int8/row+dq",
                                   "nf4+dd",
                                   "int8@",
                                   "int8@percentile=",
                                   "int8@percentile=0",
                                   "int8@percentile=100.1",
                                   "int8@percentile=nan",
                                   "mxfp4/16",
                                   "nvfp4/32",
                                   "f16/row",
                                   "bf16@mse",
                                   "f32+dq",
                                   "INT8",
                                   "int8 /row",
                                   "q4_k/32",
                                   "q4_k+dq",
                                   "q4_k@mse",
                                   "q4_k_m/256",
                                   "q4_k_mix",
                                   "Q4_K_MIX",
                                   "int8/row/4",
                                   "nf4/64+dq+dq"}) {
        EXPECT_NE(message_of(text), "accepted") << text;
    }
}

TEST(Spec, HelpNamesEveryFormat) {
    const std::string help = cli::spec_help();
    for (const cli::format_info& format : cli::all_formats()) {
        const bool is_listed = format.family == cli::family::gguf || format.family == cli::family::recipe;
        const std::string before = is_listed ? " " : "\n  ";
        EXPECT_NE(help.find(before + std::string(format.name)), std::string::npos) << format.name;
    }
}

TEST(Spec, KnowsTypesFromRecipes) {
    EXPECT_EQ(parse_spec("q2_k").recipe(), nullptr);
    ASSERT_NE(parse_spec("q2_k").gguf_type(), nullptr);
    EXPECT_EQ(parse_spec("q2_k").gguf_type()->type, tersor::gguf_type::q2_k);
    ASSERT_NE(parse_spec("q2_k_mix").recipe(), nullptr);
    EXPECT_EQ(parse_spec("q2_k_mix").recipe()->name, "q2_k");
    EXPECT_EQ(parse_spec("iq2_m").recipe()->name, "iq2_m");
    EXPECT_EQ(parse_spec("mxfp4").gguf_type()->type, tersor::gguf_type::mxfp4);
    EXPECT_EQ(parse_spec("int8").gguf_type(), nullptr);
    EXPECT_TRUE(parse_spec("q4_k_m").is_gguf());
    EXPECT_FALSE(parse_spec("mxfp4").is_gguf());
}

} // namespace

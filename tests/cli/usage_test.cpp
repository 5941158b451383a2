// Wrong command lines end with status 2, failures with 1, and both with one line on standard error.

#include "program.hpp"

namespace {

class Usage : public testing::Test {
protected:
    void SetUp() override { make_model(model, usual_tensors()); }

    [[nodiscard]] outcome quantize(std::vector<std::string> more) const {
        more.insert(more.begin(), {"quantize", model, "-o", out});
        return run(more);
    }

    temporary_folder folder;
    std::string model = folder / "model.safetensors";
    std::string out = folder / "out.safetensors";
};

TEST_F(Usage, HelpAndVersionSucceed) {
    EXPECT_EQ(run({"--version"}).out, std::string("tersor ") + tersor::version + "\n");
    EXPECT_TRUE(run({"--help"}).ok());
    for (const char* const command : {"quantize", "dequantize", "inspect", "compare", "calibrate"}) {
        const outcome o = run({command, "--help"});
        EXPECT_TRUE(o.ok()) << command;
        EXPECT_NE(o.out.find("Usage"), std::string::npos) << o.out;
        EXPECT_NE(run({"--help"}).out.find(command), std::string::npos);
    }
    EXPECT_NE(run({"quantize", "--help"}).out.find("SPEC = FORMAT[/GROUP][+dq][@CALIBRATOR]"), std::string::npos);
}

TEST_F(Usage, WrongCommandLinesHaveStatusTwo) {
    const std::vector<std::vector<std::string>> wrong{
        {},
        {"frobnicate"},
        {"quantize"},
        {"quantize", model},
        {"quantize", model, "-o", out},
        {"quantize", model, "--to", "int8"},
        {"quantize", model, "-o", out, "--to", "int9"},
        {"quantize", model, "-o", out, "--to", "int8", "--frobnicate"},
        {"quantize", model, "-o", out, "--to", "int8", "more"},
        {"quantize", model, "-o", out, "--to", "int8", "--threads", "-1"},
        {"quantize", model, "-o", out, "--to", "int8", "--threads", "many"},
        {"quantize", model, "-o", out, "--to", "int8", "--mode", "worst"},
        {"quantize", model, "-o", out, "--to", "int8", "--layout", "parquet"},
        {"quantize", model, "-o", out, "--to", "int8", "--skip", "("},
        {"quantize", model, "-o", out, "--to", "int8", "--set", "q_proj"},
        {"quantize", model, "-o", out, "--to", "int8", "--set", "q_proj=int9"},
        {"quantize", model, "-o", folder / "out.gguf", "--to", "int8"},
        {"dequantize", model},
        {"dequantize", model, "-o", folder / "out"},
        {"dequantize", model, "-o", out, "--dtype", "f8"},
        {"inspect"},
        {"compare", model},
        {"perplexity", model},
        {"calibrate", model},
        {"generate", model},
        {"calibrate", model, "--method", "guess"},
        {"calibrate", model, "--method", "mse", "--bits", "9"},
        {"calibrate", model, "--method", "mse", "--bins", "1000"},
        {"calibrate", model, "--method", "percentile", "--percentile", "0"},
        {"calibrate", model, "--method", "moving_average", "--momentum", "2"},
        {"quantize", model, "-o", out, "--to", "int4", "--solver", "magic"},
        {"quantize", model, "-o", out, "--to", "int4", "--solver", "gptq"},
        {"quantize", model, "-o", out, "--to", "int4", "--damp", "0.1"},
        {"quantize", model, "-o", out, "--to", "int4", "--target-bits", "4"},
        {"quantize", model, "-o", out, "--target-bits", "0"},
        {"quantize", model, "-o", out, "--target-size", "big"},
        {"quantize", model, "-o", out, "--target-bits", "4", "--target-size", "1MB"},
        {"quantize", model, "-o", out, "--target-bits", "4", "--choices", "int4,q4_0"},
        {"quantize", model, "-o", out, "--target-bits", "4", "--plan", model},
    };
    for (const auto& arguments : wrong) {
        const outcome o = run(arguments);
        EXPECT_EQ(o.status, 2) << testing::PrintToString(arguments) << o.err;
        EXPECT_TRUE(o.says("")) << testing::PrintToString(arguments);
        EXPECT_EQ(folder.entries(), 1u) << testing::PrintToString(arguments);
    }
}

TEST_F(Usage, WhatComesLaterSaysWhatIsAvailable) {
    EXPECT_TRUE(quantize({"--to", "int4", "--calibration", model}).says("give them with --inputs"));
    EXPECT_TRUE(run({"perplexity", model}).says("available: quantize, dequantize, inspect, compare, calibrate"));
    EXPECT_TRUE(quantize({"--to", "int4", "--solver", "rtn", "--dry-run"}).ok());
}

TEST_F(Usage, CombinationsThatALayoutCannotHoldSayWhichCan) {
    const auto expect = [&](const std::vector<std::string>& more, std::string_view what) {
        const outcome o = quantize(more);
        EXPECT_EQ(o.status, 2) << testing::PrintToString(more);
        EXPECT_TRUE(o.says(what)) << testing::PrintToString(more);
    };
    expect({"--to", "nf4", "--layout", "compressed-tensors"}, "bitsandbytes can");
    expect({"--to", "int4/64", "--layout", "bitsandbytes"}, "compressed-tensors, gptq and gptq-v2 can");
    expect({"--to", "mxfp4", "--layout", "bitsandbytes"}, "compressed-tensors can");
    expect({"--to", "uint4/64", "--layout", "bitsandbytes"}, "compressed-tensors, gptq and gptq-v2 can");
    expect({"--to", "uint3/64", "--layout", "awq"}, "gptq, gptq-v2 and compressed-tensors can");
    expect({"--to", "nf4", "--layout", "gptq"}, "bitsandbytes can");
    expect({"--to", "int4/tensor", "--layout", "gptq"}, "compressed-tensors can");
    expect({"--to", "mxfp4", "--layout", "gptq-v2"}, "compressed-tensors can");
    expect({"--to", "nf4/row"}, "32, 64, 128");
    expect({"--to", "nf4/48"}, "32, 64, 128");
    expect({"--to", "int4/24"}, "possible: row, 8, 16, 32");
    // one config.json cannot describe two layouts
    const outcome mixed = run({"quantize", model, "-o", folder / "out", "--to", "int8", "--set", "q_proj=nf4"});
    EXPECT_EQ(mixed.status, 2);
    EXPECT_TRUE(mixed.says("single .safetensors file"));
    EXPECT_EQ(folder.entries(), 1u);
}

TEST_F(Usage, PatternsThatMatchNothingAreErrors) {
    EXPECT_TRUE(quantize({"--to", "int8", "--set", "k_proj=int4"}).says("--set 'k_proj' matches no"));
    EXPECT_TRUE(quantize({"--to", "int8", "--skip", "k_proj"}).says("--skip 'k_proj' matches no"));
    // a norm is no matrix
    EXPECT_EQ(quantize({"--to", "int8", "--set", "model.norm=int4"}).status, 2);
    EXPECT_EQ(folder.entries(), 1u);
}

TEST_F(Usage, FailuresHaveStatusOne) {
    const std::string text = folder.write("text.safetensors", "this is not a model");
    const std::string cut = folder.write("cut.safetensors", temporary_folder::read(model).substr(0, 500));
    for (const std::string& path : {folder / "none.safetensors", folder / "none", text, cut}) {
        const std::vector<std::vector<std::string>> failing{{"quantize", path, "-o", out, "--to", "int8"},
                                                            {"dequantize", path, "-o", out},
                                                            {"inspect", path},
                                                            {"compare", path, model},
                                                            {"compare", model, path}};
        for (const auto& arguments : failing) {
            const outcome o = run(arguments);
            EXPECT_EQ(o.status, 1) << testing::PrintToString(arguments) << o.err;
            EXPECT_TRUE(o.says("")) << testing::PrintToString(arguments);
        }
    }
    EXPECT_EQ(folder.entries(), 3u);
}

TEST_F(Usage, NonFiniteValuesAreNamed) {
    auto tensors = usual_tensors();
    tensors[2].values[3 * 64 + 5] = std::numeric_limits<float>::quiet_NaN();
    const std::string bad = folder / "bad.safetensors";
    make_model(bad, tensors);
    const outcome o = run({"quantize", bad, "-o", out, "--to", "int8"});
    EXPECT_EQ(o.status, 1);
    EXPECT_TRUE(o.says("tensor 'model.layers.1.q_proj.weight' has NaN at [3, 5]"));
    EXPECT_EQ(folder.entries(), 2u);
}

TEST_F(Usage, QuantizedModelsAreNotQuantizedAgain) {
    ASSERT_TRUE(quantize({"--to", "nf4"}).ok());
    const outcome o = run({"quantize", out, "-o", folder / "again.safetensors", "--to", "int8"});
    EXPECT_EQ(o.status, 2);
    EXPECT_TRUE(o.says("quantized already"));
}

TEST_F(Usage, CompareRefusesOtherShapes) {
    auto tensors = usual_tensors();
    tensors[1].shape = {32, 128};
    make_model(out, tensors);
    const outcome o = run({"compare", model, out});
    EXPECT_EQ(o.status, 1);
    EXPECT_TRUE(o.says("[64, 64] in A and [32, 128] in B"));
    make_matrix(folder / "other.safetensors", 4, 4);
    EXPECT_EQ(run({"compare", model, folder / "other.safetensors"}).status, 1);
}

} // namespace

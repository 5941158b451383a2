// Output is whole or absent, never the input, and never replaces what it may not.

#include "program.hpp"

#include <filesystem>
#include <sys/resource.h>
#include <thread>

namespace {

namespace fs = std::filesystem;

class Files : public testing::Test {
protected:
    void SetUp() override { make_model(model, usual_tensors()); }

    [[nodiscard]] std::vector<std::string> quantize(const std::string& to, std::vector<std::string> more = {}) const {
        more.insert(more.begin(), {"quantize", model, "-o", to, "--to", "int8/row"});
        return more;
    }

    // Nothing but these entries, hidden ones included.
    [[nodiscard]] std::vector<std::string> entries() const {
        std::vector<std::string> names;
        for (const auto& entry : fs::directory_iterator(folder.path())) {
            names.push_back(entry.path().filename());
        }
        std::ranges::sort(names);
        return names;
    }

    // Work for some seconds: a slow search over many small groups.
    [[nodiscard]] process start_slow_run(const std::string& to) const {
        make_matrix(folder / "slow.safetensors", 1024, 4096);
        return process({"quantize", folder / "slow.safetensors", "-o", to, "--to", "uint4/16@mse"});
    }

    // Waits until a run has begun to write.
    void wait_for_temporary() const {
        for (int turn = 0; turn < 20000; ++turn) {
            for (const std::string& name : entries()) {
                if (name.starts_with(".tersor-")) {
                    return;
                }
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        FAIL() << "no temporary file in twenty seconds";
    }

    temporary_folder folder;
    std::string model = folder / "model.safetensors";
    std::string out = folder / "out.safetensors";
};

using names = std::vector<std::string>;

TEST_F(Files, TheInputIsNeverTheOutput) {
    const std::string before = temporary_folder::read(model);
    fs::create_symlink(model, folder / "link.safetensors");
    fs::create_hard_link(model, folder / "hard.safetensors");
    for (const std::string& to :
         {model, folder / "link.safetensors", folder / "hard.safetensors", folder.path() + "/./model.safetensors"}) {
        const outcome o = run(quantize(to, {"--force"}));
        EXPECT_EQ(o.status, 1) << to;
        EXPECT_TRUE(o.says("is the input")) << to;
        const outcome back = run({"dequantize", model, "-o", to, "--force"});
        EXPECT_EQ(back.status, 1) << to;
        EXPECT_TRUE(back.says("is the input")) << to;
    }
    for (const char* const option : {"--json", "--html"}) {
        EXPECT_EQ(run(quantize(out, {option, model})).status, 1);
        EXPECT_EQ(run({"compare", model, model, option, model}).status, 1);
    }
    EXPECT_EQ(run({"inspect", model, "--json", model}).status, 1);
    EXPECT_EQ(temporary_folder::read(model), before);
    EXPECT_EQ(entries(), (names{"hard.safetensors", "link.safetensors", "model.safetensors"}));
}

TEST_F(Files, AFolderIsNeverWrittenOntoItself) {
    const std::string before = temporary_folder::read(model);
    for (const std::string& to : {folder.path(), folder.path() + "/", folder.path() + "/."}) {
        const outcome o = run({"quantize", folder.path(), "-o", to, "--to", "int8", "--force"});
        EXPECT_EQ(o.status, 1) << to;
        // nor a folder that holds the input
        EXPECT_EQ(run(quantize(to, {"--force"})).status, 1) << to;
    }
    EXPECT_EQ(run({"quantize", folder.path(), "-o", model, "--to", "int8", "--force"}).status, 1);
    EXPECT_EQ(temporary_folder::read(model), before);
    EXPECT_EQ(entries(), names{"model.safetensors"});
}

TEST_F(Files, WhatExistsIsKeptWithoutForce) {
    static_cast<void>(folder.write("out.safetensors", "precious"));
    const outcome refused = run(quantize(out));
    EXPECT_EQ(refused.status, 1);
    EXPECT_TRUE(refused.says("--force"));
    EXPECT_EQ(run({"dequantize", model, "-o", out}).status, 1);
    EXPECT_EQ(temporary_folder::read(out), "precious");
    EXPECT_TRUE(run(quantize(out, {"--force"})).ok());
    EXPECT_NE(temporary_folder::read(out), "precious");
    EXPECT_TRUE(run({"dequantize", model, "-o", out, "--force"}).ok());
    EXPECT_EQ(entries(), (names{"model.safetensors", "out.safetensors"}));
}

TEST_F(Files, ADryRunWritesNothing) {
    for (const std::string& to : {out, folder / "out"}) {
        const outcome o = run(quantize(to, {"--dry-run"}));
        EXPECT_TRUE(o.ok()) << o.err;
        EXPECT_NE(o.out.find("model.layers.1.up.weight"), std::string::npos);
        EXPECT_NE(o.out.find("int8/row"), std::string::npos);
    }
    EXPECT_TRUE(run({"quantize", model, "--to", "nf4/64+dq", "--dry-run"}).ok());
    EXPECT_EQ(entries(), names{"model.safetensors"});
}

TEST_F(Files, ADryRunKnowsTheSizes) {
    for (const char* const mode : {"best", "reference"}) {
        for (const char* const spec : {"int8/row", "uint3/8", "nf4/64+dq", "mxfp4", "bf16"}) {
            std::vector<std::string> arguments{"quantize", model, "-o", out, "--to", spec, "--mode", mode, "--json"};
            arguments.push_back(folder / "done");
            arguments.push_back("--force");
            ASSERT_TRUE(run(arguments).ok());
            arguments[9] = folder / "plan";
            arguments.push_back("--dry-run");
            ASSERT_TRUE(run(arguments).ok());
            const auto plan = read_json(folder / "plan"), done = read_json(folder / "done");
            EXPECT_EQ(plan.at("total").at("bytes_out"), done.at("total").at("bytes_out")) << spec << " " << mode;
            EXPECT_TRUE(plan.at("tensors").as_array()[0].at("mse").is(tersor::json::kind::null));
        }
    }
}

TEST_F(Files, AFullDiskLeavesNothing) {
    const auto limit = [] {
        const rlimit bytes{4096, 4096};
        ::setrlimit(RLIMIT_FSIZE, &bytes);
    };
    for (const auto& arguments :
         {quantize(out), quantize(folder / "out"), std::vector<std::string>{"dequantize", model, "-o", out}}) {
        const outcome o = run(arguments, limit);
        EXPECT_EQ(o.status, 1) << testing::PrintToString(arguments);
        EXPECT_TRUE(o.says("cannot write"));
        EXPECT_EQ(entries(), names{"model.safetensors"});
    }
}

TEST_F(Files, AKilledRunLeavesNothingUnderTheName) {
    for (const std::string& to : {out, folder / "out"}) {
        const process slow = start_slow_run(to);
        wait_for_temporary();
        EXPECT_FALSE(fs::exists(to)) << "the run was over too soon to be killed in its middle";
        slow.send(SIGKILL);
        EXPECT_EQ(slow.wait().status, -1);
        EXPECT_FALSE(fs::exists(to));
        for (const std::string& left : entries()) { // nobody was there to remove what was begun
            if (left.starts_with(".tersor-")) {
                fs::remove_all(folder / left);
            }
        }
        fs::remove(folder / "slow.safetensors");
    }
}

TEST_F(Files, AnInterruptedRunCleansUp) {
    for (const int signal : {SIGINT, SIGTERM}) {
        for (const std::string& to : {out, folder / "out"}) {
            const process slow = start_slow_run(to);
            wait_for_temporary();
            slow.send(signal);
            const outcome o = slow.wait();
            EXPECT_EQ(o.status, 1);
            EXPECT_TRUE(o.says("cancelled"));
            EXPECT_EQ(entries(), (names{"model.safetensors", "slow.safetensors"}));
            fs::remove(folder / "slow.safetensors");
        }
    }
}

TEST_F(Files, FoldersKeepTheirSmallFilesAndSayHowTheyAreQuantized) {
    const std::string source = folder / "source", target = folder / "target";
    make_model(source, usual_tensors());
    static_cast<void>(folder.write("source/config.json", R"({"model_type": "llama", "torch_dtype": "float32"})"));
    static_cast<void>(folder.write("source/tokenizer.json", "{}"));
    static_cast<void>(folder.write("source/adapter.safetensors", "no weights of the model"));
    static_cast<void>(folder.write("source/pytorch_model.bin", "weights in another form"));
    static_cast<void>(folder.write("source/deep/file", "below"));
    ASSERT_TRUE(run({"quantize", source, "-o", target, "--to", "int8/row"}).ok());
    names found;
    for (const auto& entry : fs::directory_iterator(target)) {
        found.push_back(entry.path().filename());
    }
    std::ranges::sort(found);
    EXPECT_EQ(found, (names{"config.json", "model.safetensors", "tokenizer.json"}));
    const auto config = read_json(target + "/config.json");
    EXPECT_EQ(config.at("model_type").as_string(), "llama");
    EXPECT_EQ(config.at("quantization_config").at("quant_method").as_string(), "compressed-tensors");
    EXPECT_EQ(config.at("quantization_config").at("ignore").as_array().size(), 1u);
    EXPECT_EQ(config.at("quantization_config").at("ignore").as_array()[0].as_string(), "lm_head");

    ASSERT_TRUE(run({"quantize", source, "-o", target, "--to", "nf4/64+dq", "--force"}).ok());
    const auto other = read_json(target + "/config.json").at("quantization_config");
    EXPECT_EQ(other.at("quant_method").as_string(), "bitsandbytes");
    EXPECT_TRUE(other.at("bnb_4bit_use_double_quant").as_boolean());
    EXPECT_TRUE(run({"compare", source, target, "--quiet"}).ok());
}

TEST_F(Files, ShardedModelsAreRead) {
    tersor::safetensors_model_options options;
    options.largest_shard = 20'000;
    make_model(folder / "sharded", usual_tensors(), options);
    ASSERT_TRUE(fs::exists(folder / "sharded/model.safetensors.index.json"));
    ASSERT_TRUE(run({"quantize", folder / "sharded", "-o", folder / "a.safetensors", "--to", "uint4/32"}).ok());
    ASSERT_TRUE(run({"quantize", model, "-o", folder / "b.safetensors", "--to", "uint4/32"}).ok());
    const auto a = tersor::quantized_model::open(folder / "a.safetensors");
    const auto b = tersor::quantized_model::open(folder / "b.safetensors");
    ASSERT_EQ(a.weights().size(), b.weights().size());
    for (const tersor::model_weight& weight : a.weights()) {
        EXPECT_EQ(a.read(weight), b.read(b.at(weight.name))) << weight.name;
    }
}

TEST_F(Files, MemoryStaysBelowAFewTimesTheLargestTensor) {
    // twelve tensors of 4 MiB: all of them would not fit
    std::vector<made_tensor> tensors;
    for (int i = 0; i < 12; ++i) {
        tensors.push_back({"layer." + std::to_string(i) + ".weight", {1024, 1024}, some_values(1 << 20, 9)});
    }
    const std::string large = folder / "large.safetensors";
    make_model(large, tensors);
    tensors = {};
    const outcome o = run({"quantize", large, "-o", out, "--to", "nf4/64+dq", "--quiet", "--threads", "1"});
    EXPECT_TRUE(o.ok()) << o.err;
    EXPECT_LT(o.peak_kib, 32 * 1024);
}

} // namespace

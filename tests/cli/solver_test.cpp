// --solver: what the program reports and writes is what the library finds for the same weights and inputs.

#include "program.hpp"

#include "tersor/solvers/hessian.hpp"

#include <Eigen/Core>

#include <cmath>
#include <limits>

namespace {

using matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

// Inputs whose columns depend on each other and differ in size.
std::vector<float> some_inputs(std::size_t tokens, std::size_t columns, std::uint64_t seed) {
    std::vector<float> x = some_values(tokens * columns, seed);
    for (std::size_t t = 0; t < tokens; ++t) {
        for (std::size_t j = 1; j < columns; ++j) {
            x[t * columns + j] = 0.5f * x[t * columns + j] + 0.7f * x[t * columns + j - 1];
        }
        x[t * columns + 5] *= 16.0f;
    }
    return x;
}

class Solver : public testing::Test {
protected:
    void SetUp() override {
        make_model(model, usual_tensors());
        make_inputs({"model.layers.0.q_proj", "model.layers.1.q_proj", "model.layers.1.up"});
    }

    void make_inputs(const std::vector<std::string>& names) const {
        std::vector<made_tensor> tensors;
        for (const std::string& name : names) {
            tensors.push_back({name + ".input", {tokens, 64}, some_inputs(tokens, 64, name.size() + name.back())});
        }
        make_model(inputs, tensors);
    }

    [[nodiscard]] outcome quantize(std::vector<std::string> more) const {
        more.insert(more.begin(), {"quantize", model, "-o", out, "--inputs", inputs, "--force", "--json",
                                   folder / "r.json"});
        return run(more);
    }

    // tr((W - Q) H (W - Q)^T) of a weight of the output, by definition, in double.
    [[nodiscard]] double objective(const std::string& name, const std::string& path) const {
        const auto original = tersor::quantized_model::open(model), other = tersor::quantized_model::open(path);
        const auto from = tersor::quantized_model::open(inputs);
        const auto& w = original.at(name + ".weight");
        const std::vector<float> values = original.read(w), decoded = other.read(other.at(name + ".weight"));
        const std::vector<float> x = from.read(from.at(name + ".input"));
        using floats = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
        const auto rows = static_cast<Eigen::Index>(w.shape[0]), columns = static_cast<Eigen::Index>(w.shape[1]);
        const matrix error = Eigen::Map<const floats>(values.data(), rows, columns).cast<double>() -
                             Eigen::Map<const floats>(decoded.data(), rows, columns).cast<double>();
        const matrix outputs = Eigen::Map<const floats>(x.data(), tokens, columns).cast<double>() * error.transpose();
        return 2.0 / static_cast<double>(tokens) * outputs.squaredNorm();
    }

    static constexpr std::int64_t tokens = 200;
    temporary_folder folder;
    std::string model = folder / "model.safetensors", inputs = folder / "inputs.safetensors";
    std::string out = folder / "out.safetensors";
};

// The figures are sums in float over 64 columns, 96 rows: 1e-4 is far above their rounding.
TEST_F(Solver, ReportsTheObjectiveOfWhatTheFileHolds) {
    for (const auto& [spec, more] : std::vector<std::pair<std::string, std::vector<std::string>>>{
             {"int4/32", {}},
             {"uint4/32", {"--act-order"}},
             {"uint3/32", {"--layout", "gptq", "--act-order"}},
             {"int4/row", {"--layout", "gptq-v2", "--mode", "reference"}},
             {"uint4/64", {"--layout", "awq", "--mode", "fast"}},
             {"nf4/64", {"--act-order", "--static-groups"}},
             {"fp4/32+dq", {}},
             {"mxfp4", {}},
             {"fp8_e4m3/row", {}}}) {
        std::vector<std::string> arguments{"--to", spec, "--solver", "gptq"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        const outcome o = quantize(arguments);
        ASSERT_TRUE(o.ok()) << spec << o.err;
        EXPECT_NE(o.out.find("objective"), std::string::npos);
        const auto report = read_json(folder / "r.json");
        for (const char* const name : {"model.layers.0.q_proj", "model.layers.1.up"}) {
            const auto* const entry = find_entry(report.at("tensors"), std::string(name) + ".weight");
            ASSERT_NE(entry, nullptr);
            const double found = entry->at("objective").as_double(), expected = objective(name, out);
            EXPECT_NEAR(found, expected, 1e-4 * expected) << spec << " " << name;
            EXPECT_LT(found, 1.001 * entry->at("objective_rtn").as_double()) << spec << " " << name;
            EXPECT_EQ(entry->at("damp").as_double(), 0.01);
            EXPECT_GT(entry->at("loss").as_double(), 0.0);
            EXPECT_EQ(entry->at("dead_columns").as_double(), 0.0);
        }
    }
}

TEST_F(Solver, WorksForTypesOfGgufFiles) {
    auto tensors = usual_tensors();
    out = folder / "out.gguf";
    for (const char* const type : {"q4_0", "q8_0", "iq4_nl"}) {
        ASSERT_TRUE(quantize({"--to", type, "--solver", "gptq"}).ok()) << type;
        const auto report = read_json(folder / "r.json");
        const auto* const entry = find_entry(report.at("tensors"), "model.layers.1.up.weight");
        ASSERT_NE(entry, nullptr);
        EXPECT_LT(entry->at("objective").as_double(), entry->at("objective_rtn").as_double()) << type;
    }
    EXPECT_TRUE(quantize({"--to", "q4_0", "--solver", "gptq", "--act-order"}).says("--static-groups"));
}

TEST_F(Solver, ReferenceHasTheGridOfTwoToTheN) {
    ASSERT_TRUE(quantize({"--to", "int4/row", "--solver", "gptq", "--mode", "reference", "--layout", "gptq"}).ok());
    const auto file = tersor::quantized_model::open(out);
    const auto w = file.load_affine(file.at("model.layers.0.q_proj.weight"));
    const auto tensors = usual_tensors();
    float largest = 0.0f;
    for (std::size_t j = 0; j < 64; ++j) {
        largest = std::max(largest, std::abs(tensors[1].values[j]));
    }
    EXPECT_EQ(w.zeros[0], 8);
    EXPECT_NEAR(w.scales[0], 2.0f * largest / 15.0f, 1e-3f * largest); // stored in half precision
    EXPECT_TRUE(std::ranges::find(w.codes, 0) != w.codes.end());
}

TEST_F(Solver, ActOrderIsStoredWhereALayoutHasAnIndex) {
    ASSERT_TRUE(quantize({"--to", "uint4/32", "--solver", "gptq", "--act-order", "--layout", "gptq"}).ok());
    {
        const auto file = tersor::quantized_model::open(out);
        EXPECT_EQ(file.load_affine(file.at("model.layers.0.q_proj.weight")).group_index[5], 0); // the largest column
    }
    for (const auto& more : std::vector<std::vector<std::string>>{{"--to", "nf4/32"}, {"--to", "mxfp4"}, {"--to", "uint4/32", "--layout", "awq"}}) {
        std::vector<std::string> arguments{"--solver", "gptq", "--act-order"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        const outcome o = quantize(arguments);
        EXPECT_EQ(o.status, 2) << testing::PrintToString(more);
        EXPECT_TRUE(o.says("--static-groups")) << testing::PrintToString(more);
    }
}

TEST_F(Solver, HqqNeedsNoInputs) {
    ASSERT_TRUE(run({"quantize", model, "-o", out, "--to", "uint3/32", "--solver", "hqq"}).ok());
    const outcome o = run({"quantize", model, "-o", out, "--to", "int4", "--solver", "hqq", "--force"});
    EXPECT_EQ(o.status, 2);
    EXPECT_TRUE(o.says("uint2 to uint8"));
}

TEST_F(Solver, MissingInputsAreNamedUnlessRounded) {
    make_inputs({"model.layers.0.q_proj", "model.layers.1.up"});
    const std::vector<std::string> arguments{"--to", "int4/32", "--solver", "gptq"};
    const outcome o = quantize(arguments);
    EXPECT_EQ(o.status, 2);
    EXPECT_TRUE(o.says("'model.layers.1.q_proj.input' is missing"));
    EXPECT_EQ(folder.entries(), 2u);
    EXPECT_TRUE(quantize({"--to", "int4/32", "--solver", "gptq", "--skip", "1.q_proj"}).ok());
    ASSERT_TRUE(quantize({"--to", "int4/32", "--solver", "gptq", "--missing-inputs", "rtn"}).ok());
    const auto report = read_json(folder / "r.json");
    EXPECT_EQ(find_entry(report.at("tensors"), "model.layers.1.q_proj.weight")->find("objective"), nullptr);
    EXPECT_NE(find_entry(report.at("tensors"), "model.layers.1.up.weight")->find("objective"), nullptr);
}

TEST_F(Solver, BadInputsLeaveNothingBehind) {
    const std::vector<std::string> arguments{"--to", "int4/32", "--solver", "gptq", "--missing-inputs", "rtn"};
    std::vector<float> x = some_inputs(4, 64, 1);
    make_model(inputs, {{"model.layers.0.q_proj.input", {8, 32}, x}});
    EXPECT_TRUE(quantize(arguments).says("is not [tokens, 64]"));
    x[64 + 3] = std::numeric_limits<float>::quiet_NaN();
    make_model(inputs, {{"model.layers.0.q_proj.input", {4, 64}, x}});
    const outcome o = quantize(arguments);
    EXPECT_EQ(o.status, 1);
    EXPECT_TRUE(o.says("'model.layers.0.q_proj.input' has NaN at [1, 3]"));
    EXPECT_EQ(quantize({"--to", "int4/tensor", "--solver", "gptq", "--missing-inputs", "rtn"}).status, 2);
    EXPECT_EQ(folder.entries(), 2u);
}

// Values of a folded model: a norm's weight times the weights behind it stay what they were but for rounding.
TEST_F(Solver, ScalesAreFoldedIntoTheNorm) {
    const std::string layer = "model.layers.0.";
    const std::vector<float> norm = some_values(64, 50);
    make_model(model, {{layer + "post_attention_layernorm.weight", {64}, norm},
                       {layer + "mlp.gate_proj.weight", {96, 64}, some_values(96 * 64, 51)},
                       {layer + "mlp.up_proj.weight", {96, 64}, some_values(96 * 64, 52)}});
    make_inputs({layer + "mlp.gate_proj", layer + "mlp.up_proj"});
    for (const char* const solver : {"awq", "smoothquant", "awq+gptq"}) {
        ASSERT_TRUE(quantize({"--to", "uint8/row", "--solver", solver}).ok()) << solver;
        const auto file = tersor::quantized_model::open(out), from = tersor::quantized_model::open(model);
        const std::vector<float> folded = file.read(file.at(layer + "post_attention_layernorm.weight"));
        EXPECT_NE(folded, norm) << solver;
        const std::vector<float> w = from.read(from.at(layer + "mlp.up_proj.weight"));
        const std::vector<float> q = file.read(file.at(layer + "mlp.up_proj.weight"));
        double error = 0.0, signal = 0.0;
        for (std::size_t i = 0; i < w.size(); ++i) {
            const double before = static_cast<double>(w[i]) * static_cast<double>(norm[i % 64]);
            const double after = static_cast<double>(q[i]) * static_cast<double>(folded[i % 64]);
            error += (after - before) * (after - before);
            signal += before * before;
        }
        EXPECT_LT(error, 1e-3 * signal) << solver; // 8 bits
    }
}

} // namespace

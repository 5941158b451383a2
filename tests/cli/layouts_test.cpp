// The layouts of GPTQ and AWQ: what is written can be read everywhere, and is the rounding that was asked for.

#include "program.hpp"

#include "tersor/formats/half.hpp"
#include "tersor/formats/integer.hpp"
#include "tersor/quantizers/absmax.hpp"
#include "tersor/quantizers/zero_point.hpp"

namespace {

class Layouts : public testing::Test {
protected:
    void SetUp() override { make_matrix(model, 64, 128); }

    temporary_folder folder;
    std::string model = folder / "model.safetensors", out = folder / "out.safetensors";
};

// Codes of the plain rounding of each group, scales rounded to half.
template <class Quantizer>
std::vector<float> by_definition(const std::vector<float>& values, std::size_t group) {
    const Quantizer q{};
    std::vector<float> result;
    for (std::size_t first = 0; first < values.size(); first += group) {
        const std::span<const float> run(values.data() + first, group);
        const auto p = q.fit(run, {});
        auto stored = p;
        stored.scale = tersor::fp16::decode(tersor::fp16::encode(p.scale));
        for (const float x : run) {
            result.push_back(q.decode(q.encode(x, p), stored));
        }
    }
    return result;
}

TEST_F(Layouts, HoldPlainRounding) {
    const std::vector<float> values = some_values(64 * 128, 7);
    const auto check = [&](const std::string& layout, const std::string& spec, const std::vector<float>& wanted) {
        const outcome o = run({"quantize", model, "-o", out, "--to", spec, "--layout", layout, "--force"});
        ASSERT_TRUE(o.ok()) << layout << " " << spec << o.err;
        const auto file = tersor::quantized_model::open(out);
        const auto& w = file.at("a.weight");
        EXPECT_EQ(w.spec, spec) << layout;
        EXPECT_EQ(file.read(w), wanted) << layout << " " << spec;
        const std::string plain = folder / "plain.safetensors";
        ASSERT_TRUE(run({"dequantize", out, "-o", plain, "--force"}).ok()) << layout;
        EXPECT_NE(run({"compare", plain, out}).out.find("exact"), std::string::npos) << layout;
        EXPECT_NE(run({"inspect", out}).out.find(layout == "gptq-v2" ? "gptq" : layout), std::string::npos);
    };
    using tersor::absmax;
    using tersor::zero_point;
    check("gptq", "int4/32", by_definition<absmax<tersor::int4>>(values, 32));
    check("gptq", "uint3/row", by_definition<zero_point<tersor::uint3>>(values, 128));
    check("gptq-v2", "uint8/64", by_definition<zero_point<tersor::uint8>>(values, 64));
    check("gptq-v2", "int2/64", by_definition<absmax<tersor::int2>>(values, 64));
    check("awq", "uint4/64", by_definition<zero_point<tersor::uint4>>(values, 64));
}

TEST_F(Layouts, FoldersSayHowTheyAreStored) {
    for (const auto& [layout, method] :
         std::vector<std::pair<std::string, std::string>>{{"gptq", "gptq"}, {"gptq-v2", "gptq"}, {"awq", "awq"}}) {
        const std::string to = folder / layout;
        const outcome o = run({"quantize", model, "-o", to, "--to", "uint4/64", "--layout", layout});
        ASSERT_TRUE(o.ok()) << o.err;
        const auto config = read_json(to + "/config.json").at("quantization_config");
        EXPECT_EQ(config.at("quant_method").as_string(), method);
        EXPECT_EQ(config.at("bits").as_double(), 4.0);
        EXPECT_EQ(config.at("group_size").as_double(), 64.0);
        EXPECT_TRUE(run({"compare", model, to}).ok());
    }
}

TEST_F(Layouts, NamesWithoutWeightAreRefused) {
    make_model(folder / "b.safetensors", {{"experts", {64, 64}, some_values(4096, 1)}});
    const outcome o = run({"quantize", folder / "b.safetensors", "-o", out, "--to", "int4/32", "--layout", "gptq"});
    EXPECT_EQ(o.status, 2);
    EXPECT_TRUE(o.says("PREFIX.weight"));
    EXPECT_EQ(folder.entries(), 2u);
}

} // namespace

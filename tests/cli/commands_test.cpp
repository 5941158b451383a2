// What the commands report and write.

#include "program.hpp"

#include <cmath>
#include <regex>

namespace {

namespace json = tersor::json;

class Commands : public testing::Test {
protected:
    void SetUp() override { make_model(model, usual_tensors()); }

    [[nodiscard]] json::value report_of(std::vector<std::string> arguments) const {
        arguments.insert(arguments.end(), {"--json", folder / "report.json", "--quiet"});
        const outcome o = run(arguments);
        EXPECT_TRUE(o.ok()) << o.err;
        EXPECT_EQ(o.out, "");
        return read_json(folder / "report.json");
    }

    // "name spec" of every quantized tensor of a plan.
    [[nodiscard]] std::vector<std::string> plan(std::vector<std::string> more) const {
        more.insert(more.begin(), {"quantize", model, "--dry-run"});
        std::vector<std::string> lines;
        const json::value report = report_of(more);
        for (const json::value& entry : report.at("tensors").as_array()) {
            lines.push_back(entry.at("name").as_string() + " " + entry.at("spec").as_string());
        }
        std::ranges::sort(lines);
        return lines;
    }

    temporary_folder folder;
    std::string model = folder / "model.safetensors";
    std::string out = folder / "out.safetensors";
};

using lines = std::vector<std::string>;

TEST_F(Commands, MatricesAreQuantizedButEmbeddingsAndHead) {
    EXPECT_EQ(plan({"--to", "int8"}),
              (lines{"model.layers.0.q_proj.weight int8/row", "model.layers.1.q_proj.weight int8/row",
                     "model.layers.1.up.weight int8/row"}));
    EXPECT_EQ(
        plan({"--to", "int8", "--all"}),
        (lines{"lm_head.weight int8/row", "model.embed_tokens.weight int8/row", "model.layers.0.q_proj.weight int8/row",
               "model.layers.1.q_proj.weight int8/row", "model.layers.1.up.weight int8/row"}));
}

TEST_F(Commands, SetAndSkipChooseByName) {
    EXPECT_EQ(plan({"--to", "int8", "--set", "q_proj=int4/32", "--set", "layers.0=int2/8", "--skip", "up\\.weight$"}),
              (lines{"model.layers.0.q_proj.weight int4/32", "model.layers.1.q_proj.weight int4/32"}));
    EXPECT_EQ(plan({"--to", "int8", "--set", "layers.0=int2/8", "--set", "q_proj=int4/32"}),
              (lines{"model.layers.0.q_proj.weight int2/8", "model.layers.1.q_proj.weight int4/32",
                     "model.layers.1.up.weight int8/row"}));
    // a name by itself asks for an embedding; a percentile holds an '=' of its own
    EXPECT_EQ(plan({"--to", "int8", "--skip", "layers", "--set", "embed|lm_head=uint4/16@percentile=99"}),
              (lines{"lm_head.weight uint4/16@percentile=99", "model.embed_tokens.weight uint4/16@percentile=99"}));
    // a cast suits every rank
    EXPECT_EQ(plan({"--to", "int8", "--skip", "layers", "--set", "norm|experts=bf16"}),
              (lines{"experts bf16", "model.norm.weight bf16"}));
}

TEST_F(Commands, ADefaultGroupGivesWayToTheRow) {
    EXPECT_EQ(plan({"--to", "int4", "--skip", "layers.1"}), lines{"model.layers.0.q_proj.weight int4/row"});
    make_matrix(model = folder / "wide.safetensors", 4, 256);
    EXPECT_EQ(plan({"--to", "int4"}), lines{"a.weight int4/128"});
}

TEST_F(Commands, TheReportAddsUp) {
    const json::value report = report_of({"quantize", model, "-o", out, "--to", "int4/32"});
    EXPECT_EQ(report.at("tool").as_string(), "tersor");
    EXPECT_EQ(report.at("version").as_string(), tersor::version);
    EXPECT_EQ(report.at("model").as_string(), model);
    std::uint64_t in = 0, sum_out = 0;
    for (const json::value& t : report.at("tensors").as_array()) {
        for (const char* const key : {"name", "shape", "spec", "bits_per_weight", "bytes_in", "bytes_out", "mse",
                                      "sqnr_db", "max_abs_error", "cosine"}) {
            EXPECT_TRUE(t.contains(key)) << key;
        }
        in += t.at("bytes_in").as_unsigned();
        sum_out += t.at("bytes_out").as_unsigned();
    }
    const json::value& total = report.at("total");
    EXPECT_EQ(total.at("bytes_in").as_unsigned(), in);
    EXPECT_EQ(total.at("bytes_out").as_unsigned(), sum_out);
    EXPECT_EQ(total.at("bits_per_weight").as_double(), 8.0 * static_cast<double>(sum_out) / (64 * 64 * 2 + 96 * 64));
    EXPECT_GT(total.at("sqnr_db").as_double(), 10.0);
    EXPECT_GE(total.at("seconds").as_double(), 0.0);
    EXPECT_EQ(report.at("kept").as_array().size(), 4u);
}

TEST_F(Commands, CompareFindsWhatQuantizeReported) {
    for (const char* const spec : {"int8/row", "uint4/16", "nf4/64+dq", "mxfp4", "f16"}) {
        const json::value said = report_of({"quantize", model, "-o", out, "--to", spec, "--force"});
        const json::value found = report_of({"compare", model, out});
        EXPECT_EQ(found.at("tensors").as_array().size(), 7u);
        for (const json::value& t : said.at("tensors").as_array()) {
            const json::value* const other = find_entry(found.at("tensors"), t.at("name").as_string());
            ASSERT_NE(other, nullptr);
            for (const char* const key :
                 {"shape", "spec", "bytes_in", "bytes_out", "mse", "sqnr_db", "max_abs_error", "cosine"}) {
                EXPECT_EQ(t.at(key), other->at(key)) << spec << " " << key;
            }
        }
        const json::value* const kept = find_entry(found.at("tensors"), "lm_head.weight");
        EXPECT_EQ(kept->at("mse").as_double(), 0.0);
        EXPECT_TRUE(kept->at("sqnr_db").is(json::kind::null));
    }
}

TEST_F(Commands, CompareNamesWhatHasNoPartner) {
    make_model(out, {usual_tensors()[1], {"new", {2, 2}, {1, 2, 3, 4}}});
    const outcome o = run({"compare", model, out});
    EXPECT_TRUE(o.ok()) << o.err;
    EXPECT_NE(o.out.find("only in A: lm_head.weight\n"), std::string::npos) << o.out;
    EXPECT_NE(o.out.find("only in B: new\n"), std::string::npos) << o.out;
    EXPECT_EQ(report_of({"compare", model, out}).at("notes").as_array().size(), 7u);
}

TEST_F(Commands, DequantizeGivesTheOriginalNamesAndShapes) {
    ASSERT_TRUE(run({"quantize", model, "-o", out, "--to", "nf4/64+dq", "--quiet"}).ok());
    const auto quantized = tersor::quantized_model::open(out);
    for (const auto& [name, dtype] :
         {std::pair{"f32", tersor::safetensors_dtype::f32}, std::pair{"f16", tersor::safetensors_dtype::f16},
          std::pair{"bf16", tersor::safetensors_dtype::bf16}}) {
        const std::string plain = folder / "plain.safetensors";
        ASSERT_TRUE(run({"dequantize", out, "-o", plain, "--dtype", name, "--force"}).ok());
        const auto file = tersor::safetensors_file::open(plain);
        ASSERT_EQ(file.tensors().size(), usual_tensors().size());
        for (const made_tensor& original : usual_tensors()) {
            const tersor::safetensors_tensor& tensor = file.at(original.name);
            EXPECT_EQ(tensor.dtype, dtype);
            EXPECT_EQ(tensor.shape, original.shape);
            std::vector<float> wanted = quantized.read(quantized.at(original.name));
            for (float& x : wanted) {
                x = dtype == tersor::safetensors_dtype::f16    ? static_cast<float>(Eigen::half(x))
                    : dtype == tersor::safetensors_dtype::bf16 ? static_cast<float>(Eigen::bfloat16(x))
                                                               : x;
            }
            EXPECT_EQ(tersor::read_floats(tensor), wanted) << original.name;
        }
    }
}

TEST_F(Commands, InspectListsWeightsOfEveryLayout) {
    ASSERT_TRUE(run({"quantize", model, "-o", out, "--to", "int4/16", "--set", "up=fp4/32+dq"}).ok());
    const outcome o = run({"inspect", out, "--json", folder / "list.json"});
    ASSERT_TRUE(o.ok()) << o.err;
    EXPECT_NE(o.out.find("int4/16"), std::string::npos);
    EXPECT_NE(o.out.find("fp4/32+dq"), std::string::npos);
    const json::value list = read_json(folder / "list.json");
    const json::value* const q = find_entry(list.at("tensors"), "model.layers.0.q_proj.weight");
    ASSERT_NE(q, nullptr);
    EXPECT_EQ(q->at("layout").as_string(), "compressed-tensors");
    EXPECT_EQ(q->at("shape").as_array()[1].as_integer(), 64);
    EXPECT_EQ(q->at("bytes").as_unsigned(), 64u * 64 / 2 + 64 * 4 * 4 + 16);
    EXPECT_EQ(find_entry(list.at("tensors"), "model.layers.1.up.weight")->at("layout").as_string(), "bitsandbytes");
    EXPECT_EQ(find_entry(list.at("tensors"), "experts")->at("spec").as_string(), "f32");
    EXPECT_EQ(list.at("total").at("tensors").as_integer(), 7);
}

TEST_F(Commands, ReportsGoToStandardOutputOnRequest) {
    const outcome o = run({"inspect", model, "--json", "-"});
    ASSERT_TRUE(o.ok());
    const json::value list = json::parse(o.out);
    EXPECT_EQ(list.at("total").at("tensors").as_integer(), 7);
}

TEST_F(Commands, ThePageNeedsNothingFromElsewhereAndEscapesNames) {
    make_model(out, {{"<script>alert(1)</script>&\"", {4, 32}, some_values(128, 1)},
                     {"zeros", {2, 16}, std::vector<float>(32)}});
    const std::string page = folder / "page.html";
    ASSERT_TRUE(run({"quantize", out, "-o", folder / "q.safetensors", "--to", "int8", "--html", page}).ok());
    const std::string html = temporary_folder::read(page);
    EXPECT_TRUE(html.starts_with("<!doctype html>"));
    EXPECT_EQ(html.find("http"), std::string::npos);
    EXPECT_EQ(html.find("src="), std::string::npos);
    EXPECT_EQ(html.find("url("), std::string::npos);
    EXPECT_EQ(html.find("alert(1)</script>"), std::string::npos);
    EXPECT_EQ(html.find("nan"), std::string::npos);
    // a histogram of weights and one of errors per tensor
    const std::regex picture("<svg ");
    EXPECT_EQ(std::distance(std::sregex_iterator(html.begin(), html.end(), picture), {}), 4);
}

TEST_F(Commands, NamesCannotSteerTheTerminal) {
    make_model(out, {{"evil\x1b[2J\nname", {4, 32}, some_values(128, 1)}});
    for (const auto& arguments :
         std::vector<std::vector<std::string>>{{"inspect", out},
                                               {"quantize", out, "-o", folder / "q.safetensors", "--to", "int8"},
                                               {"compare", out, out}}) {
        const outcome o = run(arguments);
        ASSERT_TRUE(o.ok());
        EXPECT_EQ(o.out.find('\x1b'), std::string::npos);
        EXPECT_NE(o.out.find("evil?[2J?name"), std::string::npos);
    }
}

TEST_F(Commands, TensorsWithoutValuesAndOtherTypesAreKept) {
    tersor::safetensors_model_writer writer(out, {{"empty", tersor::safetensors_dtype::f32, {0, 64}},
                                                  {"ids", tersor::safetensors_dtype::i64, {2, 2}},
                                                  {"double", tersor::safetensors_dtype::f64, {2, 32}}});
    writer.append("ids", std::vector<std::int64_t>{1, 2, 3, 4});
    writer.append("double", std::vector<double>(64, 0.5));
    writer.commit();
    const std::string q = folder / "q.safetensors", plain = folder / "plain.safetensors";
    ASSERT_TRUE(run({"quantize", out, "-o", q, "--to", "int8/row"}).ok());
    const auto file = tersor::quantized_model::open(q);
    EXPECT_EQ(file.at("double").spec, "int8/row");
    EXPECT_EQ(file.at("ids").spec, "i64");
    EXPECT_EQ(file.at("empty").spec, "f32");
    ASSERT_TRUE(run({"dequantize", q, "-o", plain}).ok());
    const auto back = tersor::safetensors_file::open(plain);
    EXPECT_EQ(tersor::read_values<std::int64_t>(back.at("ids")), (std::vector<std::int64_t>{1, 2, 3, 4}));
    EXPECT_EQ(tersor::read_floats(back.at("double")), std::vector<float>(64, 0.5f));
}

} // namespace

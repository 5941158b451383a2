// --target-bits, --target-size, --plan: the allocator over the tensors of a model.

#include "program.hpp"

#include <cmath>

namespace {

class Precision : public testing::Test {
protected:
    void SetUp() override { make_model(model, usual_tensors()); }

    [[nodiscard]] outcome quantize(std::vector<std::string> more) const {
        more.insert(more.begin(), {"quantize", model, "-o", out, "--force"});
        return run(more);
    }

    temporary_folder folder;
    std::string model = folder / "model.safetensors", out = folder / "out.safetensors", plan = folder / "plan.json";
};

TEST_F(Precision, TheTargetIsKeptAndThePlanReadsBack) {
    const outcome o = quantize({"--target-bits", "6", "--choices", "uint3/32,uint4/32,uint6/32,int8/row", "--plan-out",
                                plan});
    ASSERT_TRUE(o.ok()) << o.err;
    EXPECT_NE(o.out.find("budget"), std::string::npos);
    const auto written = read_json(plan);
    EXPECT_LE(written.at("total").at("bits_per_weight").as_double(), 6.0);
    EXPECT_EQ(written.at("tensors").as_array().size(), 3u);
    const std::string first = temporary_folder::read(out);
    ASSERT_TRUE(quantize({"--plan", plan}).ok());
    EXPECT_EQ(temporary_folder::read(out), first);
    const auto file = tersor::quantized_model::open(out);
    for (const auto& entry : written.at("tensors").as_array()) {
        EXPECT_EQ(file.at(entry.at("name").as_string()).spec, entry.at("spec").as_string());
        EXPECT_EQ(static_cast<double>(file.at(entry.at("name").as_string()).bytes), entry.at("bytes").as_double());
    }
}

// Of all plans within the budget none has less error: tried one by one with --plan and compared by the report.
TEST_F(Precision, NoOtherPlanIsBetter) {
    const std::vector<std::string> specs{"uint2/64", "uint4/64", "int8/row"};
    ASSERT_TRUE(quantize({"--target-bits", "5.5", "--choices", "uint2/64,uint4/64,int8/row", "--plan-out", plan}).ok());
    const auto written = read_json(plan);
    const double budget = written.at("total").at("budget").as_double();
    // errors and bytes of each choice for each tensor, from three uniform plans
    std::vector<tersor::json::value> reports;
    for (const std::string& spec : specs) {
        ASSERT_TRUE(quantize({"--to", spec, "--json", folder / "r.json"}).ok());
        reports.push_back(read_json(folder / "r.json"));
    }
    const auto figure = [&](std::size_t choice, std::size_t tensor, const char* name) {
        return reports[choice].at("tensors").as_array()[tensor].at(name).as_double();
    };
    const auto error = [&](std::size_t choice, std::size_t tensor) {
        const auto& shape = reports[choice].at("tensors").as_array()[tensor].at("shape").as_array();
        return std::pow(10.0, -figure(choice, tensor, "sqnr_db") / 10.0) * shape[0].as_double() * shape[1].as_double();
    };
    double least = 1e30;
    for (std::size_t i = 0; i < 27; ++i) {
        double sum = 0.0, bytes = 0.0;
        for (const auto& [tensor, choice] :
             {std::pair{std::size_t{0}, i % 3}, std::pair{std::size_t{1}, i / 3 % 3}, std::pair{std::size_t{2}, i / 9}}) {
            sum += error(choice, tensor);
            bytes += figure(choice, tensor, "bytes_out");
        }
        least = bytes <= budget ? std::min(least, sum) : least;
    }
    double found = 0.0;
    for (std::size_t t = 0; t < 3; ++t) {
        const auto& spec = written.at("tensors").as_array()[t].at("spec").as_string();
        found += error(static_cast<std::size_t>(std::ranges::find(specs, spec) - specs.begin()), t);
    }
    EXPECT_LE(found, least * (1.0 + 1e-9));
}

TEST_F(Precision, TheFileIsNoLargerThanItsTarget) {
    ASSERT_TRUE(quantize({"--target-size", "30kB"}).ok());
    EXPECT_LE(temporary_folder::read(out).size(), 30000u);
    out = folder / "out.gguf";
    const outcome o = quantize({"--target-size", "30kB", "--choices", "q4_0,q5_0,q8_0"});
    ASSERT_TRUE(o.ok()) << o.err;
    EXPECT_LE(temporary_folder::read(out).size(), 30000u);
}

TEST_F(Precision, DryRunsPlanOnly) {
    ASSERT_TRUE(quantize({"--target-bits", "4.5", "--dry-run", "--plan-out", plan}).ok());
    EXPECT_EQ(folder.entries(), 2u);
}

TEST_F(Precision, ImpossibleTargetsAndPlansAreRefused) {
    EXPECT_TRUE(quantize({"--target-bits", "1"}).says("the smallest take 2."));
    EXPECT_TRUE(quantize({"--target-bits", "1"}).says("bits per weight, not 1"));
    EXPECT_TRUE(quantize({"--target-size", "2kB"}).says("what is not chosen; with --all"));
    EXPECT_TRUE(quantize({"--target-size", "21kB"}).says("of --target-size are left"));
    EXPECT_TRUE(quantize({"--target-bits", "4", "--choices", "q4_0"}).says("'q4_0' of --choices is no type of a .saf"));
    const auto refuses = [&](const std::string& content, std::string_view what) {
        const std::string path = folder.write("bad.json", content);
        const outcome o = quantize({"--plan", path});
        EXPECT_NE(o.status, 0) << content;
        EXPECT_TRUE(o.says(what)) << content;
    };
    refuses("{", "");
    refuses("[]", "is no plan");
    refuses(R"({"tensors":[{"name":"none","spec":"int8"}]})", "is not in the model");
    refuses(R"({"tensors":[{"name":"model.layers.1.up.weight"}]})", "no 'name' and 'spec'");
    refuses(R"({"tensors":[{"name":"model.layers.1.up.weight","spec":"q4_0"}]})", "no type of a .safetensors file");
    EXPECT_EQ(folder.entries(), 2u);
}

} // namespace

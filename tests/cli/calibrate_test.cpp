// `tersor calibrate` gives what the library's calibrators give.

#include "program.hpp"

#include "tersor/calibrators/min_max.hpp"
#include "tersor/calibrators/percentile.hpp"
#include "tersor/formats/integer.hpp"
#include "tersor/quantizers/absmax.hpp"
#include "tersor/quantizers/zero_point.hpp"

#include <Eigen/Core>

#include <limits>

namespace {

class Calibrate : public testing::Test {
protected:
    void SetUp() override {
        // batch 10 comes after batch 9
        for (int i = 0; i < 11; ++i) {
            batches.push_back(some_values(100, static_cast<std::uint64_t>(i)));
            batches.back()[0] = static_cast<float>(i);
        }
        std::vector<made_tensor> tensors{{"plain", {4, 25}, batches[3]}};
        for (std::size_t i = 0; i < batches.size(); ++i) {
            tensors.push_back({"x." + std::to_string(i), {100}, batches[i]});
        }
        make_model(data, tensors);
    }

    [[nodiscard]] tersor::json::value ranges(std::vector<std::string> more) const {
        more.insert(more.begin(), {"calibrate", data, "--json", folder / "r.json", "--quiet", "--method"});
        const outcome o = run(more);
        EXPECT_TRUE(o.ok()) << o.err;
        return read_json(folder / "r.json");
    }

    template <class Calibrator>
    [[nodiscard]] Calibrator seen(Calibrator c) const {
        for (const std::vector<float>& batch : batches) {
            c.observe(Eigen::Map<const Eigen::VectorXf>(batch.data(), static_cast<Eigen::Index>(batch.size())));
        }
        return c;
    }

    static float number(const tersor::json::value& entry, const char* name) {
        return static_cast<float>(entry.at(name).as_double());
    }

    temporary_folder folder;
    std::string data = folder / "data.safetensors";
    std::vector<std::vector<float>> batches;
};

TEST_F(Calibrate, BatchesOfANameAreOneDataset) {
    const auto all = ranges({"min_max"});
    const auto expected = seen(tersor::min_max()).range();
    EXPECT_EQ(number(all.at("x"), "lo"), expected.lo);
    EXPECT_EQ(number(all.at("x"), "hi"), expected.hi);
    EXPECT_EQ(number(all.at("x"), "amax"), std::max(-expected.lo, expected.hi));
    EXPECT_EQ(number(all.at("x"), "scale"), std::max(-expected.lo, expected.hi) / 127.0f);
    EXPECT_EQ(all.at("x").at("zero_point").as_double(), 0.0);
    EXPECT_NE(all.find("plain"), nullptr);
    EXPECT_EQ(all.as_object().size(), 2u);
}

TEST_F(Calibrate, MovingAveragesTakeBatchesInTheOrderOfTheirNumbers) {
    const auto all = ranges({"moving_average", "--momentum", "1"});
    // with momentum 1 the last batch is all that counts
    EXPECT_EQ(number(all.at("x"), "hi"), *std::ranges::max_element(batches.back()));
}

TEST_F(Calibrate, IntegersAreChosenByOptions) {
    using affine = tersor::zero_point<tersor::uint4>;
    const auto c = seen(tersor::percentile(97.0));
    const auto range = c.range(affine{});
    const auto p = c.parameters<affine>();
    const auto all = ranges({"percentile", "--percentile", "97", "--bits", "4", "--unsigned", "--asymmetric"});
    EXPECT_EQ(number(all.at("x"), "lo"), range.lo);
    EXPECT_EQ(number(all.at("x"), "hi"), range.hi);
    EXPECT_EQ(number(all.at("x"), "scale"), p.scale);
    EXPECT_EQ(all.at("x").at("zero_point").as_double(), static_cast<double>(p.zero));
    using symmetric = tersor::absmax<tersor::int3>;
    const auto three = ranges({"percentile", "--percentile", "97", "--bits", "3"});
    EXPECT_EQ(number(three.at("x"), "amax"), c.range(symmetric{}).hi);
    EXPECT_EQ(number(three.at("x"), "scale"), c.parameters<symmetric>().scale);
}

TEST_F(Calibrate, EveryMethodStaysInsideTheData) {
    const auto widest = seen(tersor::min_max()).range();
    for (const char* const method : {"min_max", "moving_average", "percentile", "mse", "kl"}) {
        const auto found = ranges({method, "--bins", "512", "--asymmetric"});
        EXPECT_LT(number(found.at("x"), "lo"), 0.0f) << method;
        EXPECT_GE(number(found.at("x"), "lo"), widest.lo) << method;
        EXPECT_LE(number(found.at("x"), "hi"), widest.hi) << method;
    }
}

TEST_F(Calibrate, ShowsATable) {
    const outcome o = run({"calibrate", data, "--method", "mse"});
    ASSERT_TRUE(o.ok()) << o.err;
    EXPECT_NE(o.out.find("zero point"), std::string::npos);
    EXPECT_NE(o.out.find("1100"), std::string::npos); // values of x
}

TEST_F(Calibrate, BadDataIsNamed) {
    const std::string bad = folder / "bad.safetensors";
    make_model(bad, {{"x.0", {2}, {1.0f, 2.0f}}, {"x.1", {2}, {3.0f, std::numeric_limits<float>::quiet_NaN()}}});
    const outcome o = run({"calibrate", bad, "--method", "mse", "--json", folder / "r.json"});
    EXPECT_EQ(o.status, 1);
    EXPECT_TRUE(o.says("tensor 'x.1' has NaN at [1]"));
    EXPECT_EQ(folder.entries(), 2u);
    EXPECT_TRUE(run({"calibrate", bad, "--method", "mse", "--skip-non-finite"}).ok());
    make_model(folder / "gap.safetensors", {{"x.0", {1}, {1.0f}}, {"x.2", {1}, {1.0f}}});
    EXPECT_TRUE(run({"calibrate", folder / "gap.safetensors", "--method", "mse"}).says("'x.1' is missing"));
    make_model(folder / "both.safetensors", {{"x", {1}, {1.0f}}, {"x.0", {1}, {1.0f}}});
    EXPECT_TRUE(run({"calibrate", folder / "both.safetensors", "--method", "mse"}).says("stands beside"));
    make_model(folder / "empty.safetensors", {{"x", {0}, {}}});
    EXPECT_TRUE(run({"calibrate", folder / "empty.safetensors", "--method", "min_max"}).says("no values"));
    EXPECT_TRUE(run({"calibrate", data, "--method", "mse", "--json", data}).says(""));
}

} // namespace

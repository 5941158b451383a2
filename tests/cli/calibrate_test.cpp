// `tersor calibrate` gives what the library's calibrators give.

#include "program.hpp"

#include "tersor/calibrators/compatibility/modelopt.hpp"
#include "tersor/calibrators/compatibility/onnxruntime.hpp"
#include "tersor/calibrators/compatibility/pytorch.hpp"
#include "tersor/calibrators/min_max.hpp"
#include "tersor/calibrators/moving_average.hpp"
#include "tersor/calibrators/percentile.hpp"
#include "tersor/formats/integer.hpp"
#include "tersor/quantizers/absmax.hpp"
#include "tersor/quantizers/affine.hpp"
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

    /// What another tool's histogram makes of the batches.
    template <class Histogram>
    [[nodiscard]] Histogram counted(Histogram h) const {
        for (const std::vector<float>& batch : batches) {
            h.observe(batch);
        }
        return h;
    }

    /// The entry of "x" as the program finds it like that tool.
    [[nodiscard]] tersor::json::value found_as(const char* tool, std::vector<std::string> more) const {
        more.insert(more.begin() + 1, {"--compatibility", tool});
        return ranges(more).at("x");
    }

    static void expect(const tersor::json::value& entry, float lo, float hi, float scale, int zero_point) {
        EXPECT_EQ(number(entry, "lo"), lo);
        EXPECT_EQ(number(entry, "hi"), hi);
        EXPECT_EQ(number(entry, "amax"), std::max(-lo, hi));
        EXPECT_EQ(number(entry, "scale"), scale);
        EXPECT_EQ(number(entry, "zero_point"), static_cast<float>(zero_point));
    }
    static void expect(const tersor::json::value& entry, tersor::value_range range, tersor::affine_parameters p) {
        expect(entry, range.lo, range.hi, p.scale, p.zero_point);
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

TEST_F(Calibrate, GivesWhatModelOptimizerGives) {
    const auto h = counted(tersor::compatibility::modelopt::histogram());
    const auto range = seen(tersor::min_max()).range();
    const float largest = std::max(-range.lo, range.hi);
    expect(found_as("modelopt", {"min_max"}), -largest, largest, largest / 127.0f, 0);
    const float inside = h.percentile(97.0).amax;
    expect(found_as("modelopt", {"percentile", "--percentile", "97"}), -inside, inside, inside / 127.0f, 0);
    const float least = h.mse({4, false}).amax;
    expect(found_as("modelopt", {"mse", "--bits", "4"}), -least, least, least / 7.0f, 0);
    const float kept = h.entropy({8, true}).amax;
    expect(found_as("modelopt", {"kl", "--unsigned"}), 0.0f, kept, kept / 255.0f, 0);
}

TEST_F(Calibrate, GivesWhatOnnxRuntimeGives) {
    const auto few = counted(tersor::compatibility::onnxruntime::histogram(128));
    const auto many = counted(tersor::compatibility::onnxruntime::histogram(2048));
    const auto kept = few.entropy(128), inside = many.percentile(97.0);
    expect(found_as("onnxruntime", {"kl"}), kept, tersor::onnxruntime_symmetric(kept, {-127, 127}));
    expect(found_as("onnxruntime", {"kl", "--unsigned"}), kept, tersor::onnxruntime_symmetric(kept, {0, 254}));
    expect(found_as("onnxruntime", {"percentile", "--percentile", "97", "--unsigned", "--asymmetric"}), inside,
           tersor::onnxruntime_affine(inside, {0, 255}));
    expect(found_as("onnxruntime", {"min_max", "--bits", "4", "--asymmetric"}), many.data(),
           tersor::onnxruntime_affine(many.data(), {-8, 7}));
    const auto more = counted(tersor::compatibility::onnxruntime::histogram(1024)).entropy(128);
    expect(found_as("onnxruntime", {"kl", "--bins", "1024", "--asymmetric"}), more,
           tersor::onnxruntime_affine(more, {-128, 127}));
}

TEST_F(Calibrate, GivesWhatPyTorchGives) {
    const auto searched = counted(tersor::compatibility::pytorch::histogram_observer()).range();
    const auto moving = seen(tersor::moving_average(0.25f));
    const tersor::value_range average{moving.state().min(), moving.state().max()};
    expect(found_as("pytorch", {"mse"}), searched, tersor::pytorch_symmetric(searched, {-128, 127}));
    expect(found_as("pytorch", {"mse", "--unsigned", "--asymmetric"}), searched,
           tersor::pytorch_affine(searched, {0, 255}));
    expect(found_as("pytorch", {"moving_average", "--momentum", ".25", "--unsigned"}), average,
           tersor::pytorch_symmetric(average, {0, 255}));
}

TEST_F(Calibrate, OtherToolsHaveOnlyTheirOwnMethods) {
    const auto refuses = [this](std::vector<std::string> more, std::string_view what) {
        more.insert(more.begin(), {"calibrate", data, "--compatibility"});
        const outcome o = run(more);
        EXPECT_EQ(o.status, 2) << o.err;
        EXPECT_TRUE(o.says(what));
    };
    refuses({"tflite", "--method", "mse"}, "modelopt, onnxruntime, pytorch");
    refuses({"modelopt", "--method", "moving_average"}, "available: min_max, percentile, mse, kl");
    refuses({"modelopt", "--method", "mse", "--asymmetric"}, "no zero point");
    refuses({"modelopt", "--method", "kl", "--bins", "128"}, "from bin 128 on");
    refuses({"onnxruntime", "--method", "mse"}, "available: min_max, percentile, kl");
    refuses({"onnxruntime", "--method", "kl", "--bins", "64"}, "128 or more");
    refuses({"onnxruntime", "--method", "min_max", "--bits", "3"}, "4 or 8 bits, not 3");
    refuses({"pytorch", "--method", "kl"}, "available: min_max, moving_average, mse");
}

TEST_F(Calibrate, OtherToolsLeaveOutWhatIsNotFiniteToo) {
    const std::string bad = folder / "bad.safetensors";
    make_model(bad, {{"x", {3}, {1.0f, std::numeric_limits<float>::infinity(), -3.0f}}});
    for (const char* const tool : {"modelopt", "onnxruntime", "pytorch"}) {
        EXPECT_EQ(run({"calibrate", bad, "--method", "min_max", "--compatibility", tool}).status, 1);
        const outcome o = run({"calibrate", bad, "--method", "min_max", "--compatibility", tool, "--skip-non-finite"});
        EXPECT_TRUE(o.ok()) << o.err;
        EXPECT_NE(o.out.find("not finite: 1 value"), std::string::npos) << o.out;
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

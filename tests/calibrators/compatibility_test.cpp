#include "tersor/calibrators/compatibility/modelopt.hpp"
#include "tersor/calibrators/compatibility/onnxruntime.hpp"
#include "tersor/calibrators/compatibility/pytorch.hpp"

#include "tersor/quantizers/affine.hpp"
#include "tests/common/golden.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

using namespace tersor;
namespace modelopt = tersor::compatibility::modelopt;
namespace onnxruntime = tersor::compatibility::onnxruntime;
namespace pytorch = tersor::compatibility::pytorch;

namespace {

using batches = std::vector<std::vector<float>>;

std::map<std::string, batches> inputs() {
    const golden::file file("calibration/calib_inputs");
    std::map<std::string, batches> sets;
    std::vector<std::string> names = file.names();
    std::sort(names.begin(), names.end());
    for (const std::string& name : names) {
        sets[name.substr(0, name.find('.'))].push_back(file.tensor<float>(name));
    }
    return sets;
}

std::int64_t one(const golden::file& file, const std::string& name) {
    return file.tensor<std::int32_t>(name).at(0);
}

// Number `key` of a data set in the recorded settings {"<set>": {"<key>": <number>, ...}, ...}.
tersor::index setting(const golden::file& file, const std::string& set, const std::string& key,
                      tersor::index otherwise) {
    const std::string* const text = file.opened().find_metadata("config");
    const std::size_t begin = text == nullptr ? std::string::npos : text->find("\"" + set + "\": {");
    const std::size_t at = begin == std::string::npos ? begin : text->find("\"" + key + "\": ", begin);
    return at == std::string::npos || at > text->find('}', begin) ? otherwise
                                                                  : std::stol(text->substr(at + key.size() + 4));
}

void expect_modelopt_ranges(const golden::file& file, const std::string& name, const modelopt::histogram& h) {
    SCOPED_TRACE(name);
    const tersor::index start = setting(file, name, "start", 128), stride = setting(file, name, "stride", 1);
    const auto indices = file.tensor<std::int32_t>(name + ".percentile_idx");
    const double percents[] = {0.0, 50.0, 90.0, 99.0, 99.9, 99.99, 99.999, 100.0};
    for (std::size_t i = 0; i < indices.size(); ++i) {
        const auto found = h.percentile(percents[i]);
        EXPECT_EQ(found.bin, indices[i]) << percents[i];
        const float expected = file.tensor<float>(name + ".percentile_amax")[i];
        EXPECT_NEAR(found.amax, expected, 2e-7f * expected) << percents[i];
    }
    for (const int bits : {8, 4}) {
        for (const bool is_unsigned : {false, true}) {
            const std::string key = name + ".mse_" + (is_unsigned ? "u" : "s") + std::to_string(bits);
            if (file.has(key + "_bin")) {
                const auto found = h.mse({bits, is_unsigned}, start, stride);
                EXPECT_LE(std::abs(found.bin - one(file, key + "_bin")), stride) << key;
            }
        }
    }
    for (const bool is_unsigned : {false, true}) {
        const std::string key = name + ".entropy_" + (is_unsigned ? "u8" : "s8");
        if (file.has(key + "_bin_nan_skipped")) {
            const auto found = h.entropy({8, is_unsigned}, start, stride);
            EXPECT_EQ(found.bin, one(file, key + "_bin_nan_skipped")) << key;
            const double least = file.tensor<double>(key + "_min").at(0);
            if (std::isfinite(least)) {
                EXPECT_NEAR(found.figure, least, 1e-9 * (1.0 + least)) << key;
            }
        }
    }
}

TEST(Modelopt, ReproducesRecordedHistogramsAndRanges) {
    const golden::file file("calibration/calib_histogram_entropy_mse");
    std::size_t cases = 0;
    for (const auto& [name, data] : inputs()) {
        if (!file.has(name + ".hist")) {
            continue;
        }
        ++cases;
        const auto counts = file.tensor<std::int32_t>(name + ".hist");
        const std::vector<std::int64_t> wide(counts.begin(), counts.end());
        const auto edges = file.tensor<float>(name + ".edges");
        // Without settings: only growth changes the number of bins that a histogram starts with.
        const tersor::index bins = name.rfind("growth", 0) == 0 ? 512 : static_cast<tersor::index>(counts.size());
        modelopt::histogram h(setting(file, name, "bins", bins));
        for (const auto& batch : data) {
            h.observe(batch);
        }
        EXPECT_EQ(std::vector<std::int64_t>(h.counts().begin(), h.counts().end()), wide) << name;
        ASSERT_EQ(h.edges().size(), edges.size()) << name;
        for (std::size_t k = 0; k < edges.size(); ++k) {
            ASSERT_NEAR(h.edges()[k], edges[k], 2e-7f * edges[k]) << name << " edge " << k;
        }
        expect_modelopt_ranges(file, name, h);
        float largest = 0.0f;
        for (const auto& batch : data) {
            for (const float v : batch) {
                largest = std::max(largest, std::abs(v));
            }
        }
        EXPECT_EQ(largest, file.tensor<float>(name + ".amax_max").at(0));
        for (const int bits : {8, 4}) {
            const std::string key = name + ".msecal_s" + std::to_string(bits);
            if (!file.has(key + "_losses")) {
                continue;
            }
            const auto candidates = file.tensor<float>(key + "_candidates");
            const auto expected = file.tensor<float>(key + "_losses");
            std::vector<double> sums(candidates.size());
            for (const auto& batch : data) {
                const auto more = modelopt::squared_errors(batch, candidates, {bits, false});
                for (std::size_t i = 0; i < sums.size(); ++i) {
                    sums[i] += more[i];
                }
            }
            for (std::size_t i = 0; i < sums.size(); ++i) {
                EXPECT_NEAR(sums[i], static_cast<double>(expected[i]), 1e-3 * static_cast<double>(expected[i])) << key;
            }
            const double least = *std::min_element(sums.begin(), sums.end());
            const auto chosen =
                std::find(candidates.begin(), candidates.end(), file.tensor<float>(key + "_amax").at(0));
            ASSERT_NE(chosen, candidates.end()) << key;
            EXPECT_LE(sums[static_cast<std::size_t>(chosen - candidates.begin())], 1.001 * least) << key;
        }
    }
    EXPECT_GT(cases, 0u);
}

TEST(Modelopt, ReproducesRangesOfRecordedHistograms) {
    const golden::file file("calibration/calib_from_large_histograms");
    std::set<std::string> names;
    for (const std::string& name : file.names()) {
        names.insert(name.substr(0, name.find('.')));
    }
    ASSERT_FALSE(names.empty());
    for (const std::string& name : names) {
        const auto counts = file.tensor<std::int32_t>(name + ".hist");
        expect_modelopt_ranges(
            file, name, modelopt::histogram({counts.begin(), counts.end()}, file.tensor<float>(name + ".edges")));
    }
}

TEST(Modelopt, ReproducesRecordedErrorsOfChannels) {
    const golden::file file("calibration/per_channel");
    for (const int bits : {8, 4}) {
        const std::string key = "modelopt.msecal_s" + std::to_string(bits) + "_axis0";
        if (!file.has(key + "_losses")) {
            continue;
        }
        const auto expected = file.tensor<float>(key + "_losses"), chosen = file.tensor<float>(key + "_amax");
        const auto largest = file.tensor<float>("modelopt.amax_axis0");
        const std::size_t channels = largest.size(), steps = expected.size() / channels;
        for (std::size_t c = 0; c < channels; ++c) {
            std::vector<float> candidates;
            for (std::size_t k = 0; k < steps; ++k) {
                candidates.push_back(largest[c] *
                                     (0.25f + 3.75f * static_cast<float>(k) / static_cast<float>(steps - 1)));
            }
            std::vector<double> sums(steps);
            for (int batch = 0; file.has("batch" + std::to_string(batch)); ++batch) {
                const auto x = file.tensor<float>("batch" + std::to_string(batch));
                const std::size_t size = x.size() / channels;
                const auto more =
                    modelopt::squared_errors(std::span(x).subspan(c * size, size), candidates, {bits, false});
                for (std::size_t k = 0; k < steps; ++k) {
                    sums[k] += more[k];
                }
            }
            std::size_t best = 0;
            for (std::size_t k = 0; k < steps; ++k) {
                const auto loss = static_cast<double>(expected[k * channels + c]);
                EXPECT_NEAR(sums[k], loss, 1e-3 * loss) << key << " channel " << c << " candidate " << k;
                best = sums[k] < sums[best] ? k : best;
            }
            EXPECT_NEAR(candidates[best], chosen[c], 1e-6f * chosen[c]) << key << " channel " << c;
        }
    }
}

TEST(Onnxruntime, ReproducesRecordedHistogramsAndRanges) {
    const golden::file file("calibration/calib_symmetric_range_kl");
    const auto sets = inputs();
    std::size_t cases = 0;
    for (const std::string& key : file.names()) {
        const std::string ending = ".threshold";
        if (key.size() < ending.size() || key.compare(key.size() - ending.size(), ending.size(), ending) != 0) {
            continue;
        }
        const std::string name = key.substr(0, key.size() - ending.size());
        const std::string set = name.substr(0, name.find('.'));
        const auto found_set = sets.find(set);
        if (found_set == sets.end()) {
            continue;
        }
        SCOPED_TRACE(name);
        ++cases;
        const std::size_t b = name.find(".b") + 2, q = name.find("_q") + 2;
        tersor::index bins = std::stol(name.substr(b));
        const tersor::index levels = std::stol(name.substr(q));
        if (set.rfind("growth", 0) == 0) {
            bins = std::max<tersor::index>(256, bins / 4);
        }
        onnxruntime::histogram h(bins);
        for (const auto& batch : found_set->second) {
            h.observe(batch);
        }
        const auto counts = file.tensor<std::int32_t>(name + ".hist");
        EXPECT_EQ(std::vector<std::int64_t>(h.counts().begin(), h.counts().end()),
                  std::vector<std::int64_t>(counts.begin(), counts.end()));
        EXPECT_EQ(std::vector<float>(h.edges().begin(), h.edges().end()), file.tensor<float>(name + ".edges"));
        EXPECT_EQ(h.threshold(), file.tensor<double>(name + ".threshold").at(0));
        const auto data = file.tensor<float>(name + ".data_min_max");
        EXPECT_EQ(h.data().lo, data.at(0));
        EXPECT_EQ(h.data().hi, data.at(1));
        const auto percentiles = file.tensor<float>(name + ".percentile_asym");
        const double percents[] = {90.0, 99.0, 99.9, 99.99, 99.999};
        for (std::size_t i = 0; i < 5; ++i) {
            const value_range range = h.percentile(percents[i]);
            EXPECT_EQ(range.lo, percentiles[2 * i]) << percents[i];
            EXPECT_EQ(range.hi, percentiles[2 * i + 1]) << percents[i];
        }
        if (!file.has(name + ".kl_min_max")) {
            continue;
        }
        const auto expected = file.tensor<double>(name + ".kl_min_max");
        const value_range range = h.entropy(levels);
        EXPECT_EQ(static_cast<double>(range.lo), expected[0]);
        EXPECT_EQ(static_cast<double>(range.hi), expected[1]);
    }
    EXPECT_GT(cases, 0u);
}

TEST(Pytorch, ReproducesRecordedHistogramObservers) {
    const golden::file file("calibration/observer_histogram");
    std::size_t cases = 0;
    for (const auto& [name, data] : inputs()) {
        if (!file.has(name + ".histogram")) {
            continue;
        }
        SCOPED_TRACE(name);
        pytorch::histogram_observer h;
        for (const auto& batch : data) {
            h.observe(batch);
        }
        EXPECT_EQ(std::vector<float>(h.counts().begin(), h.counts().end()), file.tensor<float>(name + ".histogram"));
        const value_range range = h.range();
        for (const std::string type : {"qint8", "quint8"}) {
            const integer_bounds bounds = type == "qint8" ? integer_bounds{-128, 127} : integer_bounds{0, 255};
            for (const std::string scheme : {"affine", "symmetric"}) {
                const std::string key = name + "." + type + "." + scheme + ".qparams";
                if (!file.has(key)) {
                    continue;
                }
                ++cases;
                const auto expected = file.tensor<double>(key);
                const affine_parameters p =
                    scheme == "affine" ? pytorch_affine(range, bounds) : pytorch_symmetric(range, bounds);
                EXPECT_NEAR(static_cast<double>(p.scale), expected[0], 1e-5 * expected[0]) << key;
                EXPECT_EQ(p.zero_point, expected[1]) << key;
                const double width = expected[5] - expected[4];
                EXPECT_NEAR(static_cast<double>(range.lo), expected[2], 1e-5 * width) << key;
                EXPECT_NEAR(static_cast<double>(range.hi), expected[3], 1e-5 * width) << key;
                EXPECT_EQ(static_cast<double>(h.data().lo), expected[4]) << key;
                EXPECT_EQ(static_cast<double>(h.data().hi), expected[5]) << key;
            }
        }
    }
    EXPECT_GT(cases, 0u);
}

} // namespace

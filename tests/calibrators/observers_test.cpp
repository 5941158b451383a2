#include "tersor/calibrators/min_max.hpp"
#include "tersor/calibrators/moving_average.hpp"

#include "tersor/quantizers/affine.hpp"
#include "tests/common/golden.hpp"

#include <gtest/gtest.h>
#include <unsupported/Eigen/CXX11/Tensor>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

using namespace tersor;

namespace {

using batches = std::vector<Eigen::VectorXf>;

// The parts of a name between its dots; those in front of the last `count - 1` dots stay together.
std::vector<std::string> parts_of(std::string name, std::size_t count) {
    std::vector<std::string> parts;
    for (; parts.size() + 1 < count; name.resize(name.rfind('.'))) {
        parts.insert(parts.begin(), name.substr(name.rfind('.') + 1));
    }
    parts.insert(parts.begin(), name);
    return parts;
}

template <class State>
void expect_parameters(const State& seen, const std::string& type, const std::string& scheme, bool reduced,
                       const std::vector<double>& expected) {
    const value_range range{seen.min(), seen.max()};
    const integer_bounds bounds = type == "qint8" ? (reduced ? integer_bounds{-64, 63} : integer_bounds{-128, 127})
                                                  : (reduced ? integer_bounds{0, 127} : integer_bounds{0, 255});
    const affine_parameters p = scheme == "affine" ? pytorch_affine(range, bounds) : pytorch_symmetric(range, bounds);
    EXPECT_EQ(static_cast<double>(p.scale), expected.at(0));
    EXPECT_EQ(p.zero_point, expected.at(1));
    EXPECT_EQ(static_cast<double>(range.lo), expected.at(2));
    EXPECT_EQ(static_cast<double>(range.hi), expected.at(3));
}

TEST(Observers, ReproduceRecordedMinMaxAndMovingAverages) {
    const golden::file data("calibration/calib_inputs"), file("calibration/observers_minmax");
    std::vector<std::string> names = data.names();
    std::sort(names.begin(), names.end());
    std::map<std::string, batches> sets;
    for (const std::string& name : names) {
        const auto x = data.tensor<float>(name);
        sets[name.substr(0, name.find('.'))].push_back(
            Eigen::VectorXf::Map(x.data(), static_cast<Eigen::Index>(x.size())));
    }
    std::size_t cases = 0;
    for (const std::string& name : file.names()) {
        const auto expected = file.tensor<double>(name);
        const auto found = sets.find(name.substr(0, name.find('.')));
        if (found == sets.end()) {
            continue;
        }
        ++cases;
        SCOPED_TRACE(name);
        // <set>.<observer>.<type>.<scheme>.rr<reduced>; the observer's name may hold a dot
        const auto parts = parts_of(name.substr(name.find('.') + 1), 4);
        const auto run = [&](auto calibrator) {
            for (const Eigen::VectorXf& batch : found->second) {
                calibrator.observe(batch);
            }
            expect_parameters(calibrator.state(), parts[1], parts[2], parts[3] == "rr1", expected);
        };
        if (parts[0] == "minmax") {
            run(min_max());
        } else {
            run(moving_average(std::stof(parts[0].substr(parts[0].find("_c") + 2))));
        }
    }
    EXPECT_GT(cases, 0u);
}

TEST(Observers, ReproduceRecordedRangesOfChannels) {
    const golden::file file("calibration/per_channel");
    int cases = 0;
    for (const int axis : {0, 1}) {
        const calibration_options options{.channel_axis = axis};
        min_max whole(options);
        moving_average moving(0.05f, options);
        for (const std::string batch : {"batch0", "batch1", "batch2"}) {
            const auto shape = file.shape(batch);
            const auto x = file.tensor<float>(batch);
            const Eigen::TensorMap<const Eigen::Tensor<float, 3, Eigen::RowMajor>> values(x.data(), shape[0], shape[1],
                                                                                          shape[2]);
            whole.observe(values);
            moving.observe(values);
        }
        const std::string stem = "axis" + std::to_string(axis) + ".";
        const auto check = [&](const std::string& name, const auto& calibrator) {
            if (!file.has(name + ".quint8.affine.scale")) {
                return;
            }
            ++cases;
            const auto scales = file.tensor<float>(name + ".quint8.affine.scale");
            const auto zeros = file.tensor<std::int32_t>(name + ".quint8.affine.zero_point");
            ASSERT_EQ(calibrator.channels(), static_cast<tersor::index>(scales.size()));
            for (std::size_t c = 0; c < scales.size(); ++c) {
                const auto& seen = calibrator.state(static_cast<tersor::index>(c));
                const affine_parameters p = pytorch_affine({seen.min(), seen.max()}, {0, 255});
                EXPECT_EQ(p.scale, scales[c]) << name << " " << c;
                EXPECT_EQ(p.zero_point, zeros[c]) << name << " " << c;
            }
        };
        check(stem + "minmax", whole);
        check(stem + "movavg_c0.05", moving);
        const std::string of_modelopt = "modelopt.amax_axis" + std::to_string(axis);
        const auto largest = file.has(of_modelopt) ? file.tensor<float>(of_modelopt) : std::vector<float>();
        for (std::size_t c = 0; c < largest.size(); ++c) {
            const auto& seen = whole.state(static_cast<tersor::index>(c));
            EXPECT_EQ(std::max(seen.max(), -seen.min()), largest[c]);
        }
    }
    EXPECT_GT(cases, 0);
}

} // namespace

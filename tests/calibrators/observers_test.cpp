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

using vectors = std::vector<Eigen::VectorXf>;

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
    std::map<std::string, vectors> sets;
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

// The recorded vectors with the channels of one axis between all axes before and all axes behind it.
template <class Calibrator>
Calibrator observed(Calibrator calibrator, const golden::file& file, std::size_t axis) {
    for (int batch = 0; file.has("batch" + std::to_string(batch)); ++batch) {
        const std::string name = "batch" + std::to_string(batch);
        const auto shape = file.shape(name);
        Eigen::Index sizes[] = {1, shape.at(axis), 1};
        for (std::size_t i = 0; i < shape.size(); ++i) {
            sizes[i < axis ? 0 : 2] *= i == axis ? 1 : shape[i];
        }
        const auto x = file.tensor<float>(name);
        calibrator.observe(
            Eigen::TensorMap<const Eigen::Tensor<float, 3, Eigen::RowMajor>>(x.data(), sizes[0], sizes[1], sizes[2]));
    }
    return calibrator;
}

// Checks "axis<a>.<observer>.<type>.<scheme>".
template <class Calibrator>
void expect_channels(const Calibrator& seen, const golden::file& file, const std::string& stem) {
    const auto scales = file.tensor<float>(stem + ".scale");
    ASSERT_EQ(seen.channels(), static_cast<tersor::index>(scales.size()));
    const integer_bounds bounds =
        stem.find(".quint8.") != std::string::npos ? integer_bounds{0, 255} : integer_bounds{-128, 127};
    for (std::size_t c = 0; c < scales.size(); ++c) {
        const auto& state = seen.state(static_cast<tersor::index>(c));
        const value_range range{state.min(), state.max()};
        if (stem.ends_with("float_qparams")) {
            const float_affine_parameters p = pytorch_float_affine(range, bounds);
            EXPECT_EQ(p.scale, scales[c]) << c;
            EXPECT_EQ(static_cast<double>(p.zero_point), file.tensor<double>(stem + ".zero_point")[c]) << c;
        } else {
            const affine_parameters p =
                stem.ends_with(".affine") ? pytorch_affine(range, bounds) : pytorch_symmetric(range, bounds);
            EXPECT_EQ(p.scale, scales[c]) << c;
            EXPECT_EQ(p.zero_point, file.tensor<std::int32_t>(stem + ".zero_point")[c]) << c;
        }
    }
}

TEST(Observers, ReproduceRecordedRangesOfChannels) {
    const golden::file file("calibration/per_channel");
    int cases = 0;
    for (const std::string& name : file.names()) {
        if (!name.starts_with("axis") || !name.ends_with(".scale") || name.find("minmax_q") != std::string::npos) {
            continue; // the observers with bounds of their own see the same ranges
        }
        ++cases;
        SCOPED_TRACE(name);
        const std::string stem = name.substr(0, name.size() - 6);
        const std::size_t axis = static_cast<std::size_t>(stem[4] - '0'), momentum = stem.find(".movavg_c");
        const calibration_options options{.channel_axis = 1};
        if (momentum == std::string::npos) {
            expect_channels(observed(min_max(options), file, axis), file, stem);
        } else {
            expect_channels(observed(moving_average(std::stof(stem.substr(momentum + 9)), options), file, axis), file,
                            stem);
        }
    }
    EXPECT_GT(cases, 0);
    for (const std::size_t axis : {0u, 1u, 2u}) {
        const std::string name = "modelopt.amax_axis" + std::to_string(axis);
        if (file.has(name)) {
            const auto largest = file.tensor<float>(name);
            const min_max whole = observed(min_max({.channel_axis = 1}), file, axis);
            for (std::size_t c = 0; c < largest.size(); ++c) {
                const auto& seen = whole.state(static_cast<tersor::index>(c));
                EXPECT_EQ(std::max(seen.max(), -seen.min()), largest[c]) << name << " " << c;
            }
        }
    }
}

} // namespace

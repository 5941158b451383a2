#include "tersor/quantizers/affine.hpp"

#include "tests/common/golden.hpp"
#include "tests/quantizers/by_definition.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

using namespace tersor;

namespace {

// The bounds that a recorded name asks for: "qint8", "quint8", a custom range "[-8,7]" or "q-8_7", reduced by ".rr1".
std::optional<integer_bounds> pytorch_bounds(const std::string& name) {
    for (const auto& [open, between] : {std::pair{"[", ','}, std::pair{"minmax_q", '_'}}) {
        if (const std::size_t place = name.find(open); place != std::string::npos) {
            const std::string rest = name.substr(place + std::string(open).size());
            return integer_bounds{std::stoi(rest), std::stoi(rest.substr(rest.find(between) + 1))};
        }
    }
    const bool reduced = name.find(".rr1") != std::string::npos;
    if (name.find("quint8") != std::string::npos) {
        return integer_bounds{0, reduced ? 127 : 255};
    }
    if (name.find("qint8") != std::string::npos) {
        return reduced ? integer_bounds{-64, 63} : integer_bounds{-128, 127};
    }
    return std::nullopt;
}

std::optional<integer_bounds> onnxruntime_bounds(const std::string& type) {
    const std::pair<const char*, integer_bounds> known[] = {{"uint8", {0, 255}},
                                                            {"int8", {-128, 127}},
                                                            {"uint8_sym", {0, 254}},
                                                            {"int8_sym", {-127, 127}},
                                                            {"uint16", {0, 65535}},
                                                            {"int16", {-32768, 32767}},
                                                            {"int16_sym", {-32767, 32767}},
                                                            {"uint16_sym", {0, 65534}},
                                                            {"uint4", {0, 15}},
                                                            {"int4", {-8, 7}},
                                                            {"uint4_sym", {0, 14}},
                                                            {"int4_sym", {-8, 7}},
                                                            {"uint8_reduced", {0, 127}},
                                                            {"int8_reduced", {-64, 64}}};
    for (const auto& [name, bounds] : known) {
        if (type == name) {
            return bounds;
        }
    }
    return std::nullopt;
}

struct recorded_parameters {
    std::vector<float> scales;
    std::vector<std::int32_t> zero_points;
};

recorded_parameters recorded(const golden::file& file, const std::string& stem) {
    return {file.tensor<float>(stem + ".scale"), file.tensor<std::int32_t>(stem + ".zero_point")};
}

void expect_parameters(const std::vector<affine_parameters>& actual, const recorded_parameters& expected) {
    std::vector<std::int32_t> zero_points;
    for (const affine_parameters& p : actual) {
        zero_points.push_back(p.zero_point);
    }
    EXPECT_TRUE(same(scales_of(actual), expected.scales));
    EXPECT_TRUE(same(zero_points, expected.zero_points));
}

std::vector<affine_parameters> pytorch_parameters(const std::vector<value_range>& ranges, const std::string& name,
                                                  integer_bounds bounds) {
    std::vector<affine_parameters> result;
    for (const value_range range : ranges) {
        result.push_back(name.find("symmetric") != std::string::npos ? pytorch_symmetric(range, bounds)
                                                                     : pytorch_affine(range, bounds));
    }
    return result;
}

TEST(Affine, GivesTheParametersOfPytorchAndOnnxruntime) {
    const golden::file file("calibration/affine_params");
    const auto min_max = file.tensor<float>("min_max");
    std::vector<value_range> ranges;
    for (std::size_t i = 0; i < min_max.size(); i += 2) {
        ranges.push_back({min_max[i], min_max[i + 1]});
    }
    int checked = 0;
    for (const std::string& stem : stems(file.names(), ".scale")) {
        SCOPED_TRACE(stem);
        ++checked;
        if (stem.starts_with("torch.")) {
            const auto bounds = pytorch_bounds(stem);
            ASSERT_TRUE(bounds.has_value());
            expect_parameters(pytorch_parameters(ranges, stem, *bounds), recorded(file, stem));
        } else {
            ASSERT_TRUE(stem.starts_with("ort."));
            const std::string type = stem.substr(4);
            const auto bounds = onnxruntime_bounds(type);
            ASSERT_TRUE(bounds.has_value());
            std::vector<affine_parameters> actual;
            for (const value_range range : ranges) {
                actual.push_back(type.ends_with("_sym") ? onnxruntime_symmetric(range, *bounds)
                                                        : onnxruntime_affine(range, *bounds));
            }
            expect_parameters(actual, recorded(file, stem));
        }
    }
    EXPECT_GT(checked, 0);
}

// The range of every index along one axis of the recorded batches [a, b, c].
std::vector<value_range> channel_ranges(const golden::file& file, std::size_t axis) {
    constexpr float infinity = std::numeric_limits<float>::infinity();
    std::vector<value_range> ranges;
    for (int batch = 0; file.has("batch" + std::to_string(batch)); ++batch) {
        const std::string name = "batch" + std::to_string(batch);
        const auto shape = file.shape(name);
        const auto values = file.tensor<float>(name);
        std::size_t stride = 1;
        for (std::size_t i = shape.size(); i-- > axis + 1;) {
            stride *= static_cast<std::size_t>(shape[i]);
        }
        const auto channels = static_cast<std::size_t>(shape[axis]);
        ranges.resize(channels, {infinity, -infinity});
        for (std::size_t i = 0; i < values.size(); ++i) {
            value_range& range = ranges[i / stride % channels];
            range = {std::min(range.lo, values[i]), std::max(range.hi, values[i])};
        }
    }
    return ranges;
}

TEST(Affine, GivesTheParametersOfPytorchForEveryChannel) {
    const golden::file file("calibration/per_channel");
    int checked = 0;
    for (const std::string& stem : stems(file.names(), ".scale")) {
        SCOPED_TRACE(stem);
        if (!stem.starts_with("axis") || stem.find(".minmax") == std::string::npos) {
            continue; // the moving averages are a calibrator's
        }
        ++checked;
        const auto ranges = channel_ranges(file, static_cast<std::size_t>(stem[4] - '0'));
        const auto bounds = pytorch_bounds(stem);
        ASSERT_TRUE(bounds.has_value());
        if (stem.ends_with("float_qparams")) {
            std::vector<float> zero_points;
            std::vector<float> scales;
            for (const value_range range : ranges) {
                const float_affine_parameters p = pytorch_float_affine(range, *bounds);
                scales.push_back(p.scale);
                zero_points.push_back(p.zero_point);
            }
            EXPECT_TRUE(same(scales, file.tensor<float>(stem + ".scale")));
            EXPECT_TRUE(same(zero_points, file.tensor<double>(stem + ".zero_point")));
        } else {
            expect_parameters(pytorch_parameters(ranges, stem, *bounds), recorded(file, stem));
        }
    }
    EXPECT_GT(checked, 0);
}

TEST(Affine, GivesTheParametersOfDynamicQuantizeLinear) {
    const golden::file file("calibration/dynamic_quantize_linear");
    int checked = 0;
    for (const std::string& stem : stems(file.names(), ".x")) {
        SCOPED_TRACE(stem);
        const auto x = file.tensor<float>(stem + ".x");
        const affine_parameters p = onnx_dynamic(range_of(x));
        EXPECT_EQ(p.scale, file.tensor<float>(stem + ".scale")[0]);
        EXPECT_EQ(p.zero_point, file.tensor<std::uint8_t>(stem + ".zero_point")[0]);
        std::vector<std::uint8_t> codes;
        for (const float value : x) {
            codes.push_back(static_cast<std::uint8_t>(quantize_linear(value, p, bounds_of<uint8>)));
        }
        EXPECT_TRUE(same(codes, file.tensor<std::uint8_t>(stem + ".y")));
        ++checked;
    }
    EXPECT_GT(checked, 0);
}

std::vector<std::int32_t> recorded_codes(const golden::file& file, const std::string& name) {
    std::vector<std::int32_t> codes;
    const auto append = [&](const auto& values) { codes.assign(values.begin(), values.end()); };
    switch (file.dtype(name)) {
    case safetensors_dtype::i8:
        append(file.tensor<std::int8_t>(name));
        break;
    case safetensors_dtype::u8:
        append(file.tensor<std::uint8_t>(name));
        break;
    case safetensors_dtype::i16:
        append(file.tensor<std::int16_t>(name));
        break;
    default:
        append(file.tensor<std::uint16_t>(name));
        break;
    }
    return codes;
}

// Checks codes, and values where recorded; element i belongs to parameters[i / stride % size].
template <class Quantize>
void check_codes(const golden::file& file, const std::string& stem, const std::vector<float>& x,
                 const std::vector<affine_parameters>& parameters, std::size_t stride, const Quantize& quantize) {
    const auto expected = recorded_codes(file, stem + ".y");
    ASSERT_EQ(expected.size(), x.size());
    std::vector<std::int32_t> codes;
    std::vector<float> values;
    for (std::size_t i = 0; i < x.size(); ++i) {
        const affine_parameters p = parameters[i / stride % parameters.size()];
        codes.push_back(std::isnan(x[i]) ? expected[i] : quantize(x[i], p));
        values.push_back(dequantize_linear(expected[i], p));
    }
    EXPECT_TRUE(same(codes, expected));
    if (file.has(stem + ".dq")) {
        EXPECT_TRUE(same(values, file.tensor<float>(stem + ".dq")));
    }
}

std::vector<affine_parameters> recorded_list(const golden::file& file, const std::string& stem) {
    const recorded_parameters all = recorded(file, stem);
    std::vector<affine_parameters> result;
    for (std::size_t i = 0; i < all.scales.size(); ++i) {
        result.push_back({all.scales[i], all.zero_points[i]});
    }
    return result;
}

TEST(Affine, CodesAndValuesAreThoseOfOnnxAndPytorch) {
    const golden::file file("calibration/quantize_linear");
    int checked = 0;
    for (const std::string& stem : stems(file.names(), ".y")) {
        SCOPED_TRACE(stem);
        ++checked;
        if (stem.starts_with("onnx.per_axis") || stem == "torch.per_channel") {
            const auto w = file.tensor<float>("w");
            const auto columns = static_cast<std::size_t>(file.shape("w").back());
            const auto parameters = recorded_list(file, "torch.per_channel");
            const auto by_torch = [](float v, affine_parameters p) { return pytorch_quantize(v, p, bounds_of<int8>); };
            const auto by_onnx = [](float v, affine_parameters p) { return quantize_linear(v, p, bounds_of<int8>); };
            stem == "torch.per_channel" ? check_codes(file, stem, w, parameters, columns, by_torch)
                                        : check_codes(file, stem, w, parameters, columns, by_onnx);
        } else if (stem.starts_with("torch.")) {
            const auto bounds = pytorch_bounds(stem);
            ASSERT_TRUE(bounds.has_value());
            check_codes(file, stem, file.tensor<float>("x_finite"), recorded_list(file, stem), 1,
                        [&](float v, affine_parameters p) { return pytorch_quantize(v, p, *bounds); });
        } else {
            const std::string type = stem.substr(5, stem.find('.', 5) - 5);
            const auto bounds = onnxruntime_bounds(type);
            ASSERT_TRUE(bounds.has_value());
            check_codes(file, stem, file.tensor<float>("x"), recorded_list(file, stem), 1,
                        [&](float v, affine_parameters p) { return quantize_linear(v, p, *bounds); });
        }
    }
    EXPECT_GT(checked, 0);
}

TEST(Affine, NoDataGivesScaleOneAndZeroPointZero) {
    const value_range none{std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()};
    EXPECT_EQ(pytorch_affine(none, {0, 255}), (affine_parameters{1.0f, 0}));
    EXPECT_EQ(pytorch_symmetric(none, {0, 255}), (affine_parameters{1.0f, 0}));
    EXPECT_EQ(pytorch_float_affine(none, {0, 255}), (float_affine_parameters{1.0f, 0.0f}));
}

TEST(Affine, PytorchsSymmetricZeroPointFollowsTheBounds) {
    EXPECT_EQ(pytorch_symmetric_zero_point({-128, 127}), 0);
    EXPECT_EQ(pytorch_symmetric_zero_point({-2, 1}), 0);
    EXPECT_EQ(pytorch_symmetric_zero_point({0, 255}), 128);
    EXPECT_EQ(pytorch_symmetric_zero_point({0, 127}), 128);
    EXPECT_EQ(pytorch_symmetric_zero_point({0, 15}), 7);
    EXPECT_EQ(pytorch_symmetric({-1.0f, 1.0f}, {0, 255}, 127).zero_point, 127);
}

TEST(Affine, ValuesBeyondTheIntegersSaturateAndNanIsZero) {
    const affine_parameters p{1e-30f, 3};
    for (const float value : {1e30f, std::numeric_limits<float>::infinity()}) {
        EXPECT_EQ(quantize_linear(value, p, {0, 255}), 255);
        EXPECT_EQ(quantize_linear(-value, p, {0, 255}), 0);
        EXPECT_EQ(pytorch_quantize(value, p, {-128, 127}), 127);
        EXPECT_EQ(pytorch_quantize(-value, p, {-128, 127}), -128);
    }
    const float nan = std::numeric_limits<float>::quiet_NaN();
    EXPECT_EQ(quantize_linear(nan, p, {0, 255}), 3);
    EXPECT_EQ(pytorch_quantize(nan, p, {0, 255}), 3);
}

} // namespace

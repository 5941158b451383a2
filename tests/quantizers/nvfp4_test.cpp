#include "tersor/quantizers/nvfp4.hpp"

#include "tests/common/golden.hpp"
#include "tests/quantizers/by_definition.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

using namespace tersor;

namespace {

// Checks "<stem>.code", "<stem>.scale" and, where recorded, the tensor scale and the values.
template <class Q>
void check_blocks(const golden::file& file, const std::string& stem, const std::string& input) {
    SCOPED_TRACE(stem);
    const auto columns = static_cast<std::size_t>(file.shape(input).back());
    const auto c = by_definition::quantize(Q{}, file.tensor<float>(input), columns);
    std::vector<std::uint8_t> scales;
    for (const auto p : c.parameters) {
        scales.push_back(p.scale);
    }
    EXPECT_TRUE(same(scales, file.tensor<std::uint8_t>(stem + ".scale")));
    EXPECT_TRUE(same(c.codes, file.tensor<std::uint8_t>(stem + ".code")));
    if (file.has(stem + ".global_scale")) {
        EXPECT_EQ(c.quantizer.tensor_scale, file.tensor<float>(stem + ".global_scale")[0]);
    }
    if (file.has(stem + ".dq")) {
        EXPECT_TRUE(same(by_definition::dequantize(c), file.tensor<float>(stem + ".dq")));
    }
}

TEST(Nvfp4, GivesTheScalesAndCodesOfTorchao) {
    const golden::file file("calibration/nvfp4_blocks");
    int checked = 0;
    for (const std::string& stem : stems(file.names(), ".code")) {
        const std::string input = stem.ends_with("_moderate") ? "x_moderate" : "x";
        if (stem.find("two_level") != std::string::npos) {
            check_blocks<nvfp4>(file, stem, input);
        } else {
            check_blocks<nvfp4_single>(file, stem, input);
        }
        ++checked;
    }
    EXPECT_GE(checked, 2);
}

TEST(Nvfp4, PrepareMapsTheLargestMagnitudeToTheLargestCodes) {
    const nvfp4 q = nvfp4{}.prepare(2688.0f * 3.0f);
    EXPECT_EQ(q.tensor_scale, 3.0f);
    const auto p = q.from_magnitude(2688.0f * 3.0f);
    EXPECT_EQ(p.scale, fp8_e4m3::largest_code);
    EXPECT_EQ(q.decode(q.encode(2688.0f * 3.0f, p), p), 2688.0f * 3.0f);
}

TEST(Nvfp4, ZerosDecodeToZeros) {
    const std::vector<float> zeros(20);
    EXPECT_TRUE(same(by_definition::round_trip(nvfp4{}, zeros), zeros));
    EXPECT_TRUE(same(by_definition::round_trip(nvfp4_single{}, zeros), zeros));
    EXPECT_EQ(nvfp4{}.prepare(0.0f).tensor_scale, 1.0f);
}

TEST(Nvfp4, ExtremeTensorsDecodeWithinAQuarterOfTheLargestValue) {
    for (const float magnitude :
         {1e-45f, 1e-40f, 1e-38f, 3e-36f, 1e-35f, 1e-30f, 1.0f, 1e38f, std::numeric_limits<float>::max()}) {
        SCOPED_TRACE(magnitude);
        std::vector<float> x(40);
        for (std::size_t i = 0; i < x.size(); ++i) {
            x[i] = i < 16 ? magnitude / static_cast<float>(i + 1) : i < 32 ? magnitude * 1e-6f : -magnitude;
        }
        const auto decoded = by_definition::round_trip(nvfp4{}, x);
        for (std::size_t i = 0; i < x.size(); ++i) {
            EXPECT_TRUE(std::isfinite(decoded[i]));
            EXPECT_NEAR(decoded[i], x[i], std::max(0.25 * static_cast<double>(magnitude), 0x1p-129));
        }
    }
}

TEST(Nvfp4, ASmallGroupBesideALargeOneKeepsTheSmallestScale) {
    const nvfp4 q = nvfp4{}.prepare(1e6f);
    EXPECT_EQ(fp8_e4m3::decode(q.from_magnitude(1e-6f).scale), 0x1p-6f);
    EXPECT_EQ(fp8_e4m3::decode(q.from_magnitude(0.0f).scale), 0x1p-6f);
}

TEST(Nvfp4, ImportanceNeverIncreasesTheWeightedError) {
    std::vector<float> x;
    std::vector<float> importance;
    for (int i = 0; i < 16; ++i) {
        x.push_back(std::sin(static_cast<float>(i)));
        importance.push_back(i % 3 == 0 ? 0.0f : 1.0f);
    }
    const nvfp4 q = nvfp4{}.prepare(1.0f);
    EXPECT_LE(weighted_error(q, x, importance, q.fit(x, importance)), weighted_error(q, x, importance, q.fit(x, {})));
}

} // namespace

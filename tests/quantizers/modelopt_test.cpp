#include "tersor/quantizers/modelopt.hpp"

#include "tersor/formats/packing.hpp"
#include "tests/common/golden.hpp"
#include "tests/quantizers/by_definition.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

using namespace tersor;

namespace {

std::vector<std::uint8_t> unpacked(const std::vector<std::uint8_t>& packed) {
    std::vector<std::uint8_t> codes(packed.size() * 2);
    unpack_codes(packed.data(), 4, std::span(codes));
    return codes;
}

TEST(ModeloptMxfp4, GivesItsScalesAndCodes) {
    const golden::file file("calibration/mx_blocks");
    const auto columns = static_cast<std::size_t>(file.shape("modelopt_mxfp4.x").back());
    const auto c = by_definition::quantize(modelopt_mxfp4{}, file.tensor<float>("modelopt_mxfp4.x"), columns);
    std::vector<std::uint8_t> scales;
    for (const auto p : c.parameters) {
        scales.push_back(p.scale.code);
    }
    EXPECT_TRUE(same(scales, file.tensor<std::uint8_t>("modelopt_mxfp4.scale")));
    EXPECT_TRUE(same(c.codes, unpacked(file.tensor<std::uint8_t>("modelopt_mxfp4.packed"))));
    EXPECT_TRUE(same(by_definition::dequantize(c), file.tensor<float>("modelopt_mxfp4.dq")));
}

TEST(ModeloptMxfp4, TheScaleIsTheRoundedLogarithm) {
    const modelopt_mxfp4 q;
    for (int exponent = -120; exponent < 124; ++exponent) {
        for (int k = 0; k < 40; ++k) {
            const float share = std::ldexp(1.0f + static_cast<float>(k) * 0x1p-23f, exponent);
            const float magnitude = share * 6.0f;
            const auto rounded = static_cast<float>(std::log2(static_cast<double>(magnitude / 6.0f)));
            EXPECT_EQ(q.from_magnitude(magnitude).scale.code, static_cast<int>(std::ceil(rounded)) + 127) << share;
        }
    }
    EXPECT_EQ(q.from_magnitude(0.0f).scale.code, 0);
    EXPECT_EQ(q.from_magnitude(1e-45f).scale.code, 0);
    EXPECT_EQ(q.from_magnitude(6.0f * 0x1.8p-127f).scale.code, 1);
}

TEST(ModeloptMxfp4, TiesGoTowardZeroAndZeroIsNegative) {
    using element = modelopt_mxfp4_element;
    EXPECT_EQ(element::encode(0.0f), 8);
    EXPECT_EQ(element::encode(0.75f), 1);
    EXPECT_EQ(element::encode(-2.5f), 12);
    EXPECT_EQ(element::encode(5.0f), 6);
    EXPECT_EQ(element::encode(100.0f), 7);
    EXPECT_EQ(element::decode(element::encode(0.0f)), 0.0f);
}

TEST(ModeloptNvfp4, GivesItsScalesAndCodes) {
    const golden::file file("calibration/nvfp4_blocks");
    const auto columns = static_cast<std::size_t>(file.shape("x_moderate").back());
    const auto c = by_definition::quantize(modelopt_nvfp4{}, file.tensor<float>("x_moderate"), columns);
    EXPECT_EQ(c.quantizer.tensor_scale, file.tensor<float>("modelopt.global_scale")[0]);
    const auto expected = unpacked(file.tensor<std::uint8_t>("modelopt.packed"));
    std::vector<std::uint8_t> scales;
    std::vector<std::uint8_t> codes = c.codes;
    for (std::size_t g = 0; g < c.parameters.size(); ++g) {
        scales.push_back(c.parameters[g].scale);
        // A scale of zero: the recorded codes are arbitrary.
        for (std::size_t i = 16 * g; i < 16 * (g + 1); ++i) {
            codes[i] = scales[g] == 0 ? expected[i] : codes[i];
        }
    }
    EXPECT_TRUE(same(scales, file.tensor<std::uint8_t>("modelopt.scale")));
    EXPECT_TRUE(same(codes, expected));
    EXPECT_TRUE(same(by_definition::dequantize(c), file.tensor<float>("modelopt.dq")));
}

TEST(ModeloptNvfp4, ZerosAndVerySmallGroupsDecodeToZeros) {
    std::vector<float> x(48);
    x[0] = 6.0f;
    x[20] = 1e-9f;
    const auto c = by_definition::quantize(modelopt_nvfp4{}, x, 48);
    const auto decoded = by_definition::dequantize(c);
    EXPECT_EQ(decoded[0], 6.0f);
    for (std::size_t i = 1; i < decoded.size(); ++i) {
        EXPECT_EQ(decoded[i], 0.0f);
    }
    EXPECT_TRUE(same(by_definition::round_trip(modelopt_nvfp4{}, std::vector<float>(16)), std::vector<float>(16)));
}

TEST(ModeloptNvfp4, ZeroHasCodeZero) {
    EXPECT_EQ(modelopt_nvfp4_element::encode(-0.0f), 0);
    EXPECT_EQ(modelopt_nvfp4_element::encode(-1.0f), fp4_e2m1::encode(-1.0f));
}

} // namespace

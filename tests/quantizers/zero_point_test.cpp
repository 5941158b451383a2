#include "tersor/quantizers/zero_point.hpp"

#include "tersor/formats/e8m0.hpp"
#include "tersor/formats/integer.hpp"
#include "tersor/quantizers/affine.hpp"
#include "tests/common/golden.hpp"
#include "tests/quantizers/by_definition.hpp"

#include <Eigen/Core>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

using namespace tersor;

namespace {

TEST(ZeroPoint, ReproducesDynamicQuantizeLinear) {
    const golden::file file("calibration/dynamic_quantize_linear");
    int checked = 0;
    for (const std::string& stem : stems(file.names(), ".x")) {
        SCOPED_TRACE(stem);
        const float scale = file.tensor<float>(stem + ".scale")[0];
        const auto x = file.tensor<float>(stem + ".x");
        const auto beyond = [](float v) { return std::fabs(v) > 0.98f * std::numeric_limits<float>::max(); };
        if (std::isinf(scale) || std::any_of(x.begin(), x.end(), beyond)) {
            continue; // zero_point keeps its scale and its values finite, see below; dynamic_quantize_linear does not
        }
        const auto c = by_definition::quantize(zero_point<uint8>{}, x, x.size());
        EXPECT_EQ(c.parameters[0].scale, scale);
        EXPECT_EQ(c.parameters[0].zero, file.tensor<std::uint8_t>(stem + ".zero_point")[0]);
        EXPECT_TRUE(same(c.codes, file.tensor<std::uint8_t>(stem + ".y")));
        ++checked;
    }
    EXPECT_GT(checked, 0);
}

// Checks zero_point<Format>::encode and decode with the parameters of one recorded case.
template <class Format, class Code>
void check_quantize_linear(const golden::file& file, const std::string& stem) {
    const zero_point<Format> q;
    const typename zero_point<Format>::parameters p{
        file.tensor<float>(stem + ".scale")[0], static_cast<Code>(file.tensor<std::int32_t>(stem + ".zero_point")[0])};
    const auto x = file.tensor<float>("x");
    const auto expected = file.tensor<Code>(stem + ".y");
    std::vector<Code> codes;
    std::vector<float> decoded;
    for (std::size_t i = 0; i < x.size(); ++i) {
        codes.push_back(std::isnan(x[i]) ? expected[i] : q.encode(x[i], p));
        decoded.push_back(q.decode(expected[i], p));
    }
    EXPECT_TRUE(same(codes, expected));
    if (file.has(stem + ".dq")) {
        EXPECT_TRUE(same(decoded, file.tensor<float>(stem + ".dq")));
    }
}

TEST(ZeroPoint, EncodesAsQuantizeLinear) {
    const golden::file file("calibration/quantize_linear");
    int checked = 0;
    for (const std::string& stem : stems(file.names(), ".scale")) {
        SCOPED_TRACE(stem);
        checked += 1;
        if (stem.starts_with("onnx.int8.")) {
            check_quantize_linear<int8, std::int8_t>(file, stem);
        } else if (stem.starts_with("onnx.uint8.")) {
            check_quantize_linear<uint8, std::uint8_t>(file, stem);
        } else if (stem.starts_with("onnx.int4.")) {
            check_quantize_linear<int4, std::int8_t>(file, stem);
        } else if (stem.starts_with("onnx.uint4.")) {
            check_quantize_linear<uint4, std::uint8_t>(file, stem);
        } else {
            checked -= 1;
        }
    }
    EXPECT_GT(checked, 0);
}

template <class Q>
class ZeroPointOf : public testing::Test {};
using zero_point_types = testing::Types<zero_point<uint2>, zero_point<uint3>, zero_point<uint4>, zero_point<uint8>,
                                        zero_point<int8>, zero_point<int4>, zero_point<uint4, Eigen::half>,
                                        zero_point<uint8, Eigen::bfloat16>, zero_point<uint4, e8m0>>;
TYPED_TEST_SUITE(ZeroPointOf, zero_point_types);

TYPED_TEST(ZeroPointOf, ZeroIsExact) {
    for (const float lo : {0.0f, -1e-45f, -0.3f, -100.0f}) {
        for (const float hi : {0.0f, 1e-45f, 0.7f, 1e38f}) {
            const TypeParam q;
            const auto p = q.from_range(lo, hi);
            EXPECT_EQ(q.decode(q.encode(0.0f, p), p), 0.0f);
            EXPECT_EQ(q.decode(q.encode(-0.0f, p), p), 0.0f);
        }
    }
}

TYPED_TEST(ZeroPointOf, ZerosDecodeToZeros) {
    for (const float decoded : by_definition::round_trip(TypeParam{}, std::vector<float>(5, 0.0f))) {
        EXPECT_EQ(decoded, 0.0f);
    }
}

TYPED_TEST(ZeroPointOf, ExtremeGroupsDecodeToFiniteValues) {
    // Only a power of two as the scale makes a grid so much wider than the values that it may end beyond all floats.
    constexpr bool power_of_two = std::is_same_v<decltype(TypeParam::parameters::scale), e8m0>;
    const float largest = power_of_two ? 2e38f : std::numeric_limits<float>::max();
    for (const float magnitude : {1e-45f, 1e-40f, 1e-38f, 1.0f, 1e38f, 0.98f * largest, largest}) {
        for (const std::vector<float>& x :
             {std::vector<float>{magnitude}, std::vector<float>{-magnitude}, std::vector<float>{-magnitude, magnitude},
              std::vector<float>{-magnitude, 0.0f, magnitude / 3}}) {
            for (const float decoded : by_definition::round_trip(TypeParam{}, x)) {
                EXPECT_TRUE(std::isfinite(decoded)) << magnitude;
            }
        }
    }
}

TEST(ZeroPoint, AConstantGroupDecodesToWithinAHundredthOfAPercent) {
    for (const float x : {3.7f, -3.7f, 1e-3f, 1e38f, -1e38f}) {
        for (const float decoded : by_definition::round_trip(zero_point<uint8>{}, {x, x, x})) {
            EXPECT_NEAR(decoded, x, 1e-4 * std::fabs(x));
        }
    }
}

TEST(ZeroPoint, RoundTripStaysWithinAStep) {
    std::vector<float> x;
    for (int i = -300; i <= 700; ++i) {
        x.push_back(0.01f * static_cast<float>(i));
    }
    const auto decoded = by_definition::round_trip(zero_point<uint8>{}, x);
    const double step = 10.0 / 255.0;
    for (std::size_t i = 1; i + 1 < x.size(); ++i) {
        EXPECT_NEAR(decoded[i], x[i], step); // the zero point itself is rounded: up to half a step at the ends
    }
}

TEST(ZeroPoint, SignedAndUnsignedGridsDifferByTheirLowestCode) {
    const zero_point<int8> with_sign;
    const zero_point<uint8> without;
    for (const float lo : {-1.0f, -0.3f, 0.0f}) {
        const auto a = with_sign.from_range(lo, 0.8f);
        const auto b = without.from_range(lo, 0.8f);
        EXPECT_EQ(a.scale, b.scale);
        EXPECT_EQ(a.zero + 128, b.zero);
        EXPECT_EQ(with_sign.encode(0.123f, a) + 128, without.encode(0.123f, b));
    }
}

TEST(ZeroPoint, ARangeThatExcludesZeroIsExtended) {
    const zero_point<uint8> q;
    EXPECT_EQ(q.from_range(2.0f, 5.0f), q.from_range(0.0f, 5.0f));
    EXPECT_EQ(q.from_range(-5.0f, -2.0f), q.from_range(-5.0f, 0.0f));
}

} // namespace

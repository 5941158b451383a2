#include "tersor/quantizers/mx.hpp"

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

// Checks "<peer>.<element>.<rule>" of the recorded blocks; blocks with scale 255 decode to NaN, their codes may differ.
template <class Q>
void check_blocks(const golden::file& file, const std::string& stem) {
    const auto shape = file.shape("x");
    const auto x = file.tensor<float>("x");
    const auto c = by_definition::quantize(Q{}, x, static_cast<std::size_t>(shape[1]));
    std::vector<std::uint8_t> scales;
    std::vector<std::uint8_t> codes = c.codes;
    const auto expected_scales = file.tensor<std::uint8_t>(stem + ".scale");
    const auto expected_codes = file.tensor<std::uint8_t>(stem + ".code");
    ASSERT_EQ(expected_codes.size(), codes.size());
    for (const auto p : c.parameters) {
        scales.push_back(p.scale.code);
    }
    for (std::size_t i = 0; i < codes.size(); ++i) {
        if (expected_scales[i / 32] == 255) {
            codes[i] = expected_codes[i];
        }
    }
    // The peer's block of NaN has a largest magnitude of NaN; std::max ignores NaN.
    for (std::size_t g = 0; g < scales.size(); ++g) {
        for (std::size_t i = 32 * g; i < 32 * (g + 1); ++i) {
            scales[g] = std::isnan(x[i]) ? e8m0::nan_code : scales[g];
        }
    }
    EXPECT_TRUE(same(scales, expected_scales));
    EXPECT_TRUE(same(codes, expected_codes));
    if (file.has(stem + ".dq")) {
        auto values = by_definition::dequantize(c);
        for (std::size_t i = 0; i < values.size(); ++i) {
            values[i] = expected_scales[i / 32] == 255 ? std::numeric_limits<float>::quiet_NaN() : values[i];
        }
        EXPECT_TRUE(same(values, file.tensor<float>(stem + ".dq")));
    }
}

template <class Format>
bool check_rules(const golden::file& file, const std::string& stem) {
    if (stem.ends_with(".floor")) {
        check_blocks<mx<Format, mx_scaling::floor>>(file, stem);
    } else if (stem.ends_with(".ceil")) {
        check_blocks<mx<Format, mx_scaling::ceil>>(file, stem);
    } else if (stem.ends_with(".even")) {
        check_blocks<mx<Format, mx_scaling::even>>(file, stem);
    } else if (stem.ends_with(".rceil")) {
        check_blocks<mx<Format, mx_scaling::rceil>>(file, stem);
    } else {
        return false;
    }
    return true;
}

TEST(Mx, EveryRuleGivesTheScalesAndCodesOfTorchao) {
    const golden::file file("calibration/mx_blocks");
    int checked = 0;
    for (const std::string& stem : stems(file.names(), ".code")) {
        SCOPED_TRACE(stem);
        bool known = false;
        if (stem.find(".e2m1.") != std::string::npos) {
            known = check_rules<fp4_e2m1>(file, stem);
        } else if (stem.find(".e4m3.") != std::string::npos) {
            known = check_rules<fp8_e4m3>(file, stem);
        } else if (stem.find(".e5m2.") != std::string::npos) {
            known = check_rules<fp8_e5m2>(file, stem);
        } else if (stem.find("e3m2.") != std::string::npos) {
            known = check_rules<fp6_e3m2>(file, stem);
        } else if (stem.find("e2m3.") != std::string::npos) {
            known = check_rules<fp6_e2m3>(file, stem);
        }
        EXPECT_TRUE(known);
        checked += known ? 1 : 0;
    }
    EXPECT_GT(checked, 0);
}

template <class Q>
class MxOf : public testing::Test {};
using mx_types =
    testing::Types<mxfp4, mxfp6_e2m3, mxfp6_e3m2, mxfp8_e4m3, mxfp8_e5m2, mx<fp4_e2m1, mx_scaling::ceil>,
                   mx<fp8_e4m3, mx_scaling::even>, mx<fp6_e3m2, mx_scaling::rceil>, mx<fp4_e2m1, mx_scaling::best>>;
TYPED_TEST_SUITE(MxOf, mx_types);

TYPED_TEST(MxOf, ScaleTimesInverseIsOneForEveryScale) {
    const TypeParam q;
    for (int code = 0; code < 255; ++code) {
        const typename TypeParam::parameters p{e8m0::from_code(static_cast<std::uint8_t>(code))};
        EXPECT_EQ(q.scale(p), std::ldexp(1.0f, code - 127));
        EXPECT_EQ(q.inverse(p), std::ldexp(1.0f, 127 - code));
        EXPECT_EQ(q.scale(p) * q.inverse(p), 1.0f);
    }
    EXPECT_TRUE(std::isnan(q.scale({e8m0::from_code(255)})));
}

TYPED_TEST(MxOf, ZerosHaveScaleCodeZeroAndDecodeToZeros) {
    const std::vector<float> zeros(32);
    const auto c = by_definition::quantize(TypeParam{}, zeros, 32);
    EXPECT_EQ(c.parameters[0].scale.code, 0);
    EXPECT_TRUE(same(by_definition::dequantize(c), zeros));
}

TYPED_TEST(MxOf, EveryValueOfTheFormatDecodesExactly) {
    using format = typename TypeParam::format;
    std::vector<float> x;
    for (unsigned code = 0; code < 32; ++code) {
        const float value =
            format::decode(static_cast<std::uint8_t>(format::largest_code - code % (format::largest_code + 1)));
        x.push_back(code % 2 == 0 ? value : -value);
    }
    for (const float factor : {0x1p-100f, 1.0f, 0x1p60f}) {
        std::vector<float> scaled;
        for (const float value : x) {
            scaled.push_back(value * factor);
        }
        const auto decoded = by_definition::round_trip(TypeParam{}, scaled);
        const float largest = scaled[0];
        for (std::size_t i = 0; i < x.size(); ++i) {
            // The rule `ceil` gives the values half the resolution.
            EXPECT_NEAR(decoded[i], scaled[i], std::fabs(largest) * 0.126);
            if (TypeParam{}.fit(scaled, {}).scale == e8m0(factor)) {
                EXPECT_EQ(decoded[i], scaled[i]);
            }
        }
    }
}

TYPED_TEST(MxOf, ExtremeBlocksDecodeToFiniteValues) {
    for (const float magnitude : {1e-45f, 1e-40f, 1e-38f, 1e38f, 0x1.8p127f}) {
        for (const float decoded : by_definition::round_trip(TypeParam{}, {magnitude, -magnitude / 3, 0.0f})) {
            EXPECT_TRUE(std::isfinite(decoded)) << magnitude;
            EXPECT_LE(std::fabs(decoded), std::max(magnitude * 1.25f, 0x1p-125f));
        }
    }
}

TEST(Mx, FloorKeepsTheLargestFloatFinite) {
    const float largest = std::numeric_limits<float>::max();
    EXPECT_EQ(by_definition::round_trip(mxfp4{}, {largest})[0], 0x1.8p127f);
    EXPECT_EQ((by_definition::round_trip(mx<fp4_e2m1, mx_scaling::best>{}, {largest})[0]), 0x1.8p127f);
}

TEST(Mx, FloorSaturatesAndCeilDoesNot) {
    const std::vector<float> x{7.9f, 1.0f};
    EXPECT_EQ(by_definition::round_trip(mxfp4{}, x)[0], 6.0f);
    EXPECT_EQ((by_definition::round_trip(mx<fp4_e2m1, mx_scaling::ceil>{}, x)[0]), 8.0f);
}

TEST(Mx, BestIsNeverWorseThanFloorOrCeil) {
    using best = mx<fp4_e2m1, mx_scaling::best>;
    using ceil = mx<fp4_e2m1, mx_scaling::ceil>;
    bool differs_from_floor = false;
    for (int seed = 1; seed < 200; ++seed) {
        std::vector<float> x;
        for (int i = 0; i < 32; ++i) {
            x.push_back(std::sin(static_cast<float>(seed * (i + 3))) * std::pow(1.01f, static_cast<float>(seed)));
        }
        const auto chosen = best{}.fit(x, {});
        const auto by_floor = mxfp4{}.fit(x, {});
        const auto by_ceil = ceil{}.fit(x, {});
        const double error = weighted_error(best{}, x, {}, chosen);
        EXPECT_LE(error, weighted_error(mxfp4{}, x, {}, by_floor));
        EXPECT_LE(error, weighted_error(ceil{}, x, {}, by_ceil));
        differs_from_floor = differs_from_floor || !(chosen.scale == by_floor.scale);
    }
    EXPECT_TRUE(differs_from_floor);
}

TEST(Mx, ImportanceDecidesBetweenNeighbouringScales) {
    // 7.9 saturates at 6 with the floor scale; 0.5 needs that scale to be exact.
    std::vector<float> x(32, 0.5f);
    x[0] = 7.9f;
    std::vector<float> on_largest(32, 0.0f);
    on_largest[0] = 1.0f;
    std::vector<float> on_others(32, 1.0f);
    on_others[0] = 0.0f;
    EXPECT_EQ(mxfp4{}.fit(x, on_largest).scale, e8m0(2.0f));
    EXPECT_EQ(weighted_error(mxfp4{}, x, on_others, mxfp4{}.fit(x, on_others)), 0.0);
}

TEST(Mx, AnInfiniteMagnitudeHasTheScaleNan) {
    EXPECT_EQ(mxfp4{}.from_magnitude(std::numeric_limits<float>::infinity()).scale.code, 255);
    EXPECT_EQ((mx<fp4_e2m1, mx_scaling::even>{}.from_magnitude(std::numeric_limits<float>::max()).scale.code), 255);
}

} // namespace

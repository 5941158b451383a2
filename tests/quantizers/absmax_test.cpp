#include "tersor/quantizers/absmax.hpp"

#include "tersor/formats/dynamic8.hpp"
#include "tersor/formats/e8m0.hpp"
#include "tersor/formats/fp4.hpp"
#include "tersor/formats/fp8.hpp"
#include "tersor/formats/integer.hpp"
#include "tersor/formats/nf4.hpp"
#include "tersor/formats/packing.hpp"
#include "tersor/formats/table_format.hpp"
#include "tests/common/golden.hpp"
#include "tests/quantizers/by_definition.hpp"
#include "tests/quantizers/rounded_to.hpp"

#include <Eigen/Core>
#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

using namespace tersor;

namespace {

// Checks all "<case>[.b<block>]<ending>" of a file whose case starts with `prefix`; returns how many there were.
template <class Format>
int check_blocks(const std::string& name, const std::string& prefix, const std::string& ending,
                 const std::string& scale_ending, const std::string& value_ending) {
    const golden::file file(name);
    int checked = 0;
    for (const std::string& stem : stems(file.names(), ending)) {
        if (!stem.starts_with(prefix)) {
            continue;
        }
        SCOPED_TRACE(stem);
        const auto x = file.tensor<float>(case_of(stem) + ".x");
        const auto c = by_definition::quantize(absmax<Format>{}, x, x.size(), block_of(stem, 64));
        std::vector<std::uint8_t> codes = c.codes;
        if (Format::bits == 4) {
            codes.resize(packed_bytes(x.size(), 4));
            pack(Format{}, c.codes, codes.data());
        }
        EXPECT_TRUE(same(codes, file.tensor<std::uint8_t>(stem + ending)));
        EXPECT_TRUE(same(scales_of(c.parameters), file.tensor<float>(stem + scale_ending)));
        if (!value_ending.empty() && file.has(stem + value_ending)) {
            const auto values = rounded_to(file.dtype(stem + value_ending), by_definition::dequantize(c));
            EXPECT_TRUE(same(values, file.tensor<float>(stem + value_ending)));
        }
        ++checked;
    }
    return checked;
}

TEST(Absmax, Nf4AndFp4GiveTheBytesOfBitsandbytes) {
    EXPECT_GE((check_blocks<nf4>("bitsandbytes/nf4", "", ".packed", ".absmax", ".dq")), 2);
    EXPECT_GE((check_blocks<fp4>("bitsandbytes/fp4", "", ".packed", ".absmax", ".dq")), 2);
    EXPECT_EQ((check_blocks<nf4>("bitsandbytes/midpoints", "nf4", ".packed", ".absmax", "")), 1);
    EXPECT_EQ((check_blocks<fp4>("bitsandbytes/midpoints", "fp4", ".packed", ".absmax", "")), 1);
}

TEST(Absmax, Dynamic8GivesTheCodesOfTheNearestRule) {
    EXPECT_GE((check_blocks<dynamic8>("bitsandbytes/blockwise8_signed", "", ".q_mid", ".absmax_mid", "")), 2);
    EXPECT_GE((check_blocks<dynamic8_unsigned>("bitsandbytes/blockwise8_unsigned", "", ".q_mid", ".absmax_mid", "")),
              1);
    EXPECT_GE((check_blocks<dynamic8>("bitsandbytes/midpoints", "dyn.", ".q_mid", ".absmax_mid", "")), 1);
    EXPECT_GE((check_blocks<dynamic8>("bitsandbytes/midpoints", "dyn_", ".q_mid", ".absmax_mid", "")), 1);
    EXPECT_GE((check_blocks<dynamic8_unsigned>("bitsandbytes/midpoints", "dynu.", ".q_mid", ".absmax_mid", "")), 1);
}

TEST(Absmax, BitsandbytesCpuGivesTheCodesOfTheCompiledRule) {
    using signed_map = bitsandbytes_cpu<dynamic8>;
    using unsigned_map = bitsandbytes_cpu<dynamic8_unsigned>;
    EXPECT_GE((check_blocks<signed_map>("bitsandbytes/blockwise8_signed", "", ".q", ".absmax", ".dq")), 2);
    EXPECT_GE((check_blocks<unsigned_map>("bitsandbytes/blockwise8_unsigned", "", ".q", ".absmax", ".dq")), 1);
    EXPECT_GE((check_blocks<signed_map>("bitsandbytes/midpoints", "dyn.", ".q", ".absmax", "")), 1);
    EXPECT_GE((check_blocks<signed_map>("bitsandbytes/midpoints", "dyn_", ".q", ".absmax", "")), 1);
    EXPECT_GE((check_blocks<unsigned_map>("bitsandbytes/midpoints", "dynu.", ".q", ".absmax", "")), 1);
}

template <class Q>
class AbsmaxOf : public testing::Test {};
using absmax_types =
    testing::Types<absmax<int2>, absmax<int4>, absmax<int8>, absmax<int8, float, integer_range::full>,
                   absmax<int4, Eigen::half>, absmax<int8, Eigen::bfloat16>, absmax<int4, e8m0>, absmax<fp8_e4m3>,
                   absmax<fp8_e5m2, Eigen::half>, absmax<nf4>, absmax<nf4, Eigen::half>, absmax<nf4, Eigen::bfloat16>,
                   absmax<nf4, e8m0>, absmax<fp4>, absmax<dynamic8>, absmax<dynamic8, e8m0>,
                   absmax<bitsandbytes_cpu<dynamic8>>>;
TYPED_TEST_SUITE(AbsmaxOf, absmax_types);

TYPED_TEST(AbsmaxOf, ZerosDecodeToZeros) {
    for (const float zero : {0.0f, -0.0f}) {
        for (const float decoded : by_definition::round_trip(TypeParam{}, std::vector<float>(5, zero))) {
            EXPECT_EQ(decoded, 0.0f);
        }
    }
}

TYPED_TEST(AbsmaxOf, ExtremeGroupsDecodeToFiniteValuesNoLargerThanTheirMagnitudeTwice) {
    const float least = std::numeric_limits<float>::denorm_min();
    for (const float magnitude :
         {least, 3 * least, 1e-40f, 1e-38f, 1e-20f, 1.0f, 6e4f, 1e10f, 1e38f, std::numeric_limits<float>::max()}) {
        SCOPED_TRACE(magnitude);
        for (const float decoded :
             by_definition::round_trip(TypeParam{}, {magnitude, -magnitude, 0.0f, magnitude / 3, -magnitude / 7})) {
            EXPECT_TRUE(std::isfinite(decoded)) << decoded;
            EXPECT_LE(std::fabs(decoded), std::max(2.0 * static_cast<double>(magnitude), 0x1p-23));
        }
    }
}

TYPED_TEST(AbsmaxOf, ARaggedGroupDecodesNearWhatAWholeOneDoes) {
    const TypeParam q;
    if constexpr (TypeParam::divides_ragged) {
        for (const float magnitude : {1e-44f, 1e-38f, 1e-3f, 1.0f, 1e38f}) {
            const auto p = q.from_magnitude_ragged(magnitude);
            EXPECT_GT(q.scale(p), 0.0f);
            EXPECT_TRUE(std::isfinite(q.decode(q.encode_ragged(magnitude, p), p)));
            EXPECT_EQ(q.decode(q.encode_ragged(0.0f, p), p), 0.0f);
        }
    } else {
        EXPECT_EQ(q.from_magnitude(1.0f), q.fit(std::vector<float>{-1.0f, 0.5f}, {}));
    }
}

TEST(Absmax, TheMagnitudeDecodesExactlyWhereTheFormatHoldsIt) {
    for (const float magnitude : {1.0f, 127.0f, 0.25f, 3.0f * 127.0f, 1e-45f}) {
        EXPECT_EQ(by_definition::round_trip(absmax<int8>{}, {magnitude})[0], magnitude);
        EXPECT_EQ(by_definition::round_trip(absmax<int8>{}, {-magnitude})[0], -magnitude);
    }
    EXPECT_EQ(by_definition::round_trip(absmax<nf4>{}, {-0.3f, 0.1f})[0], -0.3f);
}

TEST(Absmax, RoundTripStaysWithinHalfAStep) {
    std::vector<float> x;
    for (int i = -500; i <= 500; ++i) {
        x.push_back(0.01f * static_cast<float>(i));
    }
    const auto decoded = by_definition::round_trip(absmax<int8>{}, x);
    const double step = 5.0 / 127.0;
    for (std::size_t i = 0; i < x.size(); ++i) {
        EXPECT_NEAR(decoded[i], x[i], 0.5001 * step);
    }
}

TEST(Absmax, TheNarrowRangeHasNoLowestCode) {
    const absmax<int4> narrow;
    const absmax<int4, float, integer_range::full> full;
    EXPECT_EQ(narrow.encode(-100.0f, {1.0f}), -7);
    EXPECT_EQ(full.encode(-100.0f, {1.0f}), -8);
    EXPECT_EQ(narrow.from_magnitude(7.0f).scale, 1.0f);
    EXPECT_EQ(full.from_magnitude(7.5f).scale, 1.0f);
    EXPECT_EQ((absmax<uint4, float, integer_range::full>::reach()), 15.0f);
}

TEST(Absmax, FromRangeTakesTheLargerEnd) {
    const absmax<int8> q;
    EXPECT_EQ(q.from_range(-2.54f, 1.0f), q.from_magnitude(2.54f));
    EXPECT_EQ(q.from_range(-1.0f, 2.54f), q.from_magnitude(2.54f));
}

TEST(Absmax, CodesFollowTheScaleAsStored) {
    const absmax<int8, Eigen::half> q;
    const auto p = q.from_magnitude(1.0f);
    EXPECT_NE(q.scale(p), 1.0f / 127.0f);
    EXPECT_EQ(q.encode(0.3f, p), static_cast<std::int8_t>(std::lrint(0.3f / q.scale(p))));
    EXPECT_EQ(q.decode(5, p), 5.0f * q.scale(p));
}

TEST(Absmax, ARuntimeCodebookHasTheRuleOfTheFixedOne) {
    absmax<table_format<8>> q;
    q.codes = table_format<8>(dynamic8::values);
    const absmax<dynamic8> fixed;
    for (int i = -300; i <= 300; ++i) {
        const float x = static_cast<float>(i) / 150.0f;
        EXPECT_EQ(q.encode(x, q.from_magnitude(2.0f)), fixed.encode(x, fixed.from_magnitude(2.0f)));
        EXPECT_EQ(q.encode_ragged(x, q.from_magnitude_ragged(2.0f)),
                  fixed.encode_ragged(x, fixed.from_magnitude_ragged(2.0f)));
    }
}

} // namespace

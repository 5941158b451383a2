#include "tersor/formats/bitsandbytes_cpu.hpp"

#include "tersor/formats/dynamic8.hpp"
#include "tersor/formats/table_format.hpp"

#include "tests/common/reference.hpp"
#include "tests/formats/bitsandbytes_blocks.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace {

using namespace tersor;

using signed_cpu = bitsandbytes_cpu<dynamic8>;
using unsigned_cpu = bitsandbytes_cpu<dynamic8_unsigned>;

static_assert(number_format<signed_cpu> && std::is_empty_v<signed_cpu>, "the option is a format like any other");

TEST(BitsandbytesCpu, CodesOnAndBesideEveryMidpointEqualTheRecordedOnes) {
    expect_golden_blocks(signed_cpu{}, "bitsandbytes/midpoints", "dyn.", "q", block_scaling::compiled, 256);
    expect_golden_blocks(signed_cpu{}, "bitsandbytes/midpoints", "dyn_nearzero.", "q", block_scaling::compiled, 256);
    expect_golden_blocks(unsigned_cpu{}, "bitsandbytes/midpoints", "dynu.", "q", block_scaling::compiled, 256);
}

TEST(BitsandbytesCpu, BlocksOfEveryRecordedCaseEqualTheirCodes) {
    expect_golden_blocks(signed_cpu{}, "bitsandbytes/blockwise8_signed", "", "q", block_scaling::compiled, 256);
    expect_golden_blocks(unsigned_cpu{}, "bitsandbytes/blockwise8_unsigned", "", "q", block_scaling::compiled, 256);
}

void expect_definition(float value) {
    const float half = (std::fmin(std::fmax(value, -1.0f), 1.0f) + 1.0f) * 0.5f;
    ASSERT_EQ(signed_cpu::grid_point(value), static_cast<int>(std::fma(half, 65535.0f, 0.5f))) << value;
}

TEST(BitsandbytesCpu, GridPointIsTheFusedMultiplyAddOfTheDefinition) {
    for (std::uint64_t pattern = 0; pattern <= 0xFFFFFFFFu; pattern += 16381) {
        const auto value = std::bit_cast<float>(static_cast<std::uint32_t>(pattern));
        if (!std::isnan(value)) {
            expect_definition(value);
        }
    }
    // Around every boundary between grid points two roundings would differ from one.
    for (int point = 0; point < 65535; ++point) {
        auto value = static_cast<float>((2 * point + 1) / 65535.0 - 1.0);
        value = std::nextafter(std::nextafter(value, -2.0f), -2.0f);
        for (int i = 0; i < 5; ++i) {
            expect_definition(value);
            value = std::nextafter(value, 2.0f);
        }
    }
}

TEST(BitsandbytesCpu, EveryGridPointHasTheNearestCodeOfItsValue) {
    for (int point = 0; point < 65536; ++point) {
        const float value = signed_cpu::grid_value(point);
        ASSERT_EQ(dynamic8::encode(value), reference::midpoints_below(dynamic8::midpoints, value)) << point;
    }
}

TEST(BitsandbytesCpu, ZeroDoesNotGetTheCodeOfZero) {
    EXPECT_EQ(signed_cpu::grid_point(0.0f), 32768);
    EXPECT_EQ(signed_cpu{}.encode(0.0f), 131);
}

TEST(BitsandbytesCpu, NanAndValuesOutsideTheRangeHaveCodes) {
    EXPECT_EQ(signed_cpu{}.encode(std::numeric_limits<float>::quiet_NaN()), 0);
    EXPECT_EQ(signed_cpu{}.encode(std::numeric_limits<float>::infinity()), 255);
    EXPECT_EQ(signed_cpu{}.encode(-1e30f), 0);
}

TEST(BitsandbytesCpu, WorksOverAMapReadAtRunTime) {
    const bitsandbytes_cpu<table_format<8>> at_run_time{table_format<8>(dynamic8::values)};
    for (int i = -1000; i <= 1000; ++i) {
        const float value = static_cast<float>(i) * 1e-3f;
        EXPECT_EQ(at_run_time.encode(value), signed_cpu{}.encode(value));
    }
}

} // namespace

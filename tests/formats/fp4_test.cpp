#include "tersor/formats/fp4.hpp"

#include "tests/formats/bitsandbytes_blocks.hpp"

#include <gtest/gtest.h>

namespace {

using namespace tersor;

TEST(Fp4, TablesEqualTheRecordedOnes) {
    expect_golden_tables<fp4>("fp4");
}

TEST(Fp4, EveryCodeSurvivesARoundTripExceptTheSecondZero) {
    for (int i = 0; i < 16; ++i) {
        EXPECT_EQ(fp4::encode(fp4::decode(static_cast<std::uint8_t>(i))), i == 8 ? 0 : i);
    }
}

TEST(Fp4, SmallPositiveValuesGiveTheSecondZero) {
    EXPECT_EQ(fp4::encode(-0.002f), 0);
    EXPECT_EQ(fp4::encode(-0.0f), 0);
    EXPECT_EQ(fp4::encode(0.0f), 0);
    EXPECT_EQ(fp4::encode(0.002f), 8);
    EXPECT_EQ(fp4::decode(8), 0.0f);
}

TEST(Fp4, CodesOnAndBesideEveryMidpointEqualTheRecordedOnes) {
    expect_golden_blocks(fp4{}, "bitsandbytes/midpoints", "fp4.", "packed", block_scaling::portable, 64);
}

TEST(Fp4, BlocksOfEveryRecordedCaseEqualTheirCodes) {
    expect_golden_blocks(fp4{}, "bitsandbytes/fp4", "", "packed", block_scaling::portable, 64);
}

} // namespace

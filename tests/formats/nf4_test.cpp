#include "tersor/formats/nf4.hpp"

#include "tests/formats/bitsandbytes_blocks.hpp"

#include <gtest/gtest.h>

namespace {

using namespace tersor;

TEST(Nf4, TablesEqualTheRecordedOnes) {
    expect_golden_tables<nf4>("nf4");
}

TEST(Nf4, EveryCodeSurvivesARoundTrip) {
    for (int i = 0; i < 16; ++i) {
        EXPECT_EQ(nf4::encode(nf4::decode(static_cast<std::uint8_t>(i))), i);
    }
    EXPECT_EQ(nf4::encode(0.0f), 7);
    EXPECT_EQ(nf4::encode(-0.0f), 7);
}

TEST(Nf4, CodesOnAndBesideEveryMidpointEqualTheRecordedOnes) {
    expect_golden_blocks(nf4{}, "bitsandbytes/midpoints", "nf4.", "packed", block_scaling::portable, 64);
}

TEST(Nf4, BlocksOfEveryRecordedCaseEqualTheirCodes) {
    expect_golden_blocks(nf4{}, "bitsandbytes/nf4", "", "packed", block_scaling::portable, 64);
}

} // namespace

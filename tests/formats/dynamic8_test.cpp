#include "tersor/formats/dynamic8.hpp"

#include "tests/formats/bitsandbytes_blocks.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace {

using namespace tersor;

template <class Format>
void expect_ascending_map(const char* name) {
    const golden::file maps("bitsandbytes/maps");
    EXPECT_EQ(std::vector(Format::values.begin(), Format::values.end()), maps.tensor<float>(name));
    for (int i = 0; i < 256; ++i) {
        const auto code = static_cast<std::uint8_t>(i);
        EXPECT_EQ(Format::order[code], i);
        EXPECT_EQ(Format::encode(Format::decode(code)), i);
    }
    EXPECT_EQ(Format::largest, 1.0f);
}

TEST(Dynamic8, MapEqualsTheRecordedOneAndAscends) {
    expect_ascending_map<dynamic8>("dynamic_signed");
    EXPECT_EQ(dynamic8::encode(0.0f), 127);
}

TEST(Dynamic8Unsigned, MapEqualsTheRecordedOneAndAscends) {
    expect_ascending_map<dynamic8_unsigned>("dynamic_unsigned");
    EXPECT_EQ(dynamic8_unsigned::encode(0.0f), 0);
}

TEST(Dynamic8, CodesOnAndBesideEveryMidpointEqualTheRecordedOnes) {
    expect_golden_blocks(dynamic8{}, "bitsandbytes/midpoints", "dyn.", "q_mid", block_scaling::portable, 256);
    expect_golden_blocks(dynamic8{}, "bitsandbytes/midpoints", "dyn_nearzero.", "q_mid", block_scaling::portable, 256);
}

TEST(Dynamic8, BlocksOfEveryRecordedCaseEqualTheirNearestCodes) {
    expect_golden_blocks(dynamic8{}, "bitsandbytes/blockwise8_signed", "", "q_mid", block_scaling::portable, 256);
}

TEST(Dynamic8Unsigned, CodesOnAndBesideEveryMidpointEqualTheRecordedOnes) {
    expect_golden_blocks(dynamic8_unsigned{}, "bitsandbytes/midpoints", "dynu.", "q_mid", block_scaling::portable, 256);
}

TEST(Dynamic8Unsigned, BlocksOfEveryRecordedCaseEqualTheirNearestCodes) {
    expect_golden_blocks(dynamic8_unsigned{}, "bitsandbytes/blockwise8_unsigned", "", "q_mid", block_scaling::portable,
                         256);
}

} // namespace

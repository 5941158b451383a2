#include "tersor/formats/table_format.hpp"

#include "tersor/formats/dynamic8.hpp"
#include "tersor/formats/fp4.hpp"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace {

using namespace tersor;

static_assert(number_format<table_format<8>> && number_format<table_format<1>>, "a run-time table is a format");
static_assert(is_high_nibble_first<table_format<4, true>> && !is_high_nibble_first<table_format<4>>,
              "the nibble order is part of the type");

template <class Codebook>
void expect_same_codes() {
    const table_format<Codebook::bits> table(Codebook::values);
    EXPECT_EQ(table.values(), Codebook::values);
    EXPECT_EQ(table.order(), Codebook::order);
    EXPECT_EQ(table.midpoints(), Codebook::midpoints);
    for (std::uint64_t pattern = 0; pattern <= 0xFFFFFFFFu; pattern += 65521) {
        const auto value = std::bit_cast<float>(static_cast<std::uint32_t>(pattern));
        ASSERT_EQ(table.encode(value), Codebook::encode(value)) << value;
        ASSERT_EQ(table.neighbours(value), Codebook::neighbours(value)) << value;
    }
    for (unsigned code = 0; code < 256; ++code) {
        ASSERT_EQ(table.decode(static_cast<std::uint8_t>(code)), Codebook::decode(static_cast<std::uint8_t>(code)));
    }
}

TEST(TableFormat, EncodesAsTheCodebookOfTheSameValues) {
    expect_same_codes<dynamic8>();
    expect_same_codes<dynamic8_unsigned>();
    expect_same_codes<fp4>();
}

TEST(TableFormat, IsARegularType) {
    const table_format<4> first(fp4::values);
    table_format<4> second;
    EXPECT_EQ(second, table_format<4>());
    EXPECT_FALSE(first == second);
    second = first;
    EXPECT_EQ(first, second);
    EXPECT_EQ(second.encode(0.4f), fp4::encode(0.4f));
}

TEST(TableFormat, DefaultIsAllZeros) {
    const table_format<8> zeros;
    EXPECT_EQ(zeros.decode(zeros.encode(0.7f)), 0.0f);
    EXPECT_EQ(zeros.decode(zeros.encode(-0.7f)), 0.0f);
}

std::string message_of(const std::vector<float>& values, error_code& code) {
    try {
        const table_format<4> table(values);
    } catch (const error& failure) {
        code = failure.code();
        return failure.what();
    }
    return {};
}

TEST(TableFormat, RefusesAWrongNumberOfValues) {
    error_code code{};
    const std::string message = message_of(std::vector<float>(15), code);
    EXPECT_EQ(code, error_code::invalid_argument);
    EXPECT_NE(message.find("16"), std::string::npos);
    EXPECT_NE(message.find("15"), std::string::npos);
}

TEST(TableFormat, RefusesNanAndInfinityAndNamesTheirIndex) {
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
        std::vector<float> values(16);
        values[11] = bad;
        error_code code{};
        const std::string message = message_of(values, code);
        EXPECT_EQ(code, error_code::non_finite);
        EXPECT_NE(message.find("11"), std::string::npos);
    }
}

} // namespace

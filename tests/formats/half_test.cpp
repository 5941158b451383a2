#include "tersor/formats/half.hpp"

#include "tests/common/golden.hpp"
#include "tests/common/reference.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace {

using namespace tersor;

struct fp16_layout {
    using format = fp16;
    static constexpr int mantissa_bits = 10;
    static constexpr int bias = 15;
    static constexpr unsigned infinity_code = 0x7C00;
    static constexpr const char* name = "fp16";
};
struct bf16_layout {
    using format = bf16;
    static constexpr int mantissa_bits = 7;
    static constexpr int bias = 127;
    static constexpr unsigned infinity_code = 0x7F80;
    static constexpr const char* name = "bf16";
};

template <class Layout>
class Half : public testing::Test {
protected:
    using format = typename Layout::format;
    // The value of the code of infinity is the power of two that follows the largest value.
    const std::vector<double> magnitudes =
        reference::float_magnitudes(Layout::mantissa_bits, Layout::bias, static_cast<int>(Layout::infinity_code) + 1);

    [[nodiscard]] unsigned naive_encode(float value) const {
        const double magnitude = std::fabs(static_cast<double>(value));
        const unsigned code = magnitude >= magnitudes.back()
                                  ? Layout::infinity_code
                                  : static_cast<unsigned>(reference::nearest_even(magnitudes, magnitude));
        return code | (std::signbit(value) ? 0x8000u : 0u);
    }
};
using both = testing::Types<fp16_layout, bf16_layout>;
TYPED_TEST_SUITE(Half, both);

TYPED_TEST(Half, Every16BitCodeDecodesToItsDefinitionAndBack) {
    using format = typename TypeParam::format;
    for (unsigned code = 0; code < 0x10000u; ++code) {
        const float value = format::decode(static_cast<std::uint16_t>(code));
        const unsigned magnitude = code & 0x7FFFu;
        const unsigned again = format::encode(value);
        ASSERT_EQ(std::signbit(value), code >= 0x8000u) << code;
        if (magnitude > TypeParam::infinity_code) {
            ASSERT_TRUE(std::isnan(value)) << code;
            ASSERT_TRUE(std::isnan(format::decode(static_cast<std::uint16_t>(again)))) << code;
            ASSERT_EQ(again & 0x8000u, code & 0x8000u) << code;
        } else {
            const double expected = magnitude == TypeParam::infinity_code ? HUGE_VAL : this->magnitudes[magnitude];
            ASSERT_EQ(std::fabs(static_cast<double>(value)), expected) << code;
            ASSERT_EQ(again, code);
        }
    }
}

TYPED_TEST(Half, RoundsFloatsOfAllSizesLikeASearch) {
    for (std::uint64_t pattern = 0; pattern <= 0xFFFFFFFFu; pattern += 4093) {
        const auto value = std::bit_cast<float>(static_cast<std::uint32_t>(pattern));
        if (!std::isnan(value)) {
            ASSERT_EQ(TypeParam::format::encode(value), this->naive_encode(value)) << value;
        }
    }
}

TYPED_TEST(Half, RoundsTiesAndTheirNeighboursLikeASearch) {
    for (unsigned code = 0; code < TypeParam::infinity_code; ++code) {
        const auto tie = static_cast<float>((this->magnitudes[code] + this->magnitudes[code + 1]) / 2);
        for (const float value : {std::nextafter(tie, 0.0f), tie, std::nextafter(tie, HUGE_VALF)}) {
            ASSERT_EQ(TypeParam::format::encode(value), this->naive_encode(value)) << value;
            ASSERT_EQ(TypeParam::format::encode(-value), this->naive_encode(-value)) << -value;
        }
    }
}

TYPED_TEST(Half, EqualsTheRecordedCodes) {
    const golden::file recorded("calibration/float_formats");
    const auto x = recorded.tensor<float>("x");
    const auto codes = recorded.tensor<std::uint16_t>(TypeParam::name);
    ASSERT_EQ(x.size(), codes.size());
    ASSERT_FALSE(x.empty());
    for (std::size_t i = 0; i < x.size(); ++i) {
        const unsigned code = TypeParam::format::encode(x[i]);
        if (std::isnan(x[i])) {
            ASSERT_EQ(code & 0x8000u, codes[i] & 0x8000u);
            ASSERT_GT(code & 0x7FFFu, TypeParam::infinity_code);
        } else {
            ASSERT_EQ(code, codes[i]) << x[i];
        }
    }
}

TYPED_TEST(Half, LargestIsTheLargestFiniteValue) {
    EXPECT_EQ(static_cast<double>(TypeParam::format::largest), this->magnitudes[TypeParam::infinity_code - 1]);
    EXPECT_EQ(TypeParam::format::encode(TypeParam::format::largest), TypeParam::infinity_code - 1);
    EXPECT_EQ(TypeParam::format::encode(std::numeric_limits<float>::max()), TypeParam::infinity_code);
}

TEST(Fp16, NanKeepsItsUpperBitsAndBecomesQuiet) {
    EXPECT_EQ(fp16::encode(std::bit_cast<float>(0xFF9CE98Cu)), 0xFCE7u | 0x200u);
    EXPECT_EQ(fp16::encode(std::bit_cast<float>(0x7F800001u)), 0x7E00u);
    EXPECT_EQ(std::bit_cast<std::uint32_t>(fp16::decode(0xFC01u)), 0xFFC02000u);
}

} // namespace

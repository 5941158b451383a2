#include "tersor/formats/minifloat.hpp"

#include "tersor/formats/fp4_e2m1.hpp"
#include "tersor/formats/fp6.hpp"
#include "tersor/formats/fp8.hpp"

#include "tests/common/golden.hpp"
#include "tests/common/reference.hpp"
#include "tests/formats/float_constants.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace {

using namespace tersor;

template <class Format>
class Minifloat : public testing::Test {};
using every_minifloat = testing::Types<fp8_e4m3, fp8_e5m2, fp8_e4m3fnuz, fp8_e5m2fnuz, fp6_e2m3, fp6_e3m2, fp4_e2m1,
                                       minifloat<3, 4, 3, specials::ieee>, minifloat<1, 2, 0, specials::finite>,
                                       minifloat<5, 1, 20, specials::fnuz>, minifloat<2, 2, -3, specials::fn>>;
TYPED_TEST_SUITE(Minifloat, every_minifloat);


/// Rounds by search in the list of all values; what rounds past the last one is `overflow`.
template <class Format>
class naive {
public:
    naive()
        : magnitudes_(reference::float_magnitudes(Format::mantissa_bits, Format::bias,
                                                  static_cast<int>(Format::largest_code) + 2)) {}

    [[nodiscard]] unsigned encode(float value, unsigned overflow) const {
        const double magnitude = std::fabs(static_cast<double>(value));
        unsigned code = overflow;
        if (magnitude < magnitudes_.back()) {
            const auto nearest = static_cast<unsigned>(reference::nearest_even(magnitudes_, magnitude));
            code = nearest <= Format::largest_code ? nearest : overflow;
        }
        const bool has_minus = Format::special_codes != specials::fnuz || code != 0;
        return std::signbit(value) && has_minus ? code | Format::sign_bit : code;
    }

    [[nodiscard]] double magnitude(unsigned code) const { return magnitudes_[code]; }

private:
    std::vector<double> magnitudes_;
};

template <class Format>
void expect_both_modes(const naive<Format>& truth, float value) {
    ASSERT_EQ(Format::encode(value), truth.encode(value, Format::largest_code)) << value;
    ASSERT_EQ(Format::encode_nonsaturating(value), truth.encode(value, Format::overflow_code)) << value;
}

TYPED_TEST(Minifloat, EveryCodeSurvivesARoundTrip) {
    const naive<TypeParam> truth;
    for (unsigned i = 0; i < 1u << TypeParam::bits; ++i) {
        const auto code = static_cast<std::uint8_t>(i);
        const unsigned magnitude = i & (TypeParam::sign_bit - 1u);
        const float value = TypeParam::decode(code);
        if (std::isnan(value)) {
            EXPECT_TRUE(std::isnan(TypeParam::decode(TypeParam::encode(value)))) << i;
        } else if (std::isinf(value)) {
            EXPECT_EQ(TypeParam::encode_nonsaturating(value), code);
        } else {
            EXPECT_EQ(std::fabs(static_cast<double>(value)), truth.magnitude(magnitude));
            EXPECT_EQ(std::signbit(value), (i & TypeParam::sign_bit) != 0) << i;
            EXPECT_EQ(TypeParam::encode(value), code);
            EXPECT_EQ(TypeParam::encode_nonsaturating(value), code);
        }
    }
}

TYPED_TEST(Minifloat, RoundsFloatsOfAllSizesLikeASearch) {
    const naive<TypeParam> truth;
    for (std::uint64_t pattern = 0; pattern <= 0xFFFFFFFFu; pattern += 16381) {
        const auto value = std::bit_cast<float>(static_cast<std::uint32_t>(pattern));
        if (!std::isnan(value)) {
            expect_both_modes(truth, value);
        }
    }
}

TYPED_TEST(Minifloat, RoundsTiesAndTheirNeighboursLikeASearch) {
    const naive<TypeParam> truth;
    for (unsigned code = 0; code <= TypeParam::largest_code; ++code) {
        const auto tie = static_cast<float>((truth.magnitude(code) + truth.magnitude(code + 1)) / 2);
        for (const float value : {std::nextafter(tie, 0.0f), tie, std::nextafter(tie, infinity)}) {
            expect_both_modes(truth, value);
            expect_both_modes(truth, -value);
        }
    }
}

TYPED_TEST(Minifloat, NanAndInfinityHaveDocumentedCodes) {
    EXPECT_EQ(TypeParam::decode(TypeParam::encode(infinity)), TypeParam::largest);
    EXPECT_EQ(TypeParam::decode(TypeParam::encode(-infinity)), -TypeParam::largest);
    for (const float value : {quiet_nan, -quiet_nan, std::bit_cast<float>(0x7F800001u)}) {
        if (TypeParam::special_codes == specials::finite) {
            EXPECT_EQ(TypeParam::encode(value), 0);
            EXPECT_EQ(TypeParam::encode_nonsaturating(value), 0);
        } else {
            EXPECT_TRUE(std::isnan(TypeParam::decode(TypeParam::encode(value))));
            EXPECT_TRUE(std::isnan(TypeParam::decode(TypeParam::encode_nonsaturating(value))));
        }
    }
}

TYPED_TEST(Minifloat, LargestIsTheLargestFiniteValue) {
    float largest = 0.0f;
    for (const float value : TypeParam::values) {
        largest = std::isfinite(value) && value > largest ? value : largest;
    }
    EXPECT_EQ(TypeParam::largest, largest);
}

template <class Format>
void expect_golden(const std::string& name) {
    const golden::file recorded("calibration/float_formats");
    const auto values = recorded.tensor<float>(name + ".decode");
    ASSERT_EQ(values.size(), Format::values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
        const float value = Format::decode(static_cast<std::uint8_t>(i));
        if (std::isnan(values[i])) {
            EXPECT_TRUE(std::isnan(value)) << name << " code " << i;
        } else {
            EXPECT_EQ(std::bit_cast<std::uint32_t>(value), std::bit_cast<std::uint32_t>(values[i])) << name << " " << i;
        }
    }
    const auto x = recorded.tensor<float>("x");
    const auto saturating = recorded.tensor<std::uint8_t>(name + ".sat");
    const bool has_other = recorded.has(name + ".nosat");
    const auto other = has_other ? recorded.tensor<std::uint8_t>(name + ".nosat") : saturating;
    ASSERT_EQ(x.size(), saturating.size());
    ASSERT_EQ(x.size(), other.size());
    ASSERT_FALSE(x.empty());
    for (std::size_t i = 0; i < x.size(); ++i) {
        if (std::isnan(x[i])) {
            // Programs differ in the sign of a NaN; formats without NaN have no code for it.
            if (Format::special_codes != specials::finite) {
                ASSERT_TRUE(std::isnan(Format::decode(Format::encode(x[i])))) << name;
                ASSERT_TRUE(std::isnan(Format::decode(Format::encode_nonsaturating(x[i])))) << name;
            }
            continue;
        }
        ASSERT_EQ(Format::encode(x[i]), saturating[i]) << name << " of " << x[i];
        ASSERT_EQ(Format::encode_nonsaturating(x[i]), other[i]) << name << " of " << x[i];
    }
}

TEST(MinifloatGolden, E4m3EqualsTheRecordedCodes) {
    expect_golden<fp8_e4m3>("e4m3fn");
}
TEST(MinifloatGolden, E5m2EqualsTheRecordedCodes) {
    expect_golden<fp8_e5m2>("e5m2");
}
TEST(MinifloatGolden, E4m3fnuzEqualsTheRecordedCodes) {
    expect_golden<fp8_e4m3fnuz>("e4m3fnuz");
}
TEST(MinifloatGolden, E5m2fnuzEqualsTheRecordedCodes) {
    expect_golden<fp8_e5m2fnuz>("e5m2fnuz");
}
TEST(MinifloatGolden, E2m3EqualsTheRecordedCodes) {
    expect_golden<fp6_e2m3>("e2m3");
}
TEST(MinifloatGolden, E3m2EqualsTheRecordedCodes) {
    expect_golden<fp6_e3m2>("e3m2");
}
TEST(MinifloatGolden, E2m1EqualsTheRecordedCodes) {
    expect_golden<fp4_e2m1>("e2m1");
}

static_assert(fp8_e4m3::encode(464.0f) == 0x7E && fp8_e4m3::encode_nonsaturating(465.0f) == 0x7F &&
                  fp8_e5m2::encode_nonsaturating(61440.0f) == 0x7C && fp4_e2m1::decode(0x0F) == -6.0f,
              "small floats convert in constant expressions");

} // namespace

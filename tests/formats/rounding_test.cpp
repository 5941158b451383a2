#include "tersor/formats/rounding.hpp"

#include "tersor/formats/bitsandbytes_cpu.hpp"
#include "tersor/formats/dynamic8.hpp"
#include "tersor/formats/e8m0.hpp"
#include "tersor/formats/fp4.hpp"
#include "tersor/formats/fp4_e2m1.hpp"
#include "tersor/formats/fp6.hpp"
#include "tersor/formats/fp8.hpp"
#include "tersor/formats/half.hpp"
#include "tersor/formats/integer.hpp"
#include "tersor/formats/nf4.hpp"
#include "tersor/formats/table_format.hpp"
#include "tests/formats/float_constants.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace {

using namespace tersor;


/// A user's format that offers nothing but the five members of the concept: quarters with a sign bit.
struct quarters {
    static constexpr int bits = 3;
    using code_type = std::uint8_t;
    static constexpr float largest = 0.75f;
    static code_type encode(float value) noexcept {
        const float magnitude = std::fmin(std::nearbyint(std::fabs(value) * 4.0f), 3.0f);
        return static_cast<code_type>((std::isnan(value) ? 0 : static_cast<int>(magnitude)) | (value < 0 ? 4 : 0));
    }
    static float decode(code_type code) noexcept {
        return static_cast<float>(code & 3) * ((code & 4) != 0 ? -0.25f : 0.25f);
    }
};
static_assert(number_format<quarters>, "five members make a format");

template <class Format>
class EveryFormat : public testing::Test {
protected:
    /// A value outside every range; infinity where it has no code of its own.
    static constexpr float outside = Format::bits == 16 ? std::numeric_limits<float>::max() : infinity;

    Format format{};
    std::vector<float> values; // the finite values, ascending, each once

    void SetUp() override {
        if constexpr (std::is_same_v<Format, table_format<4>>) {
            format = table_format<4>(nf4::values);
        }
        using code_type = code_t<Format>;
        for (int i = 0; i < code_count<Format>; ++i) {
            const int shift = std::is_signed_v<code_type> ? code_count<Format> / 2 : 0;
            const float value = format.decode(static_cast<code_type>(i - shift));
            if (std::isfinite(value)) {
                values.push_back(value);
            }
        }
        std::sort(values.begin(), values.end());
        values.erase(std::unique(values.begin(), values.end()), values.end());
    }

    /// Values on, beside and between all representable ones (at most about 2000 of them), and outside.
    [[nodiscard]] std::vector<float> probes() const {
        std::vector<float> result{0.0f, -0.0f, outside, -outside, 1e-45f, -1e-45f};
        const std::size_t step = std::max<std::size_t>(values.size() / 2000, 1);
        for (std::size_t i = 0; i + 1 < values.size(); i += step) {
            const float low = values[i];
            const float high = values[i + 1];
            const auto at = [=](double t) {
                return static_cast<float>(static_cast<double>(low) * (1 - t) + static_cast<double>(high) * t);
            };
            for (const float value : {low, std::nextafter(low, -infinity), std::nextafter(low, infinity), at(0.25),
                                      at(0.5), at(0.75), high}) {
                result.push_back(value);
            }
        }
        return result;
    }
};

using every_format = testing::Types<int2, int3, int4, int5, int6, int7, int8, uint2, uint4, uint8, fp8_e4m3, fp8_e5m2,
                                    fp8_e4m3fnuz, fp8_e5m2fnuz, fp6_e2m3, fp6_e3m2, fp4_e2m1, fp16, bf16, nf4, fp4,
                                    dynamic8, dynamic8_unsigned, bitsandbytes_cpu<dynamic8>, table_format<4>, quarters>;
TYPED_TEST_SUITE(EveryFormat, every_format);

TYPED_TEST(EveryFormat, NeighboursEncloseAValueTightly) {
    for (const float value : this->probes()) {
        const auto around = neighbours(this->format, value);
        const float below = this->format.decode(around.below);
        const float above = this->format.decode(around.above);
        const float inside = std::clamp(value, this->values.front(), this->values.back());
        const auto after = std::upper_bound(this->values.begin(), this->values.end(), inside);
        const auto from = std::lower_bound(this->values.begin(), this->values.end(), inside);
        ASSERT_EQ(below, *(after - 1)) << value;
        ASSERT_EQ(above, *from) << value;
        if (below == above) {
            ASSERT_EQ(around.below, around.above) << value;
        }
    }
}

TYPED_TEST(EveryFormat, NearestEvenIsTheFormatsOwnRule) {
    for (const float value : this->probes()) {
        ASSERT_EQ(encode_rounded(this->format, value, rounding::nearest_even, 0.5f), this->format.encode(value));
    }
}

TYPED_TEST(EveryFormat, HalfAwayGivesTheNearestAndTiesTheLargerMagnitude) {
    for (const float value : this->probes()) {
        const float inside = std::clamp(value, this->values.front(), this->values.back());
        double best = static_cast<double>(this->values.front());
        for (const float candidate : this->values) {
            const auto exact = static_cast<double>(candidate);
            const double gain =
                std::fabs(best - static_cast<double>(inside)) - std::fabs(exact - static_cast<double>(inside));
            if (gain > 0 || (gain == 0 && std::fabs(exact) >= std::fabs(best))) {
                best = exact;
            }
        }
        const auto code = encode_rounded(this->format, value, rounding::half_away, 0.0f);
        ASSERT_EQ(static_cast<double>(this->format.decode(code)), best) << value;
    }
}

TYPED_TEST(EveryFormat, StochasticIsUnbiasedBetweenAllNeighbours) {
    constexpr int samples = 10000;
    std::uint64_t index = 0;
    const std::size_t step = std::max<std::size_t>(this->values.size() / 16, 1);
    for (std::size_t i = 0; i + 1 < this->values.size(); i += step) {
        const auto low = static_cast<double>(this->values[i]);
        const auto high = static_cast<double>(this->values[i + 1]);
        for (const double share : {0.1, 0.5, 0.875}) {
            const auto value = static_cast<float>(low + (high - low) * share);
            int ups = 0;
            for (int n = 0; n < samples; ++n) {
                const auto code = encode_rounded(this->format, value, rounding::stochastic, uniform(11, index++));
                const auto got = static_cast<double>(this->format.decode(code));
                ASSERT_TRUE(got == low || got == high);
                ups += got == high ? 1 : 0;
            }
            const double expected = (static_cast<double>(value) - low) / (high - low);
            const double deviation = std::sqrt(expected * (1 - expected) / samples);
            ASSERT_NEAR(static_cast<double>(ups) / samples, expected, 6 * deviation) << value;
        }
    }
}

TYPED_TEST(EveryFormat, RepresentableAndSaturatedValuesDoNotDependOnTheRule) {
    for (const float value : {this->values.front(), this->values[this->values.size() / 3], this->values.back()}) {
        const float expected = this->format.decode(encode_rounded(this->format, value, rounding::half_away, 0.0f));
        EXPECT_EQ(expected, value);
        for (const float random : {0.0f, 0.5f, 0x1.FFFFFEp-1f}) {
            EXPECT_EQ(this->format.decode(encode_rounded(this->format, value, rounding::stochastic, random)), value);
        }
    }
    for (const rounding rule : {rounding::half_away, rounding::stochastic}) {
        EXPECT_EQ(this->format.decode(encode_rounded(this->format, this->outside, rule, 0.0f)), this->values.back());
        EXPECT_EQ(this->format.decode(encode_rounded(this->format, -this->outside, rule, 0.0f)), this->values.front());
        EXPECT_EQ(encode_rounded(this->format, quiet_nan, rule, 0.0f), this->format.encode(quiet_nan));
    }
}

TEST(EncodeRounded, HalfAwayOfIntegers) {
    const int8 format{};
    EXPECT_EQ(encode_rounded(format, 0.5f, rounding::half_away, 0.0f), 1);
    EXPECT_EQ(encode_rounded(format, -0.5f, rounding::half_away, 0.0f), -1);
    EXPECT_EQ(encode_rounded(format, 2.5f, rounding::half_away, 0.0f), 3);
    EXPECT_EQ(encode_rounded(format, std::nextafter(2.5f, 0.0f), rounding::half_away, 0.0f), 2);
    EXPECT_EQ(encode_rounded(format, 127.5f, rounding::half_away, 0.0f), 127);
}

TEST(EncodeRounded, StochasticIsAFunctionOfSeedAndIndex) {
    const uint4 format{};
    int differing = 0;
    for (std::uint64_t i = 0; i < 1000; ++i) {
        const auto once = encode_rounded(format, 7.5f, rounding::stochastic, uniform(1, i));
        EXPECT_EQ(once, encode_rounded(format, 7.5f, rounding::stochastic, uniform(1, i)));
        differing += once != encode_rounded(format, 7.5f, rounding::stochastic, uniform(2, i)) ? 1 : 0;
    }
    EXPECT_NEAR(differing, 500, 6 * 16);
}

TEST(Neighbours, OfAPowerOfTwoScaleEncloseTheMagnitude) {
    EXPECT_EQ(neighbours(e8m0{}, 3.0f), (code_pair<std::uint8_t>{128, 129}));
    EXPECT_EQ(neighbours(e8m0{}, -4.0f), (code_pair<std::uint8_t>{129, 129}));
    EXPECT_EQ(neighbours(e8m0{}, 0.0f), (code_pair<std::uint8_t>{0, 0}));
    EXPECT_EQ(neighbours(e8m0{}, 1.5f * 0x1p-127f), (code_pair<std::uint8_t>{0, 1}));
    EXPECT_EQ(neighbours(e8m0{}, infinity), (code_pair<std::uint8_t>{254, 254}));
    EXPECT_EQ(neighbours(e8m0{}, quiet_nan), (code_pair<std::uint8_t>{255, 255}));
}

TEST(Neighbours, OfInfinityAreItsCodeWhereThereIsOne) {
    EXPECT_EQ(neighbours(fp16{}, infinity), (code_pair<std::uint16_t>{0x7C00, 0x7C00}));
    EXPECT_EQ(neighbours(fp16{}, 65520.0f), (code_pair<std::uint16_t>{0x7BFF, 0x7BFF}));
    EXPECT_EQ(neighbours(bf16{}, -infinity), (code_pair<std::uint16_t>{0xFF80, 0xFF80}));
}

TEST(Neighbours, OfNanAreItsCodeTwice) {
    EXPECT_EQ(neighbours(fp8_e4m3{}, quiet_nan), (code_pair<std::uint8_t>{0x7F, 0x7F}));
    EXPECT_EQ(neighbours(quarters{}, quiet_nan), (code_pair<std::uint8_t>{0, 0}));
}

} // namespace

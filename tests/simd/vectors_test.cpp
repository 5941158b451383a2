#include "tersor/simd/vectors.hpp"
#include "tests/common/isas.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

namespace {

// A multiple of the values that any instruction set takes at a time.
constexpr std::size_t count = 512;

struct float_inputs {
    const float *a, *b, *c;
    std::size_t size;
};
struct float_results {
    float constant[count], sum[count], difference[count], product[count], quotient[count], fused[count], unfused[count],
        smaller[count], larger[count], chosen[count], same[count], root[count], magnitude[count];
    alignas(64) float streamed[count];
    std::int32_t pattern[count], counted[count], logic[count];
    bool any_greater[count], any_nan[count];
};
struct integer_inputs {
    const std::int32_t *a, *b;
    std::size_t size;
};
struct integer_results {
    std::int32_t constant[count], sum[count], difference[count], integer_product[count], equal[count],
        conjunction[count], disjunction[count], exclusive[count], smaller[count], larger[count], chosen[count],
        left[count], right[count], largest[count], largest_of_four[count];
    float as_number[count];
};
struct byte_inputs {
    const std::uint8_t* bytes;
    const std::uint16_t* halves;
    std::size_t size;
};
struct widened {
    std::int32_t from_u8[count], from_i8[count], from_u16[count], low_first[count], high_first[count];
    std::uint8_t packed_low_first[count], packed_high_first[count];
};
struct looked_up {
    float of_sixteen[count], of_scaled[count], of_eight[count];
};

} // namespace

#define TERSOR_KERNELS "tests/simd/vectors_kernels-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"

using namespace tersor;

namespace {

// One test for each instruction set that this machine has.
class Vectors : public isas::each_isa {};

INSTANTIATE_TEST_SUITE_P(Isa, Vectors, testing::ValuesIn(isas::available()), isas::name);

std::uint32_t pattern_of(float x) {
    return std::bit_cast<std::uint32_t>(x);
}

// Bits, but any NaN for a NaN.
void expect_same(float actual, float expected, const char* what, std::size_t i) {
    if (std::isnan(expected)) {
        EXPECT_TRUE(std::isnan(actual)) << what << " at " << i;
    } else {
        EXPECT_EQ(pattern_of(actual), pattern_of(expected))
            << what << " at " << i << ": " << actual << ", " << expected;
    }
}

std::vector<float> floats(unsigned seed) {
    std::mt19937 random(seed);
    std::vector<float> values(count);
    constexpr float special[] = {0.0f,      -0.0f,      1.0f,       -1.0f,
                                 0x1p-149f, -0x1p-149f, 0x1p-126f,  3.4e38f,
                                 -3.4e38f,  HUGE_VALF,  -HUGE_VALF, std::numeric_limits<float>::quiet_NaN(),
                                 0.5f,      1.5f,       2.5f};
    for (std::size_t i = 0; i < count; ++i) {
        values[i] = i % 3 == 0   ? special[random() % std::size(special)]
                    : i % 3 == 1 ? static_cast<float>(static_cast<int>(random())) * 0x1p-31f
                                 : std::bit_cast<float>(static_cast<std::uint32_t>(random()));
    }
    return values;
}

std::vector<std::int32_t> integers(unsigned seed) {
    std::mt19937 random(seed);
    std::vector<std::int32_t> values(count);
    constexpr std::int32_t special[] = {0,
                                        -1,
                                        1,
                                        std::numeric_limits<std::int32_t>::max(),
                                        std::numeric_limits<std::int32_t>::min(),
                                        127,
                                        128,
                                        -128,
                                        -129,
                                        255,
                                        256};
    for (std::size_t i = 0; i < count; ++i) {
        values[i] = i % 2 == 0 ? special[random() % std::size(special)] : static_cast<std::int32_t>(random());
    }
    return values;
}

TEST_P(Vectors, FloatOperationsRoundOnceEach) {
    const std::vector<float> a = floats(1), b = floats(2), c = floats(3);
    static float_results r;
    TERSOR_DISPATCH(run(float_inputs{a.data(), b.data(), c.data(), count}, r));
    for (std::size_t i = 0; i < count; ++i) {
        expect_same(r.constant[i], a[0], "splat", i);
        expect_same(r.streamed[i], a[i], "stream", i);
        expect_same(r.sum[i], a[i] + b[i], "sum", i);
        expect_same(r.difference[i], a[i] - b[i], "difference", i);
        expect_same(r.product[i], a[i] * b[i], "product", i);
        expect_same(r.quotient[i], a[i] / b[i], "quotient", i);
        expect_same(r.fused[i], std::fma(a[i], b[i], c[i]), "fma", i);
        const volatile float product = a[i] * b[i];
        expect_same(r.unfused[i], product + c[i], "product and sum", i);
        expect_same(r.chosen[i], a[i] > b[i] ? c[i] : a[i], "select", i);
        // The second operand if either is NaN; of zeros, either.
        expect_same(r.smaller[i] + 0.0f, (a[i] < b[i] ? a[i] : b[i]) + 0.0f, "min", i);
        expect_same(r.larger[i] + 0.0f, (a[i] > b[i] ? a[i] : b[i]) + 0.0f, "max", i);
        EXPECT_EQ(static_cast<std::uint32_t>(r.pattern[i]), pattern_of(a[i])) << i;
        EXPECT_EQ(pattern_of(r.same[i]), pattern_of(a[i])) << i;
        EXPECT_EQ(r.counted[i], a[i] > b[i] ? 6 : 5) << i;
        expect_same(r.root[i], std::sqrt(a[i]), "sqrt", i);
        expect_same(r.magnitude[i], std::abs(a[i]), "abs", i);
        const int both = a[i] > b[i] && b[i] > c[i], either = a[i] > b[i] || a[i] == b[i], other = !(a[i] == c[i]);
        EXPECT_EQ(r.logic[i], both + 2 * either + 4 * other) << i;
    }
    const std::size_t lanes = TERSOR_DISPATCH(lane_count());
    for (std::size_t k = 0; k < count / lanes; ++k) {
        bool greater = false, nan = false;
        for (std::size_t i = k * lanes; i < (k + 1) * lanes; ++i) {
            greater = greater || a[i] > b[i];
            nan = nan || std::isnan(a[i]) || std::isnan(b[i]);
        }
        EXPECT_EQ(r.any_greater[k], greater) << k;
        EXPECT_EQ(r.any_nan[k], nan) << k;
    }
}

TEST_P(Vectors, IntegerOperationsWrapAsUnsignedOnes) {
    const std::vector<std::int32_t> a = integers(1), b = integers(2);
    static integer_results r;
    TERSOR_DISPATCH(run(integer_inputs{a.data(), b.data(), count}, r));
    for (std::size_t i = 0; i < count; ++i) {
        const auto x = static_cast<std::uint32_t>(a[i]), y = static_cast<std::uint32_t>(b[i]);
        EXPECT_EQ(r.constant[i], a[0]);
        EXPECT_EQ(static_cast<std::uint32_t>(r.sum[i]), x + y) << i;
        EXPECT_EQ(static_cast<std::uint32_t>(r.difference[i]), x - y) << i;
        EXPECT_EQ(static_cast<std::uint32_t>(r.integer_product[i]), x * y) << i;
        EXPECT_EQ(r.equal[i], a[i] == b[i] ? 1 : 0) << i;
        EXPECT_EQ(static_cast<std::uint32_t>(r.conjunction[i]), x & y) << i;
        EXPECT_EQ(static_cast<std::uint32_t>(r.disjunction[i]), x | y) << i;
        EXPECT_EQ(static_cast<std::uint32_t>(r.exclusive[i]), x ^ y) << i;
        EXPECT_EQ(r.smaller[i], std::min(a[i], b[i])) << i;
        EXPECT_EQ(r.larger[i], std::max(a[i], b[i])) << i;
        EXPECT_EQ(r.chosen[i], a[i] > b[i] ? b[i] : 7) << i;
        EXPECT_EQ(static_cast<std::uint32_t>(r.left[i]), x << 5) << i;
        EXPECT_EQ(static_cast<std::uint32_t>(r.right[i]), x >> 5) << i;
        EXPECT_EQ(r.as_number[i], static_cast<float>(a[i])) << i;
    }
    const std::size_t lanes = TERSOR_DISPATCH(lane_count());
    for (std::size_t k = 0; k < count / lanes; ++k) {
        const auto first = a.begin() + static_cast<std::ptrdiff_t>(k * lanes);
        const std::int32_t largest = *std::max_element(first, first + static_cast<std::ptrdiff_t>(lanes));
        EXPECT_EQ(r.largest[k], largest) << k;
        EXPECT_EQ(r.largest_of_four[k], largest) << k;
    }
}

TEST_P(Vectors, RoundingIsHalfToEvenWithinItsReach) {
    std::vector<float> x(count);
    std::mt19937 random(5);
    for (std::size_t i = 0; i < count; ++i) {
        const float half = static_cast<float>(static_cast<int>(random() % 2001) - 1000) * 0.5f;
        x[i] = i % 4 == 0   ? half
               : i % 4 == 1 ? std::nextafter(half, 1e9f)
               : i % 4 == 2 ? std::nextafter(half, -1e9f)
                            : static_cast<float>(static_cast<int>(random())) * 0x1.fp-10f;
    }
    x[7] = -0.0f, x[11] = 4194303.5f, x[15] = -4194303.5f, x[19] = 0x1p-149f;
    std::vector<std::int32_t> rounded(count);
    TERSOR_DISPATCH(round_all(x.data(), count, rounded.data()));
    for (std::size_t i = 0; i < count; ++i) {
        EXPECT_EQ(rounded[i], static_cast<std::int32_t>(std::nearbyint(x[i]))) << x[i];
    }
}

TEST_P(Vectors, TruncationIsTowardZero) {
    std::vector<float> x(count);
    std::mt19937 random(6);
    for (std::size_t i = 0; i < count; ++i) {
        x[i] = static_cast<float>(static_cast<int>(random())) * (i % 2 == 0 ? 0x1p-20f : 0.99f);
    }
    x[1] = -0.0f, x[3] = 0.99999994f, x[5] = -0.99999994f, x[7] = 0x1p-149f, x[9] = 2147483520.0f, x[11] = -0x1p31f;
    std::vector<std::int32_t> truncated(count);
    TERSOR_DISPATCH(truncate_all(x.data(), count, truncated.data()));
    for (std::size_t i = 0; i < count; ++i) {
        EXPECT_EQ(truncated[i], static_cast<std::int32_t>(x[i])) << x[i];
    }
}

TEST_P(Vectors, WatcherTellsWhichFloatsWereBeyondTheReachOfRounding) {
    for (std::size_t place = 0; place < 64; place += 7) {
        for (const float x : {0.0f, 1.0f, -1.0f, 127.5f, 32766.0f, -32766.0f}) {
            EXPECT_TRUE(TERSOR_DISPATCH(is_within_reach(x, place))) << x << " at " << place;
        }
        // Positive ones may be told or saturate as they should: what is beyond int32 may not go unnoticed.
        for (float x = 0x1p31f; x < HUGE_VALF; x *= 3.7f) {
            EXPECT_FALSE(TERSOR_DISPATCH(is_within_reach(x, place))) << x << " at " << place;
            EXPECT_FALSE(TERSOR_DISPATCH(is_within_reach(-x, place))) << -x << " at " << place;
        }
        for (const float x : {HUGE_VALF, -HUGE_VALF, std::nanf(""), -std::nanf("")}) {
            EXPECT_FALSE(TERSOR_DISPATCH(is_within_reach(x, place))) << x << " at " << place;
        }
    }
}

TEST_P(Vectors, BytesHalvesAndNibblesWiden) {
    std::vector<std::uint8_t> bytes(count);
    std::vector<std::uint16_t> halves(count);
    std::mt19937 random(6);
    std::ranges::generate(bytes, [&] { return static_cast<std::uint8_t>(random()); });
    std::ranges::generate(halves, [&] { return static_cast<std::uint16_t>(random()); });
    static widened w;
    TERSOR_DISPATCH(widen_all(byte_inputs{bytes.data(), halves.data(), count}, w));
    for (std::size_t i = 0; i < count; ++i) {
        EXPECT_EQ(w.from_u8[i], bytes[i]);
        EXPECT_EQ(w.from_i8[i], static_cast<std::int8_t>(bytes[i]));
        EXPECT_EQ(w.from_u16[i], halves[i]);
        EXPECT_EQ(w.low_first[i], i % 2 == 0 ? bytes[i / 2] & 15 : bytes[i / 2] >> 4);
        EXPECT_EQ(w.high_first[i], i % 2 == 0 ? bytes[i / 2] >> 4 : bytes[i / 2] & 15);
    }
    for (std::size_t i = 0; i < count / 2; ++i) {
        const int first = bytes[2 * i] & 15, second = bytes[2 * i + 1] & 15;
        EXPECT_EQ(w.packed_low_first[i], first | second << 4);
        EXPECT_EQ(w.packed_high_first[i], first << 4 | second);
    }
}

TEST_P(Vectors, NarrowingKeepsTheLowBits) {
    // Within 16 bits: registers may be packed through them.
    std::vector<std::int32_t> x = integers(7);
    std::ranges::transform(x, x.begin(), [](std::int32_t v) { return static_cast<std::int16_t>(v); });
    std::vector<std::uint8_t> bytes(count + 1, 0xA5);
    std::vector<std::uint16_t> halves(count + 1, 0xA5A5);
    TERSOR_DISPATCH(narrow_all(x.data(), count, bytes.data(), halves.data()));
    for (std::size_t i = 0; i < count; ++i) {
        EXPECT_EQ(bytes[i], static_cast<std::uint8_t>(x[i])) << i;
        EXPECT_EQ(halves[i], static_cast<std::uint16_t>(x[i])) << i;
    }
    EXPECT_EQ(bytes[count], 0xA5);
    EXPECT_EQ(halves[count], 0xA5A5);
}

template <bool Signed, int Low, int High>
void expect_saturated() {
    std::vector<std::int32_t> x(count);
    std::mt19937 random(8);
    std::ranges::generate(x, [&] { return static_cast<std::int32_t>(random() % 65535) - 32767; });
    for (std::size_t i = 0; i < count; i += 2) {
        x[i] = static_cast<std::int32_t>(random() % 600) - 300;
    }
    std::vector<std::uint8_t> bytes(count + 1, 0xA5);
    EXPECT_TRUE((TERSOR_DISPATCH(narrow_saturated<Signed, Low, High>(x.data(), count, bytes.data()))));
    for (std::size_t i = 0; i < count; ++i) {
        EXPECT_EQ(bytes[i], static_cast<std::uint8_t>(std::clamp(x[i], Low, High))) << x[i];
    }
    EXPECT_EQ(bytes[count], 0xA5);
    x[77] = std::numeric_limits<std::int32_t>::min();
    EXPECT_FALSE((TERSOR_DISPATCH(narrow_saturated<Signed, Low, High>(x.data(), count, bytes.data()))));
}

TEST_P(Vectors, SaturatingNarrowingKeepsToItsBounds) {
    expect_saturated<true, -128, 127>();
    expect_saturated<true, -127, 127>();
    expect_saturated<true, -8, 7>();
    expect_saturated<true, -1, 1>();
    expect_saturated<false, 0, 255>();
    expect_saturated<false, 0, 15>();
    expect_saturated<false, 0, 3>();
}

TEST_P(Vectors, BytesBeyondALimitAreFound) {
    const std::size_t run = TERSOR_DISPATCH(bytes_at_once());
    std::vector<std::uint8_t> bytes(run, 0x8C);
    EXPECT_TRUE((TERSOR_DISPATCH(bytes_within<15, 12>(bytes.data()))));
    EXPECT_TRUE((TERSOR_DISPATCH(bytes_within<127, 12>(bytes.data()))));
    for (std::size_t i = 0; i < run; ++i) {
        bytes[i] = 0x0D;
        EXPECT_FALSE((TERSOR_DISPATCH(bytes_within<15, 12>(bytes.data())))) << i;
        EXPECT_FALSE((TERSOR_DISPATCH(bytes_within<127, 12>(bytes.data())))) << i;
        bytes[i] = 0x7F;
        EXPECT_FALSE((TERSOR_DISPATCH(bytes_within<127, 126>(bytes.data())))) << i;
        bytes[i] = 0x8C;
    }
}

TEST_P(Vectors, TablesAreLookedUpByTheLowBits) {
    std::vector<float> table(16);
    for (std::size_t k = 0; k < 16; ++k) {
        table[k] = static_cast<float>(k * k) * 0.37f - 5.0f;
    }
    std::vector<std::int32_t> x(count);
    for (std::size_t i = 0; i < count; ++i) {
        x[i] = static_cast<std::int32_t>(i * 7 % 16);
    }
    static looked_up r;
    TERSOR_DISPATCH(look_up(table.data(), x.data(), count, r));
    for (std::size_t i = 0; i < count; ++i) {
        const auto k = static_cast<std::size_t>(x[i]);
        EXPECT_EQ(r.of_sixteen[i], table[k]);
        EXPECT_EQ(r.of_scaled[i], (table[k] - 3.0f) * 0.1f);
        EXPECT_EQ(r.of_eight[i], table[k % 8]);
    }
}

TEST_P(Vectors, HalvesConvertWhereThereAreInstructions) {
    // Values that halves hold exactly: sums of a few powers of two.
    std::vector<float> floats(count), widened_halves(count);
    std::vector<std::uint16_t> halves(count), narrowed(count);
    for (std::size_t i = 0; i < count; ++i) {
        const auto exponent = static_cast<int>(i % 30) + 1;
        const auto mantissa = static_cast<int>(i * 37 % 1024);
        halves[i] = static_cast<std::uint16_t>((i % 2) << 15 | static_cast<std::size_t>(exponent << 10 | mantissa));
        floats[i] = std::ldexp(static_cast<float>(1024 + mantissa), exponent - 25) * (i % 2 == 0 ? 1.0f : -1.0f);
    }
    if (TERSOR_DISPATCH(convert_halves(halves.data(), floats.data(), count, widened_halves.data(), narrowed.data()))) {
        EXPECT_EQ(widened_halves, floats);
        EXPECT_EQ(narrowed, halves);
    } else {
        EXPECT_EQ(GetParam(), isa::generic);
    }
}

} // namespace

#include "tersor/formats/format.hpp"

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

#include <gtest/gtest.h>

#include <concepts>
#include <limits>
#include <type_traits>

namespace {

using namespace tersor;

template <class Format>
class NumberFormat : public testing::Test {};
using stateless_formats =
    testing::Types<int2, int3, int4, int5, int6, int7, int8, uint2, uint3, uint4, uint5, uint6, uint7, uint8, fp8_e4m3,
                   fp8_e5m2, fp8_e4m3fnuz, fp8_e5m2fnuz, fp6_e2m3, fp6_e3m2, fp4_e2m1, fp16, bf16, nf4, fp4, dynamic8,
                   dynamic8_unsigned, bitsandbytes_cpu<dynamic8>>;
TYPED_TEST_SUITE(NumberFormat, stateless_formats);

TYPED_TEST(NumberFormat, IsAnEmptyRegularType) {
    EXPECT_TRUE(number_format<TypeParam>);
    EXPECT_TRUE(std::regular<TypeParam>);
    EXPECT_TRUE(std::is_empty_v<TypeParam>);
    EXPECT_EQ(code_count<TypeParam>, 1 << TypeParam::bits);
}

TYPED_TEST(NumberFormat, LargestIsRepresentableAndSaturates) {
    const TypeParam format{};
    EXPECT_EQ(format.decode(format.encode(format.largest)), format.largest);
    if constexpr (TypeParam::bits < 16) {
        EXPECT_EQ(format.decode(format.encode(std::numeric_limits<float>::max())), format.largest);
    }
}

TYPED_TEST(NumberFormat, OnlyTheTypesOfBitsandbytesPutTheHighNibbleFirst) {
    constexpr bool expected = std::is_same_v<TypeParam, nf4> || std::is_same_v<TypeParam, fp4>;
    EXPECT_EQ(is_high_nibble_first<TypeParam>, expected);
}

struct without_largest {
    static constexpr int bits = 2;
    using code_type = unsigned char;
    static code_type encode(float) noexcept { return 0; }
    static float decode(code_type) noexcept { return 0.0f; }
};
struct may_throw {
    static constexpr int bits = 2;
    using code_type = unsigned char;
    static constexpr float largest = 1.0f;
    static code_type encode(float) { return 0; }
    static float decode(code_type) noexcept { return 0.0f; }
};
static_assert(number_format<e8m0>, "the power-of-two scale is a format too");
static_assert(!number_format<int> && !number_format<without_largest> && !number_format<may_throw>,
              "a type that lacks a member, or whose functions may throw, is no format");

} // namespace

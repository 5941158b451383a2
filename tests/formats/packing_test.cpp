#include "tersor/formats/packing.hpp"

#include "tersor/core/rounding.hpp"
#include "tersor/formats/fp4.hpp"
#include "tersor/formats/fp6.hpp"
#include "tersor/formats/half.hpp"
#include "tersor/formats/integer.hpp"
#include "tersor/formats/nf4.hpp"

#include "tests/common/reference.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace {

using namespace tersor;

constexpr std::uint8_t guard = 0xA5;
constexpr std::size_t most = 70;

std::vector<std::uint8_t> random_codes(std::size_t count, int bits) {
    std::vector<std::uint8_t> codes(count);
    for (std::size_t i = 0; i < count; ++i) {
        codes[i] =
            static_cast<std::uint8_t>(uniform(static_cast<std::uint64_t>(bits), i) * static_cast<float>(1 << bits));
    }
    return codes;
}

TEST(PackCodes, EqualsTheBitStreamForEveryWidthAndLengthAndStaysInside) {
    for (int bits = 1; bits <= 8; ++bits) {
        for (std::size_t count = 0; count <= most; ++count) {
            const auto codes = random_codes(count, bits);
            const auto expected = reference::pack_bits(codes, bits);
            ASSERT_EQ(packed_bytes(count, bits), expected.size());
            std::vector<std::uint8_t> packed(expected.size() + 1, guard);
            pack_codes(codes, bits, packed.data());
            ASSERT_EQ(packed.back(), guard) << bits << " bits, " << count << " codes";
            packed.pop_back();
            ASSERT_EQ(packed, expected) << bits << " bits, " << count << " codes";
            std::vector<std::uint8_t> again(count + 1, guard);
            unpack_codes(packed.data(), bits, std::span(again).first(count));
            ASSERT_EQ(again.back(), guard);
            again.pop_back();
            ASSERT_EQ(again, codes) << bits << " bits, " << count << " codes";
        }
    }
}

TEST(PackCodes, DropsBitsAboveTheWidth) {
    const std::vector<std::uint8_t> codes{0xFF, 0x08, 0xFF};
    std::vector<std::uint8_t> packed(2);
    pack_codes(codes, 3, packed.data());
    EXPECT_EQ(packed, (std::vector<std::uint8_t>{0xC7, 0x01}));
}

TEST(UnpackCodes, ExtendsTheSignOfSignedCodes) {
    for (int bits = 1; bits <= 8; ++bits) {
        const auto codes = random_codes(most, bits);
        const auto packed = reference::pack_bits(codes, bits);
        std::vector<std::int8_t> numbers(most);
        unpack_codes(packed.data(), bits, numbers);
        for (std::size_t i = 0; i < most; ++i) {
            const int half = 1 << (bits - 1);
            ASSERT_EQ(numbers[i], codes[i] >= half ? codes[i] - 2 * half : codes[i]) << bits;
        }
    }
}

TEST(PackedBytes, CountsWithoutOverflow) {
    EXPECT_EQ(packed_bytes(0, 3), 0u);
    EXPECT_EQ(packed_bytes(1, 3), 1u);
    EXPECT_EQ(packed_bytes(8, 3), 3u);
    EXPECT_EQ(packed_bytes(9, 7), 8u);
    EXPECT_EQ(packed_bytes(5, 16), 10u);
    constexpr std::size_t largest = std::numeric_limits<std::size_t>::max();
    EXPECT_EQ(packed_bytes(largest, 8), largest);
    EXPECT_EQ(packed_bytes(largest, 1), largest / 8 + 1);
    EXPECT_EQ(packed_bytes(largest / 2, 16), largest - 1);
    EXPECT_THROW((void)packed_bytes(largest / 2 + 1, 16), error);
    EXPECT_THROW((void)packed_bytes(largest, 9), error);
}

TEST(PackedBytes, RefusesImpossibleWidths) {
    for (const int bits : {-1, 0, 17}) {
        try {
            (void)packed_bytes(1, bits);
            FAIL() << bits;
        } catch (const error& failure) {
            EXPECT_EQ(failure.code(), error_code::invalid_argument);
            EXPECT_NE(std::string(failure.what()).find(std::to_string(bits)), std::string::npos);
        }
    }
}

TEST(PackNibbles, TheFirstOfTwoIsInTheHighNibble) {
    const std::vector<std::uint8_t> codes{1, 2, 3, 4, 5};
    std::vector<std::uint8_t> packed(3);
    pack_nibbles_high_first(codes, 9, packed.data());
    EXPECT_EQ(packed, (std::vector<std::uint8_t>{0x12, 0x34, 0x59}));
    std::vector<std::uint8_t> again(5);
    unpack_nibbles_high_first(packed.data(), again);
    EXPECT_EQ(again, codes);
}

TEST(Pack, NibbleFormatsArePaddedWithTheCodeOfZero) {
    std::uint8_t packed = 0;
    const std::vector<std::uint8_t> code{3};
    pack<nf4>(nf4{}, code, &packed);
    EXPECT_EQ(packed, 0x37);
    pack<fp4>(fp4{}, code, &packed);
    EXPECT_EQ(packed, 0x30);
}

template <class Format>
class PackFormat : public testing::Test {};
using packed_formats =
    testing::Types<int2, int3, int4, int5, int6, int7, int8, uint3, uint4, uint8, nf4, fp4, fp6_e2m3, fp16, bf16>;
TYPED_TEST_SUITE(PackFormat, packed_formats);

TYPED_TEST(PackFormat, EveryLengthSurvivesARoundTripAndEveryCodeCanBeReadAlone) {
    using code_type = code_t<TypeParam>;
    for (std::size_t count = 0; count <= most; ++count) {
        std::vector<code_type> codes(count);
        for (std::size_t i = 0; i < count; ++i) {
            const auto code = static_cast<int>(uniform(5, i) * static_cast<float>(code_count<TypeParam>));
            codes[i] = static_cast<code_type>(code);
            if constexpr (std::is_signed_v<code_type>) {
                codes[i] = static_cast<code_type>(codes[i] + TypeParam::lowest);
            }
        }
        std::vector<std::uint8_t> packed(packed_bytes(count, TypeParam::bits));
        pack<TypeParam>(TypeParam{}, codes, packed.data());
        if constexpr (!is_high_nibble_first<TypeParam>) {
            ASSERT_EQ(packed, reference::pack_bits(codes, TypeParam::bits));
        }
        std::vector<code_type> again(count);
        unpack<TypeParam>(TypeParam{}, packed.data(), again);
        ASSERT_EQ(again, codes);
        for (std::size_t i = 0; i < count; ++i) {
            ASSERT_EQ(packed_code<TypeParam>(packed.data(), i), codes[i]) << i;
        }
    }
}

} // namespace

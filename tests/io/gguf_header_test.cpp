// What the reader refuses, kind by kind, and that it says where.

#include "tersor/io/gguf_header.hpp"

#include "tests/common/temporary_folder.hpp"
#include "tests/io/gguf_hostile.hpp"
#include "tests/io/golden_gguf.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

namespace {

constexpr std::uint64_t minus_one = UINT64_MAX;
constexpr std::uint64_t two_63 = std::uint64_t{1} << 63;

TEST(GgufHeader, AnEmptyFileIsRefused) {
    expect_corrupt("", "at byte 0: a GGUF file starts with 'GGUF', this one of 0");
}

TEST(GgufHeader, AnotherMagicIsRefused) {
    expect_corrupt(std::string(gguf_bytes().header(0, 0)).replace(0, 4, "FUGG"), "at byte 0");
    expect_corrupt(std::string(gguf_bytes().header(0, 0)).replace(3, 1, "f"), "'GGUf'");
    expect_corrupt("GGU", "'GGU'");
}

TEST(GgufHeader, OtherVersionsAreRefused) {
    for (const std::uint32_t version : {0U, 1U, 4U, 100U, 0xFFFFFFFFU}) {
        expect_corrupt(gguf_bytes().header(0, 0, version), "at byte 4: version " + std::to_string(version));
    }
    expect_accepted(gguf_bytes().header(0, 0, 2));
    expect_accepted(gguf_bytes().header(0, 0, 3));
}

TEST(GgufHeader, BigEndianFilesAreRefusedAsSuch) {
    expect_corrupt(gguf_bytes().raw("GGUF").raw(std::string("\0\0\0\3", 4)).u64(0).u64(0), "big-endian");
    expect_corrupt(gguf_bytes().raw("GGUF").raw(std::string("\0\0\0\2", 4)).u64(0).u64(0), "big-endian");
}

TEST(GgufHeader, CountsThatTheFileCannotHoldAreRefused) {
    for (const std::uint64_t count : {two_63, two_63 + 1, minus_one}) {
        expect_corrupt(gguf_bytes().header(count, 0), "at byte 8: -");
        expect_corrupt(gguf_bytes().header(0, count), "at byte 16: -");
    }
    for (const std::uint64_t count : {std::uint64_t{1}, std::uint64_t{1} << 32, two_63 - 1}) {
        expect_corrupt(gguf_bytes().header(count, 0), std::to_string(count) + " tensors of at least 24 bytes each");
        expect_corrupt(gguf_bytes().header(0, count), std::to_string(count) + " metadata entries of at least 14 bytes");
    }
}

TEST(GgufHeader, TensorsAreCountedAgainAfterTheMetadata) {
    // the metadata is large enough to hold the tensors that the count claims
    expect_corrupt(gguf_bytes().header(4, 1).key("k", 8).text(std::string(200, 'v')), "4 tensors of at least 24 bytes");
}

TEST(GgufHeader, KeysMustBeThereOnceAndNotEmpty) {
    expect_corrupt(gguf_bytes().header(0, 1).key("", 0).raw("vv"), "at byte 24: a key is empty");
    expect_corrupt(gguf_bytes().header(0, 2).key("k", 0).raw("v").key("k", 1).raw("v"), "key 'k' appears twice");
    expect_corrupt(gguf_bytes().header(0, 1).key(std::string_view("a\0b", 3), 0).raw("v"),
                   "at byte 33: a key 'a\\x00b' has a zero byte");
    expect_corrupt(gguf_bytes().header(0, 1).u64(minus_one).raw("longer than a key"),
                   "at byte 24: a key has 18446744073709551615 bytes, more than 1073741824");
    expect_corrupt(gguf_bytes().header(0, 1).u64(18).raw("longer than a key"), "takes 18 bytes, the file has 17 more");
}

TEST(GgufHeader, KeysMayBeLong) {
    expect_accepted(gguf_bytes().header(0, 1).key(std::string(70000, 'k'), 0).raw("v"));
}

TEST(GgufHeader, UnknownTypesOfValuesAreRefused) {
    for (const std::uint32_t type : {13U, 255U, 0x80000000U, 0xFFFFFFFFU}) {
        const std::string name = std::to_string(type);
        expect_corrupt(gguf_bytes().header(0, 1).key("k", type).u64(0),
                       "at byte 33: key 'k' has a value of the unknown type " + name);
        expect_corrupt(gguf_bytes().header(0, 1).key("k", 9).u32(type).u64(0),
                       "at byte 37: key 'k' has a value of the unknown type " + name);
    }
}

TEST(GgufHeader, StringsLongerThanTheFileAreRefused) {
    expect_corrupt(gguf_bytes().header(0, 1).key("k", 8).u64(4).raw("abc"), "a string takes 4 bytes, the file has 3");
    expect_corrupt(gguf_bytes().header(0, 1).key("k", 8).u64(minus_one).raw("abc"),
                   "18446744073709551615 bytes, more than");
    expect_corrupt(gguf_bytes().header(0, 1).key("k", 8).u64((1 << 30) + 1).raw("abc"), "more than 1073741824");
}

TEST(GgufHeader, ArraysLongerThanTheFileAreRefused) {
    const auto array = [](std::uint32_t type, std::uint64_t count) {
        return gguf_bytes().header(0, 1).key("k", 9).u32(type).u64(count);
    };
    expect_corrupt(array(4, 4).raw(std::string(15, 'x')), "an array takes 16 bytes, the file has 15 more");
    expect_corrupt(array(8, 2).u64(0).raw("1234567"), "an array of strings takes 16 bytes, the file has 15 more");
    expect_corrupt(array(8, 2).u64(3).u64(0), "a string of an array takes 8 bytes, the file has 5 more");
    expect_corrupt(array(8, 1).u64(minus_one), "a string of an array has 18446744073709551615 bytes");
    expect_corrupt(array(0, (1 << 30) + 1).raw("x"), "at byte 41: key 'k' has an array of 1073741825 elements, more");
}

TEST(GgufHeader, ArraysWhoseSizeWrapsAreRefused) {
    // count * size is 0, 8 or 16 modulo 2^64
    for (const std::uint64_t count :
         {std::uint64_t{1} << 61, (std::uint64_t{1} << 61) + 1, std::uint64_t{1} << 62, two_63, minus_one}) {
        for (const std::uint32_t type : {2U, 4U, 8U, 10U, 12U}) {
            expect_corrupt(gguf_bytes().header(0, 1).key("k", 9).u32(type).u64(count).u64(0).u64(0),
                           "elements, more than");
        }
    }
}

TEST(GgufHeader, NestedArraysAreRefused) {
    expect_corrupt(gguf_bytes().header(0, 1).key("k", 9).u32(9).u64(1).u32(4).u64(0),
                   "at byte 37: key 'k' has an array of arrays");
    gguf_bytes deep;
    deep.header(0, 1).key("k", 9);
    for (int i = 0; i < 100000; ++i) {
        deep.u32(9).u64(1);
    }
    expect_corrupt(deep, "an array of arrays");
}

TEST(GgufHeader, BoolsOtherThanZeroAndOneAreRefused) {
    for (const char value : {'\2', '\x7F', '\xFF'}) {
        expect_corrupt(gguf_bytes().header(0, 1).key("k", 7).number(value), "at byte 37: key 'k' has a bool of ");
        expect_corrupt(gguf_bytes().header(0, 1).key("k", 9).u32(7).u64(3).raw("\1").number(value).raw("\1"),
                       "at byte 50: key 'k' has a bool of ");
    }
    expect_accepted(gguf_bytes().header(0, 1).key("k", 7).number('\1'));
}

TEST(GgufHeader, AlignmentsThatAreNoPowersOfTwoAreRefused) {
    for (const std::uint32_t alignment : {0U, 3U, 13U, 33U, 0x80000001U, 0xFFFFFFFFU}) {
        expect_corrupt(gguf_bytes().header(0, 1).alignment(alignment),
                       "at byte 53: 'general.alignment' is " + std::to_string(alignment) + ", not a power");
    }
}

TEST(GgufHeader, HugeAlignmentsAreRefused) {
    expect_corrupt(gguf_bytes().header(0, 1).alignment(0x80000000U),
                   "'general.alignment' is 2147483648, not a power of two from 1 to");
    // an allowed one, but the file does not reach the data
    expect_corrupt(gguf_bytes().header(1, 1).alignment(1U << 30).tensor("x", {3}, 24, 0).data(3),
                   "ends at byte 1073741824 of the data");
}

TEST(GgufHeader, AlignmentsOfAnotherTypeAreRefused) {
    expect_corrupt(gguf_bytes().header(0, 1).key("general.alignment", 5).u32(0x80000000U),
                   "'general.alignment' is i32, not u32");
    expect_corrupt(gguf_bytes().header(0, 1).key("general.alignment", 10).u64(32), "is u64, not u32");
    expect_corrupt(gguf_bytes().header(0, 1).key("general.alignment", 6).number(32.0f), "is f32, not u32");
    expect_corrupt(gguf_bytes().header(0, 1).key("general.alignment", 8).text("32"), "is string, not u32");
    expect_corrupt(gguf_bytes().header(0, 1).key("general.alignment", 9).u32(4).u64(1).u32(32),
                   "is an array of 1 values of type u32, not u32");
}

TEST(GgufHeader, NamesOfTensorsAreShortAndAppearOnce) {
    const auto named = [](std::string_view name) { return gguf_bytes().header(1, 0).tensor(name, {3}, 24, 0).data(3); };
    expect_accepted(named(std::string(63, 'n')));
    expect_accepted(named(""));
    expect_corrupt(named(std::string(64, 'n')), "at byte 24: a tensor's name has 64 bytes, more than 63");
    expect_corrupt(named(std::string(100000, 'n')), "has 100000 bytes, more than 63");
    expect_corrupt(named(std::string_view("a\0b", 3)), "at byte 33: a tensor's name 'a\\x00b' has a zero byte");
    expect_corrupt(gguf_bytes().header(1, 0).u64(minus_one).pad(64),
                   "at byte 24: a tensor's name has 18446744073709551615 bytes");
    for (const std::string_view name : {"", "twice"}) {
        expect_corrupt(gguf_bytes().header(2, 0).tensor(name, {3}, 24, 0).tensor(name, {3}, 24, 32).data(3).data(3),
                       "tensor name '" + std::string(name) + "' appears twice");
    }
}

TEST(GgufHeader, MoreThanFourDimensionsAreRefused) {
    expect_corrupt(one_gguf_tensor({1, 1, 1, 1, 1}, 0, 0, 4), "at byte 33: tensor 'x' has 5 dimensions, more than 4");
    expect_corrupt(gguf_bytes().header(1, 0).text("x").u32(0xFFFFFFFFU).pad(64), "has 4294967295 dimensions");
    expect_accepted(one_gguf_tensor({1, 1, 1, 1}, 0, 0, 4));
}

TEST(GgufHeader, NoDimensionsAreOneValueAndNoBlock) {
    expect_accepted(one_gguf_tensor({}, 0, 0, 4));
    expect_corrupt(one_gguf_tensor({}, 2, 0, 18), "of q4_0 [] has rows that are not a whole number of blocks");
}

TEST(GgufHeader, DimensionsOfZeroAreRefused) {
    expect_corrupt(one_gguf_tensor({0}, 0, 0, 4), "tensor 'x' of f32 [0] has a dimension of 0");
    expect_corrupt(one_gguf_tensor({4, 0}, 0, 0, 4), "at byte 37: tensor 'x' of f32 [4, 0] has a dimension of 0");
    expect_corrupt(one_gguf_tensor({two_63 - 1, two_63 - 1, 0}, 0, 0, 4), "tensor 'x' of f32 [");
}

TEST(GgufHeader, NegativeDimensionsAreRefused) {
    expect_corrupt(one_gguf_tensor({minus_one}, 24, 0, 4), "tensor 'x' of i8 [-1] has a negative dimension");
    expect_corrupt(one_gguf_tensor({two_63, two_63}, 24, 0, 4), "has a negative dimension");
    expect_corrupt(one_gguf_tensor({4, 1, 1, minus_one}, 24, 0, 4), "[4, 1, 1, -1] has a negative dimension");
}

TEST(GgufHeader, ElementCountsThatWrapAreRefused) {
    // 2^32 * 2^32 is 0 modulo 2^64: such a tensor seems to need no data
    expect_corrupt(one_gguf_tensor({std::uint64_t{1} << 32, std::uint64_t{1} << 32}, 0, 0, 0),
                   "tensor 'x' of f32 [4294967296, 4294967296] has more elements than 63 bits can count");
    expect_corrupt(one_gguf_tensor({std::uint64_t{1} << 32, std::uint64_t{1} << 31}, 0, 0, 0),
                   "has more elements than 63 bits can count");
    expect_corrupt(one_gguf_tensor({1 << 16, 1 << 16, 1 << 16, 1 << 16}, 24, 0, 0),
                   "has more elements than 63 bits can count");
}

TEST(GgufHeader, ByteCountsThatWrapAreRefused) {
    expect_corrupt(one_gguf_tensor({std::uint64_t{1} << 62}, 27, 0, 0), "has more bytes than 63 bits can count");
    expect_corrupt(one_gguf_tensor({(std::uint64_t{1} << 61) + 1}, 28, 0, 8), "has more bytes than 63 bits can count");
    // 2^64 - 16 bytes, which padding would bring to 0
    expect_corrupt(one_gguf_tensor({4, (1 << 30) - 1, (1 << 30) + 1}, 0, 0, 0),
                   "has more bytes than 63 bits can count");
}

TEST(GgufHeader, TensorsLargerThanTheFileAreRefused) {
    expect_corrupt(one_gguf_tensor({two_63 - 1}, 24, 0, 64), "takes 9223372036854775807 bytes, the file has");
    expect_corrupt(one_gguf_tensor({1000}, 24, 0, 64), "takes 1000 bytes, the file has");
    // two that fit one by one, and whose sum does not
    expect_corrupt(gguf_bytes().header(2, 0).tensor("a", {150}, 24, 0).tensor("b", {150}, 24, 160).data(160),
                   "tensor 'b' of i8 [150] ends at byte 320 of the data, the file has");
}

TEST(GgufHeader, UnknownTensorTypesAreRefused) {
    for (const std::uint32_t type : {43U, 100U, 0x7FFFFFFFU, 0x80000000U, 0xFFFFFFFFU}) {
        expect_corrupt(one_gguf_tensor({256}, type, 0, 64),
                       "at byte 45: tensor 'x' has type " + std::to_string(type) + ", which is unknown");
    }
}

TEST(GgufHeader, RemovedTensorTypesAreRefused) {
    for (const std::uint32_t type : {4U, 5U, 31U, 32U, 33U, 36U, 37U, 38U}) {
        expect_corrupt(one_gguf_tensor({256}, type, 0, 64),
                       "has type " + std::to_string(type) + ", which the format has given up");
    }
}

TEST(GgufHeader, RowsMustBeWholeBlocks) {
    for (const auto& info : tersor::gguf_types) {
        if (info.is_block_format()) {
            const auto id = static_cast<std::uint32_t>(info.type);
            expect_corrupt(one_gguf_tensor({info.block_values + 1}, id, 0, 1024),
                           "has rows that are not a whole number of blocks");
            // the elements fill blocks, but the rows do not
            expect_corrupt(one_gguf_tensor({info.block_values / 2, 2}, id, 0, 1024),
                           "has rows that are not a whole number of blocks");
        }
    }
}

TEST(GgufHeader, OffsetsMustFollowEachOther) {
    const auto two = [](std::uint64_t first, std::uint64_t second) {
        return gguf_bytes().header(2, 0).tensor("a", {3}, 24, first).tensor("b", {33}, 24, second).data(256);
    };
    expect_accepted(two(0, 32));
    expect_corrupt(two(0, 0), "tensor 'b' has offset 0 where 32 was expected: tensors overlap");
    expect_corrupt(two(0, 3), "has offset 3 where 32 was expected");
    expect_corrupt(two(0, 31), "has offset 31 where 32 was expected");
    expect_corrupt(two(0, 64), "has offset 64 where 32 was expected");
    expect_corrupt(two(64, 0), "at byte 49: tensor 'a' has offset 64 where 0 was expected");
    expect_corrupt(two(1, 33), "tensor 'a' has offset 1 where 0 was expected");
    expect_corrupt(two(0, 1 << 20), "has offset 1048576 where 32 was expected");
    expect_corrupt(two(0, minus_one - 31), "has offset 18446744073709551584 where 32 was expected");
    expect_corrupt(two(two_63, 32), "has offset 9223372036854775808 where 0 was expected");
}

TEST(GgufHeader, OffsetsCountWithTheAlignmentOfTheFile) {
    const auto two = [](std::uint64_t second) {
        return gguf_bytes()
            .header(2, 1)
            .alignment(64)
            .tensor("a", {3}, 24, 0)
            .tensor("b", {33}, 24, second)
            .data(256, 64);
    };
    expect_accepted(two(64));
    expect_corrupt(two(32), "has offset 32 where 64 was expected");
}

TEST(GgufHeader, TheDataMustBeThereWithTheLastPadding) {
    const std::string whole = one_gguf_tensor({3}, 24, 0, 3);
    expect_accepted(whole);
    for (std::size_t missing = 1; missing <= 32; ++missing) {
        expect_corrupt(whole.substr(0, whole.size() - missing),
                       "the 32 bytes from byte 64, with the padding of the last");
    }
}

TEST(GgufHeader, EveryPrefixOfAFileIsRefused) {
    const std::string whole = temporary_folder::read(golden::tiny_gguf());
    expect_accepted(whole);
    for (std::size_t size = 0; size < whole.size(); ++size) {
        EXPECT_NE(gguf_complaint(whole.substr(0, size)).find("at byte "), std::string::npos) << size;
    }
}

TEST(GgufHeader, AnyChangedByteIsAcceptedOrRefusedButNothingElse) {
    const std::string whole = temporary_folder::read(golden::tiny_gguf());
    std::size_t refused = 0;
    for (std::size_t at = 0; at < 1216; ++at) {
        for (const char change : {'\x01', '\x80', '\xFF'}) {
            std::string changed = whole;
            changed[at] = static_cast<char>(changed[at] ^ change);
            refused += gguf_complaint(changed).empty() ? 0 : 1;
        }
    }
    EXPECT_GT(refused, 1500U);
}

} // namespace

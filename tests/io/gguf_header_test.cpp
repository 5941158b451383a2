// What the reader refuses in the first bytes and the metadata, kind by kind, and that it says where.

#include "tersor/io/gguf_header.hpp"

#include "tests/io/gguf_hostile.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

namespace {


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

} // namespace

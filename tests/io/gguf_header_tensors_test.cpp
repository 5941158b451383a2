// What the reader refuses in the table of tensors, kind by kind, and that it says where.

#include "tersor/io/gguf_header.hpp"

#include "tests/common/temporary_folder.hpp"
#include "tests/io/gguf_hostile.hpp"
#include "tests/io/golden_gguf.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace {


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

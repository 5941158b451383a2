#include "tersor/io/gguf_metadata.hpp"
#include "tersor/io/gguf_value.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace {

using tersor::gguf_metadata;
using tersor::gguf_value;
using tersor::gguf_value_type;

/// Stores a value as a file would, and asks for it as a To. Gives what is wrong, or nothing.
template <class To, class From>
std::string problem(const From& from, To& to) {
    gguf_metadata metadata;
    metadata.add("k", from);
    return metadata.entries()[0].value().read(to);
}

template <class To, class From>
void expect_exact(const From& from, const To& expected) {
    To to{};
    EXPECT_EQ(problem(from, to), "");
    EXPECT_EQ(to, expected);
}

template <class To, class From>
void expect_refused(const From& from, std::string_view with) {
    To to{};
    EXPECT_NE(problem(from, to).find(with), std::string::npos) << problem(from, to);
}

TEST(GgufValue, ConvertsNumbersThatTheOtherTypeHolds) {
    expect_exact<std::int64_t>(std::uint8_t{250}, 250);
    expect_exact<int>(std::uint32_t{2147483647}, 2147483647);
    expect_exact<std::uint8_t>(255, std::uint8_t{255});
    expect_exact<std::uint64_t>(std::int64_t{1} << 62, std::uint64_t{1} << 62);
    expect_exact<double>(std::uint32_t{4294967295}, 4294967295.0);
    expect_exact<float>(16777216, 16777216.0f);
    expect_exact<float>(std::uint64_t{1} << 63, 0x1p63f);
    expect_exact<float>(std::numeric_limits<std::int64_t>::min(), -0x1p63f);
    expect_exact<double>(0.1f, 0.10000000149011612);
    expect_exact<float>(-0.25, -0.25f);
    expect_exact<int>(-3.0f, -3);
    expect_exact<std::int64_t>(-0x1p63, std::numeric_limits<std::int64_t>::min());
    expect_exact<float>(std::numeric_limits<double>::infinity(), std::numeric_limits<float>::infinity());
    float nan = 0;
    EXPECT_EQ(problem(std::nan(""), nan), "");
    EXPECT_TRUE(std::isnan(nan));
}

TEST(GgufValue, RefusesNumbersThatTheOtherTypeCannotHold) {
    expect_refused<std::int8_t>(128, "is 128, which i8 cannot hold exactly");
    expect_refused<std::uint32_t>(-1, "is -1, which u32");
    expect_refused<std::uint64_t>(std::int8_t{-1}, "-1");
    expect_refused<std::int64_t>(std::uint64_t{1} << 63, "9223372036854775808");
    expect_refused<float>(16777217, "16777217");
    expect_refused<double>((std::uint64_t{1} << 53) + 1, "9007199254740993");
    expect_refused<float>(0.1, "f32");
    expect_refused<float>(1e300, "f32");
    expect_refused<float>(1e-300, "f32");
    expect_refused<int>(0.5f, "i32");
    expect_refused<int>(2147483648.0, "i32");
    expect_refused<std::uint8_t>(-1.0f, "u8");
    expect_refused<std::int64_t>(0x1p63, "i64");
    expect_refused<std::uint64_t>(0x1p64, "u64");
    expect_refused<int>(std::nan(""), "i32");
    expect_refused<std::int64_t>(std::numeric_limits<float>::infinity(), "i64");
}

TEST(GgufValue, KeepsKindsApart) {
    expect_exact<bool>(true, true);
    expect_exact<std::string>("text", std::string("text"));
    expect_exact<std::string>("", std::string());
    expect_refused<bool>(1, "is i32, not a bool");
    expect_refused<int>(true, "is bool, not a number");
    expect_refused<int>("1", "is string, not a number");
    expect_refused<std::string>(1, "is i32, not a string");
    expect_refused<std::string>(std::vector<std::string>{"a", "b"}, "is an array of 2 values of type string, not one");
    expect_refused<std::vector<int>>(1, "is i32, not an array");
    expect_refused<std::vector<int>>(std::vector<std::string>{"a"}, "not a number");
    expect_refused<std::vector<std::string>>(std::vector<int>{1}, "not a string");
}

TEST(GgufValue, ReadsArraysElementByElement) {
    const std::vector<std::string> words = {"", "a", "hello world", std::string("z\0z", 3)};
    expect_exact<std::vector<std::string>>(words, words);
    expect_exact<std::vector<std::string>>(std::vector<std::string_view>(words.begin(), words.end()), words);
    expect_exact<std::vector<bool>>(std::vector<bool>{true, false, true}, std::vector<bool>{true, false, true});
    expect_exact<std::vector<bool>>(std::array<bool, 2>{true, false}, std::vector<bool>{true, false});
    expect_exact<std::vector<int>>(std::array<std::uint16_t, 3>{1, 2, 65535}, std::vector<int>{1, 2, 65535});
    expect_exact<std::vector<double>>(std::vector<float>{0.5f, -2.25f}, std::vector<double>{0.5, -2.25});
    expect_exact<std::vector<float>>(std::vector<std::string>{}, std::vector<float>{});
    expect_refused<std::vector<std::int8_t>>(std::vector<int>{1, 127, 128},
                                             "is 128, which i8 cannot hold exactly, in element 2");
}

TEST(GgufValue, AsRaisesWhatReadGives) {
    gguf_metadata metadata;
    metadata.add("k", 300);
    EXPECT_EQ(metadata.entries()[0].value().as<short>(), 300);
    try {
        static_cast<void>(metadata.entries()[0].value().as<std::uint8_t>());
        FAIL();
    } catch (const tersor::error& e) {
        EXPECT_EQ(e.code(), tersor::error_code::invalid_argument);
        EXPECT_STREQ(e.what(), "a GGUF value is 300, which u8 cannot hold exactly");
    }
}

TEST(GgufValue, IsAnEmptyArrayByDefault) {
    const gguf_value value;
    EXPECT_TRUE(value.is_array());
    EXPECT_EQ(value.count(), 0U);
    EXPECT_TRUE(value.as<std::vector<int>>().empty());
    int number = 0;
    EXPECT_NE(value.read(number), "");
}

TEST(GgufValue, StringsThatChangedUnderItAreCorrupt) {
    // the reader checks the lengths once; another process may write to a mapped file after that
    gguf_metadata metadata;
    metadata.add("k", std::vector<std::string>{"abc"});
    std::string bytes = metadata.entries()[0].bytes;
    bytes[0] = 4;
    const gguf_value value(gguf_value_type::array, gguf_value_type::string, 1, std::as_bytes(std::span(bytes)));
    try {
        static_cast<void>(value.as<std::vector<std::string>>());
        FAIL();
    } catch (const tersor::error& e) {
        EXPECT_EQ(e.code(), tersor::error_code::corrupt_file);
    }
    const gguf_value cut(gguf_value_type::array, gguf_value_type::string, 2, std::as_bytes(std::span(bytes)).first(5));
    EXPECT_THROW(static_cast<void>(cut.as<std::vector<std::string>>()), tersor::error);
}

TEST(GgufValueType, HasTheNamesAndSizesOfTheFormat) {
    const std::vector<std::string_view> names = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                                 "bool", "string", "array", "u64", "i64", "f64"};
    const std::vector<std::uint32_t> sizes = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    for (std::uint32_t i = 0; i < names.size(); ++i) {
        EXPECT_EQ(to_string(static_cast<gguf_value_type>(i)), names[i]);
        EXPECT_EQ(bytes_of(static_cast<gguf_value_type>(i)), sizes[i]);
    }
    EXPECT_EQ(tersor::gguf_value_type_of<long long>(), gguf_value_type::i64);
    EXPECT_EQ(tersor::gguf_value_type_of<const char*>(), gguf_value_type::string);
    EXPECT_EQ(tersor::gguf_value_type_of<bool>(), gguf_value_type::boolean);
}

} // namespace

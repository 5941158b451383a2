#include "tersor/io/gguf_metadata.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace {

using tersor::gguf_metadata;
using tersor::gguf_value_type;

template <class T>
void expect_type(const T& value, gguf_value_type expected, std::uint64_t count = 1) {
    gguf_metadata metadata;
    metadata.add("k", value);
    const auto stored = metadata.entries()[0].value();
    EXPECT_EQ(stored.element_type(), expected) << to_string(expected);
    EXPECT_EQ(stored.count(), count);
}

TEST(GgufMetadata, StoresTheTypeThatIsGiven) {
    expect_type(std::uint8_t{1}, gguf_value_type::u8);
    expect_type(std::int8_t{1}, gguf_value_type::i8);
    expect_type(std::uint16_t{1}, gguf_value_type::u16);
    expect_type(std::int16_t{1}, gguf_value_type::i16);
    expect_type(std::uint32_t{1}, gguf_value_type::u32);
    expect_type(1, gguf_value_type::i32);
    expect_type(1UL, gguf_value_type::u64);
    expect_type(1LL, gguf_value_type::i64);
    expect_type(1.0f, gguf_value_type::f32);
    expect_type(1.0, gguf_value_type::f64);
    expect_type(true, gguf_value_type::boolean);
    expect_type("text", gguf_value_type::string);
    expect_type(std::string_view("text"), gguf_value_type::string);
    expect_type(std::vector<std::string>{"a", "b"}, gguf_value_type::string, 2);
    expect_type(std::array<const char*, 3>{"a", "b", "c"}, gguf_value_type::string, 3);
    expect_type(std::vector<float>(5), gguf_value_type::f32, 5);
    expect_type(std::vector<bool>(7), gguf_value_type::boolean, 7);
    const int numbers[] = {1, 2, 3, 4};
    expect_type(numbers, gguf_value_type::i32, 4);
}

TEST(GgufMetadata, KeepsTheOrderAndCopiesValuesAsTheyAre) {
    gguf_metadata first;
    first.add("b", 1).add("a", std::vector<std::string>{"x", ""}).add("c", "text");
    std::vector<tersor::gguf_metadata_entry> read;
    for (const auto& entry : first.entries()) {
        read.push_back({entry.key, entry.value()});
    }
    const gguf_metadata second(read);
    ASSERT_EQ(second.entries().size(), 3U);
    for (std::size_t i = 0; i < 3; ++i) {
        EXPECT_EQ(second.entries()[i].key, first.entries()[i].key);
        EXPECT_EQ(second.entries()[i].type, first.entries()[i].type);
        EXPECT_EQ(second.entries()[i].bytes, first.entries()[i].bytes);
    }
    EXPECT_TRUE(second.contains("c"));
    EXPECT_FALSE(second.contains("d"));
}

TEST(GgufMetadata, RefusesKeysThatNoReaderTakes) {
    gguf_metadata metadata;
    for (const std::string& key : {std::string(), std::string("a\0b", 3)}) {
        try {
            metadata.add(key, 1);
            FAIL();
        } catch (const tersor::error& e) {
            EXPECT_EQ(e.code(), tersor::error_code::invalid_argument);
        }
    }
    EXPECT_TRUE(metadata.entries().empty());
}

} // namespace

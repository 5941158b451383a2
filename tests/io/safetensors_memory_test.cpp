// What a hostile file may cost: the reader's memory stays below a small multiple of the file's size, whatever the
// header claims. Sanitizers multiply every allocation, so the measurement is made without them.

#include "tersor/io/json.hpp"
#include "tersor/io/safetensors.hpp"
#include "tests/common/peak_memory.hpp"
#include "tests/io/safetensors_bytes.hpp"

#include <gtest/gtest.h>

#include <string>

namespace {

/// `first`, then `item` again and again up to about `bytes`.
std::string repeat(std::string text, const std::string& item, std::size_t bytes) {
    while (text.size() < bytes) {
        text += item;
    }
    return text;
}

void expect_at_most(long multiple, const std::string& name, const std::string& text, void (*read)(const std::string&)) {
    const long growth = peak_memory_growth([&] { read(text); });
    EXPECT_GE(growth, 0) << name;
    if (measurement_is_exact) {
        EXPECT_LE(growth, multiple * static_cast<long>(text.size())) << name;
    }
}

constexpr std::size_t size = 1 << 19;

TEST(SafetensorsMemory, IsASmallMultipleOfTheFile) {
    const auto read = [](const std::string& bytes) {
        static_cast<void>(tersor::safetensors_file::from_bytes(as_byte_span(bytes)));
    };
    const auto file = [](const std::string& header) { return safetensors_bytes(header); };
    expect_at_most(24, "shape",
                   file(repeat(R"({"x":{"dtype":"U8","shape":[0)", ",1", size) + R"(],"data_offsets":[0,0]}})"), read);
    expect_at_most(24, "offsets", file(repeat(R"({"x":{"dtype":"U8","data_offsets":[0)", ",1", size)), read);
    expect_at_most(24, "unknown field", file(repeat(R"({"x":{"y":[0)", ",[]", size)), read);
    expect_at_most(32, "metadata", file(repeat(R"({"__metadata__":{"a":"")", R"(,"a":"")", size) + "}}"), read);
    expect_at_most(24, "tensors", file(repeat("{", R"("x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},)", size)),
                   read);
    expect_at_most(24, "name", file(repeat("{\"", "x", size)), read);
    expect_at_most(24, "length", safetensors_bytes(100'000'000, std::string(size, ' ')), read);
}

TEST(JsonMemory, IsASmallMultipleOfTheText) {
    const auto read = [](const std::string& text) { static_cast<void>(tersor::json::parse(text)); };
    for (const std::string item : {",0", ",[]", ",{}", ",\"\"", ",[0]", ",{\"\":0}", ",[[0]]"}) {
        expect_at_most(48, item, repeat("[0", item, size) + "]", read);
    }
    expect_at_most(48, "members", repeat("{\"\":0", ",\"\":0", size) + "}", read);
}

} // namespace

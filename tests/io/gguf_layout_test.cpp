#include "tersor/io/gguf_layout.hpp"

#include "tests/common/temporary_folder.hpp"
#include "tests/io/gguf_bytes.hpp"
#include "tests/io/golden_gguf.hpp"

#include "tersor/io/gguf.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace {

using tersor::gguf_declaration;
using tersor::gguf_layout;
using tersor::gguf_metadata;
using tersor::gguf_type;

std::vector<gguf_declaration> declarations(const tersor::gguf_file& file) {
    std::vector<gguf_declaration> result;
    for (const auto& tensor : file.tensors()) {
        result.push_back(declare(tensor));
    }
    return result;
}

TEST(GgufLayout, IsByteForByteThatOfGgml) {
    const auto file = tersor::gguf_file::open(golden::tiny_gguf());
    const gguf_layout layout(declarations(file), gguf_metadata(file.metadata()));
    const std::string bytes = temporary_folder::read(golden::tiny_gguf());
    EXPECT_EQ(layout.header(), bytes.substr(0, layout.header().size()));
    EXPECT_EQ(layout.data_offset(), file.data_offset());
    EXPECT_EQ(layout.size(), bytes.size());
    EXPECT_EQ(layout.alignment(), 32U);
    for (std::size_t i = 0; i < file.tensors().size(); ++i) {
        EXPECT_EQ(layout.entries()[i].offset, file.tensors()[i].offset);
        EXPECT_EQ(layout.entries()[i].bytes, file.tensors()[i].data.size());
        EXPECT_EQ(layout.find(file.tensors()[i].name), i);
    }
    EXPECT_EQ(layout.find("none"), file.tensors().size());
}

TEST(GgufLayout, HonoursTheAlignment) {
    for (const std::uint32_t alignment : {1U, 8U, 64U, 4096U, 1U << 30}) {
        gguf_metadata metadata;
        metadata.add("general.alignment", alignment);
        const gguf_layout layout({{"a", gguf_type::i8, {3}}, {"b", gguf_type::i8, {5}}}, metadata);
        EXPECT_EQ(layout.alignment(), alignment);
        EXPECT_EQ(layout.data_offset() % alignment, 0U);
        EXPECT_LT(layout.data_offset() - layout.header().size(), alignment);
        EXPECT_EQ(layout.entries()[1].offset, layout.data_offset() + (3 + alignment - 1) / alignment * alignment);
        EXPECT_EQ(layout.size(), layout.entries()[1].offset + (5 + alignment - 1) / alignment * alignment);
    }
}

TEST(GgufLayout, CountsBytesOfBlocks) {
    EXPECT_EQ(bytes_of(gguf_declaration{"x", gguf_type::q4_k, {512, 2}}), 576U);
    EXPECT_EQ(bytes_of(gguf_declaration{"x", gguf_type::f32, {}}), 4U);
    EXPECT_EQ(bytes_of(gguf_declaration{"x", gguf_type::f16, {7, 2, 3, 4}}), 336U);
}

TEST(GgufLayout, ReversesShapes) {
    EXPECT_EQ(tersor::gguf_dimensions(std::vector<std::int64_t>{3, 2, 16}), (std::vector<std::int64_t>{16, 2, 3}));
    EXPECT_TRUE(tersor::gguf_dimensions({}).empty());
}

void expect_refused(std::vector<gguf_declaration> tensors, const gguf_metadata& metadata, std::string_view with) {
    try {
        static_cast<void>(gguf_layout(std::move(tensors), metadata));
        FAIL() << with;
    } catch (const tersor::error& e) {
        EXPECT_EQ(e.code(), tersor::error_code::invalid_argument);
        EXPECT_NE(std::string_view(e.what()).find(with), std::string_view::npos) << e.what();
    }
}

TEST(GgufLayout, RefusesWhatTheFormatCannotHold) {
    expect_refused({{"x", gguf_type::f32, {1, 1, 1, 1, 1}}}, {}, "tensor 'x' of f32 [1, 1, 1, 1, 1] has 5 dimensions");
    expect_refused({{"x", gguf_type::f32, {4, 0}}}, {}, "has a dimension of 0");
    expect_refused({{"x", gguf_type::f32, {-4}}}, {}, "has a negative dimension");
    expect_refused({{"x", gguf_type::q4_0, {33}}}, {}, "has rows that are not a whole number of blocks");
    expect_refused({{"x", gguf_type::i8, {INT64_MAX, 2}}}, {}, "has more elements than 63 bits");
    expect_refused({{"x", gguf_type::f64, {INT64_MAX / 2}}}, {}, "has more bytes than 63 bits");
    expect_refused({{"x", gguf_type::i8, {INT64_MAX}}}, {}, "more than 2^62 bytes in all");
    expect_refused({{"x", gguf_type::i8, {INT64_MAX / 3}}, {"y", gguf_type::i8, {INT64_MAX / 3}}}, {}, "2^62 bytes");
}

TEST(GgufLayout, RefusesNames) {
    expect_refused({{std::string(64, 'n'), gguf_type::i8, {1}}}, {}, "has 64 bytes, more than 63");
    expect_refused({{std::string("a\0b", 3), gguf_type::i8, {1}}}, {}, "zero byte");
    expect_refused({{"x", gguf_type::i8, {1}}, {"y", gguf_type::i8, {1}}, {"x", gguf_type::i8, {1}}}, {},
                   "two tensors named 'x'");
    gguf_metadata twice;
    twice.add("k", 1).add("l", 2).add("k", 3);
    expect_refused({}, twice, "two metadata values named 'k'");
}

TEST(GgufLayout, RefusesAlignments) {
    for (const std::uint32_t alignment : {0U, 3U, 0x80000000U}) {
        gguf_metadata metadata;
        metadata.add("general.alignment", alignment);
        expect_refused({}, metadata, "'general.alignment' is " + std::to_string(alignment));
    }
    gguf_metadata of_int;
    of_int.add("general.alignment", 32);
    expect_refused({}, of_int, "'general.alignment' is i32, not u32");
}

} // namespace

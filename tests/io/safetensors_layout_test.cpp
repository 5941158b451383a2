#include "tersor/io/safetensors_layout.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using tersor::safetensors_declaration;
using tersor::safetensors_dtype;
using tersor::safetensors_layout;
using tersor::tensor_order;

std::vector<std::string> order_of(const safetensors_layout& layout) {
    std::vector<std::string> names;
    for (const auto& entry : layout.entries()) {
        names.push_back(entry.tensor.name);
    }
    return names;
}

const std::vector<safetensors_declaration> mixed = {
    {"b8", safetensors_dtype::u8, {3}},   {"a32", safetensors_dtype::f32, {2}},
    {"b64", safetensors_dtype::i64, {1}}, {"a16", safetensors_dtype::bf16, {1, 1}},
    {"a64", safetensors_dtype::i64, {}},  {"a4", safetensors_dtype::f4, {2}}};

TEST(SafetensorsLayout, SortsAsTheReferenceWriter) {
    EXPECT_EQ(order_of(safetensors_layout(mixed)), (std::vector<std::string>{"a64", "b64", "a32", "a16", "b8", "a4"}));
    EXPECT_EQ(order_of(safetensors_layout(mixed, {}, tensor_order::as_given)),
              (std::vector<std::string>{"b8", "a32", "b64", "a16", "a64", "a4"}));
}

TEST(SafetensorsLayout, AlignsEveryTensorForItsType) {
    for (const std::size_t name : {1U, 2U, 3U, 4U, 5U, 6U, 7U, 8U}) {
        auto tensors = mixed;
        tensors[0].name = std::string(name, 'x');
        const safetensors_layout layout(tensors, {{"k", "v"}});
        EXPECT_EQ(layout.header().size() % 8, 0U);
        for (const auto& entry : layout.entries()) {
            EXPECT_EQ(entry.offset * 8 % static_cast<unsigned>(bits_of(entry.tensor.dtype)), 0U) << entry.tensor.name;
        }
        EXPECT_EQ(layout.size(), layout.header().size() + 8 + 8 + 8 + 2 + 3 + 1);
    }
}

TEST(SafetensorsLayout, WritesTheHeaderOfTheReferenceWriter) {
    const safetensors_layout layout({{"x", safetensors_dtype::f32, {1, 2}}, {"é\n", safetensors_dtype::u8, {0}}},
                                    {{"format", "pt"}});
    const std::string text =
        R"({"__metadata__":{"format":"pt"},"x":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},)"
        R"("é\n":{"dtype":"U8","shape":[0],"data_offsets":[8,8]}})";
    const std::string padded = text + std::string((8 - text.size() % 8) % 8, ' ');
    EXPECT_EQ(layout.header().substr(8), padded);
    EXPECT_EQ(layout.header().substr(0, 8), std::string(1, static_cast<char>(padded.size())) + std::string(7, '\0'));
    EXPECT_EQ(safetensors_layout(std::vector<safetensors_declaration>()).header(),
              std::string("\x08\0\0\0\0\0\0\0{}      ", 16));
}

TEST(SafetensorsLayout, FindsByName) {
    const safetensors_layout layout(mixed);
    EXPECT_EQ(layout.entries()[layout.find("a16")].tensor.name, "a16");
    EXPECT_EQ(layout.find("missing"), layout.entries().size());
}

TEST(SafetensorsLayout, RefusesWhatTheFormatCannotHold) {
    const auto refuses = [](std::vector<safetensors_declaration> tensors,
                            const tersor::safetensors_metadata& metadata = {}) {
        try {
            const safetensors_layout layout(std::move(tensors), metadata);
        } catch (const tersor::error& e) {
            return e.code() == tersor::error_code::invalid_argument;
        }
        return false;
    };
    EXPECT_TRUE(refuses({{"x", safetensors_dtype::u8, {1}}, {"x", safetensors_dtype::f32, {1}}}));
    EXPECT_TRUE(refuses({{"__metadata__", safetensors_dtype::u8, {1}}}));
    EXPECT_TRUE(refuses({{"\xFF", safetensors_dtype::u8, {1}}}));
    EXPECT_TRUE(refuses({{"x", safetensors_dtype::u8, {-1}}}));
    EXPECT_TRUE(refuses({{"x", safetensors_dtype::f4, {3}}}));
    EXPECT_TRUE(refuses({{"x", safetensors_dtype::u8, {std::int64_t{1} << 32, std::int64_t{1} << 32}}}));
    EXPECT_TRUE(refuses({{"x", safetensors_dtype::u64, {std::int64_t{1} << 60}}}));
    EXPECT_TRUE(refuses({}, {{"k", "1"}, {"k", "2"}}));
    EXPECT_TRUE(refuses({}, {{"k", "\xC0"}}));
    EXPECT_TRUE(refuses({{std::string(100'000'000, 'n'), safetensors_dtype::u8, {1}}}));
    std::vector<safetensors_declaration> many;
    for (int i = 0; i < 20; ++i) {
        many.push_back({std::to_string(i), safetensors_dtype::u8, {std::int64_t{1} << 59}});
    }
    EXPECT_TRUE(refuses(many)) << "the sum of the sizes wraps";
    EXPECT_FALSE(refuses({}));
}

} // namespace

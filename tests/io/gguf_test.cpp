#include "tersor/io/gguf.hpp"

#include "tersor/io/json.hpp"
#include "tests/common/temporary_folder.hpp"
#include "tests/io/gguf_bytes.hpp"
#include "tests/io/golden_gguf.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using tersor::gguf_file;
using tersor::gguf_type;
using tersor::gguf_value;
using tersor::gguf_value_type;
namespace json = tersor::json;

/// Whether a number or string of the metadata is what the JSON says.
void expect_value(const gguf_value& actual, const json::value& expected) {
    switch (actual.element_type()) {
    case gguf_value_type::boolean:
        // JSON lists of bools hold 0 and 1
        EXPECT_EQ(actual.as<bool>(),
                  expected.is(json::kind::boolean) ? expected.as_boolean() : expected.as_integer() != 0);
        break;
    case gguf_value_type::string:
        EXPECT_EQ(actual.as<std::string>(), expected.as_string());
        break;
    case gguf_value_type::u64:
        EXPECT_EQ(actual.as<std::uint64_t>(), expected.as_unsigned());
        break;
    case gguf_value_type::f32:
    case gguf_value_type::f64:
        EXPECT_EQ(std::bit_cast<std::uint64_t>(actual.as<double>()),
                  std::bit_cast<std::uint64_t>(expected.as_double()));
        break;
    default:
        EXPECT_EQ(actual.as<std::int64_t>(), expected.as_integer());
    }
}

/// The elements of an array as values of their own.
std::vector<gguf_value> elements(const gguf_value& array) {
    std::vector<gguf_value> result;
    const gguf_value_type type = array.element_type();
    if (type == gguf_value_type::string) {
        for (const auto text : array.as<std::vector<std::string_view>>()) {
            result.emplace_back(type, type, 1, std::as_bytes(std::span(text)));
        }
    } else {
        for (std::size_t i = 0; i < array.count(); ++i) {
            result.emplace_back(type, type, 1, array.bytes().subspan(i * bytes_of(type), bytes_of(type)));
        }
    }
    return result;
}

std::string type_in_json(gguf_value_type type) {
    return type == gguf_value_type::string ? "str" : std::string(to_string(type));
}

TEST(GgufFile, ReadsWhatGgmlWrote) {
    const auto file = gguf_file::open(golden::tiny_gguf());
    const auto expected = json::parse(temporary_folder::read(golden::tiny_json()));
    EXPECT_EQ(file.version(), expected.at("version").as_unsigned());
    EXPECT_EQ(file.alignment(), expected.at("alignment").as_unsigned());
    EXPECT_EQ(file.data_offset(), expected.at("data_offset").as_unsigned());
    EXPECT_EQ(file.size(), expected.at("file_size").as_unsigned());
    EXPECT_EQ(file.source(), golden::tiny_gguf());

    const auto& entries = expected.at("kv").as_array();
    ASSERT_EQ(file.metadata().size(), entries.size());
    for (std::size_t i = 0; i < entries.size(); ++i) {
        const auto& [key, value] = file.metadata()[i];
        SCOPED_TRACE(key);
        EXPECT_EQ(key, entries[i].at("key").as_string());
        EXPECT_EQ(type_in_json(value.type()), entries[i].at("type").as_string());
        if (!value.is_array()) {
            expect_value(value, entries[i].at("value"));
            continue;
        }
        EXPECT_EQ(type_in_json(value.element_type()), entries[i].at("elem_type").as_string());
        const auto& items = entries[i].at("value").as_array();
        ASSERT_EQ(value.count(), items.size());
        for (std::size_t j = 0; j < items.size(); ++j) {
            expect_value(elements(value)[j], items[j]);
        }
    }

    const auto& tensors = expected.at("tensors").as_array();
    ASSERT_EQ(file.tensors().size(), tensors.size());
    for (std::size_t i = 0; i < tensors.size(); ++i) {
        const auto& tensor = file.tensors()[i];
        SCOPED_TRACE(tensor.name);
        EXPECT_EQ(tensor.name, tensors[i].at("name").as_string());
        EXPECT_EQ(static_cast<std::uint32_t>(tensor.type), tensors[i].at("ggml_type_id").as_unsigned());
        EXPECT_EQ(tensor.offset, file.data_offset() + tensors[i].at("offset").as_unsigned());
        EXPECT_EQ(tensor.data.size(), tensors[i].at("nbytes").as_unsigned());
        const auto& ne = tensors[i].at("ne").as_array();
        ASSERT_EQ(tensor.rank, ne.size());
        for (std::size_t j = 0; j < ne.size(); ++j) {
            EXPECT_EQ(tensor.ne[j], ne[j].as_integer());
        }
    }
}

TEST(GgufFile, ShowsDimensionsBothWays) {
    const auto file = gguf_file::open(golden::tiny_gguf());
    const auto& tensor = file.tensor("c.bf16");
    EXPECT_EQ(std::vector<std::int64_t>(tensor.dimensions().begin(), tensor.dimensions().end()),
              (std::vector<std::int64_t>{16, 2, 3}));
    EXPECT_EQ(tensor.shape(), (std::vector<std::int64_t>{3, 2, 16}));
    EXPECT_EQ(tensor.columns(), 16);
    EXPECT_EQ(tensor.rows(), 6);
    EXPECT_EQ(tensor.elements(), 96);
    EXPECT_EQ(tensor.row_bytes(), 32U);
    EXPECT_EQ(file.tensor("f.q4_k").row_bytes(), 288U);
    EXPECT_EQ(file.tensor("b.f16").shape(), std::vector<std::int64_t>{33});
}

TEST(GgufFile, ReadsVersionTwoTheSame) {
    std::string bytes = temporary_folder::read(golden::tiny_gguf());
    bytes[4] = 2;
    const auto file = gguf_file::from_bytes(as_byte_span(bytes));
    EXPECT_EQ(file.version(), 2U);
    EXPECT_EQ(file.metadata().size(), 27U);
    EXPECT_EQ(file.tensors().size(), 7U);
}

TEST(GgufFile, FindsMetadataByKey) {
    const auto file = gguf_file::open(golden::tiny_gguf());
    EXPECT_EQ(file.find("t.u8"), &file.metadata()[2].value);
    EXPECT_EQ(file.find("t.u9"), nullptr);
    EXPECT_TRUE(file.contains("a.str"));
    EXPECT_FALSE(file.contains(""));
    EXPECT_EQ(file.get<int>("t.u8"), 250);
    EXPECT_EQ(file.get<std::string>("general.architecture"), "tersor-test");
    EXPECT_EQ(file.get<std::vector<std::string>>("a.str")[2], "hello world");
    EXPECT_EQ(file.get_or<std::uint32_t>("t.u32", 7), 4000000000U);
    EXPECT_EQ(file.get_or<std::uint32_t>("t.u33", 7), 7U);
    EXPECT_EQ(file.get_or<std::string>("t.u33", "none"), "none");
}

TEST(GgufFile, FindsTensorsByName) {
    const auto file = gguf_file::open(golden::tiny_gguf());
    EXPECT_EQ(file.find_tensor("g.q6_k"), &file.tensors()[6]);
    EXPECT_EQ(file.find_tensor("g.q6_"), nullptr);
    EXPECT_EQ(&file.tensor("a.f32"), &file.tensors()[0]);
}

template <class Action>
void expect_invalid(Action&& action, std::string_view with) {
    try {
        action();
        FAIL() << with;
    } catch (const tersor::error& e) {
        EXPECT_EQ(e.code(), tersor::error_code::invalid_argument);
        EXPECT_NE(std::string_view(e.what()).find(with), std::string_view::npos) << e.what();
    }
}

TEST(GgufFile, SaysWhatIsWrongWithALookup) {
    const auto file = gguf_file::open(golden::tiny_gguf());
    expect_invalid([&] { static_cast<void>(file.get<int>("llama.block_count")); },
                   "tiny.gguf: no key 'llama.block_count' among its 27");
    expect_invalid([&] { static_cast<void>(file.get<std::string>("t.u8")); }, "key 't.u8' is u8, not a string");
    expect_invalid([&] { static_cast<void>(file.get<std::int32_t>("t.u32")); },
                   "key 't.u32' is 4000000000, which i32 cannot hold exactly");
    expect_invalid([&] { static_cast<void>(file.get_or<int>("general.name", 3)); },
                   "key 'general.name' is string, not a number");
    expect_invalid([&] { static_cast<void>(file.get<int>("a.u8")); },
                   "is an array of 3 values of type u8, not one value");
    expect_invalid([&] { static_cast<void>(file.tensor("h")); }, "no tensor 'h' among its 7");
}

TEST(GgufFile, ViewsSurviveAMove) {
    auto file = gguf_file::open(golden::tiny_gguf());
    const auto tensor = file.tensors()[3];
    const std::string_view text = file.get<std::string_view>("general.architecture");
    const std::string bytes(reinterpret_cast<const char*>(tensor.data.data()), tensor.data.size());
    const gguf_file moved = std::move(file);
    EXPECT_EQ(moved.tensor("d.q4_0").data.data(), tensor.data.data());
    EXPECT_EQ(bytes, std::string(reinterpret_cast<const char*>(tensor.data.data()), tensor.data.size()));
    EXPECT_EQ(text, "tersor-test");
    EXPECT_EQ(tensor.name, "d.q4_0");
}

TEST(GgufFile, ReadsAHeaderAlone) {
    const std::string bytes = gguf_bytes().header(0, 1).alignment(64);
    const auto file = gguf_file::from_bytes(as_byte_span(bytes), "name");
    EXPECT_EQ(file.alignment(), 64U);
    EXPECT_EQ(file.data_offset(), bytes.size());
    EXPECT_EQ(file.source(), "name");
    EXPECT_TRUE(file.tensors().empty());
}

TEST(GgufFile, HonoursTheAlignmentOfTheFile) {
    for (const std::uint32_t alignment : {1U, 2U, 4U, 16U, 64U, 4096U, 65536U}) {
        const std::uint64_t second = (3 + alignment - 1) / alignment * alignment;
        const std::string bytes = gguf_bytes()
                                      .header(2, 1)
                                      .alignment(alignment)
                                      .tensor("a", {3}, 24, 0)
                                      .tensor("b", {5}, 24, second)
                                      .data(3, alignment)
                                      .data(5, alignment);
        const auto file = gguf_file::from_bytes(as_byte_span(bytes));
        EXPECT_EQ(file.alignment(), alignment);
        EXPECT_EQ(file.data_offset() % alignment, 0U);
        EXPECT_EQ(file.tensors()[1].offset, file.data_offset() + second);
        EXPECT_EQ(static_cast<char>(file.tensors()[1].data[4]), 'd');
    }
}

TEST(GgufFile, ATensorWithoutDimensionsIsOneValue) {
    const std::string bytes = gguf_bytes().header(1, 0).tensor("x", {}, 0, 0).data(4);
    const auto file = gguf_file::from_bytes(as_byte_span(bytes));
    EXPECT_EQ(file.tensors()[0].elements(), 1);
    EXPECT_EQ(file.tensors()[0].rank, 0U);
    EXPECT_TRUE(file.tensors()[0].shape().empty());
    EXPECT_EQ(file.tensors()[0].data.size(), 4U);
}

TEST(GgufFile, IgnoresBytesAfterTheData) {
    const std::string bytes = gguf_bytes().header(1, 0).tensor("x", {3}, 24, 0).data(3).raw("more");
    EXPECT_EQ(gguf_file::from_bytes(as_byte_span(bytes)).tensors()[0].data.size(), 3U);
}

TEST(GgufFile, KnowsEveryTensorType) {
    gguf_bytes bytes;
    bytes.header(std::size(tersor::gguf_types), 0);
    std::uint64_t offset = 0;
    for (const auto& info : tersor::gguf_types) {
        bytes.tensor(info.name, {info.block_values, 2}, static_cast<std::uint32_t>(info.type), offset);
        offset += (2 * info.block_bytes + 31) / 32 * 32;
    }
    bytes.data(offset);
    const auto file = gguf_file::from_bytes(as_byte_span(bytes.str()));
    for (const auto& info : tersor::gguf_types) {
        EXPECT_EQ(file.tensor(info.name).type, info.type);
        EXPECT_EQ(file.tensor(info.name).data.size(), 2 * info.block_bytes);
    }
}

TEST(GgufFile, AMissingFileIsAnIoError) {
    const temporary_folder folder;
    try {
        static_cast<void>(gguf_file::open(folder / "none.gguf"));
        FAIL();
    } catch (const tersor::error& e) {
        EXPECT_EQ(e.code(), tersor::error_code::io);
    }
}

} // namespace

#include "tersor/io/safetensors.hpp"

#include "tests/common/temporary_folder.hpp"
#include "tests/io/safetensors_bytes.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using tersor::safetensors_dtype;
using tersor::safetensors_file;

const std::string two_tensors = safetensors_bytes(
    R"({"second":{"dtype":"U8","shape":[3],"data_offsets":[8,11]},)"
    R"("first":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},"__metadata__":{"k":"v","a":"b"}}  )",
    "12345678abc");

/// The message of the error that the bytes raise, or nothing.
std::string complaint(const std::string& bytes) {
    // a copy of exactly that size lets a sanitizer see any read past the end
    const std::vector<char> exact(bytes.begin(), bytes.end());
    try {
        static_cast<void>(safetensors_file::from_bytes(as_byte_span({exact.data(), exact.size()})));
    } catch (const tersor::error& e) {
        EXPECT_EQ(e.code(), tersor::error_code::corrupt_file);
        return e.what();
    }
    return {};
}

std::string one_tensor(std::string_view dtype, std::string_view shape, std::string_view offsets, std::size_t data) {
    return safetensors_bytes("{\"x\":{\"dtype\":\"" + std::string(dtype) + "\",\"shape\":" + std::string(shape) +
                                 ",\"data_offsets\":" + std::string(offsets) + "}}",
                             std::string(data, 'd'));
}

TEST(SafetensorsFile, ShowsTensorsInTheOrderOfTheirData) {
    const temporary_folder folder;
    const auto file = safetensors_file::open(folder.write("f.safetensors", two_tensors));
    ASSERT_EQ(file.tensors().size(), 2U);
    const auto& first = file.tensors()[0];
    EXPECT_EQ(first.name, "first");
    EXPECT_EQ(first.dtype, safetensors_dtype::f32);
    EXPECT_EQ(first.shape, (std::vector<std::int64_t>{1, 2}));
    EXPECT_EQ(first.elements(), 2);
    EXPECT_EQ(first.offset, two_tensors.size() - 11);
    EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(first.data.data()), first.data.size()), "12345678");
    EXPECT_EQ(file.tensors()[1].name, "second");
    EXPECT_EQ(file.tensors()[1].data.size(), 3U);
    EXPECT_EQ(file.size(), two_tensors.size());
    EXPECT_EQ(file.source(), folder / "f.safetensors");
}

TEST(SafetensorsFile, FindsByName) {
    const auto file = safetensors_file::from_bytes(as_byte_span(two_tensors));
    EXPECT_EQ(file.find("second"), &file.tensors()[1]);
    EXPECT_EQ(file.find("third"), nullptr);
    EXPECT_TRUE(file.contains("first"));
    EXPECT_EQ(&file.at("first"), &file.tensors()[0]);
    try {
        static_cast<void>(file.at("third"));
        FAIL();
    } catch (const tersor::error& e) {
        EXPECT_EQ(e.code(), tersor::error_code::invalid_argument);
        EXPECT_NE(std::string(e.what()).find("'third'"), std::string::npos);
    }
}

TEST(SafetensorsFile, ShowsMetadata) {
    const auto file = safetensors_file::from_bytes(as_byte_span(two_tensors));
    EXPECT_EQ(file.metadata(), (tersor::safetensors_metadata{{"k", "v"}, {"a", "b"}}));
    ASSERT_NE(file.find_metadata("a"), nullptr);
    EXPECT_EQ(*file.find_metadata("a"), "b");
    EXPECT_EQ(file.find_metadata("c"), nullptr);
}

TEST(SafetensorsFile, ViewsSurviveAMove) {
    const temporary_folder folder;
    auto a = safetensors_file::open(folder.write("f.safetensors", two_tensors));
    const auto* const tensor = a.find("first");
    const auto* const data = tensor->data.data();
    const auto b = std::move(a);
    EXPECT_EQ(b.find("first"), tensor);
    EXPECT_EQ(tensor->data.data(), data);
    EXPECT_EQ(std::to_integer<char>(*data), '1');
}

TEST(SafetensorsFile, KnowsEveryDtype) {
    const std::pair<const char*, std::size_t> types[] = {
        {"BOOL", 8},    {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6},     {"U8", 8},          {"I8", 8},
        {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"I16", 16},
        {"U16", 16},    {"F16", 16},    {"BF16", 16},   {"I32", 32},        {"U32", 32},        {"F32", 32},
        {"C64", 64},    {"F64", 64},    {"I64", 64},    {"U64", 64}};
    ASSERT_EQ(std::size(types), std::size(tersor::detail::safetensors_dtypes));
    for (const auto& [name, bits] : types) {
        const std::size_t bytes = 8 * bits / 8;
        const std::string offsets = "[0," + std::to_string(bytes) + "]";
        const std::string bytes_of_file = one_tensor(name, "[2,4]", offsets, bytes);
        const auto file = safetensors_file::from_bytes(as_byte_span(bytes_of_file));
        EXPECT_EQ(tersor::to_string(file.at("x").dtype), name);
        EXPECT_EQ(static_cast<std::size_t>(tersor::bits_of(file.at("x").dtype)), bits);
    }
    for (std::size_t i = 0; i < std::size(tersor::detail::safetensors_dtypes); ++i) {
        EXPECT_EQ(static_cast<std::size_t>(tersor::detail::safetensors_dtypes[i].type), i);
    }
    EXPECT_NE(complaint(one_tensor("F128", "[1]", "[0,16]", 16)).find("'F128'"), std::string::npos);
    EXPECT_NE(complaint(one_tensor("f32", "[1]", "[0,4]", 4)), "");
}

TEST(SafetensorsFile, SubByteTypesMustFillWholeBytes) {
    EXPECT_EQ(complaint(one_tensor("F4", "[2,3]", "[0,3]", 3)), "");
    EXPECT_NE(complaint(one_tensor("F4", "[3]", "[0,2]", 2)).find("whole number of bytes"), std::string::npos);
    EXPECT_NE(complaint(one_tensor("F4", "[3]", "[0,1]", 1)), "");
    EXPECT_EQ(complaint(one_tensor("F6_E2M3", "[4]", "[0,3]", 3)), "");
    EXPECT_NE(complaint(one_tensor("F6_E3M2", "[2]", "[0,2]", 2)), "");
}

TEST(SafetensorsFile, TakesScalarsEmptyTensorsAndEmptyFiles) {
    EXPECT_EQ(complaint(safetensors_bytes("{}")), "");
    EXPECT_EQ(complaint(safetensors_bytes("{}      \n\t\r ")), "");
    EXPECT_EQ(complaint(safetensors_bytes(R"({"__metadata__":{}})")), "");
    EXPECT_EQ(complaint(safetensors_bytes(R"({"__metadata__":null})")), "");
    EXPECT_EQ(complaint(one_tensor("F32", "[]", "[0,4]", 4)), "");
    EXPECT_EQ(complaint(one_tensor("F32", "[0]", "[0,0]", 0)), "");
    EXPECT_EQ(complaint(one_tensor("F32", "[0,9223372036854775807,9223372036854775807]", "[0,0]", 0)), "");
    EXPECT_EQ(complaint(safetensors_bytes(R"({"b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
                                          R"("e":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},)"
                                          R"("m":{"dtype":"U8","shape":[1,0],"data_offsets":[2,2]},)"
                                          R"("a":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}})",
                                          "123")),
              "");
    EXPECT_EQ(complaint(one_tensor("U8", "[1]", "[0,1],\"more\":[1,{\"x\":null}]", 1)), "") << "unknown fields";
}

TEST(SafetensorsFile, RefusesEveryTruncation) {
    ASSERT_EQ(complaint(two_tensors), "");
    for (std::size_t size = 0; size < two_tensors.size(); ++size) {
        EXPECT_NE(complaint(two_tensors.substr(0, size)), "") << size;
    }
    EXPECT_NE(complaint(two_tensors + "x"), "");
}

TEST(SafetensorsFile, RefusesWrongHeaderLengths) {
    const std::string header = "{}";
    for (const std::uint64_t length :
         {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{3}, std::uint64_t{100'000'000}, std::uint64_t{100'000'001},
          std::uint64_t{1} << 32, std::uint64_t{1} << 63, UINT64_MAX, UINT64_MAX - 7, UINT64_MAX - 8}) {
        EXPECT_NE(complaint(safetensors_bytes(length, header)), "") << length;
    }
    EXPECT_NE(complaint(safetensors_bytes(100'000'001, header)).find("100000001"), std::string::npos);
}

TEST(SafetensorsFile, RefusesHeadersThatAreNotOneObject) {
    for (const std::string_view header :
         {"", " {}", "[]", "\"{}\"", "null", "{}x", "{}{}", "{},", "{\"x\":1}", "{\"x\":null}", "{\"x\":[]}",
          "{\"x\":{}}", "{\"__metadata__\":1}", "{\"__metadata__\":{\"a\":1}}", "{\"__metadata__\":{\"a\":null}}",
          "{\"__metadata__\":[]}", "{\"a\xFF\":1}", "\xEF\xBB\xBF{}"}) {
        EXPECT_NE(complaint(safetensors_bytes(header)), "") << header;
    }
    EXPECT_NE(complaint(safetensors_bytes("{}" + std::string(2, '\0'))), "");
}

TEST(SafetensorsFile, RefusesOffsetsThatAreNotTwoNaturalNumbers) {
    for (const std::string_view offsets :
         {"[]", "[0]", "[0,4,4]", "[-0,4]", "[0,-4]", "[-4,0]", "[0.0,4]", "[0,4.0]", "[0,4e0]", "[\"0\",4]",
          "[null,4]", "{}", "4", "[[0,4]]", "[4,0]", "[0,18446744073709551616]", "[true,4]"}) {
        EXPECT_NE(complaint(one_tensor("F32", "[1]", offsets, 4)), "") << offsets;
    }
}

TEST(SafetensorsFile, RefusesShapesThatAreNotNaturalNumbers) {
    for (const std::string_view shape : {"[-1]", "[1.0]", "[1e0]", "[\"1\"]", "[null]", "[[1]]", "1", "{}", "null",
                                         "[true]", "[9223372036854775808]", "[18446744073709551616]"}) {
        EXPECT_NE(complaint(one_tensor("F32", shape, "[0,4]", 4)), "") << shape;
    }
}

TEST(SafetensorsFile, RefusesSizesThatWrapAround) {
    EXPECT_NE(complaint(one_tensor("U8", "[4294967296,4294967296]", "[0,0]", 0)), "");
    EXPECT_NE(complaint(one_tensor("U8", "[4294967296,4294967296,0]", "[0,0]", 0)), "") << "as the reference reader";
    EXPECT_NE(complaint(one_tensor("U8", "[9223372036854775807,2]", "[0,0]", 0)), "");
    EXPECT_NE(complaint(one_tensor("F32", "[4611686018427387905]", "[0,4]", 4)), "");
    EXPECT_NE(complaint(one_tensor("U64", "[2305843009213693953]", "[0,8]", 8)), "");
    EXPECT_NE(complaint(one_tensor("U8", "[1]", "[18446744073709551615,0]", 1)), "");
    EXPECT_NE(complaint(one_tensor("U8", "[1]", "[18446744073709551614,18446744073709551615]", 1)), "");
    EXPECT_NE(complaint(one_tensor("U8", "[1]", "[9223372036854775808,9223372036854775809]", 1)), "");
    EXPECT_NE(complaint(one_tensor("U8", "[18446744073709551615]", "[0,18446744073709551615]", 1)), "");
}

TEST(SafetensorsFile, RefusesSizesThatDisagree) {
    EXPECT_NE(complaint(one_tensor("F32", "[2]", "[0,4]", 4)).find("takes 8 bytes"), std::string::npos);
    EXPECT_NE(complaint(one_tensor("F32", "[1]", "[0,8]", 8)), "");
    EXPECT_NE(complaint(one_tensor("F32", "[1]", "[0,4]", 3)), "");
    EXPECT_NE(complaint(one_tensor("F32", "[1]", "[0,4]", 5)), "");
    EXPECT_NE(complaint(one_tensor("F32", "[0]", "[0,4]", 4)), "");
}

TEST(SafetensorsFile, RefusesHolesAndOverlaps) {
    const auto two = [](std::string_view a, std::string_view b, std::size_t data) {
        return complaint(safetensors_bytes(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":)" + std::string(a) +
                                               R"(},"b":{"dtype":"U8","shape":[2],"data_offsets":)" + std::string(b) +
                                               "}}",
                                           std::string(data, 'd')));
    };
    EXPECT_EQ(two("[0,2]", "[2,4]", 4), "");
    EXPECT_EQ(two("[2,4]", "[0,2]", 4), "");
    EXPECT_NE(two("[0,2]", "[3,5]", 5), "") << "hole";
    EXPECT_NE(two("[1,3]", "[3,5]", 5), "") << "hole at the start";
    EXPECT_NE(two("[0,2]", "[2,4]", 5), "") << "hole at the end";
    EXPECT_NE(two("[0,2]", "[1,3]", 3), "") << "overlap";
    EXPECT_NE(two("[0,2]", "[0,2]", 2), "") << "same bytes";
}

TEST(SafetensorsFile, RefusesRepeatedNames) {
    const std::string x = R"("x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
    EXPECT_NE(complaint(safetensors_bytes("{" + x + "," + x + "}")).find("'x' appears twice"), std::string::npos);
    EXPECT_NE(complaint(safetensors_bytes(R"({"__metadata__":{},"__metadata__":{}})")), "");
    EXPECT_NE(complaint(safetensors_bytes(R"({"__metadata__":{"a":"1","b":"2","a":"3"}})")), "");
    EXPECT_NE(complaint(one_tensor("U8", "[0],\"shape\":[0]", "[0,0]", 0)), "");
    EXPECT_NE(complaint(one_tensor("U8", "[0],\"dtype\":\"U8\"", "[0,0]", 0)), "");
    EXPECT_NE(complaint(one_tensor("U8", "[0],\"data_offsets\":[0,0]", "[0,0]", 0)), "");
}

TEST(SafetensorsFile, RefusesDeepNesting) {
    EXPECT_NE(complaint(safetensors_bytes("{\"x\":" + std::string(1'000'000, '['))), "");
    EXPECT_NE(complaint(one_tensor("U8", "[0],\"more\":" + std::string(100'000, '['), "[0,0]", 0)), "");
}

TEST(SafetensorsFile, CutsLongNamesInMessages) {
    const std::string name(100'000, 'n');
    const std::string message =
        complaint(safetensors_bytes("{\"" + name + R"(":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})"));
    EXPECT_FALSE(message.empty());
    EXPECT_LT(message.size(), 1000U);
}

TEST(SafetensorsFile, KeepsMessagesOnOneLine) {
    const std::string message =
        complaint(safetensors_bytes(R"({"a\n\u001b[31m\u0000b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})"));
    EXPECT_NE(message.find(R"('a\x0a\x1b[31m\x00b')"), std::string::npos) << message;
}

} // namespace

#include "tersor/io/json.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace json = tersor::json;
using namespace std::string_view_literals;

namespace {

/// The message of the error that reading the text raises, or nothing.
std::string complaint(std::string_view text) {
    try {
        static_cast<void>(json::parse(text));
    } catch (const tersor::error& e) {
        EXPECT_EQ(e.code(), tersor::error_code::corrupt_file);
        return e.what();
    }
    return {};
}

std::string quoted(std::string_view bytes) {
    return std::string(1, '"').append(bytes).append(1, '"');
}

TEST(Json, ReadsEveryKind) {
    const json::value v = json::parse(R"( {"a":[1,-2,3.5,true,false,null,"x"],"b":{}} )");
    const json::array& a = v.at("a").as_array();
    ASSERT_EQ(a.size(), 7U);
    EXPECT_EQ(a[0].as_integer(), 1);
    EXPECT_EQ(a[1].as_integer(), -2);
    EXPECT_EQ(a[2].as_double(), 3.5);
    EXPECT_TRUE(a[3].as_boolean());
    EXPECT_FALSE(a[4].as_boolean());
    EXPECT_TRUE(a[5].is(json::kind::null));
    EXPECT_EQ(a[6].as_string(), "x");
    EXPECT_TRUE(v.at("b").as_object().empty());
    EXPECT_FALSE(v.contains("c"));
}

TEST(Json, KeepsIntegersOf64BitsExactly) {
    EXPECT_EQ(json::parse("9223372036854775807").as_integer(), std::numeric_limits<std::int64_t>::max());
    EXPECT_EQ(json::parse("-9223372036854775808").as_integer(), std::numeric_limits<std::int64_t>::min());
    EXPECT_EQ(json::parse("9223372036854775808").as_unsigned(), 9223372036854775808U);
    EXPECT_EQ(json::parse("18446744073709551615").as_unsigned(), std::numeric_limits<std::uint64_t>::max());
    EXPECT_FALSE(json::parse("18446744073709551616").is_integer());
    EXPECT_EQ(json::parse("18446744073709551616").as_double(), 18446744073709551616.0);
    EXPECT_EQ(json::parse("-9223372036854775809").as_double(), -9223372036854775808.0);
    for (const auto text : {"9223372036854775807", "-9223372036854775808", "18446744073709551615"}) {
        EXPECT_EQ(json::write(json::parse(text)), text);
    }
}

TEST(Json, ReadsDoublesToTheNearest) {
    EXPECT_EQ(json::parse("0.1").as_double(), 0.1);
    EXPECT_EQ(json::parse("1e308").as_double(), 1e308);
    EXPECT_EQ(json::parse("5e-324").as_double(), 5e-324);
    EXPECT_EQ(json::parse("1E+2").as_double(), 100.0);
    EXPECT_TRUE(std::signbit(json::parse("-0").as_double()));
    EXPECT_TRUE(std::signbit(json::parse("-0.0").as_double()));
}

TEST(Json, TooSmallNumbersAreZeroAndTooLargeOnesErrors) {
    EXPECT_EQ(json::parse("1e-400").as_double(), 0.0);
    EXPECT_EQ(json::parse("1000e-999999999999999999999999").as_double(), 0.0);
    EXPECT_EQ(json::parse("0e999999999999999999999999").as_double(), 0.0);
    EXPECT_EQ(json::parse("0." + std::string(400, '0') + "1").as_double(), 0.0);
    EXPECT_TRUE(std::signbit(json::parse("-1e-400").as_double()));
    EXPECT_NE(complaint("1e400"), "");
    EXPECT_NE(complaint("-1e999999999999999999999999"), "");
    EXPECT_NE(complaint(std::string(400, '9')), "");
    EXPECT_NE(complaint("0.0001e500"), "");
}

TEST(Json, ReadsEscapes) {
    EXPECT_EQ(json::parse(R"("\"\\\/\b\f\n\r\t")").as_string(), "\"\\/\b\f\n\r\t");
    EXPECT_EQ(json::parse(R"("\u0041\u00e9\u20AC\uD83D\uDE00")").as_string(), "Aé€😀");
    EXPECT_EQ(json::parse(R"("\u0000")").as_string(), "\0"sv);
}

TEST(Json, RefusesBrokenText) {
    constexpr std::string_view texts[] = {"",
                                          " ",
                                          "{",
                                          "[",
                                          "[1",
                                          "[1,",
                                          "[1,]",
                                          "[,1]",
                                          "{\"a\"}",
                                          "{\"a\":}",
                                          "{\"a\":1,}",
                                          "{a:1}",
                                          "{\"a\" 1}",
                                          "{1:1}",
                                          "01",
                                          "-",
                                          "-01",
                                          "+1",
                                          ".5",
                                          "1.",
                                          "1.e1",
                                          "1e",
                                          "1e+",
                                          "0x10",
                                          "1_0",
                                          "NaN",
                                          "Infinity",
                                          "-Infinity",
                                          "nul",
                                          "nulll",
                                          "tru",
                                          "True",
                                          "'a'",
                                          "\"a",
                                          "\"\\",
                                          "\"\\x\"",
                                          "\"\\u12\"",
                                          "\"\\u12G4\"",
                                          "\"\\u+123\"",
                                          "\"\\u-123\"",
                                          "\"\t\"",
                                          "\"\n\"",
                                          "1 2",
                                          "{} {}",
                                          "[1]]",
                                          "// c\n1",
                                          "[1 2]",
                                          "{\"a\":1 \"b\":2}",
                                          "\xEF\xBB\xBF{}",
                                          "\f1",
                                          "\"\\ud800\"",
                                          "\"\\udc00\"",
                                          "\"\\ud800\\u0041\"",
                                          "\"\\ud800x\"",
                                          "\"\\ud800\\ud800\"",
                                          "\0"sv,
                                          "\"\0\""sv};
    for (const std::string_view text : texts) {
        EXPECT_NE(complaint(text), "") << text;
    }
}

TEST(Json, RefusesInvalidUtf8) {
    for (const std::string_view bytes :
         {"\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xC2", "\xC2\x41", "\xE0\x80\x80", "\xE0\x9F\xBF", "\xE2\x82",
          "\xED\xA0\x80", "\xED\xBF\xBF", "\xF0\x80\x80\x80", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80",
          "\xF5\x80\x80\x80", "\xFF", "\xF0\x9F\x98"}) {
        EXPECT_NE(complaint(quoted(bytes)), "");
    }
    for (const std::string_view bytes : {"\x7F", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80",
                                         "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"}) {
        EXPECT_EQ(json::parse(quoted(bytes)).as_string(), bytes);
    }
}

TEST(Json, RefusesARepeatedName) {
    EXPECT_NE(complaint(R"({"a":1,"b":2,"a":3})").find("'a'"), std::string::npos);
    EXPECT_NE(complaint(R"({"a":1,"\u0061":3})"), "");
    EXPECT_EQ(complaint(R"({"a":{"a":1},"b":{"a":1}})"), "");
}

TEST(Json, BoundsTheDepth) {
    EXPECT_EQ(complaint(std::string(64, '[') + std::string(64, ']')), "");
    EXPECT_NE(complaint(std::string(65, '[') + std::string(65, ']')), "");
    EXPECT_NE(complaint(std::string(1'000'000, '[')), "");
    std::string objects;
    for (int i = 0; i < 1000; ++i) {
        objects += "{\"a\":";
    }
    EXPECT_NE(complaint(objects), "");
}

TEST(Json, NamesTheByteOfTheProblem) {
    EXPECT_NE(complaint("[1, 2, x]").find("byte 7"), std::string::npos) << complaint("[1, 2, x]");
    EXPECT_NE(complaint("{\"a\":\"\x01\"}").find("byte 6"), std::string::npos);
    json::cursor text("[x]", "file.json", 8);
    try {
        text.skip();
        FAIL();
    } catch (const tersor::error& e) {
        EXPECT_NE(std::string(e.what()).find("file.json"), std::string::npos);
        EXPECT_NE(std::string(e.what()).find("byte 9"), std::string::npos);
    }
}

TEST(Json, AccessOfTheWrongKindIsAnError) {
    const json::value v = json::parse(R"({"a":"1"})");
    EXPECT_THROW((void)v.at("a").as_integer(), tersor::error);
    EXPECT_THROW((void)v.at("a").as_double(), tersor::error);
    EXPECT_THROW((void)v.at("a").at("b"), tersor::error);
    EXPECT_THROW((void)v.at("b"), tersor::error);
    EXPECT_THROW((void)v.as_array(), tersor::error);
    EXPECT_THROW((void)json::value(-1).as_unsigned(), tersor::error);
    EXPECT_THROW((void)json::value(18446744073709551615U).as_integer(), tersor::error);
    EXPECT_THROW((void)json::value(1.0).as_integer(), tersor::error);
}

TEST(Json, WritesCompactAndIndented) {
    json::value v;
    v["name"] = "a\"b\\\n\x01é";
    v["numbers"].push_back(1);
    v["numbers"].push_back(-2.5);
    v["none"] = json::object();
    v["flag"] = true;
    v["empty"] = json::array();
    v["name"] = json::value(v["name"]);
    EXPECT_EQ(json::write(v), R"({"name":"a\"b\\\n\u0001é","numbers":[1,-2.5],"none":{},"flag":true,"empty":[]})");
    EXPECT_EQ(json::write(v, 2), "{\n  \"name\": \"a\\\"b\\\\\\n\\u0001é\",\n  \"numbers\": [\n    1,\n    -2.5\n  ],\n"
                                 "  \"none\": {},\n  \"flag\": true,\n  \"empty\": []\n}");
    EXPECT_EQ(json::parse(json::write(v)), v);
    EXPECT_EQ(json::parse(json::write(v, 4)), v);
}

TEST(Json, WritesTheShortestDoublesThatReadBack) {
    EXPECT_EQ(json::write(0.1), "0.1");
    EXPECT_EQ(json::write(1.0), "1.0");
    EXPECT_EQ(json::write(-0.0), "-0.0");
    EXPECT_EQ(json::write(1e300), "1e+300");
    EXPECT_EQ(json::write(std::numeric_limits<double>::quiet_NaN()), "null");
    EXPECT_EQ(json::write(-std::numeric_limits<double>::infinity()), "null");
    std::uint64_t state = 1;
    for (int i = 0; i < 10000; ++i) {
        state = state * 6364136223846793005U + 1442695040888963407U;
        double real = 0;
        static_assert(sizeof real == sizeof state);
        std::memcpy(&real, &state, sizeof real);
        if (std::isfinite(real)) {
            const double back = json::parse(json::write(real)).as_double();
            EXPECT_EQ(std::memcmp(&back, &real, sizeof real), 0) << real;
        }
    }
}

TEST(Json, RefusesToWriteInvalidUtf8) {
    EXPECT_THROW((void)json::write("a\xFF"), tersor::error);
}

TEST(Json, ValuesAreRegular) {
    json::value a = json::parse(R"({"k":[1,{"x":"y"}]})");
    json::value b = a;
    EXPECT_EQ(a, b);
    b["k"].push_back(2);
    EXPECT_NE(a, b);
    json::value c = std::move(b);
    std::swap(a, c);
    EXPECT_EQ(a.at("k").as_array().size(), 3U);
    a = json::value(a.at("k"));
    EXPECT_EQ(a.as_array()[2].as_integer(), 2);
    EXPECT_EQ(sizeof(json::value), 16U);
}

TEST(JsonCursor, ReadUnsignedTakesNothingElse) {
    for (const std::string_view text : {"-1", "1.0", "1e2", "-0", "18446744073709551616", "\"1\"", "null"}) {
        EXPECT_THROW((void)json::cursor(text).read_unsigned(), tersor::error) << text;
    }
    EXPECT_EQ(json::cursor("18446744073709551615").read_unsigned(), 18446744073709551615U);
}

} // namespace

#include "tersor/io/gguf_types.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <set>
#include <string_view>

namespace {

using tersor::gguf_type;

struct recorded {
    std::string_view name;
    std::uint32_t id;
    std::uint32_t values;
    std::uint32_t bytes;
};

// ggml's table, in the order of its documentation
constexpr recorded types[] = {
    {"q1_0", 41, 128, 18},  {"q2_0", 42, 64, 18},     {"q4_0", 2, 32, 18},      {"q4_1", 3, 32, 20},
    {"q5_0", 6, 32, 22},    {"q5_1", 7, 32, 24},      {"q8_0", 8, 32, 34},      {"q8_1", 9, 32, 36},
    {"q2_k", 10, 256, 84},  {"q3_k", 11, 256, 110},   {"q4_k", 12, 256, 144},   {"q5_k", 13, 256, 176},
    {"q6_k", 14, 256, 210}, {"q8_k", 15, 256, 292},   {"iq2_xxs", 16, 256, 66}, {"iq2_xs", 17, 256, 74},
    {"iq2_s", 22, 256, 82}, {"iq3_xxs", 18, 256, 98}, {"iq3_s", 21, 256, 110},  {"iq1_s", 19, 256, 50},
    {"iq1_m", 29, 256, 56}, {"iq4_nl", 20, 32, 18},   {"iq4_xs", 23, 256, 136}, {"tq1_0", 34, 256, 54},
    {"tq2_0", 35, 256, 66}, {"mxfp4", 39, 32, 17},    {"nvfp4", 40, 64, 36},    {"f32", 0, 1, 4},
    {"f16", 1, 1, 2},       {"bf16", 30, 1, 2},       {"i8", 24, 1, 1},         {"i16", 25, 1, 2},
    {"i32", 26, 1, 4},      {"i64", 27, 1, 8},        {"f64", 28, 1, 8},
};

TEST(GgufType, HasTheNumbersAndSizesOfGgml) {
    for (const recorded& type : types) {
        const auto* const by_name = tersor::find_gguf_type(type.name);
        ASSERT_NE(by_name, nullptr) << type.name;
        EXPECT_EQ(static_cast<std::uint32_t>(by_name->type), type.id);
        EXPECT_EQ(by_name->block_values, type.values) << type.name;
        EXPECT_EQ(by_name->block_bytes, type.bytes) << type.name;
        EXPECT_EQ(by_name->is_block_format(), type.values > 1);
        EXPECT_EQ(tersor::find_gguf_type(type.id), by_name);
        EXPECT_EQ(&tersor::info_of(by_name->type), by_name);
        EXPECT_EQ(to_string(by_name->type), type.name);
    }
    EXPECT_EQ(std::size(types), std::size(tersor::gguf_types));
}

TEST(GgufType, RemovedAndUnknownNumbersAreNotFound) {
    const std::set<std::uint32_t> removed = {4, 5, 31, 32, 33, 36, 37, 38};
    std::size_t known = 0;
    for (std::uint32_t id = 0; id < 256; ++id) {
        EXPECT_EQ(tersor::is_removed_gguf_type(id), removed.contains(id));
        EXPECT_EQ(tersor::find_gguf_type(id) != nullptr, id < 43 && !removed.contains(id)) << id;
        known += tersor::find_gguf_type(id) != nullptr ? 1 : 0;
    }
    EXPECT_EQ(known, std::size(types));
    EXPECT_EQ(tersor::find_gguf_type(0xFFFFFFFFU), nullptr);
    EXPECT_EQ(tersor::find_gguf_type("Q4_K"), nullptr);
    EXPECT_EQ(tersor::find_gguf_type(""), nullptr);
}

static_assert(static_cast<std::uint32_t>(gguf_type::q2_0) == 42);

} // namespace

#include "tersor/io/llama_rotary.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <numeric>
#include <span>
#include <vector>

namespace {

namespace llama = tersor::llama;

// The definition: [heads, 2, half, cols] with the middle axes swapped.
std::vector<int> swap_axes(const std::vector<int>& from, std::size_t heads, std::size_t half, std::size_t cols) {
    std::vector<int> to(from.size());
    for (std::size_t h = 0; h < heads; ++h) {
        for (std::size_t s = 0; s < 2; ++s) {
            for (std::size_t i = 0; i < half; ++i) {
                for (std::size_t c = 0; c < cols; ++c) {
                    to[((h * half + i) * 2 + s) * cols + c] = from[((h * 2 + s) * half + i) * cols + c];
                }
            }
        }
    }
    return to;
}

TEST(LlamaRotary, OneHeadIsInterleavedAsWrittenDown) {
    std::vector<int> rows{0, 1, 2, 3, 4, 5};
    llama::interleave_rotary_rows(std::span(rows), 6, 1);
    EXPECT_EQ(rows, (std::vector<int>{0, 3, 1, 4, 2, 5}));
    llama::separate_rotary_rows(std::span(rows), 6, 1);
    EXPECT_EQ(rows, (std::vector<int>{0, 1, 2, 3, 4, 5}));
}

TEST(LlamaRotary, RowsFollowTheDefinitionAndComeBack) {
    for (const std::size_t heads : {1u, 2u, 4u, 7u}) {
        for (const std::size_t half : {1u, 2u, 16u, 33u}) {
            for (const std::size_t cols : {1u, 3u, 64u}) {
                std::vector<int> original(heads * 2 * half * cols);
                std::iota(original.begin(), original.end(), 0);
                std::vector<int> values = original;
                const auto rows = static_cast<std::int64_t>(heads * 2 * half);
                llama::interleave_rotary_rows(std::span(values), rows, static_cast<std::int64_t>(heads));
                ASSERT_EQ(values, swap_axes(original, heads, half, cols)) << heads << " " << half << " " << cols;
                llama::separate_rotary_rows(std::span(values), rows, static_cast<std::int64_t>(heads));
                ASSERT_EQ(values, original);
            }
        }
    }
}

TEST(LlamaRotary, RowsThatAreNoWholeEvenHeadsAreRefused) {
    std::vector<float> values(24);
    for (const auto& [rows, heads] :
         std::vector<std::pair<int, int>>{{6, 0}, {6, -2}, {6, 4}, {6, 2}, {5, 1}, {-2, 1}}) {
        EXPECT_THROW(llama::interleave_rotary_rows(std::span(values), rows, heads), tersor::error)
            << rows << " " << heads;
        EXPECT_THROW(llama::separate_rotary_rows(std::span(values), rows, heads), tersor::error)
            << rows << " " << heads;
    }
    EXPECT_THROW(llama::interleave_rotary_rows(std::span(values), 10, 5), tersor::error); // 24 values are not 10 rows
}

} // namespace

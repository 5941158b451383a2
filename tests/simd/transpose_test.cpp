#include "tersor/simd/transpose.hpp"
#include "tests/common/isas.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <vector>

using namespace tersor;

namespace {

class Transpose : public isas::each_isa {};

INSTANTIATE_TEST_SUITE_P(Isa, Transpose, testing::ValuesIn(isas::available()), isas::name);

} // namespace

TEST_P(Transpose, EveryShapeKeepsItsValuesAndWritesNothingElse) {
    constexpr std::size_t heights[] = {0, 1, 3, 4, 7, 8, 15, 16, 17, 33, 64},
                          widths[] = {0, 1, 5, 8, 9, 16, 31, 32, 50};
    constexpr std::size_t gaps[] = {0, 3};
    for (const std::size_t rows : heights) {
        for (const std::size_t columns : widths) {
            for (const std::size_t gap : gaps) {
                const std::size_t in_step = columns + gap, out_step = rows + gap;
                std::vector<float> in(rows * in_step), from_far(columns * out_step, -1.0f), to_far = from_far;
                for (std::size_t i = 0; i < in.size(); ++i) {
                    in[i] = static_cast<float>(i);
                }
                TERSOR_DISPATCH(transpose_from_far(in.data(), static_cast<std::ptrdiff_t>(in_step), rows, columns,
                                                   from_far.data(), static_cast<std::ptrdiff_t>(out_step)));
                TERSOR_DISPATCH(transpose_to_far(in.data(), static_cast<std::ptrdiff_t>(in_step), rows, columns,
                                                 to_far.data(), static_cast<std::ptrdiff_t>(out_step)));
                for (std::size_t j = 0; j < columns; ++j) {
                    for (std::size_t i = 0; i < out_step; ++i) {
                        const float expected = i < rows ? in[i * in_step + j] : -1.0f;
                        ASSERT_EQ(from_far[j * out_step + i], expected) << rows << " x " << columns;
                        ASSERT_EQ(to_far[j * out_step + i], expected) << rows << " x " << columns;
                    }
                }
            }
        }
    }
}

TEST_P(Transpose, BytesOfAnyNumberOfRowsAreTransposed) {
    constexpr std::size_t columns = 64, gap = 5;
    for (const std::size_t rows : {0u, 1u, 15u, 16u, 40u, 64u}) {
        const std::size_t step = rows + gap;
        std::vector<std::uint8_t> in(rows * columns), out(columns * step, 255);
        for (std::size_t i = 0; i < in.size(); ++i) {
            in[i] = static_cast<std::uint8_t>(i * 37 % 251);
        }
        TERSOR_DISPATCH(transpose_bytes<columns>(in.data(), rows, out.data(), step));
        for (std::size_t j = 0; j < columns; ++j) {
            for (std::size_t i = 0; i < step; ++i) {
                ASSERT_EQ(out[j * step + i], i < rows ? in[i * columns + j] : 255) << rows << " rows";
            }
        }
    }
}

#ifndef TERSOR_MATMUL_INT8_PRODUCT_SCALE_HPP
#define TERSOR_MATMUL_INT8_PRODUCT_SCALE_HPP

// What follows an exact integer product: each sum becomes a float, is multiplied by the scales of its token and its
// row of weights, and is written to Y [tokens x out].

#include "tersor/core/concepts.hpp"
#include "tersor/matmul/int8_product_tiles.hpp"
#include "tersor/simd/isa.hpp"
#include "tersor/simd/transpose.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

#define TERSOR_KERNELS "tersor/matmul/int8_product_scale-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"

namespace tersor::inline v0::detail {

/// The most values that a register has.
inline constexpr std::size_t most_lanes = 16;

/// Values of tokens with room for a whole register behind the last.
template <class T>
void pad_tokens(std::vector<T>& values) {
    values.resize(round_up(values.size(), most_lanes) + most_lanes, T{});
}

/// Columns that are multiplied as floats: sums of x[k * x_distance + t] * w(row, k), in order of k.
struct float_columns {
    const float* x = nullptr; ///< [count x x_distance], tokens along the rows
    index x_distance = 0;
    index count = 0;
    const void* source = nullptr;
    /// Copies the weights of some rows: out[(row - first) * count + k].
    void (*weights)(const void* source, index first, index rows, float* out) = nullptr;
};

/// Writes y(t, r) = (sum - zero_t * row_sum_r) * (scale_t * scale_r) * factor, then adds the bias, then the columns.
struct scaled_output {
    const float* token_scales; ///< padded, as the zeros
    const std::int32_t* zeros; ///< null: none
    const float* row_scales;
    float factor = 1.0f;
    const float* bias = nullptr; ///< [out]
    float_columns columns{};
    float* y = nullptr; ///< rows of y, `distance` apart
    index distance = 0;

    void operator()(const int8_sums& s) const {
        thread_local line_buffer memory;
        const std::size_t rows = static_cast<std::size_t>(s.rows), tokens = static_cast<std::size_t>(s.tokens);
        const std::size_t width = round_up(tokens, most_lanes);
        auto* const values = reinterpret_cast<float*>(memory.bytes(rows * width * sizeof(float)));
        const auto step = static_cast<std::ptrdiff_t>(width);
        TERSOR_DISPATCH(scale_sums(s.sums, s.distance, rows, tokens, zeros == nullptr ? nullptr : zeros + s.first_token,
                                   s.row_sums, token_scales + s.first_token, row_scales + s.first_row, factor, values,
                                   step));
        if (bias != nullptr) {
            TERSOR_DISPATCH(add_bias(bias + s.first_row, rows, tokens, values, step));
        }
        if (columns.count > 0) {
            thread_local std::vector<float> weights;
            weights.resize(rows * static_cast<std::size_t>(columns.count));
            columns.weights(columns.source, s.first_row, s.rows, weights.data());
            TERSOR_DISPATCH(add_columns(weights.data(), columns.x + s.first_token, columns.x_distance,
                                        static_cast<std::size_t>(columns.count), rows, tokens, values, step));
        }
        TERSOR_DISPATCH(
            transpose_to_far(values, step, rows, tokens, y + s.first_token * distance + s.first_row, distance));
    }
};

} // namespace tersor::inline v0::detail

#endif // TERSOR_MATMUL_INT8_PRODUCT_SCALE_HPP

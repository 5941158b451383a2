// Transposed copies, compiled once per instruction set by transpose.hpp.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE {

/// The same by definition, for what squares leave over.
inline void transpose_rest(const float* in, std::ptrdiff_t in_step, std::size_t rows, std::size_t columns, float* out,
                           std::ptrdiff_t out_step) noexcept {
    for (std::size_t i = 0; i < rows; ++i) {
        for (std::size_t j = 0; j < columns; ++j) {
            out[static_cast<std::ptrdiff_t>(j) * out_step + static_cast<std::ptrdiff_t>(i)] =
                in[static_cast<std::ptrdiff_t>(i) * in_step + static_cast<std::ptrdiff_t>(j)];
        }
    }
}

/// out[j * out_step + i] = in[i * in_step + j] for i < rows, j < columns, where the rows of `in` are far apart. Rows whose
/// distance is a power of two compete for the same few lines of the nearest cache: each line is used up at once.
inline void transpose_from_far(const float* in, std::ptrdiff_t in_step, std::size_t rows, std::size_t columns,
                               float* out, std::ptrdiff_t out_step) noexcept {
    if (rows == 0 || columns == 0) {
        return; // where the pointers may be null
    }
    constexpr std::size_t line = 16;
    std::size_t i = 0;
    for (; i + square <= rows; i += square) {
        const float* const strip = in + static_cast<std::ptrdiff_t>(i) * in_step;
        std::size_t j = 0;
        for (; j + line <= columns; j += line) {
            for (std::size_t part = j; part < j + line; part += square) {
                transpose_square(strip + part, in_step, out + static_cast<std::ptrdiff_t>(part) * out_step + i, out_step);
            }
        }
        transpose_rest(strip + j, in_step, square, columns - j, out + static_cast<std::ptrdiff_t>(j) * out_step + i,
                       out_step);
    }
    transpose_rest(in + static_cast<std::ptrdiff_t>(i) * in_step, in_step, rows - i, columns, out + i, out_step);
}

/// The same where the rows of `out` are far apart.
inline void transpose_to_far(const float* in, std::ptrdiff_t in_step, std::size_t rows, std::size_t columns, float* out,
                             std::ptrdiff_t out_step) noexcept {
    if (rows == 0 || columns == 0) {
        return;
    }
    std::size_t j = 0;
    for (; j + square <= columns; j += square) {
        std::size_t i = 0;
        for (; i + square <= rows; i += square) {
            transpose_square(in + static_cast<std::ptrdiff_t>(i) * in_step + j, in_step,
                             out + static_cast<std::ptrdiff_t>(j) * out_step + i, out_step);
        }
        transpose_rest(in + static_cast<std::ptrdiff_t>(i) * in_step + j, in_step, rows - i, square,
                       out + static_cast<std::ptrdiff_t>(j) * out_step + i, out_step);
    }
    transpose_rest(in + j, in_step, rows, columns - j, out + static_cast<std::ptrdiff_t>(j) * out_step, out_step);
}

/// Transposes bytes: out[j * out_step + i] = in[i * Step + j] for i < rows, j < Step.
template <std::size_t Step>
inline void transpose_bytes(const std::uint8_t* in, std::size_t rows, std::uint8_t* out, std::size_t out_step) noexcept {
    static_assert(Step % byte_columns == 0);
    std::size_t i = 0;
    for (; i + 16 <= rows; i += 16) {
        for (std::size_t j = 0; j < Step; j += byte_columns) {
            transpose_byte_block(in + i * Step + j, Step, out + j * out_step + i, out_step);
        }
    }
    for (; i < rows; ++i) {
        for (std::size_t j = 0; j < Step; ++j) {
            out[j * out_step + i] = in[i * Step + j];
        }
    }
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE

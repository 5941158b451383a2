#ifndef TERSOR_IO_LLAMA_ROTARY_HPP
#define TERSOR_IO_LLAMA_ROTARY_HPP

// The order of the rows of query and key weights. Rotary embeddings turn pairs of values of a head of d rows:
// transformers pairs row i with row i + d/2, llama.cpp (architecture "llama") row 2i with row 2i + 1. So a GGUF file
// holds the rows of every head interleaved: row 2i + s of a head is row s * d/2 + i of transformers, s = 0, 1.

#include "tersor/core/error.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace tersor::inline v0::llama {

namespace detail {

// Applies `from(row)`, the place inside a head that a row is taken from, to every head in place.
template <class T, class From>
void reorder_rows(std::span<T> values, std::int64_t rows, std::int64_t heads, const From& from) {
    if (heads < 1 || rows < 0 || rows % heads != 0 || rows / heads % 2 != 0) {
        raise(error_code::shape_mismatch, std::to_string(rows) + " rows are not " + std::to_string(heads) +
                                              " heads of an even number of rows each");
    }
    if (rows == 0 || values.empty()) {
        return;
    }
    if (values.size() % static_cast<std::size_t>(rows) != 0) {
        raise(error_code::shape_mismatch,
              std::to_string(values.size()) + " values are not " + std::to_string(rows) + " rows");
    }
    const std::size_t cols = values.size() / static_cast<std::size_t>(rows);
    const auto head_rows = static_cast<std::size_t>(rows / heads);
    std::vector<T> head(head_rows * cols);
    for (std::size_t first = 0; first < values.size(); first += head.size()) {
        std::copy_n(values.begin() + static_cast<std::ptrdiff_t>(first), head.size(), head.begin());
        for (std::size_t row = 0; row < head_rows; ++row) {
            std::copy_n(head.begin() + static_cast<std::ptrdiff_t>(from(row, head_rows / 2) * cols), cols,
                        values.begin() + static_cast<std::ptrdiff_t>(first + row * cols));
        }
    }
}

} // namespace detail

/// The rows of a query weight (`heads` heads) or key weight (as many as there are key/value heads) from the order of
/// transformers to that of GGUF files. `values` holds the rows one after the other, or one value each for a bias.
/// Errors: shape_mismatch if the rows are not whole heads of an even size.
template <class T>
void interleave_rotary_rows(std::span<T> values, std::int64_t rows, std::int64_t heads) {
    detail::reorder_rows(values, rows, heads,
                         [](std::size_t row, std::size_t half) { return row % 2 * half + row / 2; });
}

/// The opposite: from the order of GGUF files to that of transformers. Errors as interleave_rotary_rows.
template <class T>
void separate_rotary_rows(std::span<T> values, std::int64_t rows, std::int64_t heads) {
    detail::reorder_rows(values, rows, heads,
                         [](std::size_t row, std::size_t half) { return row % half * 2 + row / half; });
}

} // namespace tersor::inline v0::llama

#endif // TERSOR_IO_LLAMA_ROTARY_HPP

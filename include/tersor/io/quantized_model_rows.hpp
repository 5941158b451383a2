#ifndef TERSOR_IO_QUANTIZED_MODEL_ROWS_HPP
#define TERSOR_IO_QUANTIZED_MODEL_ROWS_HPP

// Decoding rows of codes where they lie in a file, with a group size that is known only at run time.

#include "tersor/core/execution.hpp"
#include "tersor/core/quantized_tensor.hpp"
#include "tersor/quantizers/codec.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tersor::inline v0::detail {

/// Rows of packed codes in memory. All checked by who makes it: sizes are positive, the bytes are there, the parameters
/// too.
template <class Q>
struct stored_rows {
    Q quantizer{};
    const std::uint8_t* codes = nullptr;
    index rows = 0;
    index length = 0;     ///< values in a row
    index row_stride = 0; ///< bytes from one row to the next
    index group = 0;      ///< values that share parameters within a row
    index rows_per_group = 1;
    index groups_per_row = 0; ///< 0: one set for all rows
    std::vector<typename Q::parameters> parameters;
};

/// Writes the values of all rows, one after the other, to `out`.
template <class Q>
void decode_rows(const stored_rows<Q>& stored, std::span<float> out, const execution& exec) {
    constexpr index piece = 16384;
    const index across = (stored.length - 1) / piece + 1;
    const index down = std::max<index>(piece / std::max<index>(stored.length, 1), 1);
    const index strips = (stored.rows - 1) / down + 1;
    exec.for_each(strips * across, [&](index i) {
        const index column = i % across * piece, columns = std::min(piece, stored.length - column);
        const index first = i / across * down, last = std::min(stored.rows, first + down);
        std::vector<std::uint8_t> scratch(static_cast<std::size_t>(columns));
        const index group = column / stored.group;
        for (index row = first; row < last; ++row) {
            float* const to = out.data() + row * stored.length + column;
            codec<Q>::decode(stored.quantizer, stored.codes + row * stored.row_stride + column / 8 * Q::format::bits,
                             static_cast<std::size_t>(columns), static_cast<std::size_t>(stored.group),
                             static_cast<std::size_t>((group + 1) * stored.group - column),
                             stored.parameters.data() + row / stored.rows_per_group * stored.groups_per_row + group, to,
                             scratch.data());
        }
    });
}

} // namespace tersor::inline v0::detail

#endif // TERSOR_IO_QUANTIZED_MODEL_ROWS_HPP

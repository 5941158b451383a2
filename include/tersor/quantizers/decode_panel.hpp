#ifndef TERSOR_QUANTIZERS_DECODE_PANEL_HPP
#define TERSOR_QUANTIZERS_DECODE_PANEL_HPP

// A few rows of a quantized tensor as floats, without the rest of it: what products, metrics and the like work on.
//
// Rows here are those of the tensor's last axis, in row-major order, whatever axis the groups run along. The values are
// those of `dequantize`.

#include "tersor/core/quantized_tensor.hpp"
#include "tersor/formats/packing.hpp"
#include "tersor/quantizers/dequantize.hpp"

#include <algorithm>
#include <cstddef>
#include <vector>

namespace tersor::inline v0::detail {

/// Decodes `count` values of one run of groups from any column on.
template <class Q, int Rank, class Kind, class C, class P>
void decode_run(const basic_quantized<Q, Rank, Kind, C, P>& q, index run, index column, index count, float* out) {
    const index before = column % 8;
    if (before == 0) {
        decode_row(q, q.layout(), run, column, count, out);
        return;
    }
    thread_local std::vector<float> buffer;
    buffer.resize(static_cast<std::size_t>(before + count));
    decode_row(q, q.layout(), run, column - before, before + count, buffer.data());
    std::copy_n(buffer.data() + before, count, out);
}

/// Decodes rows whose groups run along the axis before the last one: the values of a column are neighbours.
template <class Q, int Rank, class Kind, class C, class P>
void decode_columns(const basic_quantized<Q, Rank, Kind, C, P>& q, index row, index rows, index column, index columns,
                    float* out) {
    const index length = q.dimension(Rank - 1), along = q.dimension(Rank - 2);
    thread_local std::vector<float> buffer;
    for (index done = 0; done < rows;) {
        const index slice = (row + done) / along, first = (row + done) % along;
        const index count = std::min(along - first, rows - done);
        buffer.resize(static_cast<std::size_t>(count));
        for (index c = 0; c < columns; ++c) {
            decode_run(q, slice * length + column + c, first, count, buffer.data());
            for (index i = 0; i < count; ++i) {
                out[(done + i) * columns + c] = buffer[static_cast<std::size_t>(i)];
            }
        }
        done += count;
    }
}

/// Decodes one value.
template <class Q, int Rank, class Kind, class C, class P>
float decode_one(const basic_quantized<Q, Rank, Kind, C, P>& q, index run, index column) {
    if constexpr (block_quantizer<Q>) {
        float value;
        decode_run(q, run, column, 1, &value);
        return value;
    } else {
        const auto code = packed_code<typename Q::format>(q.row_codes(run).data(), static_cast<std::size_t>(column));
        const row_layout& layout = q.layout();
        return q.quantizer().decode(
            code, q.parameters()[static_cast<std::size_t>(run * layout.groups_per_row + column / layout.group)]);
    }
}

/// Decodes `rows` x `columns` values from (row, column) to `out`, row after row.
template <class Q, int Rank, class Kind, class C, class P>
void decode_panel(const basic_quantized<Q, Rank, Kind, C, P>& q, index row, index rows, index column, index columns,
                  float* out) {
    const index length = q.dimension(Rank - 1);
    if (q.axis() == flat || q.axis() == Rank - 1) {
        for (index r = 0; r < rows; ++r) {
            const bool is_flat = q.axis() == flat;
            decode_run(q, is_flat ? 0 : row + r, is_flat ? (row + r) * length + column : column, columns,
                       out + r * columns);
        }
        return;
    }
    if constexpr (Rank >= 2) {
        if (q.axis() == Rank - 2) {
            decode_columns(q, row, rows, column, columns, out);
            return;
        }
        // The axis splits the row-major order in three: before, along it, behind.
        index behind = 1;
        for (int i = q.axis() + 1; i < Rank; ++i) {
            behind *= q.dimension(i);
        }
        const index along = q.dimension(q.axis());
        for (index r = 0; r < rows; ++r) {
            for (index c = 0; c < columns; ++c) {
                const index place = (row + r) * length + column + c, outer = place / behind;
                out[r * columns + c] = decode_one(q, outer / along * behind + place % behind, outer % along);
            }
        }
    }
}

} // namespace tersor::inline v0::detail

#endif // TERSOR_QUANTIZERS_DECODE_PANEL_HPP

#ifndef TERSOR_QUANTIZERS_ROWS_HPP
#define TERSOR_QUANTIZERS_ROWS_HPP

// Moving rows between Eigen memory and the contiguous floats that the loops of codec.hpp work on.

#include "tersor/core/strided.hpp"
#include "tersor/formats/convert.hpp"
#include "tersor/simd/transpose.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>
#include <vector>

namespace tersor::inline v0::detail {

template <class Scalar>
inline constexpr bool is_half = std::is_same_v<std::remove_const_t<Scalar>, Eigen::half> ||
                                std::is_same_v<std::remove_const_t<Scalar>, Eigen::bfloat16>;

template <class Scalar>
using half_format = std::conditional_t<std::is_same_v<std::remove_const_t<Scalar>, Eigen::half>, fp16, bf16>;

/// out[i] = in[i] as Value, float or double, for contiguous values.
template <class Scalar, class Value>
void widen(const Scalar* in, std::size_t count, Value* out) {
    if constexpr (std::is_same_v<Scalar, Value>) {
        std::memcpy(out, in, count * sizeof(Value));
    } else if constexpr (is_half<Scalar>) {
        static_assert(sizeof(Scalar) == sizeof(std::uint16_t) && std::is_same_v<Value, float>);
        decode<half_format<Scalar>>(std::span(reinterpret_cast<const std::uint16_t*>(in), count), {out, count});
    } else {
        for (std::size_t i = 0; i < count; ++i) {
            out[i] = static_cast<Value>(in[i]);
        }
    }
}

/// out[i] = Scalar(in[i]), rounded to nearest even, for contiguous values.
template <class Scalar>
void narrow(const float* in, std::size_t count, Scalar* out) {
    if constexpr (std::is_same_v<Scalar, float>) {
        std::memcpy(out, in, count * sizeof(float));
    } else if constexpr (is_half<Scalar>) {
        encode<half_format<Scalar>>({in, count}, std::span(reinterpret_cast<std::uint16_t*>(out), count));
    } else {
        for (std::size_t i = 0; i < count; ++i) {
            out[i] = static_cast<Scalar>(in[i]);
        }
    }
}

/// Columns of floats. Rows that make their number a multiple of 64 may be read.
struct column_panel {
    const float* data;
    std::ptrdiff_t step; ///< from a column to the next
    std::size_t rows, columns;

    [[nodiscard]] const float* address(std::size_t r, std::size_t c) const noexcept {
        return data + static_cast<std::ptrdiff_t>(c) * step + r;
    }
};

/// Values of a view whose neighbouring rows are neighbours in memory as such columns: in place, or copied to `buffer`.
template <class Scalar, int Rank>
[[nodiscard]] column_panel load_columns(const row_view<Scalar, Rank>& view, index row, index rows, index column,
                                        index columns, std::vector<float>& buffer) {
    const auto from = view.run_at(row, column);
    column_panel panel{nullptr, from.step, static_cast<std::size_t>(rows), static_cast<std::size_t>(columns)};
    if constexpr (std::is_same_v<std::remove_const_t<Scalar>, float>) {
        if (rows % 64 == 0) {
            panel.data = from.first;
            return panel;
        }
    }
    panel.step = (rows + 63) / 64 * 64;
    buffer.assign(static_cast<std::size_t>(columns * panel.step), 0.0f);
    for (index c = 0; c < columns; ++c) {
        widen(from.first + c * from.step, panel.rows, buffer.data() + c * panel.step);
    }
    panel.data = buffer.data();
    return panel;
}

/// Calls work(values, count) for the values of each column of such a view, in runs that are neighbours in memory.
template <class Scalar, int Rank, class Work>
void for_each_column(const row_view<Scalar, Rank>& view, index row, index rows, index column, index columns,
                     std::vector<float>& buffer, const Work& work) {
    for (index c = column; c < column + columns; ++c) {
        for (index r = 0, count = 0; r < rows; r += count) {
            count = std::min({rows - r, view.neighbours(row + r), index{4096}});
            const auto size = static_cast<std::size_t>(count);
            if constexpr (std::is_same_v<std::remove_const_t<Scalar>, float>) {
                work(view.address(row + r, c), size);
            } else {
                buffer.resize(std::max(buffer.size(), size));
                widen(view.address(row + r, c), size, buffer.data());
                work(buffer.data(), size);
            }
        }
    }
}

/// How many rows of a view are worth moving together: some cache lines of each column where rows are neighbours in
/// memory.
template <class Scalar, int Rank>
[[nodiscard]] index panel_rows(const row_view<Scalar, Rank>& view, index columns) noexcept {
    constexpr index values = 4096;
    if (view.is_transposed()) {
        return std::clamp<index>(524288 / std::max<index>(columns, 1), 16, 512);
    }
    return std::clamp<index>(values / std::max<index>(columns, 1), 1, 64);
}

/// Copies `rows` x `columns` values that start at (row, column) to `out`, row after row, as floats or doubles.
template <class Scalar, int Rank, class Value>
void load_panel(const row_view<Scalar, Rank>& view, index row, index rows, index column, index columns, Value* out) {
    if (view.is_contiguous()) {
        for (index r = 0; r < rows; ++r) {
            widen(view.address(row + r, column), static_cast<std::size_t>(columns), out + r * columns);
        }
    } else if (view.is_transposed()) {
        for (index r = 0, count = 0; r < rows; r += count) {
            count = std::min(rows - r, view.neighbours(row + r));
            const auto from = view.run_at(row + r, column);
            if constexpr (std::is_same_v<std::remove_const_t<Scalar>, float> && std::is_same_v<Value, float>) {
                TERSOR_DISPATCH(transpose_from_far(from.first, from.step, static_cast<std::size_t>(columns),
                                                   static_cast<std::size_t>(count), out + r * columns, columns));
                continue;
            }
            for (index c = 0; c < columns; ++c) {
                for (index i = 0; i < count; ++i) {
                    out[(r + i) * columns + c] = static_cast<Value>(from.first[c * from.step + i]);
                }
            }
        }
    } else {
        for (index r = 0; r < rows; ++r) {
            for (index c = 0, count = 0; c < columns; c += count) {
                const auto from = view.run_at(row + r, column + c);
                count = std::min(columns - c, from.count);
                for (index i = 0; i < count; ++i) {
                    out[r * columns + c + i] = static_cast<Value>(from.first[i * from.step]);
                }
            }
        }
    }
}

/// The opposite: writes floats, row after row, to `rows` x `columns` values that start at (row, column).
template <class Scalar, int Rank>
void store_panel(const row_view<Scalar, Rank>& view, index row, index rows, index column, index columns,
                 const float* in) {
    if (view.is_contiguous()) {
        for (index r = 0; r < rows; ++r) {
            narrow(in + r * columns, static_cast<std::size_t>(columns), view.address(row + r, column));
        }
    } else if (view.is_transposed()) {
        for (index r = 0, count = 0; r < rows; r += count) {
            count = std::min(rows - r, view.neighbours(row + r));
            const auto to = view.run_at(row + r, column);
            if constexpr (std::is_same_v<Scalar, float>) {
                TERSOR_DISPATCH(transpose_to_far(in + r * columns, columns, static_cast<std::size_t>(count),
                                                 static_cast<std::size_t>(columns), to.first, to.step));
                continue;
            }
            for (index c = 0; c < columns; ++c) {
                for (index i = 0; i < count; ++i) {
                    to.first[c * to.step + i] = static_cast<Scalar>(in[(r + i) * columns + c]);
                }
            }
        }
    } else {
        for (index r = 0; r < rows; ++r) {
            for (index c = 0, count = 0; c < columns; c += count) {
                const auto to = view.run_at(row + r, column + c);
                count = std::min(columns - c, to.count);
                for (index i = 0; i < count; ++i) {
                    to.first[i * to.step] = static_cast<Scalar>(in[r * columns + c + i]);
                }
            }
        }
    }
}

} // namespace tersor::inline v0::detail

#endif // TERSOR_QUANTIZERS_ROWS_HPP

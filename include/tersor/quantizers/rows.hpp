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

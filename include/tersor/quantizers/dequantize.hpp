#ifndef TERSOR_QUANTIZERS_DEQUANTIZE_HPP
#define TERSOR_QUANTIZERS_DEQUANTIZE_HPP

// From codes and parameters back to values: value = quantizer.decode(code, parameters of its group), in float, then
// rounded to nearest even if the destination is narrower.

#include "tersor/core/error.hpp"
#include "tersor/core/execution.hpp"
#include "tersor/core/quantized_tensor.hpp"
#include "tersor/core/strided.hpp"
#include "tersor/quantizers/codec.hpp"
#include "tersor/quantizers/rows.hpp"
#include "tersor/simd/stream_copy.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <type_traits>
#include <vector>

namespace Eigen {
template <typename Scalar, int Rank, int Options, typename Index>
class Tensor;
}

namespace tersor::inline v0 {

namespace detail {

template <class Kind, class Scalar, int Rank>
struct eigen_of;
template <int Order, class Scalar>
struct eigen_of<matrix_kind<Order>, Scalar, 2> {
    using type = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic, Order>;
};
template <int Order, class Scalar>
struct eigen_of<array_kind<Order>, Scalar, 2> {
    using type = Eigen::Array<Scalar, Eigen::Dynamic, Eigen::Dynamic, Order>;
};
template <int Order, class Scalar>
struct eigen_of<matrix_kind<Order>, Scalar, 1> {
    using type = std::conditional_t<Order == Eigen::RowMajor, Eigen::Matrix<Scalar, 1, Eigen::Dynamic, Eigen::RowMajor>,
                                    Eigen::Matrix<Scalar, Eigen::Dynamic, 1>>;
};
template <int Order, class Scalar>
struct eigen_of<array_kind<Order>, Scalar, 1> {
    using type = std::conditional_t<Order == Eigen::RowMajor, Eigen::Array<Scalar, 1, Eigen::Dynamic, Eigen::RowMajor>,
                                    Eigen::Array<Scalar, Eigen::Dynamic, 1>>;
};
template <int Order, class Scalar, int Rank>
struct eigen_of<tensor_kind<Order>, Scalar, Rank> {
    using type = Eigen::Tensor<Scalar, Rank, Order, Eigen::DenseIndex>;
};

/// The parameters of `count` groups from `first`: in place, or unpacked to `buffer`.
template <class Parameters, class P>
const P* parameters_at(const Parameters& parameters, index first, index count, std::vector<P>& buffer) {
    if constexpr (requires { { parameters.data() } -> std::convertible_to<const P*>; }) {
        return parameters.data() + first;
    } else {
        buffer.resize(static_cast<std::size_t>(count));
        for (index i = 0; i < count; ++i) {
            buffer[static_cast<std::size_t>(i)] = parameters[static_cast<std::size_t>(first + i)];
        }
        return buffer.data();
    }
}

/// Decodes `count` values that begin `skip` values into the first block.
template <block_quantizer Q>
void decode_some_blocks(const Q& q, const typename Q::block* blocks, index skip, index count, float* out) {
    if (skip == 0) {
        const index whole = count / Q::group;
        q.decode_blocks(blocks, static_cast<std::size_t>(whole), out);
        blocks += whole, out += whole * Q::group, count -= whole * Q::group;
    }
    while (count > 0) {
        float values[Q::group];
        q.decode_blocks(blocks++, 1, values);
        const index now = std::min(count, Q::group - skip);
        std::copy_n(values + skip, now, out);
        out += now, count -= now, skip = 0;
    }
}

/// Decodes `columns` values of a row from `column`, which is a multiple of 8.
template <class Q, int Rank, class Kind, class C, class P>
void decode_row(const basic_quantized<Q, Rank, Kind, C, P>& q, const row_layout& layout, index row, index column,
                index columns, float* out, [[maybe_unused]] bool stream = false) {
    const std::uint8_t* const codes = q.codes().data() + row * layout.row_bytes + column_offset<Q>(column);
    if constexpr (block_quantizer<Q>) {
        decode_some_blocks(q.quantizer(), reinterpret_cast<const typename Q::block*>(codes), column % Q::group, columns,
                           out);
    } else {
        thread_local std::vector<typename Q::parameters> buffer;
        thread_local std::vector<std::uint8_t> scratch;
        // It only grows: to grow is to write zeros.
        scratch.resize(std::max(scratch.size(), static_cast<std::size_t>(columns)));
        const index first = column / layout.group, last = (column + columns - 1) / layout.group;
        const auto* const p =
            parameters_at(q.parameters(), row * layout.groups_per_row + first, last - first + 1, buffer);
        codec<Q>::decode(q.quantizer(), codes, static_cast<std::size_t>(columns),
                         static_cast<std::size_t>(layout.group),
                         static_cast<std::size_t>((first + 1) * layout.group - column), p, out, scratch.data(), stream);
    }
}

/// Asks for the codes and parameters of a later piece, so that reading goes on while results are written.
template <class Q, int Rank, class Kind, class C, class P>
void prefetch(const basic_quantized<Q, Rank, Kind, C, P>& q, const row_layout& layout, index row, index column,
              index columns) {
    const auto ask = [](const void* first, index bytes) {
        for (index i = 0; i < bytes; i += 64) {
            __builtin_prefetch(static_cast<const char*>(first) + i);
        }
    };
    if (columns > 0) {
        ask(q.codes().data() + row * layout.row_bytes + column_offset<Q>(column), column_offset<Q>(columns));
        if constexpr (requires { q.parameters().data(); }) {
            ask(q.parameters().data() + row * layout.groups_per_row + column / layout.group,
                columns / layout.group * index{sizeof(*q.parameters().data())});
        }
    }
}

/// As decode_row, but past the caches, a piece at a time. Pieces are multiples of `unit`, a multiple of 8 values.
template <class Q, int Rank, class Kind, class C, class P>
void stream_row(const basic_quantized<Q, Rank, Kind, C, P>& q, const row_layout& layout, index row, index column,
                index columns, index unit, float* out) {
    const index piece = unit * std::max<index>(2048 / unit, 1);
    thread_local std::vector<float> values;
    // Without a copy where every store is a whole register at its own alignment.
    const bool direct = !block_quantizer<Q> && reinterpret_cast<std::uintptr_t>(out) % 64 == 0 && layout.group % 16 == 0;
    values.resize(static_cast<std::size_t>(direct ? 0 : piece));
    for (index done = 0; done < columns; done += piece) {
        const index now = std::min(piece, columns - done);
        prefetch(q, layout, row, column + done + piece, std::min(piece, columns - done - now));
        if (direct) {
            decode_row(q, layout, row, column + done, now, out + done, true);
        } else {
            decode_row(q, layout, row, column + done, now, values.data());
            TERSOR_DISPATCH(stream_copy(values.data(), static_cast<std::size_t>(now), out + done));
        }
    }
}

/// Results from this size on are written past the caches, which they would only empty.
inline constexpr index streaming_bytes = index{8} << 20;

} // namespace detail

/// The Eigen object that `dequantize` gives for a kind and rank.
template <class Kind, class Scalar, int Rank>
using eigen_of = typename detail::eigen_of<Kind, Scalar, Rank>::type;

/// Writes all values to an Eigen object of the same dimensions, of float, double, Eigen::half or Eigen::bfloat16.
/// Errors: `shape_mismatch` if the dimensions differ; `cancelled`.
template <class Q, int Rank, class Kind, class C, class P, class T>
void dequantize_into(const basic_quantized<Q, Rank, Kind, C, P>& q, T&& destination, const execution& exec = {}) {
    using Object = std::remove_cvref_t<T>;
    static_assert(eigen_object<Object>,
                  "dequantize_into writes to an Eigen object with memory: Matrix, Array, Map, Ref, "
                  "Block, Tensor or TensorMap");
    static_assert(detail::rank_of<Object>() == Rank, "the destination has another rank than the quantized tensor");
    const auto target = as_strided(destination);
    using Scalar = std::remove_pointer_t<decltype(target.data)>;
    if (target.sizes != q.dimensions()) {
        raise(error_code::shape_mismatch, "the destination has shape " + detail::shape_text(target.sizes) +
                                              ", the quantized tensor " + detail::shape_text(q.dimensions()));
    }
    row_layout layout = q.layout();
    if (layout.groups == 0) {
        return;
    }
    row_view<Scalar, Rank> view(target, q.axis());
    if (has_whole_rows<Q>(layout.length) && q.axis() == Rank - 1 && target.is_row_major()) {
        view = row_view<Scalar, Rank>(target, -1);
        layout = make_row_layout<Q>(1, q.size());
    }
    const index unit = std::lcm(std::min<index>(layout.group, 4096), index{8});
    const bool is_direct = std::is_same_v<Scalar, float> && view.is_contiguous();
    const bool is_streamed = is_direct && q.size() * index{sizeof(float)} >= detail::streaming_bytes;
    const index wanted = view.is_transposed() ? 512 : is_streamed ? 65536 : is_direct ? 32768 : 8192;
    const index columns = std::min(layout.length, unit * std::max<index>(wanted / unit, 1));
    const index rows = std::min(detail::panel_rows(view, columns), layout.rows);
    const index across = (layout.length - 1) / columns + 1, down = (layout.rows - 1) / rows + 1;
    exec.for_each(across * down, [&](index i) {
        const index row = (view.is_transposed() ? i % down : i / across) * rows;
        const index column = (view.is_transposed() ? i / down : i % across) * columns;
        const index height = std::min(rows, layout.rows - row), width = std::min(columns, layout.length - column);
        if constexpr (std::is_same_v<Scalar, float>) {
            if (view.is_contiguous()) {
                for (index r = row; r < row + height; ++r) {
                    float* const out = view.address(r, column);
                    is_streamed ? detail::stream_row(q, layout, r, column, width, unit, out)
                                : detail::decode_row(q, layout, r, column, width, out);
                }
                if (is_streamed) {
                    // Whoever is told that the work is done must see it.
                    TERSOR_DISPATCH(stream_fence());
                }
                return;
            }
        }
        thread_local std::vector<float> panel;
        panel.resize(static_cast<std::size_t>(height * width));
        for (index r = 0; r < height; ++r) {
            detail::decode_row(q, layout, row + r, column, width, panel.data() + r * width);
        }
        detail::store_panel(view, row, height, column, width, panel.data());
    });
}

/// All values, as an Eigen object of the kind, rank and order that was quantized; of `Scalar` (float by default).
template <class Scalar = float, class Q, int Rank, class Kind, class C, class P>
[[nodiscard]] eigen_of<Kind, Scalar, Rank> dequantize(const basic_quantized<Q, Rank, Kind, C, P>& q,
                                                      const execution& exec = {}) {
    eigen_of<Kind, Scalar, Rank> result;
    if constexpr (requires { result.NumIndices; }) {
        result.resize(q.dimensions());
    } else if constexpr (Rank == 1) {
        result.resize(q.dimensions()[0]);
    } else {
        result.resize(q.dimensions()[0], q.dimensions()[1]);
    }
    dequantize_into(q, result, exec);
    return result;
}

} // namespace tersor::inline v0

#endif // TERSOR_QUANTIZERS_DEQUANTIZE_HPP

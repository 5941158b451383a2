#ifndef TERSOR_METRICS_ERROR_METRICS_HPP
#define TERSOR_METRICS_ERROR_METRICS_HPP

// compare(w, q): how far an approximation is from the original; the figures are those of error_sums.hpp.
//
// The tensors are read as rows along the last axis, in tiles of 64 rows x 512 columns, decoded one tile a thread: the
// dequantized tensor never exists as a whole. The sums of a tile are taken row after row, those of the tiles are added
// in order, so that the result does not depend on threads, instruction set or storage order.

#include "tersor/core/error.hpp"
#include "tersor/core/execution.hpp"
#include "tersor/core/quantized_tensor.hpp"
#include "tersor/core/strided.hpp"
#include "tersor/metrics/error_sums.hpp"
#include "tersor/quantizers/decode_panel.hpp"
#include "tersor/quantizers/rows.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <type_traits>
#include <utility>
#include <vector>

namespace tersor::inline v0 {

/// How well one tensor approximates another.
struct error_metrics : error_figures {
    /// Coordinates of the first value, in row-major order, with the largest error; empty for an empty tensor or a
    /// total.
    std::vector<index> max_abs_error_at;
    /// The figures of each row along the last axis, if they were asked for.
    std::vector<error_figures> rows;
    /// The sums behind the figures.
    error_sums sums;
    friend bool operator==(const error_metrics&, const error_metrics&) = default;
};

/// Options of `compare`.
struct compare_options {
    /// Whether to give the figures of each row too.
    bool rows = false;
    /// Threads, progress, cancellation.
    tersor::execution execution{};
};

namespace detail {

/// Where the values of a tensor come from: `load(row, rows, column, columns, out)` and their type, float or double.
template <class Value, int Rank, class Load>
struct panel_source {
    using value_type = Value;
    std::array<index, static_cast<std::size_t>(Rank)> sizes;
    Load load;
};

template <class Value, int Rank, class Load>
[[nodiscard]] panel_source<Value, Rank, Load>
make_panel_source(const std::array<index, static_cast<std::size_t>(Rank)>& sizes, Load load) {
    return {sizes, std::move(load)};
}

template <class Q, int Rank, class Kind, class C, class P>
[[nodiscard]] auto panels_of(const basic_quantized<Q, Rank, Kind, C, P>& q) {
    return make_panel_source<float, Rank>(q.dimensions(),
                                          [&q](index row, index rows, index column, index columns, float* out) {
                                              decode_panel(q, row, rows, column, columns, out);
                                          });
}

template <class T>
requires(eigen_object<T>&& has_memory<T>()) [[nodiscard]] auto panels_of(const T& object) {
    using Scalar = typename T::Scalar;
    using Value = std::conditional_t<std::is_same_v<Scalar, double>, double, float>;
    constexpr int rank = rank_of<T>();
    const auto values = as_strided(object);
    return make_panel_source<Value, rank>(
        values.sizes, [view = row_view<const Scalar, rank>(values, rank - 1)](index row, index rows, index column,
                                                                              index columns, Value* out) {
            load_panel(view, row, rows, column, columns, out);
        });
}

template <class A, class B>
class comparison {
public:
    comparison(const A& w, const B& q, const compare_options& options) : w_(w), q_(q), options_(options) {
        if (w.sizes != q.sizes) {
            raise(error_code::shape_mismatch,
                  "compare: shapes " + shape_text(w.sizes) + " and " + shape_text(q.sizes) + " differ");
        }
        length_ = w.sizes.back();
        rows_ = 1;
        for (const index n : w.sizes) {
            rows_ = n == 0 ? 0 : rows_ * n;
        }
        rows_ = rows_ == 0 ? 0 : rows_ / length_;
        across_ = rows_ == 0 ? 0 : (length_ - 1) / tile_columns + 1;
    }

    [[nodiscard]] error_metrics run() const {
        const index down = (rows_ + tile_rows - 1) / tile_rows;
        std::vector<error_sums> tiles(static_cast<std::size_t>(down * across_));
        std::vector<error_sums> segments(static_cast<std::size_t>(options_.rows ? rows_ * across_ : 0));
        options_.execution.for_each(down * across_, [&](index i) {
            const auto [t, w, q] = load(i);
            tiles[static_cast<std::size_t>(i)] = sum_errors(w, q, t.rows * t.columns);
            for (index r = 0; r < t.rows && options_.rows; ++r) {
                segments[static_cast<std::size_t>((t.row + r) * across_ + i % across_)] =
                    sum_errors(w + r * t.columns, q + r * t.columns, t.columns);
            }
        });
        error_metrics result;
        for (const error_sums& tile : tiles) {
            result.sums += tile;
        }
        static_cast<error_figures&>(result) = result.sums.figures();
        for (auto first = segments.begin(); first != segments.end(); first += across_) {
            error_sums row;
            std::for_each(first, first + across_, [&](const error_sums& s) { row += s; });
            result.rows.push_back(row.figures());
        }
        if (rows_ > 0) {
            result.max_abs_error_at = coordinates(first_place_of(result.sums.largest, tiles));
        }
        return result;
    }

private:
    static constexpr index tile_rows = 64, tile_columns = 512;
    using value_a = typename A::value_type;
    using value_b = typename B::value_type;

    struct tile {
        index row, rows, column, columns;
    };
    struct loaded {
        tile where;
        const value_a* w;
        const value_b* q;
    };

    /// The values of a tile, which last until this thread loads another.
    [[nodiscard]] loaded load(index i) const {
        thread_local std::vector<value_a> w;
        thread_local std::vector<value_b> q;
        tile t{.row = i / across_ * tile_rows, .rows = 0, .column = i % across_ * tile_columns, .columns = 0};
        t.rows = std::min(tile_rows, rows_ - t.row);
        t.columns = std::min(tile_columns, length_ - t.column);
        w.resize(static_cast<std::size_t>(t.rows * t.columns));
        q.resize(w.size());
        w_.load(t.row, t.rows, t.column, t.columns, w.data());
        q_.load(t.row, t.rows, t.column, t.columns, q.data());
        return {t, w.data(), q.data()};
    }

    /// Position in row-major order of the first difference that is as large. Only tiles that hold one are loaded again.
    [[nodiscard]] index first_place_of(double largest, const std::vector<error_sums>& tiles) const {
        const auto is_it = [largest](double d) { return d == largest || (d != d && largest != largest); };
        index place = -1;
        for (index i = 0; i < static_cast<index>(tiles.size()) && (i % across_ != 0 || place < 0); ++i) {
            if (!is_it(tiles[static_cast<std::size_t>(i)].largest)) {
                continue;
            }
            const auto [t, w, q] = load(i);
            for (index k = 0; k < t.rows * t.columns; ++k) {
                if (is_it(std::abs(static_cast<double>(q[k]) - static_cast<double>(w[k])))) {
                    const index here = (t.row + k / t.columns) * length_ + t.column + k % t.columns;
                    place = place < 0 ? here : std::min(place, here);
                    break;
                }
            }
        }
        return std::max<index>(place, 0);
    }

    [[nodiscard]] std::vector<index> coordinates(index place) const {
        std::vector<index> at(w_.sizes.size());
        for (std::size_t i = at.size(); i-- > 0;) {
            at[i] = place % w_.sizes[i];
            place /= w_.sizes[i];
        }
        return at;
    }

    const A& w_;
    const B& q_;
    const compare_options& options_;
    index length_ = 0, rows_ = 0, across_ = 0;
};

template <class T>
inline constexpr bool is_quantized = false;
template <class Q, int Rank, class Kind, class C, class P>
inline constexpr bool is_quantized<basic_quantized<Q, Rank, Kind, C, P>> = true;

template <class T>
[[nodiscard]] constexpr int any_rank() {
    if constexpr (is_quantized<T>) {
        return T::rank;
    } else {
        return rank_of<T>();
    }
}

} // namespace detail

/// How well `q` approximates `w`: each an Eigen object (of float, double, Eigen::half or Eigen::bfloat16, any order and
/// strides) or a quantized tensor or view, of the same rank and dimensions. double is compared as double.
/// NaN in either shows in the figures. Errors: `shape_mismatch` if the dimensions differ; `cancelled`.
template <class A, class B>
requires((eigen_object<A> || detail::is_quantized<A>)&&(eigen_object<B> || detail::is_quantized<B>))
    [[nodiscard]] error_metrics compare(const A& w, const B& q, const compare_options& options = {}) {
    static_assert(detail::any_rank<A>() == detail::any_rank<B>(), "compare needs two tensors of the same rank");
    if constexpr (!requires { detail::panels_of(w); }) {
        const typename A::PlainObject evaluated = w;
        return compare(evaluated, q, options);
    } else if constexpr (!requires { detail::panels_of(q); }) {
        const typename B::PlainObject evaluated = q;
        return compare(w, evaluated, options);
    } else {
        const auto original = detail::panels_of(w);
        const auto approximation = detail::panels_of(q);
        return detail::comparison(original, approximation, options).run();
    }
}

/// The figures of the values of both, such as the tensors of a model; it has no rows and no coordinates.
[[nodiscard]] inline error_metrics merge(const error_metrics& a, const error_metrics& b) {
    error_metrics total;
    total.sums = a.sums;
    total.sums += b.sums;
    static_cast<error_figures&>(total) = total.sums.figures();
    return total;
}

} // namespace tersor::inline v0

#endif // TERSOR_METRICS_ERROR_METRICS_HPP

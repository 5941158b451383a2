#ifndef TERSOR_QUANTIZERS_VALUE_TILES_HPP
#define TERSOR_QUANTIZERS_VALUE_TILES_HPP

// Values cut into tiles of whole groups, about 4096 values each: what one thread works on at a time.

#include "tersor/core/options.hpp"
#include "tersor/core/quantized_tensor.hpp"
#include "tersor/core/strided.hpp"
#include "tersor/quantizers/rows.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <type_traits>
#include <utility>
#include <vector>

namespace tersor::inline v0::detail {

template <quantizer Q, class Scalar, int Rank>
class value_tiles {
public:
    struct tile {
        index row, rows, column, columns;
    };

    /// The groups of a quantizer along an axis. With `may_join`, rows that are whole groups and whole bytes, one after
    /// the other in memory, are taken as one long row.
    value_tiles(const strided<const Scalar, Rank>& source, int axis, const quantize_options& options, bool may_join)
        : source_(source), options_(options), view_(source, axis),
          layout_(make_row_layout<Q>(source.size() == 0 ? 0 : view_.rows(), view_.length())) {
        is_joined_ = may_join && has_whole_rows<Q>(layout_.length) && axis == Rank - 1 && source.is_row_major() &&
                     options.importance.empty() && layout_.rows > 0;
        if (is_joined_) {
            view_ = row_view<const Scalar, Rank>(source, -1);
            layout_ = make_row_layout<Q>(1, source.size());
        }
    }

    /// Calls work(tile) for all tiles. They start on whole bytes: at a number of groups whose values come to a multiple
    /// of eight. Progress goes on from where the last call's has ended, and up to `until`.
    template <class Work>
    void for_each_tile(double until, const Work& work) {
        index columns = layout_.length;
        if (block_quantizer<Q> && !options_.importance.empty()) {
            // Some blocks weigh the errors by statistics of their row.
            columns = layout_.length;
        } else if (Q::group > 0) {
            const index unit = std::lcm(layout_.group, index{8});
            const index wanted = view_.is_transposed() ? 256 : 4096;
            columns = std::min(columns, unit * std::max<index>(wanted / unit, 1));
        } else if (Q::group == whole_tensor && columns > 8192) {
            columns = view_.is_transposed() ? 256 : 8192;
        }
        const index rows = std::min(tile_rows(columns), layout_.rows);
        // Rows before the first one that begins a cache line are a tile of their own.
        const index lead = rows < layout_.rows ? rows_before_line() : 0;
        const index across = (layout_.length - 1) / columns + 1;
        const index down = (layout_.rows - lead - 1) / rows + 1 + (lead > 0 ? 1 : 0);
        const execution part = options_.execution.part(std::exchange(progress_, until), until);
        part.for_each(across * down, [&](index i) {
            const index y = i / across, x = i % across;
            tile t{.row = y * rows, .rows = rows, .column = x * columns, .columns = columns};
            if (lead > 0) {
                t.row = y == 0 ? 0 : lead + (y - 1) * rows;
                t.rows = y == 0 ? lead : rows;
            }
            t.rows = std::min(t.rows, layout_.rows - t.row);
            t.columns = std::min(columns, layout_.length - t.column);
            work(t);
        });
    }

    /// Calls work(values, count) for all values as floats, in runs along columns, where neighbouring rows are
    /// neighbours in memory. Progress as above.
    template <class Work>
    void for_each_column_run(double until, const Work& work) {
        constexpr index columns = 16;
        const execution part = options_.execution.part(std::exchange(progress_, until), until);
        part.for_each((layout_.length - 1) / columns + 1, [&](index i) {
            thread_local std::vector<float> buffer;
            const index first = i * columns;
            for_each_column(view_, 0, layout_.rows, first, std::min(columns, layout_.length - first), buffer, work);
        });
    }

    /// The values of a tile as contiguous rows of floats: in place, or copied to `buffer`; always copied where values
    /// that are not finite have to be replaced.
    const float* load(const tile& t, std::vector<float>& buffer) const {
        if constexpr (std::is_same_v<Scalar, float>) {
            if (view_.is_contiguous() && t.rows == 1 && options_.non_finite == non_finite::error) {
                return view_.address(t.row, t.column);
            }
        }
        buffer.resize(static_cast<std::size_t>(t.rows * t.columns));
        load_panel(view_, t.row, t.rows, t.column, t.columns, buffer.data());
        return buffer.data();
    }

protected:
    const strided<const Scalar, Rank> source_;
    const quantize_options& options_;
    row_view<const Scalar, Rank> view_;
    row_layout layout_;
    bool is_joined_ = false;

private:
    [[nodiscard]] index tile_rows(index columns) const noexcept {
        const index rows = panel_rows(view_, columns);
        return view_.is_transposed() ? std::min<index>(rows, 256) : rows;
    }

    /// In a large matrix whose columns all begin at the same place of a cache line.
    [[nodiscard]] index rows_before_line() const noexcept {
        constexpr std::size_t line = 64;
        if (!view_.is_transposed() || layout_.rows < 1024 ||
            view_.run_at(0, 0).step * static_cast<index>(sizeof(Scalar)) % static_cast<index>(line) != 0) {
            return 0;
        }
        const std::size_t beyond = reinterpret_cast<std::uintptr_t>(source_.data) % line;
        return static_cast<index>((line - beyond) % line / sizeof(Scalar));
    }

    double progress_ = 0.0;
};

} // namespace tersor::inline v0::detail

#endif // TERSOR_QUANTIZERS_VALUE_TILES_HPP

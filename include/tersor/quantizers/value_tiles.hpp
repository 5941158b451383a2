#ifndef TERSOR_QUANTIZERS_VALUE_TILES_HPP
#define TERSOR_QUANTIZERS_VALUE_TILES_HPP

// Values cut into tiles of whole groups, about 4096 values each: what one thread works on at a time.

#include "tersor/core/options.hpp"
#include "tersor/core/quantized_tensor.hpp"
#include "tersor/core/strided.hpp"
#include "tersor/quantizers/rows.hpp"

#include <algorithm>
#include <cstddef>
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
            const index wanted = view_.is_transposed() ? 128 : 4096;
            columns = std::min(columns, unit * std::max<index>(wanted / unit, 1));
        } else if (Q::group == whole_tensor && columns > 8192) {
            columns = 8192;
        }
        const index rows = std::min(panel_rows(view_, columns), layout_.rows);
        const index across = (layout_.length - 1) / columns + 1, down = (layout_.rows - 1) / rows + 1;
        const execution part = options_.execution.part(std::exchange(progress_, until), until);
        part.for_each(across * down, [&](index i) {
            // Where the values of a column are neighbours the tiles go down the columns: their memory pages stay known.
            const index y = view_.is_transposed() ? i % down : i / across;
            const index x = view_.is_transposed() ? i / down : i % across;
            tile t{.row = y * rows, .rows = rows, .column = x * columns, .columns = columns};
            t.rows = std::min(rows, layout_.rows - t.row);
            t.columns = std::min(columns, layout_.length - t.column);
            work(t);
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
    double progress_ = 0.0;
};

} // namespace tersor::inline v0::detail

#endif // TERSOR_QUANTIZERS_VALUE_TILES_HPP

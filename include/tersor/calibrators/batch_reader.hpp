#ifndef TERSOR_CALIBRATORS_BATCH_READER_HPP
#define TERSOR_CALIBRATORS_BATCH_READER_HPP

// How a calibrator reads a batch: any dense Eigen object, as runs of floats of one channel each.
//
// A state has bool add(values, count), false for values that are not finite, and merge(state); what it holds does not
// depend on the order. Values are taken as float (double is rounded to it). An error leaves the states as they were.

#include "tersor/calibrators/kernels.hpp"
#include "tersor/calibrators/options.hpp"
#include "tersor/core/error.hpp"
#include "tersor/core/strided.hpp"
#include "tersor/formats/format.hpp"
#include "tersor/quantizers/rows.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <string>
#include <type_traits>
#include <vector>

namespace tersor::inline v0::detail {

/// The state of one range and how many values were left out of it.
template <class State>
struct observed {
    State state;
    std::int64_t skipped = 0;
    friend bool operator==(const observed&, const observed&) = default;
};

/// The axis of the channels of a batch of that rank, or -1 for none.
inline int channel_axis_of(const calibration_options& options, int rank) {
    if (!options.channel_axis) {
        return -1;
    }
    const int axis = *options.channel_axis < 0 ? *options.channel_axis + rank : *options.channel_axis;
    if (axis < 0 || axis >= rank) {
        raise(error_code::invalid_argument,
              "channel axis " + std::to_string(*options.channel_axis) + " of a batch of rank " + std::to_string(rank));
    }
    return axis;
}

/// Reads one batch into states.
template <class Scalar, int Rank>
class batch_reader {
public:
    batch_reader(const strided<const Scalar, Rank>& source, const calibration_options& options)
        : source_(source), options_(options) {}

    /// All values into one state; `none` is a state without values.
    template <class State>
    void read(observed<State>& whole, const State& none) const {
        if (source_.size() == 0) {
            return;
        }
        const row_view<const Scalar, Rank> view(source_, nearest_axis());
        const bool is_dense = has_no_gaps();
        const index rows = is_dense ? 1 : view.rows(), length = is_dense ? source_.size() : view.length();
        const index columns = std::min(length, part_size), part_rows = part_size / columns;
        const index across = (length - 1) / columns + 1, down = (rows - 1) / part_rows + 1;
        observed<State> batch{none};
        std::mutex joining;
        options_.execution.for_each(across * down, [&](index i) {
            const index row = i / across * part_rows, column = i % across * columns;
            observed<State> part{none};
            for (index r = row; r < std::min(rows, row + part_rows); ++r) {
                const index count = std::min(columns, length - column);
                if (is_dense) {
                    add_dense(part, source_.data + column, count);
                } else {
                    add_row(part, view, r, column, count);
                }
            }
            const std::lock_guard lock(joining);
            batch.state.merge(part.state);
            batch.skipped += part.skipped;
        });
        whole.state.merge(batch.state);
        whole.skipped += batch.skipped;
    }

    /// The values of every position along `axis` into a state each.
    template <class State>
    void read_channels(std::vector<observed<State>>& channels, int axis) const {
        if (source_.size() == 0) {
            return;
        }
        if (!options_.skip_non_finite) {
            for_each_run(axis, options_.execution, [&](index, const float* x, std::size_t count) {
                float lo = 0.0f, hi = 0.0f;
                if (!TERSOR_DISPATCH(find_extremes(x, count, lo, hi))) {
                    raise_unusable();
                }
            });
        }
        // Not to be cancelled: channels would have seen different parts of the batch.
        for_each_run(axis, options_.execution.with_progress({}), [&](index c, float* x, std::size_t count) {
            add(channels[static_cast<std::size_t>(c)], x, count);
        });
    }

private:
    static constexpr index part_size = index{1} << 18, tile_size = 4096;

    /// The axis along which values are nearest in memory.
    [[nodiscard]] int nearest_axis() const noexcept {
        std::size_t nearest = Rank - 1;
        for (std::size_t i = Rank; i-- > 0;) {
            const bool is_nearer = std::labs(source_.strides[i]) < std::labs(source_.strides[nearest]);
            nearest = source_.sizes[i] > 1 && (is_nearer || source_.sizes[nearest] == 1) ? i : nearest;
        }
        return static_cast<int>(nearest);
    }

    /// Whether the values fill a stretch of memory, in whatever order.
    [[nodiscard]] bool has_no_gaps() const noexcept {
        index last = 0;
        for (std::size_t i = 0; i < source_.sizes.size(); ++i) {
            if (source_.strides[i] < 0 || (source_.strides[i] == 0 && source_.sizes[i] > 1)) {
                return false;
            }
            last += (source_.sizes[i] - 1) * source_.strides[i];
        }
        return last + 1 == source_.size();
    }

    template <class State>
    void add_dense(observed<State>& to, const Scalar* x, index count) const {
        if constexpr (std::is_same_v<Scalar, float>) {
            if (!options_.skip_non_finite) {
                if (!to.state.add(x, static_cast<std::size_t>(count))) {
                    raise_unusable();
                }
                return;
            }
        }
        thread_local std::vector<float> buffer;
        buffer.resize(static_cast<std::size_t>(count));
        widen(x, static_cast<std::size_t>(count), buffer.data());
        add(to, buffer.data(), buffer.size());
    }

    template <class State>
    void add_row(observed<State>& to, const row_view<const Scalar, Rank>& view, index row, index column,
                 index count) const {
        thread_local std::vector<float> buffer;
        buffer.resize(static_cast<std::size_t>(count));
        load_panel(view, row, 1, column, count, buffer.data());
        add(to, buffer.data(), buffer.size());
    }

    /// Adds values that may be changed.
    template <class State>
    void add(observed<State>& to, float* x, std::size_t count) const {
        if (options_.skip_non_finite) {
            float* const end = std::remove_if(x, x + count, [](float v) { return magnitude_bits(v) >= 0x7F800000u; });
            const auto kept = static_cast<std::size_t>(end - x);
            to.skipped += static_cast<std::int64_t>(count - kept);
            count = kept;
        }
        if (count > 0 && !to.state.add(x, count)) {
            raise_unusable();
        }
    }

    /// Calls work(channel, values, count) for runs of values along another axis; a channel meets one thread only.
    template <class Work>
    void for_each_run(int axis, const execution& where, const Work& work) const {
        const auto c = static_cast<std::size_t>(axis);
        const index channels = source_.sizes[c];
        constexpr index block = 16;
        const index blocks = (channels - 1) / block + 1;
        if constexpr (Rank == 1) {
            where.for_each(blocks, [&](index b) {
                for (index i = b * block; i < std::min(channels, (b + 1) * block); ++i) {
                    auto x = static_cast<float>(source_.data[i * source_.strides[0]]);
                    work(i, &x, std::size_t{1});
                }
            });
        } else {
            std::size_t along = c == 0 ? 1 : 0;
            for (std::size_t i = 0; i < Rank; ++i) {
                along = i != c && source_.sizes[i] > source_.sizes[along] ? i : along;
            }
            index inner = 1, outer = 1;
            for (std::size_t i = 0; i < Rank; ++i) {
                (i < c ? outer : inner) *= i == c || i == along ? 1 : source_.sizes[i];
            }
            const row_view<const Scalar, Rank> view(source_, static_cast<int>(along));
            where.for_each(blocks, [&](index b) {
                const index first = b * block, last = std::min(channels, first + block);
                for (index o = 0; o < outer; ++o) {
                    for_each_panel(view, (o * channels + first) * inner, (o * channels + last) * inner,
                                   [&](index row, float* x, index count) {
                                       work(row / inner % channels, x, static_cast<std::size_t>(count));
                                   });
                }
            });
        }
    }

    template <class Work>
    void for_each_panel(const row_view<const Scalar, Rank>& view, index row, index last, const Work& work) const {
        thread_local std::vector<float> panel;
        for (; row < last; row += 16) {
            const index rows = std::min<index>(16, last - row);
            for (index column = 0; column < view.length(); column += 512) {
                const index count = std::min<index>(512, view.length() - column);
                panel.resize(static_cast<std::size_t>(rows * count));
                load_panel(view, row, rows, column, count, panel.data());
                for (index r = 0; r < rows; ++r) {
                    work(row + r, panel.data() + r * count, count);
                }
            }
        }
    }

    /// Names the first value, in row-major order, that is not finite as a float.
    [[noreturn]] void raise_unusable() const {
        const row_view<const Scalar, Rank> all(source_, -1);
        for (index i = 0; i < all.length(); ++i) {
            const auto x = static_cast<float>(*all.address(0, i));
            if (magnitude_bits(x) >= 0x7F800000u) {
                raise(error_code::non_finite, "the value at " + all.position(0, i) + " of a batch is " +
                                                  (is_nan(x) ? "NaN"
                                                   : x < 0   ? "-infinity"
                                                             : "infinity") +
                                                  " as a float; skip_non_finite would leave it out");
            }
        }
        raise(error_code::non_finite, "the values of a batch changed while they were read");
    }

    const strided<const Scalar, Rank> source_;
    const calibration_options& options_;
};

} // namespace tersor::inline v0::detail

#endif // TERSOR_CALIBRATORS_BATCH_READER_HPP

#ifndef TERSOR_QUANTIZERS_FIT_LEVELS_HPP
#define TERSOR_QUANTIZERS_FIT_LEVELS_HPP

// The values of a format's codes as a grid that a scale stretches: levels on both sides of zero and the middles between
// neighbours, at which a value passes from one to the next.

#include <algorithm>
#include <cstddef>
#include <vector>

namespace tersor::inline v0::detail {

/// The levels of a format on one side of zero, from it outwards, and the middles between neighbours.
struct level_side {
    std::vector<double> levels{0.0};
    std::vector<double> middles;
    [[nodiscard]] double top() const noexcept { return levels.back(); }
};

/// The levels of a format on both sides of zero.
struct level_grid {
    level_side above, below;
    bool is_closed = false; ///< twice a level is a level, up to the last one

    /// The grid of some values.
    static level_grid of(std::vector<double> values) {
        std::sort(values.begin(), values.end());
        values.erase(std::unique(values.begin(), values.end()), values.end());
        level_grid grid;
        grid.above.levels.clear();
        grid.below.levels.clear();
        const auto middle = [&](std::size_t i) { return 0.5 * (values[i] + values[i + 1]); };
        std::size_t first = 0, last = values.size() - 1;
        while (first + 1 < values.size() && middle(first) <= 0.0) {
            ++first;
        }
        while (last > 0 && middle(last - 1) >= 0.0) {
            --last;
        }
        for (std::size_t i = first; i < values.size(); ++i) {
            grid.above.levels.push_back(values[i]);
            if (i + 1 < values.size()) {
                grid.above.middles.push_back(middle(i));
            }
        }
        for (std::size_t i = last + 1; i-- > 0;) {
            grid.below.levels.push_back(-values[i]);
            if (i > 0) {
                grid.below.middles.push_back(-middle(i - 1));
            }
        }
        const auto is_closed = [](const std::vector<double>& levels) {
            return std::all_of(levels.begin(), levels.end(), [&](double v) {
                return 2.0 * v > levels.back() || std::binary_search(levels.begin(), levels.end(), 2.0 * v);
            });
        };
        grid.is_closed = grid.above.levels.front() == 0.0 && grid.below.levels.front() == 0.0 &&
                         is_closed(grid.above.levels) && is_closed(grid.below.levels);
        return grid;
    }

    /// The integers from -count to count.
    static level_grid integers(int count) {
        level_side side;
        for (int k = 0; k < count; ++k) {
            side.levels.push_back(k + 1.0);
            side.middles.push_back(k + 0.5);
        }
        return {side, side, true};
    }
};

} // namespace tersor::inline v0::detail

#endif // TERSOR_QUANTIZERS_FIT_LEVELS_HPP

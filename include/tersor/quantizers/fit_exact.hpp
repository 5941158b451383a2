#ifndef TERSOR_QUANTIZERS_FIT_EXACT_HPP
#define TERSOR_QUANTIZERS_FIT_EXACT_HPP

// The scale, or the scale and zero point, of least weighted squared error of a group: the optimum, not a sample of it.
//
//   E(s) = sum over i of w_i (x_i - s u_i)^2 = C - 2 s A + s^2 B,   A = sum w_i x_i u_i,  B = sum w_i u_i^2
//
// u_i is the level nearest to x_i / s, so E is a parabola between the scales x_i / m_k at which a value passes the
// middle m_k between two levels. Going down through those scales in order, A and B are kept up to date by one addition
// each. Whatever the levels u, E(s) is at most C - 2 s A + s^2 B for every s; hence the least over all stretches of
// that parabola at the stored scale nearest to A / B is the optimum among stored scales.
//
// What bounds the walk:
//   below   values clipped at scale s alone have more error than the best so far, and more still at smaller scales
//   above   where twice each level is a level, E(2s) >= E(s) for scales s that clip nothing
// With a zero point z the grid has a levels below zero and b = steps - a above. From the scale on at which some grid
// clips nothing, E depends on s alone; below it every z is walked whose clipped values allow an improvement.
//
// Cost: n values of l levels have at most n l scales to pass, in practice n times the levels that one value passes in
// the bounded stretch, sorted in linear time. Everything is in double, in a fixed order.

#include "tersor/core/exact.hpp"
#include "tersor/quantizers/fit_levels.hpp"
#include "tersor/quantizers/fit_passings.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace tersor::inline v0::detail {

/// Rounds a scale to a stored one; 0 if there is none near it.
using scale_rounding = double (*)(const void* quantizer, double scale);

/// The walk over the scales of one group. An object keeps its memory from group to group.
class scale_search {
public:
    double scale = 0.0; ///< the best scale found; 0 if none is better than what the search began with
    int below = 0;      ///< how many levels of the best grid are below zero

    /// Searches for one scale. `error` is that of known parameters, to be improved on. `widest` is how far a stored
    /// scale may be above a given one, as a factor.
    void find_scale(std::span<const float> x, std::span<const float> importance, const level_grid& grid, double error,
                    const void* quantizer, scale_rounding round, double widest) {
        if (!begin(x, importance, error, quantizer, round)) {
            return;
        }
        const double full = std::max(unclipped(0, grid.above.top()), unclipped(1, grid.below.top()));
        if (!(full > 0.0)) {
            return;
        }
        double from = 2.0 * widest * full;
        if (!grid.is_closed) {
            const auto first = [&](std::size_t side, const level_side& s) {
                return s.middles.empty() || sorted_[side].empty() ? 0.0 : sorted_[side].front().x / s.middles[0];
            };
            from = 2.0 * std::max({full, first(0, grid.above), first(1, grid.below)});
        }
        const limits all{grid.above.levels.size() - 1, grid.below.levels.size() - 1};
        const double to = lower_bound(full, grid.above.top(), grid.below.top());
        collect(grid, all, from, to);
        walk(grid, all, from, to, 0);
    }

    /// Searches for a scale and a zero point of a grid of `steps` + 1 integers; `integers` reaches as far on each side.
    void find_scale_and_zero(std::span<const float> x, std::span<const float> importance, const level_grid& integers,
                             int steps, double error, const void* quantizer, scale_rounding round, double widest) {
        if (!begin(x, importance, error, quantizer, round)) {
            return;
        }
        // The smallest scale at which some grid clips nothing.
        double full = std::numeric_limits<double>::infinity();
        int middle = 0;
        for (int a = 0; a <= steps; ++a) {
            const double s = std::max(unclipped(0, steps - a), unclipped(1, a));
            if (s < full && !(a == 0 && !sorted_[1].empty()) && !(a == steps && !sorted_[0].empty())) {
                full = s;
                middle = a;
            }
        }
        if (!(full > 0.0) || !std::isfinite(full)) {
            return;
        }
        const auto size = static_cast<std::size_t>(steps);
        collect(integers, {size, size}, 2.0 * widest * full, full);
        walk(integers, {size, size}, 2.0 * widest * full, full, middle);

        double least = full;
        for (int a = 0; a <= steps; ++a) {
            least = std::min(least, lower_bound(full, steps - a, a));
        }
        if (least >= full) {
            return;
        }
        collect(integers, {size, size}, full, least);
        // From the grid that clips least outwards, so that the others are bounded by good ones.
        for (int turn = 0; turn <= 2 * steps; ++turn) {
            const int a = middle + (turn % 2 == 0 ? turn / 2 : -(turn + 1) / 2);
            if (a >= 0 && a <= steps) {
                const double to = lower_bound(full, steps - a, a);
                if (to < full) {
                    walk(integers, {static_cast<std::size_t>(steps - a), static_cast<std::size_t>(a)}, full, to, a);
                }
            }
        }
    }

private:
    struct value {
        double x, w, wx;
        std::size_t side;
    };
    /// Values of one side, the largest first, with sums up to and with each.
    struct sums {
        double x, w, wx, wxx;
    };
    struct limits {
        std::size_t of[2];
    };

    bool begin(std::span<const float> x, std::span<const float> importance, double error, const void* quantizer,
               scale_rounding round) {
        scale = 0.0;
        error_ = error;
        quantizer_ = quantizer;
        round_ = round;
        values_.clear();
        sorted_[0].clear();
        sorted_[1].clear();
        double whole = 0.0;
        for (std::size_t i = 0; i < x.size(); ++i) {
            const double w = importance.empty() ? 1.0 : static_cast<double>(importance[i]);
            if (w > 0.0) {
                const double magnitude = std::abs(static_cast<double>(x[i]));
                const double wx = w * magnitude;
                const std::size_t side = x[i] < 0.0f ? 1 : 0;
                values_.push_back({magnitude, w, wx, side});
                whole += exact::product(wx, magnitude);
                if (magnitude > 0.0) {
                    sorted_[side].push_back({magnitude, w, wx, wx * magnitude});
                }
            }
        }
        for (std::vector<sums>& side : sorted_) {
            std::sort(side.begin(), side.end(),
                      [](const sums& a, const sums& b) { return a.x != b.x ? a.x > b.x : a.w > b.w; });
            for (std::size_t i = 1; i < side.size(); ++i) {
                side[i].w += side[i - 1].w;
                side[i].wx += side[i - 1].wx;
                side[i].wxx += side[i - 1].wxx;
            }
        }
        whole_ = whole;
        return whole > 0.0 && std::isfinite(whole) && error > 0.0;
    }

    /// The scale at which the largest value of a side is at the last level.
    [[nodiscard]] double unclipped(std::size_t side, double top) const noexcept {
        return sorted_[side].empty() || !(top > 0.0) ? 0.0 : sorted_[side].front().x / top;
    }

    /// The error of the values beyond the last level of a side.
    [[nodiscard]] double clipped(std::size_t side, double end) const noexcept {
        const std::vector<sums>& all = sorted_[side];
        const auto inside = std::partition_point(all.begin(), all.end(), [end](const sums& s) { return s.x > end; });
        if (inside == all.begin()) {
            return 0.0;
        }
        const sums& s = inside[-1];
        return s.wxx + exact::product(end, exact::product(end, s.w) - exact::product(2.0, s.wx));
    }

    /// A scale such that no smaller one can improve on the best error.
    [[nodiscard]] double lower_bound(double from, double above, double below) const noexcept {
        const double enough = error_ + exact::product(1e-9, whole_); // the sums above are rounded
        double low = 0.0, high = from;
        if (clipped(0, from * above) + clipped(1, from * below) > enough) {
            return from;
        }
        for (int i = 0; i < 14; ++i) {
            const double s = 0.5 * (low + high);
            (clipped(0, s * above) + clipped(1, s * below) > enough ? low : high) = s;
        }
        return low;
    }

    /// The passings of scales in [to, from), the largest first.
    void collect(const level_grid& grid, limits last, double from, double to) {
        passings_.clear();
        const level_side* const sides[2] = {&grid.above, &grid.below};
        for (std::size_t i = 0; i < values_.size(); ++i) {
            const value& v = values_[i];
            const std::vector<double>& middles = sides[v.side]->middles;
            for (std::size_t k = first_level(middles, v.x / from); k < last.of[v.side]; ++k) {
                const double s = v.x / middles[k];
                if (s < to) {
                    break;
                }
                passings_.push_back({s, static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(k)});
            }
        }
        sorter_.sort(passings_);
    }

    /// The level of a value x / s.
    [[nodiscard]] static std::size_t first_level(const std::vector<double>& middles, double scaled) noexcept {
        return static_cast<std::size_t>(std::upper_bound(middles.begin(), middles.end(), scaled) - middles.begin());
    }

    /// Follows the parabola of a grid with that many levels a side from scale `from` down to `to`.
    void walk(const level_grid& grid, limits last, double from, double to, int levels_below) {
        const level_side* const sides[2] = {&grid.above, &grid.below};
        double a = 0.0, b = 0.0;
        for (const value& v : values_) {
            const std::size_t k = std::min(first_level(sides[v.side]->middles, v.x / from), last.of[v.side]);
            const double u = sides[v.side]->levels[k];
            a += exact::product(v.wx, u);
            b += exact::product(v.w, exact::product(u, u));
        }
        double gain = whole_ - error_;
        const auto consider = [&] {
            if (a > 0.0 && a * a > gain * b) {
                const double s = round_(quantizer_, a / b);
                const double reached = exact::product(s, exact::product(2.0, a) - exact::product(s, b));
                if (s > 0.0 && reached > gain) {
                    gain = reached;
                    scale = s;
                    below = levels_below;
                }
            }
        };
        consider();
        for (const scale_passing& p : passings_) {
            if (p.scale < to) {
                break;
            }
            const value& v = values_[p.value];
            if (p.level < last.of[v.side]) {
                const std::vector<double>& u = sides[v.side]->levels;
                const double one = u[p.level], next = u[p.level + 1];
                a += exact::product(v.wx, next - one);
                b += exact::product(v.w, exact::product(next - one, next + one));
                consider();
            }
        }
        error_ = whole_ - gain;
    }

    double error_ = 0.0, whole_ = 0.0;
    const void* quantizer_ = nullptr;
    scale_rounding round_ = nullptr;
    std::vector<value> values_;
    std::vector<sums> sorted_[2];
    std::vector<scale_passing> passings_;
    passing_sorter sorter_;
};

} // namespace tersor::inline v0::detail

#endif // TERSOR_QUANTIZERS_FIT_EXACT_HPP

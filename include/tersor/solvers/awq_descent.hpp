#ifndef TERSOR_SOLVERS_AWQ_DESCENT_HPP
#define TERSOR_SOLVERS_AWQ_DESCENT_HPP

// Coordinate descent on the cost of awq_layer.hpp, from any scales and bounds on: no step makes it larger.
//
// Columns of one group are quantized together and the others stay, so that with T = D H and U = T_g - D_g H_gg the cost
// is a constant plus f(D_g) = tr(D_g (2 U + D_g H_gg)^T), a sum over rows. For each group in turn
//
//   clipping   every row tries moves of its two bounds, shares of its range in steps of 1/20 from 3/10 to 1, and keeps
//              those that make its f smaller
//   scales     every column tries its scale times and divided by a factor; the first that makes f smaller is kept
//
// and T is brought up to date. Rows are independent in all but the choice of scales, whose sums are taken in order.

#include "tersor/solvers/awq_layer.hpp"
#include "tersor/solvers/awq_panel.hpp"

#include <algorithm>
#include <cstddef>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

namespace tersor::inline v0::detail {

template <quantizer Q>
class awq_descent {
public:
    /// Starts from scales and bounds, or without bounds. The bounds stay as they are unless `clips`.
    awq_descent(const awq_layer<Q>& layer, std::vector<float> s, const awq_clip_bounds* bounds, bool clips,
                execution exec)
        : layer_(layer), s_(std::move(s)), clips_(clips), exec_(std::move(exec)), below_(layer.rows(), layer.groups()),
          above_(layer.rows(), layer.groups()), d_(layer.rows(), layer.columns()) {
        for (index g = 0; g < layer.groups(); ++g) {
            for (index r = 0; r < layer.rows(); ++r) {
                const auto [lo, hi] = range(g, r);
                below_(r, g) = bounds != nullptr && lo < bounds->lower(r, g) ? bounds->lower(r, g) / lo : 1.0f;
                above_(r, g) = bounds != nullptr && hi > bounds->upper(r, g) ? bounds->upper(r, g) / hi : 1.0f;
            }
            d_.middleCols(g * layer.group(), layer.group_size(g)) = difference(g, below_.col(g), above_.col(g));
        }
        t_ = layer_.weighted(d_, exec_);
    }

    [[nodiscard]] const std::vector<float>& scales() const noexcept { return s_; }
    [[nodiscard]] awq_clip_bounds bounds() const {
        awq_clip_bounds result{below_, above_};
        for (index g = 0; g < layer_.groups(); ++g) {
            for (index r = 0; r < layer_.rows(); ++r) {
                std::tie(result.lower(r, g), result.upper(r, g)) = clipped(range(g, r), below_(r, g), above_(r, g));
            }
        }
        return result;
    }

    /// One pass over all groups: clipping, then scales by this factor, unless it is 1.
    /// `progress` is told of each group.
    void sweep(float factor, const execution& progress) {
        const auto groups = static_cast<double>(layer_.groups());
        for (index g = 0; g < layer_.groups(); ++g) {
            run_step(progress.part(static_cast<double>(g) / groups, static_cast<double>(g + 1) / groups),
                     [&] { descend(g, factor); });
        }
    }

private:
    using column = Eigen::Matrix<float, Eigen::Dynamic, 1>;

    [[nodiscard]] float value(index r, index j) const noexcept {
        return layer_.weights()(r, j) * s_[static_cast<std::size_t>(j)];
    }
    [[nodiscard]] std::pair<float, float> range(index g, index r) const noexcept {
        const index first = g * layer_.group();
        float lo = value(r, first), hi = lo;
        for (index j = 1; j < layer_.group_size(g); ++j) {
            const float v = value(r, first + j);
            lo = v < lo ? v : lo;
            hi = v > hi ? v : hi;
        }
        return {lo, hi};
    }
    /// A share of each side of a range; a side that does not reach beyond zero stays.
    [[nodiscard]] static std::pair<float, float> clipped(std::pair<float, float> range, float below,
                                                         float above) noexcept {
        return {range.first < 0.0f ? range.first * below : range.first,
                range.second > 0.0f ? range.second * above : range.second};
    }

    /// D_g for shares of every row's range.
    [[nodiscard]] awq_matrix difference(index g, const column& below, const column& above) const {
        const index first_column = g * layer_.group(), size = layer_.group_size(g);
        awq_matrix d(layer_.rows(), size);
        for_each_row_tile(layer_.rows(), size, exec_, [&](index first, index count) {
            for (index r = first; r < first + count; ++r) {
                const auto [lower, upper] = clipped(range(g, r), below(r), above(r));
                for (index j = 0; j < size; ++j) {
                    d(r, j) = std::clamp(value(r, first_column + j), lower, upper);
                }
            }
            requantize(Q{}, &d(first, 0), static_cast<std::size_t>(count), static_cast<std::size_t>(size));
            for (index r = first; r < first + count; ++r) {
                for (index j = 0; j < size; ++j) {
                    d(r, j) = d(r, j) / s_[static_cast<std::size_t>(first_column + j)] -
                              layer_.weights()(r, first_column + j);
                }
            }
        });
        return d;
    }

    /// f of every row.
    [[nodiscard]] std::vector<double> costs(index g, const awq_matrix& d, const awq_matrix& u) const {
        const index first_column = g * layer_.group(), size = d.cols();
        // A factor of two is exact, fused or not.
        awq_matrix t = 2.0f * u;
        linalg::multiply_add(linalg::view(t), linalg::view(d),
                             linalg::view(layer_.hessian()).block(first_column, first_column, size, size), exec_);
        std::vector<double> f(static_cast<std::size_t>(d.rows()));
        for (index r = 0; r < d.rows(); ++r) {
            f[static_cast<std::size_t>(r)] = dot(&d(r, 0), &t(r, 0), size);
        }
        return f;
    }
    [[nodiscard]] static double total(const std::vector<double>& f) noexcept {
        double sum = 0.0;
        for (const double x : f) {
            sum += x;
        }
        return sum;
    }

    void descend(index g, float factor) {
        const index first_column = g * layer_.group(), size = layer_.group_size(g);
        const linalg::matrix_view<const float> h = linalg::view(layer_.hessian());
        awq_matrix d = d_.middleCols(first_column, size), u = t_.middleCols(first_column, size);
        linalg::multiply_subtract(linalg::view(u), linalg::view(d), h.block(first_column, first_column, size, size),
                                  exec_);
        std::vector<double> f = costs(g, d, u);
        if (clips_) {
            move_bounds(g, u, d, f);
        }
        if (factor != 1.0f) {
            move_scales(g, factor, u, d, f);
        }
        const awq_matrix change = d - d_.middleCols(first_column, size);
        linalg::multiply_add(linalg::view(t_), linalg::view(change), h.block(first_column, 0, size, layer_.columns()),
                             exec_);
        d_.middleCols(first_column, size) = d;
    }

    void move_bounds(index g, const awq_matrix& u, awq_matrix& d, std::vector<double>& f) {
        static constexpr float moves[][2] = {{-0.05f, -0.05f}, {-0.05f, 0.0f},  {0.0f, -0.05f}, {0.05f, 0.0f},
                                             {0.0f, 0.05f},    {0.05f, -0.05f}, {-0.05f, 0.05f}};
        for (int round = 0; round < 6; ++round) {
            for (const auto& [down, up] : moves) {
                const column below = (below_.col(g).array() + down).max(0.3f).min(1.0f);
                const column above = (above_.col(g).array() + up).max(0.3f).min(1.0f);
                const awq_matrix e = difference(g, below, above);
                const std::vector<double> next = costs(g, e, u);
                for (index r = 0; r < layer_.rows(); ++r) {
                    const auto k = static_cast<std::size_t>(r);
                    if (next[k] < f[k]) {
                        f[k] = next[k];
                        d.row(r) = e.row(r);
                        below_(r, g) = below(r);
                        above_(r, g) = above(r);
                    }
                }
            }
        }
    }

    void move_scales(index g, float factor, const awq_matrix& u, awq_matrix& d, std::vector<double>& f) {
        double least = total(f);
        for (index j = 0; j < layer_.group_size(g); ++j) {
            float& s = s_[static_cast<std::size_t>(g * layer_.group() + j)];
            for (const float candidate : {s * factor, s / factor}) {
                const float before = std::exchange(s, candidate);
                awq_matrix e = difference(g, below_.col(g), above_.col(g));
                std::vector<double> next = costs(g, e, u);
                const double sum = total(next);
                if (sum < least) {
                    least = sum;
                    d.swap(e);
                    f.swap(next);
                    break;
                }
                s = before;
            }
        }
    }

    const awq_layer<Q>& layer_;
    std::vector<float> s_;
    bool clips_;
    execution exec_;
    awq_matrix below_, above_; // shares of the range, [rows x groups]
    awq_matrix d_, t_;
};

} // namespace tersor::inline v0::detail

#endif // TERSOR_SOLVERS_AWQ_DESCENT_HPP

#ifndef TERSOR_SOLVERS_HQQ_GROUPS_HPP
#define TERSOR_SOLVERS_HQQ_GROUPS_HPP

// Groups of weights on HQQ's grid, and the solver of HQQ's own program (Badri, Shaji, Half-Quadratic Quantization of
// Large Machine Learning Models, 2023), with E = W - Wr:
//
//   s, z                as float_zero_point fits them
//   repeat              Wq = clamp(round(W s + z)),  Wr = (Wq - z) / s
//                       We = sign(E) max(|E| - |E|^(p - 1) / beta, 0)
//                       z = mean over the group of Wq - (W - We) s
//   until               mean |E| over all groups is not below the least so far; that step's z is kept
//
// with p = 0.7 and beta = 10, at most 20 times; `slow`: 100 times, whatever |E|, beta 1.01 times larger each time.
// Steps are rounded to float; the mean of a group is a double sum in order, rounded once, and so is that of all.

#include "tersor/core/exact.hpp"
#include "tersor/core/execution.hpp"
#include "tersor/quantizers/float_zero_point.hpp"
#include "tersor/solvers/awq_power.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

namespace tersor::inline v0::detail {

/// code = clamp(round(x * inverse + zero)), value = (code - zero) * scale.
struct hqq_grid {
    float scale = 1.0f, inverse = 1.0f, zero = 0.0f;
};

/// The code of a value, as a number.
template <class Format>
[[nodiscard]] inline float hqq_code(float x, const hqq_grid& g) noexcept {
    const float v = exact::product(x, g.inverse) + g.zero;
    const float low = static_cast<float>(Format::lowest), high = static_cast<float>(Format::highest);
    const float inside = v > low ? (v < high ? v : high) : low;
    // Half to even: the unit in the last place of the sum is 1. The barrier keeps the two additions apart.
    return exact::product(inside + 12582912.0f, 1.0f) - 12582912.0f;
}

/// Values in runs of at most `group`: each row of `length` values is cut into groups of its own.
struct hqq_values {
    const float* data;
    index rows, length, group;

    [[nodiscard]] index per_row() const noexcept { return (length - 1) / group + 1; }
    [[nodiscard]] index groups() const noexcept { return rows * per_row(); }
    [[nodiscard]] index offset(index g) const noexcept { return g / per_row() * length + g % per_row() * group; }
    [[nodiscard]] std::span<const float> operator[](index g) const noexcept {
        const index column = g % per_row() * group;
        return {data + offset(g), static_cast<std::size_t>(std::min(group, length - column))};
    }
};

/// Calls work(g) for every group, some together on each thread.
template <class Work>
void for_each_group(const hqq_values& w, const execution& exec, const Work& work) {
    const index together = std::clamp<index>(65536 / w.group, 1, 1024), groups = w.groups();
    exec.for_each((groups + together - 1) / together, [&](index i) {
        for (index g = i * together; g < std::min(groups, (i + 1) * together); ++g) {
            work(g);
        }
    });
}

template <class Format>
[[nodiscard]] std::vector<hqq_grid> hqq_start(const hqq_values& w, const execution& exec) {
    std::vector<hqq_grid> grids(static_cast<std::size_t>(w.groups()));
    for_each_group(w, exec, [&](index g) {
        const auto [lo, hi] = std::minmax_element(w[g].begin(), w[g].end());
        const float s = float_zero_point<Format>::inverse_scale(*lo, *hi);
        const auto p = float_zero_point<Format>::between(*lo, *hi);
        grids[static_cast<std::size_t>(g)] = {p.scale, s, p.zero};
    });
    return grids;
}

/// E -> sign(E) max(|E| - |E|^(p - 1) / beta, 0) for p = 0.7.
class hqq_shrinkage {
public:
    // |E|^1.3 = 1 / beta at the threshold; one percent less leaves room for rounding.
    explicit hqq_shrinkage(double beta) noexcept
        : factor_(static_cast<float>(1.0 / beta)), threshold_(static_cast<float>(0.99 * power(beta, -1.0 / 1.3))) {}

    [[nodiscard]] float operator()(float e) const noexcept {
        const float magnitude = std::abs(e);
        if (magnitude < threshold_) {
            return 0.0f;
        }
        const auto weight = static_cast<float>(power(static_cast<double>(magnitude), -0.3));
        const float rest = magnitude - exact::product(factor_, weight);
        return rest > 0.0f ? std::copysign(rest, e) : 0.0f;
    }

private:
    float factor_, threshold_;
};

/// One step of a group: its new z, and the sum of |E| before it.
template <class Format>
[[nodiscard]] float hqq_step(std::span<const float> x, const hqq_grid& grid, const hqq_shrinkage& shrink,
                             double& error) noexcept {
    double sum = 0.0, zeros = 0.0;
    for (const float w : x) {
        const float code = hqq_code<Format>(w, grid);
        const float e = w - (code - grid.zero) / grid.inverse;
        sum += static_cast<double>(std::abs(e));
        const float target = w - shrink(e);
        zeros += static_cast<double>(code - exact::product(target, grid.inverse));
    }
    error = sum;
    return static_cast<float>(zeros / static_cast<double>(x.size()));
}

/// HQQ's iterations on all groups from their first grids on.
template <class Format>
void hqq_iterate(const hqq_values& w, std::vector<hqq_grid>& grids, bool slow, const execution& exec) {
    const int most = slow ? 100 : 20;
    const execution quiet = exec.with_progress({});
    std::vector<double> errors(grids.size());
    double beta = 10.0;
    float least = 1e4f;
    for (int i = 0; i < most; ++i) {
        const hqq_shrinkage shrink(beta);
        exec.part(static_cast<double>(i) / most, static_cast<double>(i + 1) / most).for_each(1, [&](index) {
            for_each_group(w, quiet, [&](index g) {
                const auto k = static_cast<std::size_t>(g);
                grids[k].zero = hqq_step<Format>(w[g], grids[k], shrink, errors[k]);
            });
        });
        if (slow) {
            beta *= 1.01;
            continue;
        }
        double sum = 0.0;
        for (const double e : errors) {
            sum += e;
        }
        const auto mean = static_cast<float>(sum / static_cast<double>(w.rows * w.length));
        if (!(mean < least)) {
            break;
        }
        least = mean;
    }
}

} // namespace tersor::inline v0::detail

#endif // TERSOR_SOLVERS_HQQ_GROUPS_HPP

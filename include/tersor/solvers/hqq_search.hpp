#ifndef TERSOR_SOLVERS_HQQ_SEARCH_HPP
#define TERSOR_SOLVERS_HQQ_SEARCH_HPP

// The scale and zero point of one group that make its sum of |E| or of E^2 small, better than HQQ's iterations find
// them:
//
//   scale   shares of (max - min) / levels, then steps of 2, 1, 0.5 and 0.25 % up or down while they help
//   zero    for each scale from the grid in the middle of the range, at its lower and at its upper end, and then,
//   twice,
//           the best one for the codes: the mean of code - x / scale for E^2; mean, then median for |E|
//
// The least |E| alone gives up a group's largest values, and with them the outputs of the layer; `balanced` is the
// least |E| among grids whose E^2 is not above that of HQQ's own.
//
// A zero point that must be an integer is rounded. What is kept is the least error seen, the given start included.

#include "tersor/solvers/hqq_groups.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace tersor::inline v0 {

/// What `hqq` makes small beyond the reference.
enum class hqq_error {
    balanced, ///< |W - decoded|, where the square does not become larger
    absolute, ///< |W - decoded|
    squared   ///< (W - decoded)^2
};

namespace detail {

/// The grids that a quantizer can store: from any scale and zero point to those of its parameters.
template <class Q>
struct hqq_rule {
    using parameters = typename Q::parameters;
    using format = typename Q::format;
    using scale_type = decltype(parameters{}.scale);
    using zero_type = decltype(parameters{}.zero);
    static constexpr bool has_float_zero = std::is_same_v<zero_type, float>;
    static constexpr float lowest = static_cast<float>(format::lowest), highest = static_cast<float>(format::highest);

    [[nodiscard]] static float zero(float z) noexcept {
        if constexpr (has_float_zero) {
            return z;
        } else {
            return static_cast<float>(format::encode(z));
        }
    }
    [[nodiscard]] static hqq_grid grid(float scale, float z) noexcept {
        const auto stored = static_cast<float>(stored_scale<scale_type>(scale));
        return {stored, 1.0f / stored, zero(z)};
    }
    /// A grid of HQQ's own as it can be stored.
    [[nodiscard]] static hqq_grid stored(const hqq_grid& g) noexcept {
        if constexpr (has_float_zero && std::is_same_v<scale_type, float>) {
            return g;
        } else {
            return grid(g.scale, g.zero);
        }
    }
};

template <class Q>
class hqq_group_search {
public:
    using rule = hqq_rule<Q>;

    hqq_group_search(std::span<const float> x, hqq_error norm, const hqq_grid& start)
        : x_(x), norm_(norm), residues_(x.size()), best_(start) {
        const auto [absolute, squared] = errors_of(start);
        least_ = norm == hqq_error::squared ? squared : absolute;
        limit_ = norm == hqq_error::balanced ? squared : std::numeric_limits<double>::infinity();
    }

    /// From many scales on.
    [[nodiscard]] hqq_grid run() {
        const auto [lo, hi] = std::minmax_element(x_.begin(), x_.end());
        lo_ = *lo;
        hi_ = *hi;
        const float levels = rule::highest - rule::lowest, widest = hi_ / levels - lo_ / levels;
        if (!(widest > 0.0f) || least_ == 0.0) {
            return best_;
        }
        // Fewer levels pay for more clipping.
        const float least_share = levels >= 63.0f ? 0.85f : levels >= 15.0f ? 0.6f : levels >= 7.0f ? 0.45f : 0.3f;
        constexpr int shares = 20;
        for (int i = 0; i <= shares; ++i) {
            const float share = 1.0f - exact::product(1.0f - least_share, static_cast<float>(i) / shares);
            try_scale(widest * share);
        }
        return refine();
    }

    /// From the best grid so far on.
    [[nodiscard]] hqq_grid refine() {
        for (const float step : {0.02f, 0.01f, 0.005f, 0.0025f}) {
            for (const float factor : {1.0f + step, 1.0f - step}) {
                for (int i = 0; i < 4; ++i) {
                    const double before = least_;
                    const float scale = best_.scale * factor;
                    descend(rule::grid(scale, best_.zero));
                    if (!(least_ < before)) {
                        break;
                    }
                }
            }
        }
        return best_;
    }

private:
    void try_scale(float scale) {
        const float stored = rule::grid(scale, 0.0f).scale;
        const float low = lo_ / stored, high = hi_ / stored;
        descend(rule::grid(scale, (rule::lowest + rule::highest) / 2.0f - (low / 2.0f + high / 2.0f)));
        descend(rule::grid(scale, rule::lowest - low));
        descend(rule::grid(scale, rule::highest - high));
    }

    /// The best zero points for the codes, from a first one on.
    void descend(hqq_grid grid) {
        for (int i = 0; i < 3; ++i) {
            const auto [absolute, squared] = errors_of(grid);
            const double error = norm_ == hqq_error::squared ? squared : absolute;
            if (error < least_ && squared <= limit_) {
                least_ = error;
                best_ = grid;
            }
            const float zero = rule::zero(norm_ == hqq_error::squared || i == 0 ? mean() : median());
            if (zero == grid.zero) {
                return;
            }
            grid.zero = zero;
        }
    }

    /// Sums of |E| and E^2; leaves code - x / scale of every value.
    [[nodiscard]] std::pair<double, double> errors_of(const hqq_grid& grid) noexcept {
        double absolute = 0.0, squared = 0.0;
        for (std::size_t i = 0; i < x_.size(); ++i) {
            const float code = hqq_code<typename Q::format>(x_[i], grid);
            residues_[i] = code - exact::product(x_[i], grid.inverse);
            const auto e = static_cast<double>(x_[i] - exact::product(code - grid.zero, grid.scale));
            absolute += std::abs(e);
            squared += exact::product(e, e);
        }
        return {absolute, squared};
    }
    [[nodiscard]] float mean() const noexcept {
        double sum = 0.0;
        for (const float r : residues_) {
            sum += static_cast<double>(r);
        }
        return static_cast<float>(sum / static_cast<double>(residues_.size()));
    }
    [[nodiscard]] float median() noexcept {
        const auto middle = residues_.begin() + static_cast<std::ptrdiff_t>(residues_.size() / 2);
        std::nth_element(residues_.begin(), middle, residues_.end());
        return *middle;
    }

    std::span<const float> x_;
    hqq_error norm_;
    std::vector<float> residues_;
    hqq_grid best_;
    double least_ = 0.0, limit_ = 0.0;
    float lo_ = 0.0f, hi_ = 0.0f;
};

} // namespace detail

} // namespace tersor::inline v0

#endif // TERSOR_SOLVERS_HQQ_SEARCH_HPP

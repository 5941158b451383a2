#ifndef TERSOR_SOLVERS_GPTQ_INTEGER_CELLS_HPP
#define TERSOR_SOLVERS_GPTQ_INTEGER_CELLS_HPP

// Integer grids whose bits and symmetry are known only at run time, as the solver sees quantizers: codes from 0 on,
//
//   q = scale (code - zero)
//
//   integer_cells     the range with 0 of a group; the solver searches and refines its scale
//   reference_cells   the rule of the reference program, see gptq_reference_grid.hpp; scales stay as they are found

#include "tersor/core/concepts.hpp"
#include "tersor/quantizers/scale.hpp"
#include "tersor/solvers/gptq_reference_grid.hpp"

#include <Eigen/Core>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tersor::inline v0::detail {

/// What both share: how codes mean values.
template <class Scalar>
struct grid_cells {
    using parameters = typename reference_grid<Scalar>::parameters;
    using store_type = no_parameters;
    static constexpr bool is_lossy = false;
    reference_grid<Scalar> rule{};

    void prepare(float) noexcept {}
    [[nodiscard]] std::uint8_t encode(Scalar value, const parameters& p, index, bool) const noexcept {
        return rule.encode(value, p);
    }
    [[nodiscard]] Scalar decode(std::uint8_t code, const parameters& p, index) const noexcept {
        return rule.decode(code, p);
    }
    static no_parameters store(std::vector<parameters>&) { return {}; }
};

/// scale = (hi - lo) / (2^bits - 1) of the range with 0, symmetric about it where the grid is; zero = 2^(bits-1)
/// symmetric, else clamp(round(-lo / scale)); a group of zeros has scale 1.
template <class Scalar>
struct integer_cells : grid_cells<Scalar> {
    using parameters = typename grid_cells<Scalar>::parameters;
    static constexpr bool has_scale = true, has_median = false;
    bool has_half_scales = false;

    void fit(std::span<const Scalar> values, std::span<const float>, index group, parameters* out) const {
        const auto& rule = this->rule;
        const auto length = static_cast<std::size_t>(group);
        for (std::size_t first = 0; first < values.size(); first += length) {
            Scalar lo = 0, hi = 0;
            for (const Scalar x : values.subspan(first, std::min(length, values.size() - first))) {
                lo = std::min(lo, x);
                hi = std::max(hi, x);
            }
            if (rule.symmetric) {
                hi = std::max(-lo, hi);
                lo = -hi;
            }
            const Scalar step = hi / rule.highest() - lo / rule.highest();
            parameters p = with_scale({}, step > 0 ? step : Scalar{1});
            p.zero = rule.symmetric ? static_cast<Scalar>(1 << (rule.bits - 1))
                                    : static_cast<Scalar>(rule.encode(-lo, {p.scale, 0}));
            *out++ = p;
        }
    }
    [[nodiscard]] Scalar scale(const parameters& p) const noexcept { return p.scale; }
    [[nodiscard]] parameters with_scale(parameters p, Scalar scale) const noexcept {
        const auto wanted = static_cast<float>(scale);
        p.scale = static_cast<Scalar>(has_half_scales ? static_cast<float>(stored_scale<Eigen::half>(wanted))
                                                      : stored_scale<float>(wanted));
        return p;
    }
};

/// Grids as the reference program finds them, around a range or around the median.
template <class Scalar>
struct reference_cells : grid_cells<Scalar> {
    using parameters = typename grid_cells<Scalar>::parameters;
    static constexpr bool has_scale = false, has_median = true;

    void fit(std::span<const Scalar> values, std::span<const float>, index group, parameters* out) const {
        const auto length = static_cast<std::size_t>(group);
        for (std::size_t first = 0; first < values.size(); first += length) {
            *out++ = this->rule.fit(values.subspan(first, std::min(length, values.size() - first)));
        }
    }
    [[nodiscard]] Scalar scale(const parameters&) const noexcept { return 0; }
    [[nodiscard]] parameters with_scale(const parameters& p, Scalar) const noexcept { return p; }
};

} // namespace tersor::inline v0::detail

#endif // TERSOR_SOLVERS_GPTQ_INTEGER_CELLS_HPP

#ifndef TERSOR_SOLVERS_GPTQ_CHECK_HPP
#define TERSOR_SOLVERS_GPTQ_CHECK_HPP

// What `gptq` refuses before it begins.

#include "tersor/core/concepts.hpp"
#include "tersor/core/error.hpp"
#include "tersor/solvers/gptq_options.hpp"
#include "tersor/solvers/gptq_reference_grid.hpp"
#include "tersor/solvers/hessian.hpp"

#include <cmath>
#include <string>

namespace tersor::inline v0::detail {

/// Errors of the shapes and the options; see `gptq`.
inline void check_gptq(index rows, index cols, index group, const hessian& h, const gptq_options& options) {
    const auto refuse = [](const std::string& what) { raise(error_code::invalid_argument, "gptq: " + what); };
    if (rows == 0 || cols == 0) {
        raise(error_code::shape_mismatch,
              "gptq: W [" + std::to_string(rows) + " x " + std::to_string(cols) + "] has no values");
    }
    if (cols != h.columns()) {
        raise(error_code::shape_mismatch, "gptq: W [" + std::to_string(rows) + " x " + std::to_string(cols) +
                                              "] does not fit H of " + std::to_string(h.columns()) + " columns");
    }
    if (group > cols) {
        raise(error_code::shape_mismatch,
              "gptq: groups of " + std::to_string(group) + " values are longer than a row of " + std::to_string(cols));
    }
    if (!(options.damp >= 0) || !std::isfinite(options.damp)) {
        refuse("damp " + std::to_string(options.damp) + " is not a finite number of at least 0");
    }
    if (options.block < 1) {
        refuse("a block of " + std::to_string(options.block) + " columns: expected at least 1");
    }
    if (options.refinements < 0) {
        refuse(std::to_string(options.refinements) + " refinements: expected at least 0");
    }
    if (options.fallback_tokens < 0) {
        refuse("a fallback below " + std::to_string(options.fallback_tokens) + " tokens: expected at least 0");
    }
    if (options.mse && !(options.mse_exponent > 0 && std::isfinite(options.mse_exponent))) {
        refuse("mse_exponent " + std::to_string(options.mse_exponent) + " is not a positive number");
    }
    if (options.act_order && options.order != group_order::none) {
        refuse("act_order and a group order exclude each other");
    }
    if (options.static_groups && options.grids != group_grids::automatic && options.grids != group_grids::fixed) {
        refuse("static_groups fix the grids before the pass: they cannot be updated on the way");
    }
}

/// The grid rule of mode reference.
template <class Scalar>
[[nodiscard]] reference_grid<Scalar> reference_rule(int bits, bool symmetric, const gptq_options& options) {
    return {.bits = bits,
            .symmetric = symmetric,
            .search = options.mse,
            .adjacent_zero = options.adjacent_zero,
            .exponent = static_cast<Scalar>(options.mse_exponent)};
}

} // namespace tersor::inline v0::detail

#endif // TERSOR_SOLVERS_GPTQ_CHECK_HPP

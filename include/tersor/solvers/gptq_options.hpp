#ifndef TERSOR_SOLVERS_GPTQ_OPTIONS_HPP
#define TERSOR_SOLVERS_GPTQ_OPTIONS_HPP

// What a caller may choose when a weight matrix is quantized by GPTQ.

#include "tersor/core/concepts.hpp"
#include "tersor/core/execution.hpp"
#include "tersor/solvers/hessian.hpp"

namespace tersor::inline v0 {

/// An order of columns that keeps the groups of the format together.
enum class group_order {
    none, ///< as they are
    gar   ///< inside each whole group by falling diagonal of H, groups by their largest diagonal
};

/// When the parameters of a group are found.
enum class group_grids {
    automatic, ///< mode reference: `lazy`, or `fixed` with static_groups; other modes: `fixed`
    fixed,     ///< before the pass, on the original weights: the columns are then free to be processed in any order
    updated,   ///< when the pass reaches the group, on weights that hold every correction so far
    lazy       ///< the same, but weights hold the corrections of whole blocks only, as in the reference program
};

/// What is done when a layer saw too few tokens for GPTQ.
enum class gptq_fallback {
    rtn,   ///< plain rounding of each group
    median ///< plain rounding on a grid around the median of each group
};

/// Options of `gptq`.
struct gptq_options {
    /// reference: the rules of the reference program. fast: one pass. best: better grids and repeated refinement.
    quantize_mode mode = quantize_mode::best;
    /// Added to the diagonal of H, as a part of its mean; at least 0.
    double damp = 0.01;
    /// Columns by falling diagonal of H. Without static groups the stored columns, and so groups, are in that order.
    bool act_order = false;
    /// Groups are runs of the original columns, and their parameters are found before the pass.
    bool static_groups = false;
    /// An order that keeps groups together; not with act_order.
    group_order order = group_order::none;
    /// When the parameters of groups are found.
    group_grids grids = group_grids::automatic;
    /// Columns whose corrections reach the rest of the row together; only `lazy` grids depend on it.
    index block = 128;
    /// Mode reference: search the grid of each group for the least sum of |error|^mse_exponent. Mode fast: search its
    /// scale, as mode best does.
    bool mse = false;
    double mse_exponent = 2.4;
    /// Mode reference, 2 bits with a zero point, mse: the search also tries the next integer on the other side of
    /// -lo / scale as the zero point.
    bool adjacent_zero = false;
    /// With fewer tokens than this, a plain rounding is stored instead, and the result says so.
    index fallback_tokens = 0;
    gptq_fallback fallback = gptq_fallback::rtn;
    /// In which precision the solver computes.
    hessian_precision precision = hessian_precision::fp32;
    /// Mode best: sweeps over codes and scales after the pass; fewer where nothing changes any more.
    int refinements = 1;
    /// Whether the objectives are computed; each costs half a product of W and H.
    bool objectives = true;
    /// Threads, progress, cancellation.
    tersor::execution execution{};
};

} // namespace tersor::inline v0

#endif // TERSOR_SOLVERS_GPTQ_OPTIONS_HPP

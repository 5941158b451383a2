#ifndef TERSOR_SOLVERS_AWQ_HPP
#define TERSOR_SOLVERS_AWQ_HPP

// AWQ (Lin et al., AWQ: Activation-aware Weight Quantization, 2023): scales per input column, W' = W diag(s), that make
// the important columns of a weight matrix finer, and bounds per group that large weights are clipped to. The layer
// before divides its outputs by s (channel_scaling.hpp), so that the network stays the same but for rounding.
//
//   loss = tr(D H D^T),  D = quantized(W diag(s)) diag(s)^-1 - W,  H = (2 / samples) sum x x^T
//
// with the quantizer that is asked for, any one; this is 2 / samples times the squared error of all outputs, that is
// 2 rows times their mean squared error where each token is a sample.
//
//   reference   s by powers of the columns' mean magnitudes (awq_scales.hpp), r = 0, 0.05 .. 0.95, the first least loss
//               without clipping wins; then the bounds of awq_clip.hpp. As mit-han-lab/llm-awq does.
//   fast        that, then one descent of the bounds on the loss itself (awq_descent.hpp).
//   best        that, then four descents of bounds and scales in turn, by factors 2, 1.4, 1.15 and 1.15.
//
// Beyond `reference` a step is kept only if the loss becomes smaller, so that it is never above the reference's.
// Layers that share an input (q, k, v; gate, up) share scales: `awq_shared`. A quantizer with parameters for the whole
// tensor gets scales by the first rule and no clipping.

#include "tersor/core/error.hpp"
#include "tersor/solvers/awq_clip.hpp"
#include "tersor/solvers/awq_layer.hpp"
#include "tersor/solvers/awq_search.hpp"
#include "tersor/solvers/channel_scaling.hpp"
#include "tersor/solvers/channel_statistics.hpp"
#include "tersor/solvers/hessian.hpp"

#include <span>
#include <string>
#include <utility>
#include <vector>

namespace tersor::inline v0 {

/// The result for one layer.
template <quantizer Q>
struct awq_result : awq_report {
    /// W diag(s), clipped and quantized.
    quantized_tensor<Q, 2> weights;
};

/// The result for layers that share their input, in the order given.
template <quantizer Q>
struct awq_shared_result : awq_report {
    std::vector<quantized_tensor<Q, 2>> weights;
};

namespace detail {

template <quantizer Q, class Weights>
[[nodiscard]] awq_shared_result<Q> solve_awq(const Weights& weights, const channel_statistics& statistics,
                                             const hessian& h, const hessian* clip_hessian,
                                             const awq_options& options) {
    if (statistics.columns() != h.columns()) {
        raise(error_code::shape_mismatch, "awq: statistics of " + std::to_string(statistics.columns()) +
                                              " columns and a Hessian of " + std::to_string(h.columns()));
    }
    if (statistics.tokens() == 0) {
        raise(error_code::invalid_argument, "awq: the statistics have seen no tokens");
    }
    auto [stacked, ends] = stack_weights("awq", weights, h.columns());
    const awq_layer<Q> layer(std::move(stacked), std::move(ends), h.template matrix<float>());
    awq_shared_result<Q> result;
    result.weights = awq_search<Q>(layer, options, result)
                         .run(statistics.mean_magnitude(), clip_hessian == nullptr ? h : *clip_hessian);
    return result;
}

/// The same from the activations themselves.
template <quantizer Q, class Weights, class X>
[[nodiscard]] awq_shared_result<Q> solve_awq_for(const Weights& weights, const X& x, const awq_options& options) {
    static_assert(X::IsVectorAtCompileTime == 0, "awq takes activations [tokens x in]");
    const execution quiet = options.execution.with_progress({});
    channel_statistics statistics(x.cols());
    statistics.observe(x, quiet);
    hessian h(x.cols(), {.execution = quiet});
    h.accumulate(x);
    const index step = options.clip_tokens > 0 ? x.rows() / options.clip_tokens : 1;
    if (options.mode != quantize_mode::reference || step <= 1) {
        return solve_awq<Q>(weights, statistics, h, nullptr, options);
    }
    hessian some(x.cols(), {.precision = hessian_precision::fp64, .execution = quiet});
    for (index t = 0; t < x.rows(); t += step) {
        some.accumulate(x.row(t));
    }
    return solve_awq<Q>(weights, statistics, h, &some, options);
}

template <quantizer Q>
[[nodiscard]] awq_result<Q> single(awq_shared_result<Q> shared) {
    awq_result<Q> result{static_cast<awq_report&&>(shared), std::move(shared.weights.front())};
    return result;
}

} // namespace detail

/// Scales for layers that share their input, with one loss: a range of Eigen matrices [rows x in] of one type, from the
/// statistics and the Hessian of the inputs.
/// Errors: `shape_mismatch`; `non_finite`; `invalid_argument` without weights or tokens; `cancelled`; those of
/// `quantize`.
template <quantizer Q, class Weights>
[[nodiscard]] awq_shared_result<Q> awq_shared(const Weights& weights, const channel_statistics& statistics,
                                              const hessian& h, const awq_options& options = {}) {
    return detail::solve_awq<Q>(weights, statistics, h, nullptr, options);
}

/// The same from activations [tokens x in], an Eigen matrix.
template <quantizer Q, class Weights, class X>
requires(detail::eigen_dense<X>)
[[nodiscard]] awq_shared_result<Q> awq_shared(const Weights& weights, const X& x, const awq_options& options = {}) {
    return detail::solve_awq_for<Q>(weights, x, options);
}

/// Scales for one layer, weights [rows x in], from the statistics and the Hessian of its inputs.
/// Errors: as `awq_shared`.
template <quantizer Q, class W>
requires(detail::eigen_dense<W>)
[[nodiscard]] awq_result<Q> awq(const W& w, const channel_statistics& statistics, const hessian& h,
                                const awq_options& options = {}) {
    return detail::single(detail::solve_awq<Q>(std::span<const W>(&w, 1), statistics, h, nullptr, options));
}

/// The bounds that the reference's rule finds for weights [rows x in] with given scales; `h` is the Hessian of the
/// inputs before they are divided by them.
/// Errors: as `awq_shared`; `invalid_argument` for a scale that is not positive.
template <quantizer Q, class W>
requires(detail::eigen_dense<W>&& detail::has_own_groups<Q>)
[[nodiscard]] awq_clip_bounds awq_clip(const W& w, std::span<const float> scales, const hessian& h,
                                       const execution& exec = {}) {
    detail::check_scales(scales, w.cols(), "columns");
    auto [stacked, ends] = detail::stack_weights("awq", std::span<const W>(&w, 1), h.columns());
    const detail::awq_layer<Q> layer(std::move(stacked), std::move(ends), {});
    return detail::search_clip(layer, h.matrix<double>(), scales, exec);
}

/// `awq` from activations [tokens x in], an Eigen matrix.
template <quantizer Q, class W, class X>
requires(detail::eigen_dense<W>&& detail::eigen_dense<X>)
[[nodiscard]] awq_result<Q> awq(const W& w, const X& x, const awq_options& options = {}) {
    return detail::single(detail::solve_awq_for<Q>(std::span<const W>(&w, 1), x, options));
}

} // namespace tersor::inline v0

#endif // TERSOR_SOLVERS_AWQ_HPP

#ifndef TERSOR_METRICS_SENSITIVITY_HPP
#define TERSOR_METRICS_SENSITIVITY_HPP

// How much a tensor suffers from each of several quantizers, and how many bytes each takes: what allocation.hpp chooses
// from.
//
//   signal = |W|^2,        noise = |W - Q|^2                    of the weights alone
//   signal = tr(W H W^T),  noise = tr((W - Q) H (W - Q)^T)      of the outputs, where H (2/n X^T X) is given
//   relative error = noise / signal                             so that tensors of any size and unit compare
//
// SQNR is 10 log10(signal / noise) decibel.

#include "tersor/core/options.hpp"
#include "tersor/metrics/error_metrics.hpp"
#include "tersor/metrics/sensitivity_norm.hpp"
#include "tersor/quantizers/quantize.hpp"

#include <array>
#include <cmath>
#include <cstddef>
#include <limits>

namespace tersor::inline v0 {

/// What one quantizer costs one tensor.
struct quantization_cost {
    std::size_t bytes = 0; ///< of the quantized tensor: codes and parameters
    double signal = 0.0;   ///< |W|^2 or tr(W H W^T)
    double noise = 0.0;    ///< |W - Q|^2 or tr((W - Q) H (W - Q)^T)

    /// noise / signal; 0 without noise, infinite for noise without signal.
    [[nodiscard]] double relative_error() const noexcept {
        return noise == 0.0 ? 0.0 : signal == 0.0 ? std::numeric_limits<double>::infinity() : noise / signal;
    }
    /// Signal to quantization noise in decibel; infinite without noise.
    [[nodiscard]] double sqnr_db() const noexcept {
        return noise == 0.0 ? std::numeric_limits<double>::infinity() : 10.0 * std::log10(signal / noise);
    }
    friend bool operator==(const quantization_cost&, const quantization_cost&) = default;
};

/// The cost of a quantized tensor or view `q` that stands for `w`, an Eigen object of the same shape.
/// Errors: `shape_mismatch`; `cancelled`.
template <class W, class Q, int Rank, class Kind, class C, class P>
[[nodiscard]] quantization_cost cost_of(const W& w, const basic_quantized<Q, Rank, Kind, C, P>& q,
                                        const execution& exec = {}) {
    compare_options options;
    options.execution = exec;
    const error_sums sums = compare(w, q, options).sums;
    return {q.bytes(), sums.signal, sums.noise};
}

/// The same with the error of the outputs; rows are those of the last axis, as long as H is wide.
/// Errors: `shape_mismatch`; `cancelled`.
template <class W, class Q, int Rank, class Kind, class C, class P>
[[nodiscard]] quantization_cost cost_of(const W& w, const basic_quantized<Q, Rank, Kind, C, P>& q,
                                        const hessian_norm& h, const execution& exec = {}) {
    return {q.bytes(), h.squared(w, exec), h.squared_distance(w, q, exec)};
}

/// The cost of each of the quantizers, in their order. `w` is any dense Eigen object that `quantize` takes.
/// Errors: those of `quantize`, such as `shape_mismatch` where rows are not whole blocks.
///
///     const auto costs = sensitivity<int8_per_channel, int4_blockwise<32>, nf4_blockwise<64>>(weights);
template <quantizer... Quantizers, class W>
[[nodiscard]] std::array<quantization_cost, sizeof...(Quantizers)> sensitivity(const W& w,
                                                                               const quantize_options& options = {}) {
    return {cost_of(w, quantize<Quantizers>(w, options), options.execution)...};
}

/// The same with the error of the outputs, for a matrix [rows x columns] whose inputs have the second moments H
/// [columns x columns]. Errors: also `shape_mismatch` if H has another size.
template <quantizer... Quantizers, class W>
[[nodiscard]] std::array<quantization_cost, sizeof...(Quantizers)> sensitivity(const W& w, const hessian_norm& h,
                                                                               const quantize_options& options = {}) {
    const double signal = h.squared(w, options.execution);
    const auto cost = [&](const auto& q) {
        return quantization_cost{q.bytes(), signal, h.squared_distance(w, q, options.execution)};
    };
    return {cost(quantize<Quantizers>(w, options))...};
}

} // namespace tersor::inline v0

#endif // TERSOR_METRICS_SENSITIVITY_HPP

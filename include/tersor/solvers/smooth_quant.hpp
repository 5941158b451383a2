#ifndef TERSOR_SOLVERS_SMOOTH_QUANT_HPP
#define TERSOR_SOLVERS_SMOOTH_QUANT_HPP

// SmoothQuant (Xiao et al., SmoothQuant: Accurate and Efficient Post-Training Quantization for Large Language Models,
// 2023): scales per input column that move the outliers of the activations into the weights, before both are quantized
// to 8 bits:
//
//   s_j = max(max|x_j|^a / max(max|w_j|, 1e-5)^b, 1e-5),  b = 1 - a;   X' = X diag(s)^-1,  W' = W diag(s)
//
// Powers are computed in double and rounded to float, as the quotient is. The layer before takes the division
// (channel_scaling.hpp). The measure is the squared error of the real product,
//
//   error = |Q(X') Q(W')^T - X W^T|^2 / |X W^T|^2
//
// X' by one scale per token, W' by one per row unless other quantizers are asked for; products and sums in double,
// which for the codes of 8-bit integers leaves nothing but the rounding of decoded values to float (2^-24).
//
//   reference   the given a, 0.5 unless set
//   fast        no scales at all, or a = 0, 0.05 .. 1: the first least error; a given a is kept
//   best        that, then a and b each on its own, in steps of 0.1, 0.05, 0.025 while they help

#include "tersor/core/error.hpp"
#include "tersor/core/options.hpp"
#include "tersor/formats/integer.hpp"
#include "tersor/quantizers/absmax.hpp"
#include "tersor/quantizers/dequantize.hpp"
#include "tersor/quantizers/per_channel.hpp"
#include "tersor/quantizers/quantize.hpp"
#include "tersor/solvers/awq_layer.hpp"
#include "tersor/solvers/awq_power.hpp"
#include "tersor/solvers/channel_scaling.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace tersor::inline v0 {

/// Options of `smooth_quant`.
struct smooth_quant_options {
    /// How far to search; see the head of this file.
    quantize_mode mode = quantize_mode::best;
    /// The exponent of max|x|, in [0, 1]; searched for if empty.
    std::optional<double> alpha{};
    /// Threads, progress, cancellation.
    tersor::execution execution{};
};

/// The scales [in] of SmoothQuant for max|x_j| and max|w_j| of every input column and exponents a and b.
/// Errors: `shape_mismatch` if their numbers differ.
[[nodiscard]] inline std::vector<float> smooth_quant_scales(std::span<const float> max_x, std::span<const float> max_w,
                                                            double a, double b) {
    if (max_x.size() != max_w.size()) {
        raise(error_code::shape_mismatch, "smooth_quant: " + std::to_string(max_x.size()) +
                                              " columns of activations and " + std::to_string(max_w.size()) +
                                              " of weights");
    }
    std::vector<float> s(max_x.size());
    const auto power = [](float x, double y) {
        return x > 0.0f ? static_cast<float>(detail::power(static_cast<double>(x), y)) : y > 0.0 ? 0.0f : 1.0f;
    };
    for (std::size_t j = 0; j < s.size(); ++j) {
        s[j] = std::max(power(max_x[j], a) / power(std::max(max_w[j], 1e-5f), b), 1e-5f);
    }
    return s;
}
/// As in the paper: b = 1 - a.
[[nodiscard]] inline std::vector<float> smooth_quant_scales(std::span<const float> max_x, std::span<const float> max_w,
                                                            double a) {
    return smooth_quant_scales(max_x, max_w, a, 1.0 - a);
}

/// What SmoothQuant found for layers that share their input.
template <quantizer Weights>
struct smooth_quant_result {
    /// s of every input column.
    std::vector<float> scales;
    /// The exponents of max|x| and max|w|; both 0 if no scales were best.
    double alpha = 0.0, beta = 0.0;
    /// Relative squared error of the outputs without scales, and of the result.
    double error_plain = 0.0, error = 0.0;
    /// W diag(s), quantized: one tensor for each layer.
    std::vector<quantized_tensor<Weights, 2>> weights;
};

namespace detail {

template <quantizer Weights, quantizer Activations>
class smooth_quant_search {
public:
    using matrix = awq_matrix;

    smooth_quant_search(matrix w, std::vector<index> ends, matrix x, const smooth_quant_options& options)
        : w_(std::move(w)), ends_(std::move(ends)), x_(std::move(x)), options_(options),
          quiet_(options.execution.with_progress({})) {
        const auto largest = [](const matrix& m) {
            std::vector<float> values(static_cast<std::size_t>(m.cols()));
            for (index r = 0; r < m.rows(); ++r) {
                for (index j = 0; j < m.cols(); ++j) {
                    float& value = values[static_cast<std::size_t>(j)];
                    value = std::abs(m(r, j)) > value ? std::abs(m(r, j)) : value;
                }
            }
            return values;
        };
        max_x_ = largest(x_);
        max_w_ = largest(w_);
        exact_ = product(x_, w_);
        norm_ = squared(exact_);
    }

    [[nodiscard]] smooth_quant_result<Weights> run() {
        best_.scales.assign(max_x_.size(), 1.0f);
        best_.error = best_.error_plain = error(best_.scales);
        if (options_.alpha || options_.mode == quantize_mode::reference) {
            const double a = options_.alpha.value_or(0.5);
            best_.error = std::numeric_limits<double>::infinity();
            consider(a, 1.0 - a, 0.0, 1.0);
        } else {
            const bool refines = options_.mode == quantize_mode::best;
            for (int i = 0; i <= 20; ++i) {
                const double a = i / 20.0, until = refines ? 0.5 : 1.0;
                consider(a, 1.0 - a, until * i / 21.0, until * (i + 1) / 21.0);
            }
            if (refines && best_.error > 0.0) {
                refine();
            }
        }
        const matrix v = scaled(best_.scales);
        for (index k = 0, first = 0; k < static_cast<index>(ends_.size()); ++k) {
            const index end = ends_[static_cast<std::size_t>(k)];
            best_.weights.push_back(quantize<Weights>(v.middleRows(first, end - first), {.execution = quiet_}));
            first = end;
        }
        return std::move(best_);
    }

private:
    using wide = awq_hessian;

    [[nodiscard]] wide product(const matrix& x, const matrix& w) const {
        const wide a = x.cast<double>(), b = w.transpose().cast<double>();
        wide y = wide::Zero(a.rows(), b.cols());
        linalg::multiply_add(linalg::view(y), linalg::view(a), linalg::view(b), quiet_);
        return y;
    }
    [[nodiscard]] static double squared(const wide& y) noexcept {
        double sum = 0.0;
        for (index t = 0; t < y.rows(); ++t) {
            sum += dot(&y(t, 0), &y(t, 0), y.cols());
        }
        return sum;
    }
    [[nodiscard]] matrix scaled(const std::vector<float>& s) const {
        matrix v = w_;
        multiply_columns(v, s);
        return v;
    }

    [[nodiscard]] double error(const std::vector<float>& s) const {
        matrix x = x_, v = scaled(s);
        divide_columns(x, s);
        x = dequantize(quantize<Activations>(x, {.execution = quiet_}));
        index first = 0;
        for (const index end : ends_) {
            const matrix layer = dequantize(quantize<Weights>(v.middleRows(first, end - first), {.execution = quiet_}));
            v.middleRows(first, end - first) = layer;
            first = end;
        }
        const double difference = squared(product(x, v) - exact_);
        return norm_ > 0.0 ? difference / norm_ : difference;
    }

    /// Whether these exponents are better; they are the result then.
    bool consider(double a, double b, double from, double until) {
        std::vector<float> s = smooth_quant_scales(max_x_, max_w_, a, b);
        bool is_better = false;
        run_step(options_.execution.part(from, until), [&] {
            const double now = error(s);
            if (now < best_.error) {
                best_.error = now;
                best_.scales = std::move(s);
                best_.alpha = a;
                best_.beta = b;
                is_better = true;
            }
        });
        return is_better;
    }

    void refine() {
        double done = 0.5;
        for (const double step : {0.1, 0.05, 0.025}) {
            for (const auto& [da, db] : {std::pair{step, 0.0}, {-step, 0.0}, {0.0, step}, {0.0, -step}}) {
                const double until = std::min(done + 0.5 / 12.0, 1.0);
                for (int i = 0; i < 8; ++i) {
                    // The steps of a direction share its part of the progress, which may end early.
                    const double width = (until - done) / 8.0;
                    const double a = best_.alpha + da, b = best_.beta + db;
                    if (a < 0.0 || a > 1.5 || b < -0.5 || b > 1.5 ||
                        !consider(a, b, done + width * i, done + width * (i + 1))) {
                        break;
                    }
                }
                done = until;
            }
        }
    }

    matrix w_;
    std::vector<index> ends_;
    matrix x_;
    const smooth_quant_options& options_;
    execution quiet_;
    std::vector<float> max_x_, max_w_;
    wide exact_;
    double norm_ = 0.0;
    smooth_quant_result<Weights> best_;
};

} // namespace detail

/// Scales for layers that share their input, with one error: a range of Eigen matrices [rows x in] of one type, and the
/// activations [tokens x in], an Eigen matrix. The error counts in the product X W^T of all of them.
/// Errors: `shape_mismatch`; `non_finite`; `invalid_argument` without weights or tokens, or for alpha outside [0, 1];
/// `cancelled`.
template <quantizer Weights = per_channel<absmax<int8>>, quantizer Activations = per_channel<absmax<int8>>,
          class Layers, class X>
[[nodiscard]] smooth_quant_result<Weights> smooth_quant_shared(const Layers& layers, const X& x,
                                                               const smooth_quant_options& options = {}) {
    if (x.rows() < 1) {
        raise(error_code::invalid_argument, "smooth_quant: no tokens");
    }
    if (options.alpha && !(*options.alpha >= 0.0 && *options.alpha <= 1.0)) {
        raise(error_code::invalid_argument,
              "smooth_quant: alpha " + std::to_string(*options.alpha) + " is not between 0 and 1");
    }
    auto [w, ends] = detail::stack_weights("smooth_quant", layers, x.cols());
    detail::awq_matrix inputs = x.template cast<float>();
    detail::check_finite("smooth_quant: the activation", inputs);
    return detail::smooth_quant_search<Weights, Activations>(std::move(w), std::move(ends), std::move(inputs), options)
        .run();
}

/// Scales for one layer, weights [rows x in]. Errors: as `smooth_quant_shared`.
template <quantizer Weights = per_channel<absmax<int8>>, quantizer Activations = per_channel<absmax<int8>>, class W,
          class X>
requires(detail::eigen_dense<W>&& detail::eigen_dense<X>)
[[nodiscard]] smooth_quant_result<Weights> smooth_quant(const W& w, const X& x,
                                                        const smooth_quant_options& options = {}) {
    return smooth_quant_shared<Weights, Activations>(std::span<const W>(&w, 1), x, options);
}

} // namespace tersor::inline v0

#endif // TERSOR_SOLVERS_SMOOTH_QUANT_HPP

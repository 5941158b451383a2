#ifndef TERSOR_SOLVERS_AWQ_SEARCH_HPP
#define TERSOR_SOLVERS_AWQ_SEARCH_HPP

// The steps of AWQ's modes, one after another, and what they report: the ratio, the bounds, the descents; see awq.hpp.

#include "tersor/core/error.hpp"
#include "tersor/core/options.hpp"
#include "tersor/solvers/awq_clip.hpp"
#include "tersor/solvers/awq_descent.hpp"
#include "tersor/solvers/awq_layer.hpp"
#include "tersor/solvers/awq_scales.hpp"
#include "tersor/solvers/hessian.hpp"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

namespace tersor::inline v0 {

/// Options of `awq`.
struct awq_options {
    /// How far to search; see the head of this file.
    quantize_mode mode = quantize_mode::best;
    /// Whether weights may be clipped.
    bool clip = true;
    /// Given the activations, the reference's clipping looks at about this many of their tokens, evenly spaced.
    index clip_tokens = 512;
    /// Threads, progress, cancellation.
    tersor::execution execution{};
};

/// What AWQ found for one input. Losses are tr(D H D^T) over all layers that share it.
struct awq_report {
    /// s of every input column.
    std::vector<float> scales;
    /// The exponent r of the reference's rule that won.
    double ratio = 0.0;
    /// The loss for each r of that rule, without clipping.
    std::vector<double> losses;
    /// The loss of plain rounding, and that of the result.
    double loss_rtn = 0.0, loss = 0.0;
    /// What W diag(s) was clipped to, for the rows of all layers, one below the other; empty without clipping.
    awq_clip_bounds clip;
};

namespace detail {

template <quantizer Q>
class awq_search {
public:
    awq_search(const awq_layer<Q>& layer, const awq_options& options, awq_report& report)
        : layer_(layer), options_(options), quiet_(options.execution.with_progress({})), report_(report) {}

    /// Fills the report and gives the quantized layers.
    [[nodiscard]] std::vector<quantized_tensor<Q, 2>> run(const std::vector<float>& mean_magnitude,
                                                          const hessian& clip_hessian) {
        search_ratio(mean_magnitude);
        if constexpr (has_own_groups<Q>) {
            if (options_.clip) {
                clip(clip_hessian);
            }
            if (options_.mode != quantize_mode::reference) {
                descend();
            }
        }
        auto layers = layer_.quantized(report_.scales, bounds(), quiet_);
        if (bounds_) {
            report_.clip = std::move(*bounds_);
        }
        return layers;
    }

private:
    [[nodiscard]] const awq_clip_bounds* bounds() const noexcept { return bounds_ ? &*bounds_ : nullptr; }

    /// Whether scaled weights stay far from the ends of float.
    [[nodiscard]] bool is_usable(const std::vector<float>& s) const noexcept {
        const float largest = std::max(1.0f, layer_.weights().cwiseAbs().maxCoeff());
        return std::all_of(s.begin(), s.end(), [largest](float x) {
            return x > 1e-30f && x < 1e30f && x * largest < 0.1f * std::numeric_limits<float>::max();
        });
    }

    void search_ratio(const std::vector<float>& mean_magnitude) {
        constexpr int steps = 20;
        report_.loss = std::numeric_limits<double>::infinity();
        for (int i = 0; i < steps; ++i) {
            const double r = static_cast<double>(i) / steps;
            std::vector<float> s = awq_scales(mean_magnitude, r);
            double loss = std::numeric_limits<double>::infinity();
            if (is_usable(s)) {
                run_step(options_.execution.part(share(i), share(i + 1)),
                         [&] { loss = layer_.cost(s, nullptr, quiet_); });
            }
            report_.losses.push_back(loss);
            if (loss < report_.loss) {
                report_.loss = loss;
                report_.ratio = r;
                report_.scales = std::move(s);
            }
        }
        if (report_.scales.empty()) {
            raise(error_code::non_finite, "awq: the loss overflows a float for every choice of scales");
        }
        report_.loss_rtn = report_.losses.front();
    }
    static double share(int step) noexcept { return 0.25 * step / 20.0; }

    void clip(const hessian& h) {
        run_step(options_.execution.part(0.25, 0.3), [&] {
            awq_clip_bounds found = search_clip(layer_, h.template matrix<double>(), report_.scales, quiet_);
            const double loss = layer_.cost(report_.scales, &found, quiet_);
            // The reference clips in any case.
            if (loss < report_.loss || options_.mode == quantize_mode::reference) {
                report_.loss = loss;
                bounds_ = std::move(found);
            }
        });
    }

    void descend() {
        awq_descent<Q> descent(layer_, report_.scales, bounds(), options_.clip, quiet_);
        if (options_.mode == quantize_mode::fast) {
            descent.sweep(1.0f, options_.execution.part(0.3, 1.0));
        } else {
            double done = 0.3;
            for (const float factor : {2.0f, 1.4f, 1.15f, 1.15f}) {
                descent.sweep(factor, options_.execution.part(done, done + 0.175));
                done += 0.175;
            }
        }
        awq_clip_bounds found = descent.bounds();
        const double loss = layer_.cost(descent.scales(), options_.clip ? &found : nullptr, quiet_);
        if (loss < report_.loss) {
            report_.loss = loss;
            report_.scales = descent.scales();
            if (options_.clip) {
                bounds_ = std::move(found);
            }
        }
    }

    const awq_layer<Q>& layer_;
    const awq_options& options_;
    execution quiet_;
    awq_report& report_;
    std::optional<awq_clip_bounds> bounds_;
};

} // namespace detail

} // namespace tersor::inline v0

#endif // TERSOR_SOLVERS_AWQ_SEARCH_HPP

// Usage: awq_quality
// What the solvers that scale or fit weights make of the recorded layers (golden/activations of the folder that
// TERSOR_SHARED names): the relative squared error |X Q^T - X W^T|^2 / |X W^T|^2 of the output, in double. In 4 and 3
// bits, asymmetric, blocks of 64: plain rounding; AWQ by the reference's search without and with clipping, and by the
// modes fast and best; GPTQ alone and on AWQ's scales. In 8 x 8 bits: plain and SmoothQuant. For HQQ, which does not
// see activations, the mean |W - Q| too, in units of 1e-6.

#include "tests/common/golden.hpp"

#include <tersor/formats/integer.hpp>
#include <tersor/quantizers/blockwise.hpp>
#include <tersor/quantizers/dequantize.hpp>
#include <tersor/quantizers/float_zero_point.hpp>
#include <tersor/quantizers/zero_point.hpp>
#include <tersor/solvers/awq.hpp>
#include <tersor/solvers/channel_scaling.hpp>
#include <tersor/solvers/gptq.hpp>
#include <tersor/solvers/hqq.hpp>
#include <tersor/solvers/smooth_quant.hpp>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

namespace {

using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using tersor::quantize_mode;

double seconds() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

struct layer {
    matrix x, w;
    double norm;

    [[nodiscard]] double error(const matrix& q) const {
        const matrix d = q - w;
        return (x.cast<double>() * d.cast<double>().transpose()).squaredNorm() / norm;
    }
    // Weights that were scaled, back in their own columns.
    [[nodiscard]] double error(matrix q, const std::vector<float>& scales) const {
        tersor::divide_columns(q, scales);
        return error(q);
    }
};

layer load(const std::string& name) {
    const golden::file file(name);
    const auto read = [&](const char* tensor) {
        std::vector<float> values = file.tensor<float>(tensor);
        return matrix(Eigen::Map<matrix>(values.data(), file.shape(tensor)[0], file.shape(tensor)[1]));
    };
    layer l{read("x"), read("w"), 1.0};
    l.norm = l.error(matrix::Zero(l.w.rows(), l.w.cols()));
    return l;
}

void print(const char* what, double error) {
    std::printf("  %-26s %.6g\n", what, error);
}

template <class Format>
void weights_only(const layer& l, const tersor::channel_statistics& statistics, const tersor::hessian& h) {
    using Q = tersor::blockwise<tersor::zero_point<Format>, 64>;
    std::printf(" int%d, zero point, blocks of 64\n", Format::bits);
    print("rtn", l.error(tersor::dequantize(tersor::quantize<Q>(l.w))));
    const auto awq = [&](const char* what, quantize_mode mode, bool clip) {
        const double start = seconds();
        const auto result = tersor::awq<Q>(l.w, statistics, h, {.mode = mode, .clip = clip});
        const double time = seconds() - start;
        std::printf("  %-26s %.6g   ratio %.2f, %.2f s\n", what,
                    l.error(tersor::dequantize(result.weights), result.scales), result.ratio, time);
        return result.scales;
    };
    const auto reference = awq("awq reference, no clip", quantize_mode::reference, false);
    awq("awq reference", quantize_mode::reference, true);
    awq("awq fast", quantize_mode::fast, true);
    const auto scales = awq("awq best", quantize_mode::best, true);
    const auto gptq_on = [&](const std::vector<float>& s) {
        matrix v = l.w;
        tersor::multiply_columns(v, s);
        return l.error(tersor::gptq<Q>(v, tersor::scaled_hessian(h, s)).dequantize(), s);
    };
    print("gptq", l.error(tersor::gptq<Q>(l.w, h).dequantize()));
    print("gptq, scales of reference", gptq_on(reference));
    print("gptq, scales of best", gptq_on(scales));
}

template <class Q>
void hqq(const layer& l, const char* what, tersor::hqq_options options) {
    const auto result = tersor::hqq<Q>(l.w, options);
    std::printf("  %-26s %.6g   mean |W - Q| %.3f, rms %.3f\n", what, l.error(tersor::dequantize(result.weights)),
                1e6 * result.mean_absolute_error, 1e6 * std::sqrt(result.mean_squared_error));
}

void without_activations(const layer& l) {
    using floats = tersor::blockwise<tersor::float_zero_point<tersor::uint4>, 64>;
    using integers = tersor::blockwise<tersor::zero_point<tersor::uint4>, 64>;
    const auto absolute = tersor::hqq_error::absolute, squared = tersor::hqq_error::squared;
    std::printf(" hqq int4, blocks of 64\n");
    hqq<floats>(l, "no iterations", {.mode = quantize_mode::reference, .optimize = false});
    hqq<floats>(l, "reference", {.mode = quantize_mode::reference});
    hqq<floats>(l, "reference, slow", {.mode = quantize_mode::reference, .slow = true});
    hqq<floats>(l, "best", {});
    hqq<floats>(l, "best, |E|", {.error = absolute});
    hqq<floats>(l, "best, E^2", {.error = squared});
    hqq<integers>(l, "integer zero, reference", {.mode = quantize_mode::reference});
    hqq<integers>(l, "integer zero, best", {});
    hqq<integers>(l, "integer zero, best, |E|", {.error = absolute});
    hqq<integers>(l, "integer zero, best, E^2", {.error = squared});
}

void eight_bits(const layer& l) {
    std::printf(" int8 x int8, a scale per token and per row\n");
    const auto half = tersor::smooth_quant(l.w, l.x, {.mode = quantize_mode::reference});
    const auto fast = tersor::smooth_quant(l.w, l.x, {.mode = quantize_mode::fast});
    const auto best = tersor::smooth_quant(l.w, l.x);
    print("plain", half.error_plain);
    print("smooth, alpha 0.5", half.error);
    std::printf("  %-26s %.6g   alpha %.3f\n", "smooth fast", fast.error, fast.alpha);
    std::printf("  %-26s %.6g   alpha %.3f, beta %.3f\n", "smooth best", best.error, best.alpha, best.beta);
}

} // namespace

int main() {
    for (const char* const name : {"q_proj", "gate_proj", "down_proj"}) {
        for (const char* const form : {"", "_outlier"}) {
            const std::string file = std::string("activations/small_l3_") + name + form;
            if (!golden::available(file)) {
                std::printf("%s is not there\n", file.c_str());
                continue;
            }
            std::printf("%s%s\n", name, form);
            const layer l = load(file);
            tersor::channel_statistics statistics(l.x.cols());
            statistics.observe(l.x);
            tersor::hessian h(l.x.cols());
            h.accumulate(l.x);
            weights_only<tersor::uint4>(l, statistics, h);
            weights_only<tersor::uint3>(l, statistics, h);
            without_activations(l);
            eight_bits(l);
        }
    }
}

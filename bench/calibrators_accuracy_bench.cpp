// What the calibrators' ranges are worth on recorded activations: the relative squared error |x - Q(x)|^2 / |x|^2 of
// the inputs of three layers (golden/activations, 1024 tokens), calibrated on the first half of the tokens and measured
// on the second. Not a measurement of time.

#include "tests/common/golden.hpp"

#include "tersor/calibrators/kl_divergence.hpp"
#include "tersor/calibrators/min_max.hpp"
#include "tersor/calibrators/moving_average.hpp"
#include "tersor/calibrators/mse.hpp"
#include "tersor/calibrators/percentile.hpp"
#include "tersor/formats/fp8.hpp"
#include "tersor/quantizers/absmax.hpp"

#include <Eigen/Core>
#include <benchmark/benchmark.h>

#include <string>

namespace {

using namespace tersor;
using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

template <class Q>
double relative_error(const matrix& x, typename Q::parameters p) {
    const Q q;
    double noise = 0.0, signal = 0.0;
    for (Eigen::Index i = 0; i < x.size(); ++i) {
        const double v = x.data()[i], difference = v - static_cast<double>(q.decode(q.encode(x.data()[i], p), p));
        noise += difference * difference;
        signal += v * v;
    }
    return noise / signal;
}

template <class Calibrator>
void measure(benchmark::State& state, const std::string& layer, Calibrator calibrator) {
    const golden::file file("activations/small_l3_" + layer);
    const auto values = file.tensor<float>("x");
    const auto columns = static_cast<Eigen::Index>(file.shape("x")[1]);
    const Eigen::Map<const matrix> x(values.data(), static_cast<Eigen::Index>(values.size()) / columns, columns);
    const Eigen::Index half = x.rows() / 2;
    for ([[maybe_unused]] auto run : state) {
        for (Eigen::Index row = 0; row < half; row += 64) {
            calibrator.observe(x.middleRows(row, 64));
        }
        const matrix rest = x.bottomRows(half);
        state.counters["int8"] = relative_error<absmax<int8>>(rest, calibrator.template parameters<absmax<int8>>());
        state.counters["int4"] = relative_error<absmax<int4>>(rest, calibrator.template parameters<absmax<int4>>());
        state.counters["fp8"] =
            relative_error<absmax<fp8_e4m3>>(rest, calibrator.template parameters<absmax<fp8_e4m3>>());
        using uint8_zero = zero_point<uint8>;
        using uint4_zero = zero_point<uint4>;
        state.counters["uint8_zp"] = relative_error<uint8_zero>(rest, calibrator.template parameters<uint8_zero>());
        state.counters["uint4_zp"] = relative_error<uint4_zero>(rest, calibrator.template parameters<uint4_zero>());
    }
}

const int registered = [] {
    for (const std::string layer :
         {"q_proj", "gate_proj", "down_proj", "q_proj_outlier", "gate_proj_outlier", "down_proj_outlier"}) {
        if (!golden::available("activations/small_l3_" + layer)) {
            continue;
        }
        const auto add = [&](const std::string& name, auto calibrator) {
            benchmark::RegisterBenchmark((layer + " " + name).c_str(),
                                         [=](benchmark::State& state) { measure(state, layer, calibrator); })
                ->Iterations(1)
                ->Unit(benchmark::kMillisecond);
        };
        add("min_max", min_max());
        add("moving_average .01", moving_average(0.01f));
        add("percentile 99.99", percentile(99.99));
        add("mse", mse());
        add("kl_divergence", kl_divergence());
    }
    return 0;
}();

} // namespace

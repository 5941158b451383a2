// Calibrators: counting values against RD, the searches for a range in milliseconds, and the exact least-squares fit.

#include "bench/limits.hpp"

#include "tersor/calibrators/kl_divergence.hpp"
#include "tersor/calibrators/mse.hpp"
#include "tersor/quantizers/aliases.hpp"
#include "tersor/quantizers/quantize.hpp"

#include <Eigen/Core>
#include <unsupported/Eigen/CXX11/ThreadPool>

#include <memory>

namespace {

using namespace tersor;

/// 256 MiB of values, as RD is defined: all of them, or without the negative ones, as after a ReLU.
void count(benchmark::State& state, bool positive) {
    bench::buffer<float> in(std::size_t(64) << 20, bench::pages::huge);
    bench::fill_normal(in);
    for (float& x : in.span()) {
        x = positive && x < 0.0f ? 0.0f : x;
    }
    const Eigen::Map<const Eigen::VectorXf> values(in.data(), static_cast<Eigen::Index>(in.size()));
    const auto helpers = static_cast<int>(state.range(1)) - 1;
    const auto pool = std::make_unique<Eigen::ThreadPool>(helpers > 0 ? helpers : 1);
    calibration_options options;
    if (helpers > 0) {
        options.execution = execution(*pool);
    }
    const auto kernel = [&] {
        mse calibrator(options);
        calibrator.observe(values);
        benchmark::DoNotOptimize(calibrator.count());
    };
    bench::compare(state, in.bytes(), bench::read_only(in), kernel, .3, .6);
}

/// Milliseconds for one range from a histogram of 2048 bins on the side of the data.
template <class Calibrator, class Q>
void search(benchmark::State& state, bool positive, double must, double stretch) {
    bench::buffer<float> in(1'000'000);
    bench::fill_normal(in, 0.24f);
    for (float& x : in.span()) {
        x = positive && x < 0.0f ? -x : x;
    }
    Calibrator calibrator;
    calibrator.observe(Eigen::Map<const Eigen::VectorXf>(in.data(), static_cast<Eigen::Index>(in.size())));
    std::vector<double> seconds;
    for ([[maybe_unused]] auto run : state) {
        seconds.push_back(bench::seconds_of([&] {
            auto range = calibrator.template range<Q>();
            benchmark::DoNotOptimize(range);
        }));
        state.SetIterationTime(seconds.back());
    }
    state.counters["ms"] = 1e3 * bench::median(seconds);
    state.counters["must_ms"] = must;
    state.counters["stretch_ms"] = stretch;
}

/// Seconds for a 4096 x 4096 matrix, from 512 rows of it.
template <class Q>
void fit(benchmark::State& state) {
    constexpr Eigen::Index rows = 512, cols = 4096;
    bench::buffer<float> in(static_cast<std::size_t>(rows * cols));
    bench::fill_normal(in);
    using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    const Eigen::Map<const matrix> weights(in.data(), rows, cols);
    quantize_options options;
    options.least_squares = true;
    for ([[maybe_unused]] auto run : state) {
        state.SetIterationTime(bench::seconds_of([&] {
            const auto q = quantize<Q>(weights, options);
            benchmark::DoNotOptimize(q.codes().data());
        }));
    }
    state.counters["s_per_4096x4096"] =
        benchmark::Counter(0.125, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

template <class Calibrator, class Q>
void add_search(const char* name, bool positive, double must, double stretch) {
    const auto run = [=](benchmark::State& state) { search<Calibrator, Q>(state, positive, must, stretch); };
    benchmark::RegisterBenchmark(name, run)->Iterations(15)->UseManualTime()->Unit(benchmark::kMillisecond);
}

template <class Q>
void add_fit(const char* name) {
    benchmark::RegisterBenchmark(name, fit<Q>)->Iterations(1)->UseManualTime()->Unit(benchmark::kMillisecond);
}

const int registered = [] {
    const auto large = [](auto* b) { bench::arguments(b, std::size_t(256) << 20); };
    benchmark::RegisterBenchmark("histogram, normal", [](auto& s) { count(s, false); })->Apply(large);
    benchmark::RegisterBenchmark("histogram, relu", [](auto& s) { count(s, true); })->Apply(large);
    add_search<kl_divergence, absmax<int8>>("kl_divergence int8", true, 20, 5);
    add_search<kl_divergence, zero_point<uint8>>("kl_divergence uint8, both ends", false, 20, 5);
    add_search<mse, absmax<int8>>("mse int8", true, 5, 0);
    add_search<mse, absmax<int4>>("mse int4", true, 5, 0);
    add_search<mse, absmax<fp8_e4m3>>("mse fp8_e4m3", true, 5, 0);
    add_search<mse, zero_point<uint8>>("mse uint8, both ends", false, 5, 0);
    add_fit<blockwise<absmax<int4>, 64>>("least squares int4/64");
    add_fit<blockwise<absmax<int4>, 128>>("least squares int4/128");
    add_fit<blockwise<absmax<nf4>, 64>>("least squares nf4/64");
    add_fit<blockwise<zero_point<uint4>, 64>>("least squares uint4/64");
    add_fit<per_channel<absmax<int8>>>("least squares int8/row of 4096");
    add_fit<per_channel<zero_point<uint8>>>("least squares uint8/row of 4096");
    return 0;
}();

} // namespace

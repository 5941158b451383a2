// Hessians of calibration inputs against Eigen's float product of as many operations. "GB/s" stands for 10^9 operations
// per second.

#include "bench/linalg_limit.hpp"

#include "tersor/solvers/hessian.hpp"

#include <unsupported/Eigen/CXX11/ThreadPool>

namespace {

void arguments(benchmark::internal::Benchmark* benchmark) {
    benchmark->ArgNames({"columns", "threads"})->Unit(benchmark::kMillisecond)->Iterations(7)->UseManualTime();
    for (const int columns : {1024, 4096}) {
        for (const int threads : {1, 2}) {
            benchmark->Args({columns, threads});
        }
    }
}

template <tersor::hessian_precision Precision>
void accumulate(benchmark::State& state) {
    using rows = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    const long columns = state.range(0), tokens = 2048;
    Eigen::ThreadPool pool(static_cast<int>(state.range(1)) - 1);
    bench::product_limit limit(columns, columns / 2, tokens);
    const Eigen::Map<const rows> x(limit.a.data(), tokens, columns);
    tersor::hessian h(columns, {Precision, 0, pool});
    const bool is_single = Precision == tersor::hessian_precision::fp32;
    bench::compare(
        state, static_cast<std::size_t>(columns * columns * tokens), limit.make(), [&] { h.accumulate(x); },
        is_single ? .80 : 0, is_single ? .90 : 0);
}
BENCHMARK(accumulate<tersor::hessian_precision::fp32>)->Apply(arguments);
BENCHMARK(accumulate<tersor::hessian_precision::fp64>)->Apply(arguments);

} // namespace

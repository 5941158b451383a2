// GPTQ of a square layer: (2/3 n^3 + rows n^2) multiply-adds a second, against the float product of the same shape in
// the same run (SG: 2 n^3 operations). Target: .40 of it. Layers are random; what they hold does not change the work,
// except for the sweeps that mode best needs.
//
//   fast      grids of the original weights, no inverse of H
//   updated   grids found on the way, which need the inverse of the factor
//   best      the default: a pass and a sweep that refines codes and scales

#include "bench/limits.hpp"

#include "tersor/quantizers/blockwise.hpp"
#include "tersor/quantizers/zero_point.hpp"
#include "tersor/solvers/gptq.hpp"

#include <unsupported/Eigen/CXX11/ThreadPool>

#include <random>

namespace {

using grouped = tersor::blockwise<tersor::zero_point<tersor::uint4>, 128>;
using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

matrix normal(Eigen::Index rows, Eigen::Index cols, unsigned seed) {
    std::mt19937 random(seed);
    std::normal_distribution<float> values;
    return matrix::NullaryExpr(rows, cols, [&] { return values(random); });
}

struct layer {
    matrix w;
    tersor::hessian h;
    static layer make(Eigen::Index n) {
        layer result{0.02f * normal(n, n, 1), tersor::hessian(n)};
        result.h.accumulate(matrix(normal(n, n / 8, 2) * normal(n / 8, n, 3) + normal(n, n, 4)));
        return result;
    }
};

/// Limit and solver in turns; the medians of the ratio and of the times.
void solve(benchmark::State& state, tersor::gptq_options options) {
    const Eigen::Index n = state.range(0);
    const int threads = static_cast<int>(state.range(1));
    const layer given = layer::make(n);
    Eigen::MatrixXf a = normal(n, n, 5), b = normal(n, n, 6), c(n, n);
    bench::team team(static_cast<std::size_t>(threads));
    const bench::limit reference = bench::eigen_product(a, b, c);
    Eigen::ThreadPool pool(threads - 1 > 0 ? threads - 1 : 1);
    if (threads > 1) {
        options.execution = pool;
    }
    const double size = static_cast<double>(n), product = 2 * size * size * size, work = product * (2.0 / 3 + 1) / 2;
    std::vector<double> ratios, seconds;
    for ([[maybe_unused]] auto pair : state) {
        const double limit = bench::seconds_per_pass(team, reference.count, reference.grain, reference.ways.front(), 1);
        seconds.push_back(
            bench::seconds_of([&] { benchmark::DoNotOptimize(tersor::gptq<grouped>(given.w, given.h, options)); }));
        ratios.push_back((work / seconds.back()) / (product / limit));
        state.SetIterationTime(seconds.back());
    }
    state.counters["GB/s"] = work * 1e-9 / bench::median(seconds);
    state.counters["ratio"] = bench::median(ratios);
    state.counters["must"] = 0.40;
    state.counters["stretch"] = 0.60;
}

void sizes(benchmark::internal::Benchmark* benchmark) {
    benchmark->ArgNames({"columns", "threads"})->Unit(benchmark::kMillisecond)->UseManualTime()->Iterations(3);
    for (const int threads : {1, 2}) {
        benchmark->Args({1024, threads})->Args({4096, threads});
    }
}

void gptq_fast(benchmark::State& state) {
    solve(state, {.mode = tersor::quantize_mode::fast, .objectives = false});
}
void gptq_updated(benchmark::State& state) {
    solve(state, {.mode = tersor::quantize_mode::fast, .grids = tersor::group_grids::updated, .objectives = false});
}
void gptq_best(benchmark::State& state) {
    solve(state, {});
}

BENCHMARK(gptq_fast)->Apply(sizes);
BENCHMARK(gptq_updated)->Apply(sizes);
BENCHMARK(gptq_best)->Apply(sizes);

} // namespace

// The dense kernels against Eigen's float product of as many operations. "GB/s" stands for 10^9 operations per second.

#include "bench/linalg_limit.hpp"

#include "tersor/linalg/gram.hpp"
#include "tersor/linalg/triangular.hpp"

#include <unsupported/Eigen/CXX11/ThreadPool>

#include <algorithm>
#include <vector>

namespace {

namespace linalg = tersor::linalg;

void arguments(benchmark::internal::Benchmark* benchmark) {
    benchmark->ArgNames({"n", "threads"})->Unit(benchmark::kMillisecond)->Iterations(7)->UseManualTime();
    for (const int n : {512, 2048, 4096}) {
        for (const int threads : {1, 2}) {
            benchmark->Args({n, threads});
        }
    }
}

struct square_problem {
    explicit square_problem(const benchmark::State& state)
        : n(state.range(0)), pool(static_cast<int>(state.range(1)) - 1), exec(pool),
          operations(2 * static_cast<std::size_t>(n * n * n)) {}

    [[nodiscard]] linalg::matrix_view<float> view(std::vector<float>& values) const { return {values.data(), n, n, n}; }

    long n;
    Eigen::ThreadPool pool;
    tersor::execution exec;
    std::size_t operations;
};

void multiply(benchmark::State& state) {
    const square_problem p(state);
    bench::product_limit limit(p.n, p.n, p.n);
    std::vector<float> c(limit.c.size());
    bench::compare(
        state, p.operations, limit.make(),
        [&] { linalg::multiply_add(p.view(c), p.view(limit.a), p.view(limit.b), p.exec); }, .80, .95);
}
BENCHMARK(multiply)->Apply(arguments);

void gram(benchmark::State& state) {
    const square_problem p(state);
    bench::product_limit limit(p.n, p.n / 2, p.n);
    std::vector<float> c(limit.a.size());
    bench::compare(
        state, p.operations / 2, limit.make(), [&] { linalg::add_gram(p.view(c), p.view(limit.a), p.exec); }, .80, .90);
}
BENCHMARK(gram)->Apply(arguments);

void factor_and_invert(benchmark::State& state) {
    const square_problem p(state);
    bench::product_limit limit(p.n, p.n / 3, p.n);
    std::vector<float> h(limit.a.size()), work(h.size());
    linalg::add_gram(p.view(h), p.view(limit.a), p.exec);
    for (long i = 0; i < p.n; ++i) {
        p.view(h)(i, i) += 1.0f;
    }
    bench::compare(
        state, p.operations / 3, limit.make(),
        [&] {
            std::copy(h.begin(), h.end(), work.begin());
            benchmark::DoNotOptimize(linalg::factor_reversed(p.view(work), p.exec));
            linalg::invert_upper(p.view(work), p.exec);
        },
        .55, .80);
}
BENCHMARK(factor_and_invert)->Apply(arguments);

} // namespace

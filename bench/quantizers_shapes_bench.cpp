// What threads and storage orders cost, through the public functions on a matrix [4096 x 4096] of floats: the speed of
// two threads of an Eigen::ThreadPool over that of one, and of column-major input over row-major. The first must reach
// 1.8 where one core does not fill the memory (else the machine's own factor is the bound), the second 0.7.

#define EIGEN_USE_THREADS
#include "bench/buffer.hpp"
#include "bench/compare.hpp"

#include <tersor/tersor.hpp>
#include <unsupported/Eigen/CXX11/ThreadPool>

namespace {

using row_major = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
constexpr Eigen::Index side = 4096;

void fill(auto& matrix) {
    bench::buffer<float> values(static_cast<std::size_t>(matrix.size()));
    bench::fill_normal(values);
    std::copy_n(values.data(), values.size(), matrix.data());
}

/// `kernel` against `base`, both void().
void compare(benchmark::State& state, const auto& base, const auto& kernel, double must) {
    const bench::limit reference{1, {[&](std::size_t, std::size_t) { base(); }}};
    bench::compare(state, std::size_t{side} * side * 4, reference, kernel, must, 0);
}

template <class Quantizer>
void quantize_by_two(benchmark::State& state) {
    row_major x(side, side);
    fill(x);
    Eigen::ThreadPool pool(1);
    tersor::quantized_tensor<Quantizer> a, b;
    compare(
        state, [&] { tersor::quantize_into(x, a); },
        [&] { tersor::quantize_into(x, b, {.execution = tersor::execution(pool)}); }, 1.8);
}

template <class Quantizer>
void dequantize_by_two(benchmark::State& state) {
    row_major x(side, side);
    fill(x);
    Eigen::ThreadPool pool(1);
    const auto q = tersor::quantize<Quantizer>(x);
    compare(
        state, [&] { tersor::dequantize_into(q, x); }, [&] { tersor::dequantize_into(q, x, tersor::execution(pool)); },
        0);
}

template <class Quantizer>
void quantize_columns(benchmark::State& state) {
    row_major x(side, side);
    fill(x);
    const Eigen::MatrixXf y = x;
    tersor::quantized_tensor<Quantizer> a;
    tersor::quantized_tensor<Quantizer, 2, tersor::matrix_kind<Eigen::ColMajor>> b;
    compare(
        state, [&] { tersor::quantize_into(x, a); }, [&] { tersor::quantize_into(y, b); }, .7);
}

template <class Quantizer>
void dequantize_columns(benchmark::State& state) {
    row_major x(side, side);
    fill(x);
    Eigen::MatrixXf y = x;
    const auto q = tersor::quantize<Quantizer>(x);
    compare(
        state, [&] { tersor::dequantize_into(q, x); }, [&] { tersor::dequantize_into(q, y); }, 0);
}

template <class Quantizer>
void add(const std::string& name) {
    const auto one = [&](const std::string& what, auto run) {
        benchmark::RegisterBenchmark((what + " " + name).c_str(), run)
            ->ArgNames({"bytes", "threads"})
            ->Args({side * side * 4, 1})
            ->Unit(benchmark::kMicrosecond)
            ->Iterations(bench::pairs)
            ->UseManualTime();
    };
    one("two threads: quantize", quantize_by_two<Quantizer>);
    one("two threads: dequantize", dequantize_by_two<Quantizer>);
    one("column-major: quantize", quantize_columns<Quantizer>);
    one("column-major: dequantize", dequantize_columns<Quantizer>);
}

using namespace tersor;

const int registered = [] {
    add<blockwise<absmax<int8>, 64>>("int8/64");
    add<blockwise<absmax<nf4>, 64>>("nf4/64");
    add<per_channel<absmax<int8>>>("int8/row");
    return 0;
}();

} // namespace

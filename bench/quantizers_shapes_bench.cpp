// What threads and storage orders cost, through the public functions on matrices [4096 x 4096] (64 MiB of floats; GPTQ:
// [1024 x 1024]) and [256 x 256] (256 KiB): the speed of two threads of an Eigen::ThreadPool over that of one, and of
// column-major input over row-major. The first must reach 1.8 where one core does not fill the memory (else the
// machine's own factor is the bound: two threads of one core share its units), the second 0.7.

#define EIGEN_USE_THREADS
#include "bench/buffer.hpp"
#include "bench/compare.hpp"

#include <tersor/calibrators/min_max.hpp>
#include <tersor/calibrators/mse.hpp>
#include <tersor/solvers/gptq.hpp>
#include <tersor/tersor.hpp>
#include <unsupported/Eigen/CXX11/ThreadPool>

namespace {

using row_major = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
constexpr Eigen::Index side = 4096, small_side = 256;

void fill(auto& matrix) {
    bench::buffer<float> values(static_cast<std::size_t>(matrix.size()));
    bench::fill_normal(values);
    std::copy_n(values.data(), values.size(), matrix.data());
}

/// `kernel` against `base`, both void().
void compare(benchmark::State& state, const auto& base, const auto& kernel, double must) {
    const bench::limit reference{1, {[&](std::size_t, std::size_t) { base(); }}};
    bench::compare(state, static_cast<std::size_t>(state.range(0)), reference, kernel, must, 0);
}

/// A square matrix of as many bytes as the benchmark asks for.
row_major input(const benchmark::State& state) {
    const Eigen::Index n = state.range(0) == side * side * 4 ? side : small_side;
    row_major x(n, n);
    fill(x);
    return x;
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
    row_major x = input(state);
    const Eigen::MatrixXf y = x;
    tersor::quantized_tensor<Quantizer> a;
    tersor::quantized_tensor<Quantizer, 2, tersor::matrix_kind<Eigen::ColMajor>> b;
    compare(
        state, [&] { tersor::quantize_into(x, a); }, [&] { tersor::quantize_into(y, b); }, .7);
}

template <class Quantizer>
void dequantize_columns(benchmark::State& state) {
    row_major x = input(state);
    Eigen::MatrixXf y = x;
    const auto q = tersor::quantize<Quantizer>(x);
    compare(
        state, [&] { tersor::dequantize_into(q, x); }, [&] { tersor::dequantize_into(q, y); }, 0);
}

template <class Calibrator>
void calibrate_by_two(benchmark::State& state) {
    row_major x(side, side);
    fill(x);
    Eigen::ThreadPool pool(1);
    const auto observe = [&](const tersor::execution& where) {
        tersor::calibration_options options;
        options.execution = where;
        Calibrator calibrator(options);
        calibrator.observe(x);
        benchmark::DoNotOptimize(calibrator.count());
    };
    compare(
        state, [&] { observe({}); }, [&] { observe(pool); }, 1.8);
}

void gptq_by_two(benchmark::State& state) {
    row_major w(1024, 1024), x(2048, 1024);
    fill(w);
    fill(x);
    tersor::hessian h(1024);
    h.accumulate(x);
    Eigen::ThreadPool pool(1);
    const auto solve = [&](const tersor::execution& where) {
        tersor::gptq_options options;
        options.execution = where;
        using grouped = tersor::blockwise<tersor::zero_point<tersor::uint4>, 128>;
        benchmark::DoNotOptimize(tersor::gptq<grouped>(w, h, options));
    };
    compare(
        state, [&] { solve({}); }, [&] { solve(pool); }, 1.8);
}

void add_one(const std::string& name, Eigen::Index side_of_input, void (*run)(benchmark::State&)) {
    benchmark::RegisterBenchmark(name.c_str(), run)
        ->ArgNames({"bytes", "threads"})
        ->Args({side_of_input * side_of_input * 4, 1})
        ->Unit(benchmark::kMicrosecond)
        ->Iterations(bench::pairs)
        ->UseManualTime();
}

template <class Quantizer>
void add_columns(const std::string& name) {
    for (const Eigen::Index n : {side, small_side}) {
        add_one("column-major: quantize " + name, n, quantize_columns<Quantizer>);
    }
}

template <class Quantizer>
void add(const std::string& name) {
    add_one("two threads: quantize " + name, side, quantize_by_two<Quantizer>);
    add_one("two threads: dequantize " + name, side, dequantize_by_two<Quantizer>);
    add_columns<Quantizer>(name);
    add_one("column-major: dequantize " + name, side, dequantize_columns<Quantizer>);
}

using namespace tersor;

const int registered = [] {
    add<blockwise<absmax<int8>, 64>>("int8/64");
    add<blockwise<absmax<nf4>, 64>>("nf4/64");
    add<per_channel<absmax<int8>>>("int8/row");
    add_columns<blockwise<zero_point<uint4>, 64>>("uint4/64");
    add_columns<mxfp4>("mxfp4");
    add_columns<absmax<int8>>("int8");
    add_one("two threads: calibrate min_max", side, calibrate_by_two<min_max>);
    add_one("two threads: calibrate mse", side, calibrate_by_two<mse>);
    add_one("two threads: gptq uint4/128", 1024, gptq_by_two);
    return 0;
}();

} // namespace

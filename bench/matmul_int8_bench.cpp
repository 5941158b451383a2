// Exact products of 8-bit integers of a layer with 4096 inputs: beside the multiply-add chain MB (2 tokens inputs
// outputs operations a pass), beside reading the weights once (one token), and beside a plain loop; the same for
// LLM.int8 with its outlier columns. Weights lie in huge pages.

#include "bench/limits.hpp"

#include <tersor/matmul/int8_product.hpp>
#include <tersor/matmul/llm_int8_product.hpp>
#include <tersor/quantizers/activation.hpp>

#include <unsupported/Eigen/CXX11/ThreadPool>

#include <memory>

namespace {

using tersor::index;
using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using bytes = Eigen::Matrix<std::int8_t, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
constexpr index inputs = 4096;

/// A pool for all threads but the caller, which works too.
class workers {
public:
    explicit workers(const benchmark::State& state) {
        if (state.range(1) > 1) {
            pool_ = std::make_unique<Eigen::ThreadPool>(static_cast<int>(state.range(1)) - 1);
            execution_ = *pool_;
        }
    }
    [[nodiscard]] const tersor::execution& execution() const { return execution_; }

private:
    std::unique_ptr<Eigen::ThreadPool> pool_;
    tersor::execution execution_;
};

/// range(0) tokens, range(1) threads, range(2) outputs.
struct layer {
    index tokens, outputs;
    bytes x;
    bench::buffer<std::int8_t> w;

    explicit layer(const benchmark::State& state)
        : tokens(state.range(0)), outputs(state.range(2)), x(tokens, inputs),
          w(static_cast<std::size_t>(outputs * inputs), bench::pages::huge) {
        for (index i = 0; i < x.size(); ++i) {
            x.data()[i] = static_cast<std::int8_t>(i * 37 % 256 - 128);
        }
        for (std::size_t i = 0; i < w.size(); ++i) {
            w[i] = static_cast<std::int8_t>(static_cast<int>(i * 101 % 255) - 127);
        }
    }
    [[nodiscard]] Eigen::Map<const bytes> weights() const { return {w.data(), outputs, inputs}; }
    [[nodiscard]] std::size_t operations() const { return 2 * static_cast<std::size_t>(tokens * outputs * inputs); }
};

/// The product that a person would write first.
void multiply_plainly(const bytes& x, const std::int8_t* w, index first, index last, std::int32_t* y, index outputs) {
    for (index t = 0; t < x.rows(); ++t) {
        for (index r = first; r < last; ++r) {
            std::int32_t sum = 0;
            for (index k = 0; k < inputs; ++k) {
                sum += x(t, k) * w[r * inputs + k];
            }
            y[t * outputs + r] = sum;
        }
    }
}

/// The limit as a plain loop, whose passes over rows are split among threads.
bench::limit plain_loop(const layer& l,
                        Eigen::Matrix<std::int32_t, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>& y) {
    y.resize(l.tokens, l.outputs);
    return {static_cast<std::size_t>(l.outputs), {[&](std::size_t begin, std::size_t end) {
                multiply_plainly(l.x, l.w.data(), static_cast<index>(begin), static_cast<index>(end), y.data(),
                                 l.outputs);
                benchmark::DoNotOptimize(y.data());
            }}};
}

void product(benchmark::State& state, const char* against, double must, double stretch) {
    const layer l(state);
    const workers threads(state);
    Eigen::Matrix<std::int32_t, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> y, plain;
    const auto kernel = [&] {
        tersor::int8_product_into(l.x, l.weights(), y, threads.execution());
        benchmark::DoNotOptimize(y.data());
    };
    if (against[0] == 'M') {
        bench::compare(state, l.operations(), bench::multiply_int8(l.operations() / 512), kernel, must, stretch);
    } else if (against[0] == 'R') {
        bench::compare(state, l.w.bytes(), bench::read_only(l.w), kernel, must, stretch);
    } else {
        bench::compare(state, l.operations(), plain_loop(l, plain), kernel, must, stretch);
    }
}

/// Float activations in, floats out; 12 outlier columns.
void llm_int8(benchmark::State& state, double must) {
    const layer l(state);
    const workers threads(state);
    matrix x = l.x.cast<float>() / 32.0f, y;
    for (index i = 0; i < 12; ++i) {
        x(i % l.tokens, i * 300 + 5) = 40.0f;
    }
    const tersor::llm_int8_linear<> linear(matrix(l.weights().cast<float>()), {.columns = tersor::outlier_columns(x)});
    const auto kernel = [&] {
        linear.multiply_into(x, y, threads.execution());
        benchmark::DoNotOptimize(y.data());
    };
    Eigen::Matrix<std::int32_t, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> plain;
    bench::compare(state, l.operations(), plain_loop(l, plain), kernel, must, 0);
}

/// A batch of activations to codes, one scale per token; bytes are those of the floats, the limit is R4W1.
void activations(benchmark::State& state) {
    const index tokens = state.range(0);
    bench::buffer<float> in(static_cast<std::size_t>(tokens * inputs));
    bench::buffer<std::uint8_t> out(in.size());
    bench::fill_normal(in);
    const Eigen::Map<const matrix> x(in.data(), tokens, inputs);
    tersor::activation_quantizer<> quantizer;
    const auto kernel = [&] { benchmark::DoNotOptimize(quantizer.quantize(x).codes.codes().data()); };
    bench::compare(state, in.bytes(), bench::read4_write1(in, out), kernel, 0, 0);
}

void shapes(benchmark::internal::Benchmark* b, std::initializer_list<long> tokens, std::initializer_list<long> threads,
            long outputs) {
    b->ArgNames({"tokens", "threads", "outputs"})->Unit(benchmark::kMicrosecond);
    for (const long n : tokens) {
        for (const long t : threads) {
            b->Args({n, t, outputs});
        }
    }
    b->Iterations(bench::pairs)->UseManualTime();
}

const int registered = [] {
    const auto add = [](const char* name, auto run, std::initializer_list<long> tokens,
                        std::initializer_list<long> threads,
                        long outputs) { shapes(benchmark::RegisterBenchmark(name, run), tokens, threads, outputs); };
    using benchmark::State;
    add(
        "int8 product, MB", [](State& s) { product(s, "MB", .50, .68); }, {128, 512}, {1, 2}, 4096);
    add(
        "int8 product of few tokens, MB", [](State& s) { product(s, "MB", 0, 0); }, {4, 16, 32}, {1}, 4096);
    add(
        "int8 product of 1 token, RD", [](State& s) { product(s, "RD", .60, .85); }, {1}, {1, 2}, 16384);
    add(
        "int8 product, plain loop", [](State& s) { product(s, "plain", 3, 0); }, {1, 16, 128}, {1}, 1024);
    add(
        "LLM.int8, plain loop of the codes", [](State& s) { llm_int8(s, 3); }, {1, 16, 128}, {1}, 1024);
    add("activations to int8, one scale per token", activations, {1, 16, 128, 1024}, {1}, 0);
    return 0;
}();

} // namespace

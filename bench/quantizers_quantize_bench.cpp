// Quantization from fp32 through the public functions, into memory that is used again: bytes counted are those of the
// fp32 values, the limit is R4W1.

#include "bench/limits.hpp"

#include <tersor/tersor.hpp>

namespace {

using row_vector = Eigen::Matrix<float, 1, Eigen::Dynamic, Eigen::RowMajor>;

/// Targets for memory-sized and cache-sized data.
struct targets {
    double must_large, stretch_large, must_small, stretch_small;
};

template <class Quantizer>
void quantize(benchmark::State& state, targets goal, tersor::quantize_options options = {}) {
    bench::buffer<float> in(bench::values(state));
    bench::buffer<std::uint8_t> out(in.size());
    bench::fill_normal(in);
    const bool large = in.bytes() >= bench::large_bytes;
    const auto kernel = [&](std::size_t begin, std::size_t end) {
        thread_local tersor::quantized_tensor<Quantizer, 1, tersor::matrix_kind<Eigen::RowMajor>> q;
        const Eigen::Map<const row_vector> values(in.data() + begin, static_cast<Eigen::Index>(end - begin));
        tersor::quantize_into(values, q, options);
        benchmark::DoNotOptimize(q.codes().data());
    };
    bench::compare(state, in.bytes(), bench::read4_write1(in, out), kernel, large ? goal.must_large : goal.must_small,
                   large ? goal.stretch_large : goal.stretch_small);
}

template <class Quantizer>
void given_range(benchmark::State& state, targets goal) {
    tersor::quantize_options options;
    options.range = tersor::clipping_range{-0.1f, 0.1f};
    quantize<Quantizer>(state, goal, options);
}


template <class Quantizer>
void add(const char* name, targets goal = {}) {
    const auto run = [goal](benchmark::State& state) { quantize<Quantizer>(state, goal); };
    benchmark::RegisterBenchmark(name, run)->Apply(bench::large)->Apply(bench::small);
}

using namespace tersor;

const int registered = [] {
    const auto int8_given = [](benchmark::State& state) { given_range<absmax<int8>>(state, {.72, .85, .80, 1.0}); };
    benchmark::RegisterBenchmark("quantize int8, given range", int8_given)->Apply(bench::large)->Apply(bench::small);
    add<blockwise<absmax<int8>, 64>>("quantize int8/64", {.60, .75, .40, .60});
    add<blockwise<absmax<nf4>, 64>>("quantize nf4/64", {0, 0, .06, .15});
    add<blockwise<absmax<int4>, 32>>("quantize int4/32");
    add<blockwise<zero_point<uint4>, 64>>("quantize uint4/64");
    add<blockwise<zero_point<uint8>, 128>>("quantize uint8/128");
    add<blockwise<absmax<dynamic8>, 256>>("quantize dynamic8/256");
    add<absmax<fp8_e4m3>>("quantize fp8_e4m3");
    return 0;
}();

} // namespace

// Dequantization to fp32 through the public functions, into memory that is used again: bytes counted are those of the
// fp32 values. The limit is R1W4, with streaming stores for data that no cache holds, as the library writes it there.

#include "bench/limits.hpp"

#include <tersor/tersor.hpp>

namespace {

using row_vector = Eigen::Matrix<float, 1, Eigen::Dynamic, Eigen::RowMajor>;

/// Targets for memory-sized and cache-sized data.
struct targets {
    double must_large = 0, stretch_large = 0, must_small = 0, stretch_small = 0;
};

template <class Quantizer>
void dequantize(benchmark::State& state, targets goal) {
    bench::buffer<float> out(bench::values(state));
    bench::buffer<std::uint8_t> codes(out.size());
    bench::fill_normal(out);
    const bool large = out.bytes() >= bench::large_bytes;
    const auto threads = static_cast<std::size_t>(state.range(1)), part = out.size() / threads;
    using tensor = tersor::quantized_tensor<Quantizer, 1, tersor::matrix_kind<Eigen::RowMajor>>;
    std::vector<tensor> parts;
    for (std::size_t i = 0; i < threads; ++i) {
        const Eigen::Map<const row_vector> values(out.data() + i * part, static_cast<Eigen::Index>(part));
        parts.push_back(tersor::quantize<Quantizer>(values));
    }
    const auto kernel = [&](std::size_t begin, std::size_t end) {
        Eigen::Map<row_vector> values(out.data() + begin, static_cast<Eigen::Index>(end - begin));
        tersor::dequantize_into(parts[begin / part], values);
    };
    bench::compare(state, out.bytes(),
                   large ? bench::read1_write4_streaming(codes, out) : bench::read1_write4(codes, out), kernel,
                   large ? goal.must_large : goal.must_small, large ? goal.stretch_large : goal.stretch_small);
}

template <class Quantizer>
void add(const char* name, targets goal = {}) {
    const auto run = [goal](benchmark::State& state) { dequantize<Quantizer>(state, goal); };
    benchmark::RegisterBenchmark(name, run)->Apply(bench::large)->Apply(bench::small);
}

using namespace tersor;

const int registered = [] {
    add<blockwise<absmax<int8>, 64>>("dequantize int8/64", {.85, .95, .95, 1.05});
    add<blockwise<absmax<nf4>, 64>>("dequantize nf4/64", {.80, .90, .60, .75});
    add<blockwise<absmax<int4>, 32>>("dequantize int4/32");
    add<blockwise<zero_point<uint4>, 64>>("dequantize uint4/64");
    add<blockwise<absmax<dynamic8>, 256>>("dequantize dynamic8/256");
    add<absmax<fp8_e4m3>>("dequantize fp8_e4m3");
    add<blockwise<absmax<int3>, 64>>("dequantize int3/64");
    return 0;
}();

} // namespace

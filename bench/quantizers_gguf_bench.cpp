// The block formats of GGUF, 192 KiB of fp32, one thread, through the public functions: quantization in each mode and
// dequantization, in GB/s of fp32. Reference mode must reach 5 times and should reach 10 times the speed of ggml.

#include "bench/buffer.hpp"
#include "bench/compare.hpp"
#include "bench/gguf_blocks.hpp"

#include <tersor/tersor.hpp>

#include <string>

namespace {

using row_vector = Eigen::Matrix<float, 1, Eigen::Dynamic, Eigen::RowMajor>;

template <class Quantizer>
void quantize(benchmark::State& state, tersor::quantize_mode mode, double must, double stretch) {
    bench::buffer<float> in(bench::values(state));
    bench::fill_normal(in);
    const std::vector<float> weights(in.size(), 1.0f);
    tersor::quantize_options options{.mode = mode};
    if (Quantizer::needs_importance) {
        options.importance = weights;
    }
    const Eigen::Map<const row_vector> values(in.data(), static_cast<Eigen::Index>(in.size()));
    tersor::quantized_tensor<Quantizer, 1, tersor::matrix_kind<Eigen::RowMajor>> q;
    const auto kernel = [&] {
        tersor::quantize_into(values, q, options);
        benchmark::DoNotOptimize(q.codes().data());
    };
    bench::measure(state, in.bytes(), in.size(), kernel, must, stretch);
}

template <class Quantizer>
void dequantize(benchmark::State& state, double must, double stretch) {
    bench::buffer<float> out(bench::values(state));
    bench::fill_normal(out);
    Eigen::Map<row_vector> values(out.data(), static_cast<Eigen::Index>(out.size()));
    const auto q = tersor::quantize<Quantizer>(values, {.mode = tersor::quantize_mode::fast});
    bench::measure(
        state, out.bytes(), out.size(), [&] { tersor::dequantize_into(q, values); }, must, stretch);
}

void arguments(benchmark::internal::Benchmark* benchmark) {
    benchmark->ArgNames({"bytes", "threads"})->Args({static_cast<long>(bench::small_bytes), 1});
    benchmark->Unit(benchmark::kMicrosecond)->Iterations(bench::pairs)->UseManualTime();
}

const int registered = [] {
    using tersor::quantize_mode;
    bench::for_each(tersor::gguf::all_quantizers{}, []<class Quantizer>() {
        const std::string name = Quantizer::name;
        const double ggml = bench::ggml<Quantizer>.quantize_speed;
        const auto add = [&](const std::string& what, auto run) {
            benchmark::RegisterBenchmark((what + " " + name).c_str(), run)->Apply(arguments);
        };
        add("gguf reference", [=](benchmark::State& state) {
            quantize<Quantizer>(state, quantize_mode::reference, 5 * ggml, 10 * ggml);
        });
        add("gguf fast", [](benchmark::State& state) { quantize<Quantizer>(state, quantize_mode::fast, 0, 0); });
        add("gguf best", [=](benchmark::State& state) { quantize<Quantizer>(state, quantize_mode::best, ggml, 0); });
        const double bits = 8.0 * sizeof(typename Quantizer::block) / double(Quantizer::group);
        const bool has_target = bits >= 4.0 && bits < 9.5;
        add("gguf dequantize",
            [=](benchmark::State& state) { dequantize<Quantizer>(state, has_target ? 20 : 0, has_target ? 40 : 0); });
    });
    return 0;
}();

} // namespace

// The limit loops themselves, each beside a loop that a person would write first for the same job.

#include "bench/limits.hpp"

#include <cstring>

namespace {

using code = std::uint8_t;

void narrow(benchmark::State& state) {
    bench::buffer<float> in(bench::values(state));
    bench::buffer<code> out(in.size());
    bench::fill_normal(in);
    const auto cast = [&](std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) {
            out[i] = static_cast<code>(static_cast<int>(in[i] * 1000.0f + 128.0f));
        }
    };
    bench::compare(state, in.bytes(), bench::read4_write1(in, out), cast, 0, 0);
}
BENCHMARK(narrow)->Name("R4W1: plain cast")->Apply(bench::large)->Apply(bench::small);

void widen(benchmark::State& state) {
    bench::buffer<code> in(bench::values(state));
    bench::buffer<float> out(in.size());
    const auto cast = [&](std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) {
            out[i] = static_cast<float>(in[i]);
        }
    };
    bench::compare(state, out.bytes(), bench::read1_write4(in, out), cast, 0, 0);
}
BENCHMARK(widen)->Name("R1W4: plain cast")->Apply(bench::large)->Apply(bench::small);

void widen_streaming(benchmark::State& state) {
    bench::buffer<code> in(bench::values(state));
    bench::buffer<float> out(in.size());
    const bench::limit plain = bench::read1_write4(in, out);
    bench::compare(state, out.bytes(), bench::read1_write4_streaming(in, out), plain.ways.back(), 0, 0);
}
BENCHMARK(widen_streaming)->Name("R1W4-NT: plain stores")->Apply(bench::large)->Apply(bench::small);

void halve(benchmark::State& state) {
    bench::buffer<float> in(bench::values(state));
    bench::buffer<std::uint16_t> out(in.size());
    const auto copy = [&](std::size_t begin, std::size_t end) {
        std::memcpy(&out[begin], &in[begin], (end - begin) * 2);
    };
    bench::compare(state, in.bytes(), bench::read4_write2(in, out), copy, 0, 0);
}
BENCHMARK(halve)->Name("R4W2: memcpy of half the bytes")->Apply(bench::large)->Apply(bench::small);

void twice(benchmark::State& state) {
    bench::buffer<std::uint16_t> in(bench::values(state));
    bench::buffer<float> out(in.size());
    const auto copy = [&](std::size_t begin, std::size_t end) {
        std::memcpy(&out[begin], &in[begin], (end - begin) * 2);
    };
    bench::compare(state, out.bytes(), bench::read2_write4(in, out), copy, 0, 0);
}
BENCHMARK(twice)->Name("R2W4: memcpy of half the bytes")->Apply(bench::large)->Apply(bench::small);

void read(benchmark::State& state) {
    const bench::buffer<float> in(bench::values(state), bench::pages::huge);
    const auto sum = [&](std::size_t begin, std::size_t end) {
        benchmark::DoNotOptimize(
            Eigen::Map<const Eigen::ArrayXf>(in.data() + begin, static_cast<Eigen::Index>(end - begin)).sum());
    };
    bench::compare(state, in.bytes(), bench::read_only(in), sum, 0, 0);
}
BENCHMARK(read)->Name("RD: Eigen sum")->Apply([](auto* b) { bench::arguments(b, std::size_t(256) << 20); });

void multiply(benchmark::State& state) {
    constexpr std::size_t count = 1 << 16;
    const bench::limit loop = bench::multiply_int8(count);
    bench::compare(state, count * 8 * 32 * 2, loop, loop.ways.front(), 0, 0);
}
BENCHMARK(multiply)->Name("MB: itself")->Apply([](auto* b) { bench::arguments(b, 0); });

} // namespace

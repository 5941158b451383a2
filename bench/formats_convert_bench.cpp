// Whole arrays to and from the 16-bit and 8-bit floats: bytes counted are those of the fp32 side, the limit moves the
// same bytes.

#include "bench/limits.hpp"

#include <tersor/tersor.hpp>

#include <span>

namespace {

template <class Format>
using code = tersor::code_t<Format>;

template <class Format>
void encode(benchmark::State& state, double must, double stretch) {
    bench::buffer<float> in(bench::values(state));
    bench::buffer<code<Format>> out(in.size());
    bench::fill_normal(in);
    const auto kernel = [&](std::size_t begin, std::size_t end) {
        tersor::encode<Format>(std::span<const float>(in.data() + begin, end - begin),
                               std::span<code<Format>>(out.data() + begin, end - begin));
    };
    if constexpr (sizeof(code<Format>) == 2) {
        bench::compare(state, in.bytes(), bench::read4_write2(in, out), kernel, must, stretch);
    } else {
        bench::compare(state, in.bytes(), bench::read4_write1(in, out), kernel, must, stretch);
    }
}

template <class Format>
void decode(benchmark::State& state, double must, double stretch) {
    bench::buffer<float> values(bench::values(state)), out(values.size());
    bench::buffer<code<Format>> in(values.size());
    bench::fill_normal(values);
    tersor::encode<Format>(values.span(), in.span());
    const auto kernel = [&](std::size_t begin, std::size_t end) {
        tersor::decode<Format>(std::span<const code<Format>>(in.data() + begin, end - begin),
                               std::span<float>(out.data() + begin, end - begin));
    };
    if constexpr (sizeof(code<Format>) == 2) {
        bench::compare(state, out.bytes(), bench::read2_write4(in, out), kernel, must, stretch);
    } else {
        bench::compare(state, out.bytes(), bench::read1_write4(in, out), kernel, must, stretch);
    }
}

/// Targets are for data in L2.
template <class Format>
void add(const char* name, double must_encode, double stretch_encode, double must_decode, double stretch_decode) {
    const auto add_one = [](const std::string& full, auto run, double must, double stretch) {
        benchmark::RegisterBenchmark(full.c_str(), [=](benchmark::State& state) { run(state, must, stretch); })->Apply(bench::small);
        benchmark::RegisterBenchmark(full.c_str(), [=](benchmark::State& state) { run(state, 0.0, 0.0); })->Apply(bench::large);
    };
    add_one(std::string("fp32 to ") + name, encode<Format>, must_encode, stretch_encode);
    add_one(std::string(name) + " to fp32", decode<Format>, must_decode, stretch_decode);
}

const int registered = [] {
    add<tersor::fp16>("fp16", .80, 1.0, .85, 1.0);
    add<tersor::bf16>("bf16", .60, .9, .60, .9);
    add<tersor::fp8_e4m3>("fp8_e4m3", .20, .5, .35, .8);
    add<tersor::fp8_e5m2>("fp8_e5m2", .20, .5, .35, .8);
    add<tersor::fp6_e3m2>("fp6_e3m2", 0, 0, 0, 0);
    add<tersor::dynamic8>("dynamic8", 0, 0, 0, 0);
    return 0;
}();

} // namespace

#ifndef TERSOR_BENCH_LIMITS_HPP
#define TERSOR_BENCH_LIMITS_HPP

// The limit loops: the least work that moves the same bytes, or multiplies the same numbers, as a kernel does. Each is
// written for AVX2 and for AVX-512, and `compare` takes whichever is faster on the machine. They are built from plain
// flags, as the library is. Sizes are in values; buffers hold a multiple of 4096 of them.

#include "bench/buffer.hpp"
#include "bench/compare.hpp"

#include <Eigen/Core>

#include <cstdint>
#include <utility>

#if defined(__x86_64__)
#    include <immintrin.h>
#    define BENCH_X86 1
#    define BENCH_UNROLL _Pragma("GCC unroll 8")
#    define BENCH_AVX2 __attribute__((target("avx2,fma"), noinline))
#    define BENCH_AVX512 __attribute__((target("avx512f,avx512bw"), noinline))
#else
#    define BENCH_X86 0
#endif

namespace bench {

#if BENCH_X86
namespace avx2 {

/// Reads `Read` registers and writes `Write` of them: the bits pass through unchanged, so only the traffic counts.
template <int Read, int Write, bool Stream>
BENCH_AVX2 inline void move(const char* in, char* out, std::size_t steps) {
    for (std::size_t i = 0; i < steps; ++i, in += 32 * Read, out += 32 * Write) {
        __m256i v = _mm256_load_si256(reinterpret_cast<const __m256i*>(in));
        BENCH_UNROLL
        for (int r = 1; r < Read; ++r) {
            v = _mm256_or_si256(v, _mm256_load_si256(reinterpret_cast<const __m256i*>(in + 32 * r)));
        }
        BENCH_UNROLL
        for (int w = 0; w < Write; ++w) {
            auto* const to = reinterpret_cast<__m256i*>(out + 32 * w);
            Stream ? _mm256_stream_si256(to, v) : _mm256_store_si256(to, v);
        }
    }
    if (Stream) {
        _mm_sfence();
    }
}

BENCH_AVX2 inline void read(const char* in, std::size_t bytes) {
    __m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
    const std::size_t stream = bytes / 4;
    for (std::size_t i = 0; i < stream; i += 64) {
        const auto take = [&](__m256i& sum, std::size_t at) __attribute__((target("avx2,fma"), always_inline)) {
            sum = _mm256_xor_si256(sum, _mm256_load_si256(reinterpret_cast<const __m256i*>(in + at)));
            sum = _mm256_xor_si256(sum, _mm256_load_si256(reinterpret_cast<const __m256i*>(in + at + 32)));
        };
        take(a, i);
        take(b, i + stream);
        take(c, i + 2 * stream);
        take(d, i + 3 * stream);
    }
    asm volatile("" : : "x"(_mm256_xor_si256(_mm256_xor_si256(a, b), _mm256_xor_si256(c, d))));
}

/// Per step: 8 times 32 int8 products, summed in pairs, in fours, and added up.
BENCH_AVX2 inline void multiply_int8(std::size_t steps) {
    __m256i sum[8] = {}, x = _mm256_set1_epi8(3), y = _mm256_set1_epi8(5);
    const __m256i ones = _mm256_set1_epi16(1);
    for (std::size_t i = 0; i < steps; ++i) {
        BENCH_UNROLL
        for (__m256i& s : sum) {
            asm volatile("" : "+x"(x), "+x"(y)); // the product is computed anew each time
            s = _mm256_add_epi32(s, _mm256_madd_epi16(_mm256_maddubs_epi16(x, y), ones));
        }
    }
    BENCH_UNROLL
    for (__m256i& s : sum) {
        asm volatile("" : : "x"(s));
    }
}

} // namespace avx2

namespace avx512 {

template <int Read, int Write, bool Stream>
BENCH_AVX512 inline void move(const char* in, char* out, std::size_t steps) {
    for (std::size_t i = 0; i < steps; ++i, in += 64 * Read, out += 64 * Write) {
        __m512i v = _mm512_load_si512(in);
        BENCH_UNROLL
        for (int r = 1; r < Read; ++r) {
            v = _mm512_or_si512(v, _mm512_load_si512(in + 64 * r));
        }
        BENCH_UNROLL
        for (int w = 0; w < Write; ++w) {
            auto* const to = reinterpret_cast<__m512i*>(out + 64 * w);
            Stream ? _mm512_stream_si512(to, v) : _mm512_store_si512(to, v);
        }
    }
    if (Stream) {
        _mm_sfence();
    }
}

BENCH_AVX512 inline void read(const char* in, std::size_t bytes) {
    __m512i a = _mm512_setzero_si512(), b = a, c = a, d = a;
    const std::size_t stream = bytes / 4;
    for (std::size_t i = 0; i < stream; i += 64) {
        a = _mm512_xor_si512(a, _mm512_load_si512(in + i));
        b = _mm512_xor_si512(b, _mm512_load_si512(in + i + stream));
        c = _mm512_xor_si512(c, _mm512_load_si512(in + i + 2 * stream));
        d = _mm512_xor_si512(d, _mm512_load_si512(in + i + 3 * stream));
    }
    asm volatile("" : : "v"(_mm512_xor_si512(_mm512_xor_si512(a, b), _mm512_xor_si512(c, d))));
}

BENCH_AVX512 inline void multiply_int8(std::size_t steps) {
    __m512i sum[8] = {}, x = _mm512_set1_epi8(3), y = _mm512_set1_epi8(5);
    const __m512i ones = _mm512_set1_epi16(1);
    for (std::size_t i = 0; i < steps; i += 2) {
        BENCH_UNROLL
        for (__m512i& s : sum) {
            asm volatile("" : "+v"(x), "+v"(y));
            s = _mm512_add_epi32(s, _mm512_madd_epi16(_mm512_maddubs_epi16(x, y), ones));
        }
    }
    BENCH_UNROLL
    for (__m512i& s : sum) {
        asm volatile("" : : "v"(s));
    }
}

} // namespace avx512

inline bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
inline bool has_avx512() { return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw"); }
#else
inline bool has_avx2() { return false; }
inline bool has_avx512() { return false; }
#endif

/// A loop over `count` values that reads Read and writes Write bytes for every Read + Write of traffic; a value is
/// `value_in` bytes of `in` and `value_out` bytes of `out`.
template <int Read, int Write, bool Stream = false>
limit traffic(const void* in, void* out, std::size_t count, std::size_t value_in, std::size_t value_out) {
    const char* const from = static_cast<const char*>(in);
    char* const to = static_cast<char*>(out);
    limit result{count, {}};
    const auto add = [&](auto loop, std::size_t width) {
        result.ways.push_back([=](std::size_t begin, std::size_t end) {
            loop(from + begin * value_in, to + begin * value_out, (end - begin) * value_in / (width * Read));
        });
    };
#if BENCH_X86
    if (has_avx2()) {
        add(avx2::move<Read, Write, Stream>, 32);
    }
    if (has_avx512()) {
        add(avx512::move<Read, Write, Stream>, 64);
    }
#endif
    if (result.ways.empty()) {
        add([](const char* a, char* b, std::size_t steps) {
            for (std::size_t i = 0; i < steps; ++i, a += 16 * Read, b += 16 * Write) {
                for (int w = 0; w < 16 * Write; ++w) {
                    b[w] = a[w % (16 * Read)];
                }
            }
        }, 16);
    }
    return result;
}

/// R4W1, the traffic of fp32 to 8 bits: reads 4 bytes, writes 1.
template <class Code>
limit read4_write1(const buffer<float>& in, buffer<Code>& out) {
    static_assert(sizeof(Code) == 1);
    return traffic<4, 1>(in.data(), out.data(), in.size(), 4, 1);
}

/// R1W4, the traffic of 8 bits to fp32: reads 1 byte, writes 4.
template <class Code>
limit read1_write4(const buffer<Code>& in, buffer<float>& out) {
    static_assert(sizeof(Code) == 1);
    return traffic<1, 4>(in.data(), out.data(), in.size(), 1, 4);
}

/// R1W4-NT: the same with stores that pass by the caches.
template <class Code>
limit read1_write4_streaming(const buffer<Code>& in, buffer<float>& out) {
    static_assert(sizeof(Code) == 1);
    return traffic<1, 4, true>(in.data(), out.data(), in.size(), 1, 4);
}

/// R4W2, the traffic of fp32 to fp16 or bf16.
template <class Code>
limit read4_write2(const buffer<float>& in, buffer<Code>& out) {
    static_assert(sizeof(Code) == 2);
    return traffic<2, 1>(in.data(), out.data(), in.size(), 4, 2);
}

/// R2W4, the traffic of fp16 or bf16 to fp32.
template <class Code>
limit read2_write4(const buffer<Code>& in, buffer<float>& out) {
    static_assert(sizeof(Code) == 2);
    return traffic<1, 2>(in.data(), out.data(), in.size(), 2, 4);
}

/// R2W4 with stores that pass by the caches.
template <class Code>
limit read2_write4_streaming(const buffer<Code>& in, buffer<float>& out) {
    static_assert(sizeof(Code) == 2);
    return traffic<1, 2, true>(in.data(), out.data(), in.size(), 2, 4);
}

/// RD: reads, as four parallel streams. Give the buffer huge pages.
template <class Value>
limit read_only(const buffer<Value>& in) {
    limit result{in.size(), {}};
    const auto add = [&](auto loop) {
        result.ways.push_back([loop, from = in.data()](std::size_t begin, std::size_t end) {
            loop(reinterpret_cast<const char*>(from + begin), (end - begin) * sizeof(Value));
        });
    };
#if BENCH_X86
    if (has_avx2()) {
        add(avx2::read);
    }
    if (has_avx512()) {
        add(avx512::read);
    }
#endif
    if (result.ways.empty()) {
        add([](const char* data, std::size_t bytes) {
            char sum = 0;
            for (std::size_t i = 0; i < bytes; ++i) {
                sum = static_cast<char>(sum ^ data[i]);
            }
            benchmark::DoNotOptimize(sum);
        });
    }
    return result;
}

/// MB: a pass does `count` steps of 8 * 32 int8 multiply-adds; count them as two operations each.
inline limit multiply_int8(std::size_t count) {
    limit result{count, {}};
    const auto add = [&](auto loop) {
        result.ways.push_back([loop](std::size_t begin, std::size_t end) { loop(end - begin); });
    };
#if BENCH_X86
    if (has_avx2()) {
        add(avx2::multiply_int8);
    }
    if (has_avx512()) {
        add(avx512::multiply_int8);
    }
#endif
    if (result.ways.empty()) {
        add([](std::size_t steps) {
            int sum = 0, x = 3, y = 5;
            for (std::size_t i = 0; i < steps * 256; ++i) {
                benchmark::DoNotOptimize(x);
                sum += x * y;
            }
            benchmark::DoNotOptimize(sum);
        });
    }
    return result;
}

/// SG: Eigen's float product `result = weights * inputs`, split by columns of `inputs`; 2 rows cols depth operations.
inline limit eigen_product(const Eigen::MatrixXf& weights, const Eigen::MatrixXf& inputs, Eigen::MatrixXf& result) {
    const auto columns = [&](std::size_t begin, std::size_t end) {
        const auto first = static_cast<Eigen::Index>(begin), count = static_cast<Eigen::Index>(end - begin);
        result.middleCols(first, count).noalias() = weights * inputs.middleCols(first, count);
    };
    return {static_cast<std::size_t>(inputs.cols()), {columns}, 16};
}

} // namespace bench

#endif // TERSOR_BENCH_LIMITS_HPP

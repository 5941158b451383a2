#ifndef TERSOR_MATMUL_INT8_PRODUCT_KERNELS_HPP
#define TERSOR_MATMUL_INT8_PRODUCT_KERNELS_HPP

// The kernels of int8 products for each instruction set, as tables, and which of them runs. AVX-512 has two: with the
// VNNI instructions and without.

#include "tersor/matmul/int8_product_ops.hpp"
#include "tersor/simd/isa.hpp"

#include <cstddef>
#include <cstdint>

#if TERSOR_AVX512
#    include <cpuid.h>
#endif

namespace tersor::inline v0::detail {

/// See int8_product_ops.hpp for the numbers and int8_product-inl.hpp for the functions. Arrays of two: of signed and
/// of unsigned codes; stage_rows: without and with sums. multiply_tile[v - 1] takes v registers of tokens, dot_rows[t -
/// 1] t tokens.
struct int8_kernels {
    std::size_t lanes, step, run, tile_rows, tile_vectors, token_bytes, weight_bytes;
    std::int32_t offset;
    void (*widen_token[2])(const std::uint8_t* x, std::size_t depth, void* out) noexcept;
    void (*pack_tokens[2])(const std::uint8_t* x, std::ptrdiff_t distance, std::size_t tokens, std::size_t depth,
                           std::size_t width, void* out) noexcept;
    void (*stage_rows[2])(const std::int8_t* w, std::ptrdiff_t distance, std::size_t rows, std::size_t depth,
                          void* staged, std::ptrdiff_t out_distance, std::int32_t* row_sums) noexcept;
    void (*multiply_tile[3])(const void* packed, const void* staged, std::ptrdiff_t distance, std::size_t steps,
                             const std::int32_t* start, std::int32_t* out, std::ptrdiff_t out_distance) noexcept;
    void (*dot_rows[4])(const std::int8_t* w, std::ptrdiff_t distance, std::size_t rows, std::size_t depth,
                        const void* tokens, std::ptrdiff_t token_distance, std::int32_t* out,
                        std::int32_t* row_sums) noexcept;
};

} // namespace tersor::inline v0::detail

#define TERSOR_KERNELS "tersor/matmul/int8_product-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"

#if TERSOR_AVX512
TERSOR_BEGIN_AVX512_VNNI
#    define TERSOR_NAMESPACE avx512_vnni
#    include "tersor/matmul/int8_product-inl.hpp"
#    undef TERSOR_NAMESPACE
TERSOR_END_AVX512_VNNI
#endif

namespace tersor::inline v0::detail {

/// Whether this processor multiplies bytes into 32-bit sums (AVX-512 VNNI).
[[nodiscard]] inline bool has_avx512_vnni() noexcept {
#if TERSOR_AVX512
    static const bool has = [] {
        unsigned a = 0, b = 0, c = 0, d = 0;
        return best_isa() == isa::avx512 && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (c & (1u << 11)) != 0;
    }();
    return has;
#else
    return false;
#endif
}

/// The kernels that run now.
[[nodiscard]] inline const int8_kernels& active_int8_kernels() noexcept {
#if TERSOR_AVX512
    if (active_isa() == isa::avx512 && has_avx512_vnni()) {
        return simd::avx512_vnni::bytes::kernels;
    }
#endif
    return TERSOR_DISPATCH(bytes::kernels);
}

} // namespace tersor::inline v0::detail

#endif // TERSOR_MATMUL_INT8_PRODUCT_KERNELS_HPP

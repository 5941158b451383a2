#ifndef TERSOR_QUANTIZERS_GGUF_LANE_FOLDS_HPP
#define TERSOR_QUANTIZERS_GGUF_LANE_FOLDS_HPP

// What the one-pass block formats need beyond simd/vectors.hpp, on every instruction set:
//
//   block_ranges<Size>(x, count, lo, hi)   the least and the largest value of each of up to 16 blocks of Size values;
//                                          later ones repeat the last. Of zeros any sign comes out
//   collect_bits<Bit>(bytes)               bit `Bit` of each of 4 * lanes bytes, that of the first one lowest

#include "tersor/simd/vectors.hpp"

TERSOR_BEGIN_GENERIC
namespace tersor::inline v0::simd::TERSOR_GENERIC_NAMESPACE::gguf {

template <std::size_t Size>
inline void block_ranges(const float* x, std::size_t count, float* lo, float* hi) noexcept {
    for (std::size_t b = 0; b < 16; ++b) {
        const float* const values = x + Size * (b < count ? b : count - 1);
        vf least = load(values), largest = least;
        for (std::size_t i = lanes; i < Size; i += lanes) {
            least = min(load(values + i), least);
            largest = max(load(values + i), largest);
        }
        const auto fold = [](float p, float q, bool first) { return first ? p : q; };
        const raw_float l = least.r, h = largest.r;
        const float l01 = fold(l[0], l[1], l[0] < l[1]), l23 = fold(l[2], l[3], l[2] < l[3]);
        const float h01 = fold(h[0], h[1], h[0] > h[1]), h23 = fold(h[2], h[3], h[2] > h[3]);
        lo[b] = fold(l01, l23, l01 < l23);
        hi[b] = fold(h01, h23, h01 > h23);
    }
}

template <int Bit>
inline std::uint64_t collect_bits(const std::uint8_t* bytes) noexcept {
    std::uint64_t all = 0;
    for (std::size_t i = 0; i < 4 * lanes; i += 8) {
        std::uint64_t word;
        std::memcpy(&word, bytes + i, sizeof word);
        // The product moves the lowest bit of byte k to bit 56 + k.
        all |= ((word >> Bit & 0x0101010101010101u) * 0x0102040810204080u >> 56) << i;
    }
    return all;
}

} // namespace tersor::inline v0::simd::TERSOR_GENERIC_NAMESPACE::gguf
TERSOR_END_GENERIC

#if TERSOR_X86
TERSOR_BEGIN_AVX2
namespace tersor::inline v0::simd::avx2::gguf {

/// Least and largest values, lane by lane.
struct lane_range {
    __m256 lo, hi;
    lane_range(__m256 least, __m256 largest) noexcept : lo(least), hi(largest) {}
};

template <std::size_t Size>
inline lane_range range_of(const float* x) noexcept {
    const __m256 first = _mm256_loadu_ps(x);
    lane_range range(first, first);
    TERSOR_UNROLL
    for (std::size_t i = 8; i < Size; i += 8) {
        const __m256 v = _mm256_loadu_ps(x + i);
        range.lo = _mm256_min_ps(range.lo, v);
        range.hi = _mm256_max_ps(range.hi, v);
    }
    return range;
}

/// The ranges of both halves of a, then of b.
inline lane_range fold_halves(lane_range a, lane_range b) noexcept {
    return {_mm256_min_ps(_mm256_blend_ps(a.lo, b.lo, 0xF0), _mm256_permute2f128_ps(a.lo, b.lo, 0x21)),
            _mm256_max_ps(_mm256_blend_ps(a.hi, b.hi, 0xF0), _mm256_permute2f128_ps(a.hi, b.hi, 0x21))};
}
/// Within each half: the ranges of its two quarters in a, then in b.
inline lane_range fold_quarters(lane_range a, lane_range b) noexcept {
    return {_mm256_min_ps(_mm256_blend_ps(a.lo, b.lo, 0xCC), _mm256_shuffle_ps(a.lo, b.lo, 0x4E)),
            _mm256_max_ps(_mm256_blend_ps(a.hi, b.hi, 0xCC), _mm256_shuffle_ps(a.hi, b.hi, 0x4E))};
}
/// Within each half: the ranges of neighbours in a, then in b.
inline lane_range fold_neighbours(lane_range a, lane_range b) noexcept {
    return {_mm256_min_ps(_mm256_shuffle_ps(a.lo, b.lo, 0x88), _mm256_shuffle_ps(a.lo, b.lo, 0xDD)),
            _mm256_max_ps(_mm256_shuffle_ps(a.hi, b.hi, 0x88), _mm256_shuffle_ps(a.hi, b.hi, 0xDD))};
}

/// The ranges of eight blocks from `first` on.
template <std::size_t Size>
inline lane_range ranges_of_eight(const float* x, std::size_t first, std::size_t count) noexcept {
    __m256 lo[4], hi[4];
    TERSOR_UNROLL
    for (std::size_t k = 0; k < 4; ++k) {
        const std::size_t a = first + k, b = a + 4;
        const lane_range two = fold_halves(range_of<Size>(x + Size * (a < count ? a : count - 1)),
                                           range_of<Size>(x + Size * (b < count ? b : count - 1)));
        lo[k] = two.lo;
        hi[k] = two.hi;
    }
    return fold_neighbours(fold_quarters({lo[0], hi[0]}, {lo[1], hi[1]}),
                           fold_quarters({lo[2], hi[2]}, {lo[3], hi[3]}));
}

template <std::size_t Size>
inline void block_ranges(const float* x, std::size_t count, float* lo, float* hi) noexcept {
    for (std::size_t first = 0; first < 16; first += 8) {
        const lane_range all = ranges_of_eight<Size>(x, first, count);
        _mm256_storeu_ps(lo + first, all.lo);
        _mm256_storeu_ps(hi + first, all.hi);
    }
}

template <int Bit>
inline std::uint64_t collect_bits(const std::uint8_t* bytes) noexcept {
    const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes));
    return static_cast<std::uint32_t>(_mm256_movemask_epi8(_mm256_slli_epi16(v, 7 - Bit)));
}

} // namespace tersor::inline v0::simd::avx2::gguf
TERSOR_END_AVX2
#endif

#if TERSOR_AVX512
TERSOR_BEGIN_AVX512
namespace tersor::inline v0::simd::avx512::gguf {

template <std::size_t Size>
inline void block_ranges(const float* x, std::size_t count, float* lo, float* hi) noexcept {
    // Registers twice as wide would take more steps. What is stored as a whole can be loaded as a whole at once.
    const avx2::gguf::lane_range a = avx2::gguf::ranges_of_eight<Size>(x, 0, count);
    const avx2::gguf::lane_range b = avx2::gguf::ranges_of_eight<Size>(x, 8, count);
    _mm512_storeu_ps(lo, _mm512_insertf32x8(_mm512_castps256_ps512(a.lo), b.lo, 1));
    _mm512_storeu_ps(hi, _mm512_insertf32x8(_mm512_castps256_ps512(a.hi), b.hi, 1));
}

template <int Bit>
inline std::uint64_t collect_bits(const std::uint8_t* bytes) noexcept {
    return _mm512_test_epi8_mask(_mm512_loadu_si512(bytes), _mm512_set1_epi8(static_cast<char>(1 << Bit)));
}

} // namespace tersor::inline v0::simd::avx512::gguf
TERSOR_END_AVX512
#endif

#endif // TERSOR_QUANTIZERS_GGUF_LANE_FOLDS_HPP

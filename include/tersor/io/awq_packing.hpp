#ifndef TERSOR_IO_AWQ_PACKING_HPP
#define TERSOR_IO_AWQ_PACKING_HPP

// How AWQ checkpoints pack 4-bit codes.
//
//   gemm        words of 32 bits along out: nibble k of word c holds output 8 c + order[k], order = 0 2 4 6 1 3 5 7
//   gemv_fast   words of 16 bits [out / 4, in], the layout of llm-awq: in every row, input 8 a + 2 b + c of 32 (a, b of
//               0..3, c of 0, 1) goes to 8 b + 2 a + c, then every 8 are put in the order 0 2 4 6 1 3 5 7; then the
//               rows lie in fours, in chunks of 64 inputs: [out / 4, in / 64, 4, 64], four codes a word, the first in
//               the low nibble
//
// Source: AutoAWQ and GPTQModel, gemm; mit-han-lab/llm-awq, pack_intweight.

#include "tersor/core/concepts.hpp"
#include "tersor/core/error.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace tersor::inline v0::awq_layout {

namespace detail {

inline constexpr std::array<std::size_t, 8> order{0, 2, 4, 6, 1, 3, 5, 7};

/// The word of eight codes.
[[nodiscard]] constexpr std::uint32_t pack_word(const std::uint8_t* codes) noexcept {
    std::uint32_t word = 0;
    for (std::size_t k = 0; k < 8; ++k) {
        word |= (codes[order[k]] & 15u) << (4 * k);
    }
    return word;
}

/// Code i of a word.
[[nodiscard]] constexpr std::uint8_t code_of_word(std::uint32_t word, std::size_t i) noexcept {
    return static_cast<std::uint8_t>(word >> (i % 2 * 16 + i / 2 * 4) & 15u);
}

/// Where input i of a row goes within its row by the reordering of gemv_fast.
[[nodiscard]] constexpr std::size_t fast_place(std::size_t i) noexcept {
    const std::size_t within = i % 32;
    const std::size_t swapped = within / 2 % 4 * 8 + within / 8 * 2 + within % 2;
    const std::size_t in_eight = swapped % 8;
    return i / 32 * 32 + swapped / 8 * 8 + in_eight % 2 * 4 + in_eight / 2;
}

inline void require_fast(index rows, index cols, std::size_t given, std::size_t expected) {
    if (rows < 1 || cols < 1 || rows % 4 != 0 || cols % 64 != 0 || given != expected) {
        raise(error_code::shape_mismatch, "gemv_fast holds multiples of 4 outputs and 64 inputs; " +
                                              std::to_string(given) + " elements are no weight of [" +
                                              std::to_string(rows) + " x " + std::to_string(cols) + "]");
    }
}

/// Calls visit(word, shift, code) for the place of every code.
template <class Visit>
void for_each_fast(index rows, index cols, const Visit& visit) {
    const auto length = static_cast<std::size_t>(cols);
    for (std::size_t row = 0; row < static_cast<std::size_t>(rows); ++row) {
        for (std::size_t i = 0; i < length; ++i) {
            const std::size_t to = fast_place(i);
            const std::size_t nibble = row / 4 * 4 * length + to / 64 * 256 + row % 4 * 64 + to % 64;
            visit(nibble / 4, nibble % 4 * 4, row * length + i);
        }
    }
}

} // namespace detail

/// Codes [rows x cols] of 4 bits as words [rows / 4, cols] of llm-awq. shape_mismatch unless rows are fours and cols
/// multiples of 64.
[[nodiscard]] inline std::vector<std::int16_t> pack_gemv_fast(std::span<const std::uint8_t> codes, index rows,
                                                              index cols) {
    detail::require_fast(rows, cols, codes.size(), static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols));
    std::vector<std::int16_t> words(codes.size() / 4);
    detail::for_each_fast(rows, cols, [&](std::size_t word, std::size_t shift, std::size_t code) {
        words[word] = static_cast<std::int16_t>(words[word] | (codes[code] & 15) << shift);
    });
    return words;
}

/// The codes [rows x cols] of such words, a byte each. shape_mismatch as above.
[[nodiscard]] inline std::vector<std::uint8_t> unpack_gemv_fast(std::span<const std::int16_t> words, index rows,
                                                                index cols) {
    detail::require_fast(rows, cols, words.size(), static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols) / 4);
    std::vector<std::uint8_t> codes(words.size() * 4);
    detail::for_each_fast(rows, cols, [&](std::size_t word, std::size_t shift, std::size_t code) {
        codes[code] = static_cast<std::uint8_t>(static_cast<std::uint16_t>(words[word]) >> shift & 15);
    });
    return codes;
}

} // namespace tersor::inline v0::awq_layout

#endif // TERSOR_IO_AWQ_PACKING_HPP

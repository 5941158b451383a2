#ifndef TERSOR_SOLVERS_HQQ_PACKING_HPP
#define TERSOR_SOLVERS_HQQ_PACKING_HPP

// The bit packing of HQQ's checkpoints: codes [rows x cols] are split into equal parts along the rows, and a stored
// value holds the codes at one place of every part, the first part in the highest bits.
//
//   8 bits   bytes, one part                     2 bits   bytes, four parts at bits 6, 4, 2, 0
//   4 bits   bytes, two parts at bits 4, 0       3 bits   int32, ten parts at bits 27, 24 .. 0; rows are padded with
//                                                         zeros to a multiple of ten
//
// Source: BitPack of mobiusml/hqq.

#include "tersor/core/concepts.hpp"
#include "tersor/core/error.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace tersor::inline v0 {

namespace detail {

inline void check_hqq_codes(const char* what, std::size_t given, index rows, index cols, index parts, index holds) {
    if (rows < 0 || cols < 0 || rows % parts != 0 || static_cast<index>(given) != holds) {
        raise(error_code::shape_mismatch, std::string(what) + ": " + std::to_string(given) + " values for codes [" +
                                              std::to_string(rows) + " x " + std::to_string(cols) + "]: expected " +
                                              std::to_string(holds) + ", and rows in " + std::to_string(parts) +
                                              " equal parts");
    }
}

inline index hqq_parts(int bits) {
    if (bits != 8 && bits != 4 && bits != 2) {
        raise(error_code::invalid_argument, "hqq packs bytes of codes of 8, 4 or 2 bits, not of " +
                                                std::to_string(bits) + "; hqq_pack_3bit packs those of 3");
    }
    return 8 / bits;
}

/// Stored values, `Word` by word, of codes [rows x cols] in so many parts; rows beyond the last count as zeros.
template <class Word>
[[nodiscard]] std::vector<Word> hqq_pack_parts(std::span<const std::uint8_t> codes, index rows, index cols, int bits,
                                               index parts) {
    const index height = (rows + parts - 1) / parts;
    std::vector<Word> packed(static_cast<std::size_t>(height * cols));
    for (index row = 0; row < rows; ++row) {
        const auto shift = static_cast<int>((parts - 1 - row / height) * bits);
        for (index c = 0; c < cols; ++c) {
            Word& word = packed[static_cast<std::size_t>(row % height * cols + c)];
            const int code = codes[static_cast<std::size_t>(row * cols + c)] & ((1 << bits) - 1);
            word = static_cast<Word>(word | code << shift);
        }
    }
    return packed;
}

template <class Word>
[[nodiscard]] std::vector<std::uint8_t> hqq_unpack_parts(std::span<const Word> packed, index rows, index cols, int bits,
                                                         index parts) {
    const index height = (rows + parts - 1) / parts;
    std::vector<std::uint8_t> codes(static_cast<std::size_t>(rows * cols));
    for (index row = 0; row < rows; ++row) {
        const auto shift = static_cast<int>((parts - 1 - row / height) * bits);
        for (index c = 0; c < cols; ++c) {
            const Word word = packed[static_cast<std::size_t>(row % height * cols + c)];
            codes[static_cast<std::size_t>(row * cols + c)] =
                static_cast<std::uint8_t>(static_cast<int>(word) >> shift & ((1 << bits) - 1));
        }
    }
    return codes;
}

} // namespace detail

/// Bytes [rows / parts x cols] of codes [rows x cols] of 8, 4 or 2 bits, row-major; higher bits of a code are dropped.
/// Errors: `invalid_argument` for other bits; `shape_mismatch` if the rows do not split into equal parts.
[[nodiscard]] inline std::vector<std::uint8_t> hqq_pack(std::span<const std::uint8_t> codes, index rows, index cols,
                                                        int bits) {
    const index parts = detail::hqq_parts(bits);
    detail::check_hqq_codes("hqq_pack", codes.size(), rows, cols, parts, rows * cols);
    return detail::hqq_pack_parts<std::uint8_t>(codes, rows, cols, bits, parts);
}

/// Codes [rows x cols] of bytes that hqq_pack wrote. Errors: as there.
[[nodiscard]] inline std::vector<std::uint8_t> hqq_unpack(std::span<const std::uint8_t> packed, index rows, index cols,
                                                          int bits) {
    const index parts = detail::hqq_parts(bits);
    detail::check_hqq_codes("hqq_unpack", packed.size(), rows, cols, parts, rows / parts * cols);
    return detail::hqq_unpack_parts<std::uint8_t>(packed, rows, cols, bits, parts);
}

/// Words [ceil(rows / 10) x cols] of codes [rows x cols] of 3 bits. Errors: `shape_mismatch`.
[[nodiscard]] inline std::vector<std::int32_t> hqq_pack_3bit(std::span<const std::uint8_t> codes, index rows,
                                                             index cols) {
    detail::check_hqq_codes("hqq_pack_3bit", codes.size(), rows, cols, 1, rows * cols);
    return detail::hqq_pack_parts<std::int32_t>(codes, rows, cols, 3, 10);
}

/// Codes [rows x cols] of words that hqq_pack_3bit wrote. Errors: `shape_mismatch`.
[[nodiscard]] inline std::vector<std::uint8_t> hqq_unpack_3bit(std::span<const std::int32_t> packed, index rows,
                                                               index cols) {
    detail::check_hqq_codes("hqq_unpack_3bit", packed.size(), rows, cols, 1, (rows + 9) / 10 * cols);
    return detail::hqq_unpack_parts<std::int32_t>(packed, rows, cols, 3, 10);
}

} // namespace tersor::inline v0

#endif // TERSOR_SOLVERS_HQQ_PACKING_HPP

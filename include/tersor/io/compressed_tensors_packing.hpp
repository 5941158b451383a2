#ifndef TERSOR_IO_COMPRESSED_TENSORS_PACKING_HPP
#define TERSOR_IO_COMPRESSED_TENSORS_PACKING_HPP

// The two packings of compressed-tensors. Codes: u = code + 2^(bits-1) as a little-endian bit stream along each row,
// which is filled up with zero bits to whole words of 32 bits. Zero points: the same down each column of [rows,
// groups], as words [ceil(rows * bits / 32), groups].

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace tersor::inline v0::compressed_tensors::detail {

/// The words of 32 bits that `count` codes fill.
[[nodiscard]] constexpr std::int64_t words_of(std::int64_t count, int bits) noexcept {
    return count / 32 * bits + (count % 32 * bits + 31) / 32;
}

/// The bytes that turn packed two's complement codes into packed u = code + 2^(bits-1), and back, by exclusive or.
[[nodiscard]] inline std::vector<std::uint8_t> sign_bits(std::size_t count, int bits) {
    const auto width = static_cast<std::size_t>(bits);
    std::vector<std::uint8_t> pattern(count / 8 * width + (count % 8 * width + 7) / 8);
    for (std::size_t i = 0; i < count; ++i) {
        const std::size_t bit = i * width + width - 1;
        pattern[bit / 8] = static_cast<std::uint8_t>(pattern[bit / 8] | 1u << bit % 8);
    }
    return pattern;
}

/// Packs zero points, u = zero + 2^(bits-1) each, row after row of `groups`.
[[nodiscard]] inline std::vector<std::uint32_t> pack_zeros(std::span<const std::uint8_t> u, std::int64_t rows,
                                                           std::int64_t groups, int bits) {
    std::vector<std::uint32_t> words(static_cast<std::size_t>(words_of(rows, bits) * groups));
    for (std::int64_t row = 0; row < rows; ++row) {
        const std::int64_t bit = row * bits;
        for (std::int64_t g = 0; g < groups; ++g) {
            const std::uint64_t code = std::uint64_t{u[static_cast<std::size_t>(row * groups + g)]} << (bit % 32);
            const auto word = static_cast<std::size_t>(bit / 32 * groups + g);
            words[word] |= static_cast<std::uint32_t>(code);
            if (code >> 32 != 0) {
                words[word + static_cast<std::size_t>(groups)] |= static_cast<std::uint32_t>(code >> 32);
            }
        }
    }
    return words;
}

/// The zero points u of packed words; `words` holds words_of(rows, bits) * groups of them, at any address.
[[nodiscard]] inline std::vector<std::uint8_t> unpack_zeros(const std::byte* words, std::int64_t rows,
                                                            std::int64_t groups, int bits) {
    std::vector<std::uint8_t> u(static_cast<std::size_t>(rows * groups));
    const auto word_at = [&](std::int64_t row, std::int64_t g) {
        std::uint32_t word;
        std::memcpy(&word, words + (row * groups + g) * 4, sizeof(word));
        return std::uint64_t{word};
    };
    for (std::int64_t row = 0; row < rows; ++row) {
        const std::int64_t first = row * bits / 32, shift = row * bits % 32;
        for (std::int64_t g = 0; g < groups; ++g) {
            std::uint64_t code = word_at(first, g) >> shift;
            if (shift + bits > 32) {
                code |= word_at(first + 1, g) << (32 - shift);
            }
            u[static_cast<std::size_t>(row * groups + g)] = static_cast<std::uint8_t>(code & ((1u << bits) - 1u));
        }
    }
    return u;
}

} // namespace tersor::inline v0::compressed_tensors::detail

#endif // TERSOR_IO_COMPRESSED_TENSORS_PACKING_HPP

#ifndef TERSOR_IO_GPTQ_PACKING_HPP
#define TERSOR_IO_GPTQ_PACKING_HPP

// How GPTQ checkpoints pack codes into words of 32 bits, and how their first version stores zero points.
//
//   stream   32 codes of b bits fill b words: code i at bits b i .. of their little-endian stream (where b divides 32,
//   a
//            word holds whole codes)
//   planes   the same words, cut into planes of 4, 2 and 1 bits, the low bits first: 3 = 2 + 1, 5 = 4 + 1, 6 = 4 + 2,
//            7 = 4 + 2 + 1; a plane is a stream of its own. 2, 4 and 8 bits have one plane.
//
// Version 2 stores zero points as they are. Version 1 stores, for 2, 4 and 8 bits, the packed word minus the one with 1
// in every field, modulo 2^32, so that a zero point of 0 borrows from the next field; for other bits every field minus
// 1 modulo 2^bits. Source: ModelCloud/GPTQModel, pack_block, planar packing, convert_gptq_v2_to_v1_format_module.

#include "tersor/formats/packing.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace tersor::inline v0::gptq_layout {

/// How codes lie in words.
enum class packing { stream, planes };

/// How zero points are stored: minus one ("gptq") or as they are ("gptq_v2", "gptq_p").
enum class version { v1, v2 };

namespace detail {

/// Whether `count` codes fill whole words: in planes, whole blocks of 32 codes.
[[nodiscard]] constexpr bool fills_words(std::int64_t count, int bits, packing how) noexcept {
    return how == packing::planes ? count % 32 == 0 : count % 32 * bits % 32 == 0;
}

/// The words of `count` codes that fill whole ones.
[[nodiscard]] constexpr std::int64_t words_of(std::int64_t count, int bits) noexcept {
    return count / 32 * bits + count % 32 * bits / 32;
}

/// The bits of the plane that starts at bit `low` of a code.
[[nodiscard]] constexpr int plane_width(int bits, int low) noexcept {
    const int left = bits - low;
    return left >= 8 ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
}

/// Packs at most 32 codes, all that are left, into their words at `to`, of any alignment.
inline void pack_block(std::span<const std::uint8_t> codes, int bits, packing how, std::uint8_t* to) noexcept {
    if (how == packing::stream) {
        return pack_codes(codes, bits, to);
    }
    std::uint8_t plane[32];
    for (int low = 0; low < bits;) {
        const int width = plane_width(bits, low);
        for (std::size_t i = 0; i < codes.size(); ++i) {
            plane[i] = static_cast<std::uint8_t>(codes[i] >> low);
        }
        pack_codes({plane, codes.size()}, width, to);
        to += 4 * width;
        low += width;
    }
}

/// The codes of the words at `from`.
inline void unpack_block(const std::uint8_t* from, int bits, packing how, std::span<std::uint8_t> codes) noexcept {
    if (how == packing::stream) {
        return unpack_codes(from, bits, codes);
    }
    std::memset(codes.data(), 0, codes.size());
    std::uint8_t plane[32];
    for (int low = 0; low < bits;) {
        const int width = plane_width(bits, low);
        unpack_codes(from, width, std::span(plane, codes.size()));
        for (std::size_t i = 0; i < codes.size(); ++i) {
            codes[i] = static_cast<std::uint8_t>(codes[i] | plane[i] << low);
        }
        from += 4 * width;
        low += width;
    }
}

/// A word with 1 in every field of 2, 4 or 8 bits.
[[nodiscard]] constexpr std::uint32_t ones_of(int bits) noexcept {
    return 0xFFFFFFFFu / ((1u << bits) - 1u);
}

[[nodiscard]] constexpr bool borrows(int bits) noexcept {
    return bits == 2 || bits == 4 || bits == 8;
}

/// Adds `sign` to every word in the manner of version 1, for the bits that borrow.
inline void shift_words(std::uint8_t* words, std::size_t bytes, int bits, int sign) noexcept {
    const std::uint32_t step = sign > 0 ? ones_of(bits) : 0u - ones_of(bits);
    for (std::size_t i = 0; i + 4 <= bytes; i += 4) {
        std::uint32_t word;
        std::memcpy(&word, words + i, 4);
        word += step;
        std::memcpy(words + i, &word, 4);
    }
}

/// Packs the zero points of one group, whole words of them, as a version stores them.
inline void pack_zeros(std::span<const std::uint8_t> zeros, int bits, packing how, version stored,
                       std::uint8_t* to) noexcept {
    const bool by_field = stored == version::v1 && !borrows(bits);
    std::uint8_t block[32];
    std::uint8_t* out = to;
    for (std::size_t first = 0; first < zeros.size(); first += 32) {
        const std::size_t count = zeros.size() - first < 32 ? zeros.size() - first : 32;
        for (std::size_t i = 0; i < count; ++i) {
            block[i] = static_cast<std::uint8_t>((zeros[first + i] - (by_field ? 1 : 0)) & ((1 << bits) - 1));
        }
        pack_block({block, count}, bits, how, out);
        out += count * static_cast<std::size_t>(bits) / 8;
    }
    if (stored == version::v1 && borrows(bits)) {
        shift_words(to, static_cast<std::size_t>(out - to), bits, -1);
    }
}

/// The zero points of one group. `words` is changed.
inline void unpack_zeros(std::span<std::uint8_t> words, int bits, packing how, version stored,
                         std::span<std::uint8_t> zeros) noexcept {
    if (stored == version::v1 && borrows(bits)) {
        shift_words(words.data(), words.size(), bits, 1);
    }
    const bool by_field = stored == version::v1 && !borrows(bits);
    const std::uint8_t* from = words.data();
    for (std::size_t first = 0; first < zeros.size(); first += 32) {
        const std::size_t count = zeros.size() - first < 32 ? zeros.size() - first : 32;
        const std::span<std::uint8_t> block = zeros.subspan(first, count);
        unpack_block(from, bits, how, block);
        for (std::uint8_t& zero : block) {
            zero = static_cast<std::uint8_t>((zero + (by_field ? 1 : 0)) & ((1 << bits) - 1));
        }
        from += count * static_cast<std::size_t>(bits) / 8;
    }
}

} // namespace detail

} // namespace tersor::inline v0::gptq_layout

#endif // TERSOR_IO_GPTQ_PACKING_HPP

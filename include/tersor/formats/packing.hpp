#ifndef TERSOR_FORMATS_PACKING_HPP
#define TERSOR_FORMATS_PACKING_HPP

// Codes in memory: a dense little-endian bit stream.
//
// The first code stands in the lowest bits of the first byte; bit k of code i is bit (i * bits + k) of the stream, and
// bit j of the stream is bit (j mod 8) of byte j / 8. Eight codes of b bits fill b bytes. The unused bits of the last
// byte are 0. Formats with `high_nibble_first` store two 4-bit codes a byte, the first one in the high nibble; if their
// number is odd, the last low nibble holds the code of zero, as bitsandbytes writes it.

#include "tersor/core/error.hpp"
#include "tersor/formats/format.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <type_traits>

namespace tersor::inline v0 {

/// The bytes that `count` codes of `bits` bits (1 to 16) fill. Throws invalid_argument for other bits or where the
/// number of bytes does not fit std::size_t.
[[nodiscard]] constexpr std::size_t packed_bytes(std::size_t count, int bits) {
    if (bits < 1 || bits > 16) {
        raise(error_code::invalid_argument, "a code has 1 to 16 bits, not " + std::to_string(bits));
    }
    const auto width = static_cast<std::size_t>(bits);
    const std::size_t tail = (count % 8 * width + 7) / 8;
    if (count / 8 > (std::numeric_limits<std::size_t>::max() - tail) / width) {
        raise(error_code::invalid_argument, "the bytes of " + std::to_string(count) + " codes of " +
                                                std::to_string(bits) + " bits cannot be counted");
    }
    return count / 8 * width + tail;
}

namespace detail {

inline std::uint64_t load_word(const std::uint8_t* bytes) noexcept {
    std::uint64_t word;
    std::memcpy(&word, bytes, sizeof word);
    return std::endian::native == std::endian::little ? word : __builtin_bswap64(word);
}
inline void store_word(std::uint64_t word, std::uint8_t* bytes) noexcept {
    word = std::endian::native == std::endian::little ? word : __builtin_bswap64(word);
    std::memcpy(bytes, &word, sizeof word);
}

// A mask of `Width` low bits in each field of `Field` bits.
template <int Width, int Field>
constexpr std::uint64_t field_mask() noexcept {
    std::uint64_t mask = 0;
    for (int at = 0; at < 64; at += Field) {
        mask |= (~std::uint64_t{0} >> (64 - Width)) << at;
    }
    return mask;
}

// In each field of 2 * Field bits: the Width low bits of both halves, moved together; and back apart.
template <int Width, int Field>
constexpr std::uint64_t join_halves(std::uint64_t word) noexcept {
    constexpr std::uint64_t low = field_mask<Width, 2 * Field>();
    return (word & low) | (word >> (Field - Width) & low << Width);
}
template <int Width, int Field>
constexpr std::uint64_t split_halves(std::uint64_t word) noexcept {
    constexpr std::uint64_t low = field_mask<Width, 2 * Field>();
    return (word & low) | (word & low << Width) << (Field - Width);
}

// Eight codes, one in each byte of a word, to 8 * Bits bits: neighbours are joined to pairs, fours and the eight.
template <int Bits>
constexpr std::uint64_t join_codes(std::uint64_t word) noexcept {
    return join_halves<4 * Bits, 32>(join_halves<2 * Bits, 16>(join_halves<Bits, 8>(word)));
}

// The opposite: 8 * Bits bits to eight bytes.
template <int Bits>
constexpr std::uint64_t split_codes(std::uint64_t word) noexcept {
    return split_halves<Bits, 8>(split_halves<2 * Bits, 16>(split_halves<4 * Bits, 32>(word)));
}

template <int Bits>
void pack_stream(const std::uint8_t* codes, std::size_t count, std::uint8_t* out) noexcept {
    // Whole words are stored while they fit: the next one overwrites what is too much.
    for (; count * Bits >= 64; count -= 8, codes += 8, out += Bits) {
        store_word(join_codes<Bits>(load_word(codes)), out);
    }
    std::uint8_t joined[8];
    for (; count >= 8; count -= 8, codes += 8, out += Bits) {
        store_word(join_codes<Bits>(load_word(codes)), joined);
        std::memcpy(out, joined, Bits);
    }
    if (count > 0) {
        std::uint8_t last[8] = {};
        std::memcpy(last, codes, count);
        store_word(join_codes<Bits>(load_word(last)), joined);
        std::memcpy(out, joined, (count * Bits + 7) / 8);
    }
}

template <int Bits, bool Signed>
constexpr std::uint8_t extended(std::uint64_t code) noexcept {
    constexpr unsigned sign = Signed ? 1u << (Bits - 1) : 0u;
    const auto low = static_cast<unsigned>(code) & ((1u << Bits) - 1u);
    return static_cast<std::uint8_t>((low ^ sign) - sign);
}

template <int Bits, bool Signed>
void unpack_stream(const std::uint8_t* packed, std::size_t count, std::uint8_t* codes) noexcept {
    const auto split = [](std::uint64_t word, std::uint8_t* to) {
        word = split_codes<Bits>(word);
        if constexpr (Signed && Bits < 8) {
            // A sign times 2^(9 - Bits) - 2 is that sign in all higher bits of its byte.
            constexpr std::uint64_t sign = field_mask<1, 8>() << (Bits - 1);
            word |= (word & sign) * ((std::uint64_t{1} << (9 - Bits)) - 2);
        }
        store_word(word, to);
    };
    // Whole words are loaded while there are that many bytes left.
    for (; count * Bits >= 64; count -= 8, codes += 8, packed += Bits) {
        split(load_word(packed), codes);
    }
    std::uint8_t bytes[8] = {}, last[8];
    for (; count > 0; codes += 8, packed += Bits) {
        const std::size_t now = count < 8 ? count : 8;
        std::memcpy(bytes, packed, (now * Bits + 7) / 8);
        split(load_word(bytes), last);
        std::memcpy(codes, last, now);
        count -= now;
    }
}

// Calls function(std::integral_constant<int, bits>) for bits 1 to 8; anything else does nothing.
template <class Function>
constexpr void with_bits(int bits, const Function& function) noexcept {
    switch (bits) {
    case 1:
        return function(std::integral_constant<int, 1>{});
    case 2:
        return function(std::integral_constant<int, 2>{});
    case 3:
        return function(std::integral_constant<int, 3>{});
    case 4:
        return function(std::integral_constant<int, 4>{});
    case 5:
        return function(std::integral_constant<int, 5>{});
    case 6:
        return function(std::integral_constant<int, 6>{});
    case 7:
        return function(std::integral_constant<int, 7>{});
    case 8:
        return function(std::integral_constant<int, 8>{});
    default:
        return;
    }
}

} // namespace detail

/// Writes codes of `bits` bits (1 to 8; higher bits of a code are dropped) to the packed_bytes(codes.size(), bits)
/// bytes at `out`.
inline void pack_codes(std::span<const std::uint8_t> codes, int bits, std::uint8_t* out) noexcept {
    detail::with_bits(bits, [&](auto width) { detail::pack_stream<width()>(codes.data(), codes.size(), out); });
}

/// Reads codes.size() codes of `bits` bits (1 to 8) from packed_bytes(codes.size(), bits) bytes.
inline void unpack_codes(const std::uint8_t* packed, int bits, std::span<std::uint8_t> codes) noexcept {
    detail::with_bits(bits,
                      [&](auto width) { detail::unpack_stream<width(), false>(packed, codes.size(), codes.data()); });
}

/// As above with the sign extended: the highest bit of a code counts -2^(bits - 1).
inline void unpack_codes(const std::uint8_t* packed, int bits, std::span<std::int8_t> codes) noexcept {
    auto* const out = reinterpret_cast<std::uint8_t*>(codes.data());
    detail::with_bits(bits, [&](auto width) { detail::unpack_stream<width(), true>(packed, codes.size(), out); });
}

/// Writes 4-bit codes two a byte, the first in the high nibble; `padding` fills the last low nibble if needed.
inline void pack_nibbles_high_first(std::span<const std::uint8_t> codes, std::uint8_t padding,
                                    std::uint8_t* out) noexcept {
    const std::size_t pairs = codes.size() / 2;
    for (std::size_t i = 0; i < pairs; ++i) {
        out[i] = static_cast<std::uint8_t>((codes[2 * i] & 15u) << 4 | (codes[2 * i + 1] & 15u));
    }
    if (codes.size() % 2 != 0) {
        out[pairs] = static_cast<std::uint8_t>((codes[2 * pairs] & 15u) << 4 | (padding & 15u));
    }
}

/// Reads codes.size() 4-bit codes, the first of two from the high nibble.
inline void unpack_nibbles_high_first(const std::uint8_t* packed, std::span<std::uint8_t> codes) noexcept {
    for (std::size_t i = 0; i < codes.size(); ++i) {
        codes[i] = static_cast<std::uint8_t>(i % 2 == 0 ? packed[i / 2] >> 4 : packed[i / 2] & 15u);
    }
}

/// Packs the codes of a format, by its bits and nibble order, into packed_bytes(codes.size(), Format::bits) bytes;
/// 16-bit codes are stored low byte first.
template <number_format Format>
void pack(const Format& format, std::span<const code_t<Format>> codes, std::uint8_t* out) noexcept {
    if constexpr (Format::bits == 16) {
        for (std::size_t i = 0; i < codes.size(); ++i) {
            out[2 * i] = static_cast<std::uint8_t>(codes[i]);
            out[2 * i + 1] = static_cast<std::uint8_t>(codes[i] >> 8);
        }
    } else {
        static_assert(sizeof(code_t<Format>) == 1 && Format::bits <= 8, "codes have 1 to 8 bits, or 16");
        const std::span bytes(reinterpret_cast<const std::uint8_t*>(codes.data()), codes.size());
        if constexpr (is_high_nibble_first<Format>) {
            pack_nibbles_high_first(bytes, static_cast<std::uint8_t>(format.encode(0.0f)), out);
        } else {
            detail::pack_stream<Format::bits>(bytes.data(), bytes.size(), out);
        }
    }
}

/// Reads codes.size() codes of a format back; signed codes are sign-extended.
template <number_format Format>
void unpack(const Format&, const std::uint8_t* packed, std::span<code_t<Format>> codes) noexcept {
    if constexpr (Format::bits == 16) {
        for (std::size_t i = 0; i < codes.size(); ++i) {
            codes[i] = static_cast<std::uint16_t>(packed[2 * i] | packed[2 * i + 1] << 8);
        }
    } else {
        static_assert(sizeof(code_t<Format>) == 1 && Format::bits <= 8, "codes have 1 to 8 bits, or 16");
        const std::span bytes(reinterpret_cast<std::uint8_t*>(codes.data()), codes.size());
        if constexpr (is_high_nibble_first<Format>) {
            unpack_nibbles_high_first(packed, bytes);
        } else {
            detail::unpack_stream<Format::bits, std::is_signed_v<code_t<Format>>>(packed, bytes.size(), bytes.data());
        }
    }
}

/// The code at `index` of a packed array of a format; reads only the one or two bytes that hold it.
template <number_format Format>
constexpr code_t<Format> packed_code(const std::uint8_t* packed, std::size_t index) noexcept {
    constexpr auto width = static_cast<std::size_t>(Format::bits);
    if constexpr (is_high_nibble_first<Format>) {
        return static_cast<code_t<Format>>(index % 2 == 0 ? packed[index / 2] >> 4 : packed[index / 2] & 15u);
    } else if constexpr (width == 16) {
        return static_cast<code_t<Format>>(packed[2 * index] | packed[2 * index + 1] << 8);
    } else {
        const std::size_t bit = index % 8 * width;
        const std::uint8_t* const first = packed + index / 8 * width + bit / 8;
        const unsigned low = first[0];
        const unsigned high = bit % 8 + width > 8 ? first[1] : 0u;
        constexpr bool is_signed = std::is_signed_v<code_t<Format>>;
        return static_cast<code_t<Format>>(detail::extended<Format::bits, is_signed>((low | high << 8) >> (bit % 8)));
    }
}

} // namespace tersor::inline v0

#endif // TERSOR_FORMATS_PACKING_HPP

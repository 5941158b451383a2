// What blocks share that are quantized in one pass, sixteen at a time: their ranges, their halves, the packing of codes
// of four and five bits. Compiled once per instruction set.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf {

/// The signed value of largest magnitude, the first on ties, of each of up to 16 blocks of Size values; 0 of zeros.
template <std::size_t Size>
inline void signed_extremes(const float* x, std::size_t count, float* extremes) noexcept {
    float lo[16], hi[16];
    block_ranges<Size>(x, count, lo, hi);
    vm ties = splat(0) > splat(0);
    for (std::size_t at = 0; at < 16; at += lanes) {
        const vf low = load(lo + at), high = load(hi + at), size = splat(0.0f) - low;
        ties = ties | ((high == size) & (high > splat(0.0f)));
        store(extremes + at, select(high > size, high, low) + splat(0.0f)); // the sum has no negative zero
    }
    for (std::size_t b = 0; any(ties) && b < count; ++b) {
        if (hi[b] == -lo[b]) {
            const float* const values = x + b * Size;
            for (std::size_t i = Size; i-- > 0;) {
                extremes[b] = values[i] == hi[b] || values[i] == lo[b] ? values[i] + 0.0f : extremes[b];
            }
        }
    }
}

/// The halves nearest to 16 floats; beyond the range infinity.
inline void encode_halves(const float* values, std::uint16_t* halves) noexcept {
    if constexpr (has_half_conversion) {
        for (std::size_t i = 0; i < 16; i += lanes) {
            store_half(halves + i, load(values + i));
        }
    } else {
        for (std::size_t i = 0; i < 16; ++i) {
            halves[i] = fp16::encode(values[i]);
        }
    }
}

/// Sixteen blocks of 32 values: those at `x`, or where there are fewer a copy, filled up with zeros.
inline const float* sixteen_blocks(const float* x, std::size_t count, float* copy) noexcept {
    constexpr std::size_t size = 32;
    if (count >= 16) {
        return x;
    }
    std::memset(copy, 0, 16 * size * sizeof(float));
    std::memcpy(copy, x, count * size * sizeof(float));
    return copy;
}

/// Stores `count` of sixteen blocks of 32 values with codes of at most Top = 15 or 31: byte j of `qs` holds the low
/// four bits of codes j and j + 16, bit j of `qh` the fifth one of code j. headers.levels(x, b, i) are the codes of
/// `lanes` values of block b from i on; those above Headers::most become that.
template <int Top, class Headers, class Block>
inline void pack_codes(const Headers& headers, const float* x, std::size_t count, Block* out) noexcept {
    constexpr std::size_t at_once = lanes / 4, parts = 16 / lanes; // of blocks; of registers in half a block
    for (std::size_t b = 0; b < count; b += at_once) {
        alignas(64) std::uint8_t low[4 * lanes], high[4 * lanes], packed[4 * lanes];
        const auto code = [&](std::size_t r, std::size_t from) {
            return headers.levels(x, b + r / parts, from + r % parts * lanes);
        };
        store_saturated<false, 0, Headers::most>(low, code(0, 0), code(1, 0), code(2, 0), code(3, 0));
        store_saturated<false, 0, Headers::most>(high, code(0, 16), code(1, 16), code(2, 16), code(3, 16));
        const auto nibbles = [](const std::uint8_t* p) {
            const vi four_codes = load(reinterpret_cast<const std::int32_t*>(p));
            return Top == 15 ? four_codes : four_codes & splat(0x0F0F0F0F);
        };
        store(reinterpret_cast<std::int32_t*>(packed), nibbles(low) | shl<4>(nibbles(high)));
        std::uint64_t low_fifths = 0, high_fifths = 0;
        if constexpr (Top == 31) {
            low_fifths = collect_bits<4>(low);
            high_fifths = collect_bits<4>(high);
        }
        for (std::size_t k = 0; k < at_once && b + k < count; ++k) {
            headers.write(b + k, out[b + k]);
            std::memcpy(out[b + k].qs, packed + 16 * k, 16);
            if constexpr (Top == 31) {
                const std::uint64_t fifths = (low_fifths >> 16 * k & 0xFFFF) | (high_fifths >> 16 * k & 0xFFFF) << 16;
                std::memcpy(out[b + k].qh, &fifths, 4);
            }
        }
    }
}

/// Encodes blocks of 32 values: headers.measure(x) finds what sixteen blocks store beside their codes. That of the next
/// sixteen is found before the codes of these are, which would have to wait for it.
template <int Top, class Headers, class Block>
inline void encode_in_sixteens(const float* x, std::size_t count, Block* out) noexcept {
    constexpr std::size_t size = 32;
    if (count == 0) {
        return;
    }
    float rest[16 * size];
    Headers headers[2];
    const float* values = sixteen_blocks(x, count, rest);
    headers[0].measure(values);
    for (std::size_t b = 0, turn = 0; b < count; b += 16, turn ^= 1) {
        const float* next = values;
        if (count - b > 16) {
            next = sixteen_blocks(x + (b + 16) * size, count - b - 16, rest);
            headers[turn ^ 1].measure(next);
        }
        pack_codes<Top>(headers[turn], values, count - b < 16 ? count - b : 16, out + b);
        values = next;
    }
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf

// Decoding of formats with a table of sixteen values, compiled once per instruction set by table_decode.hpp.
//
// A group's table is multiplied by its scale once; every value is then a look-up, which gives the same bits as the
// product of scale and level.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf {

/// The values of 32 codes in 16 bytes: byte j holds code j and, in its high half, code j + 16.
inline void decode_nibbles(const std::uint8_t* bytes, const table16& values, float* out) noexcept {
    for (std::size_t j = 0; j < 16; j += lanes) {
        const vi pair = load_u8(bytes + j);
        store(out + j, lookup(values, pair));
        store(out + 16 + j, lookup(values, shr<4>(pair)));
    }
}

/// IQ4_NL and MXFP4: blocks of 32 values with one scale, which Quantizer::scale_of gives.
template <class Quantizer>
void decode_table_blocks(const typename Quantizer::block* blocks, std::size_t count, float* out) noexcept {
    const table16 levels = load_table16(Quantizer::levels);
    for (std::size_t b = 0; b < count; ++b) {
        decode_nibbles(blocks[b].qs, levels * Quantizer::scale_of(blocks[b]), out + 32 * b);
    }
}

/// IQ4_XS: super-blocks of eight such groups.
template <class Quantizer>
void decode_table_superblocks(const typename Quantizer::block* blocks, std::size_t count, float* out) noexcept {
    const table16 levels = load_table16(Quantizer::levels);
    for (std::size_t b = 0; b < count; ++b) {
        const auto parameters = Quantizer::parameters_of(blocks[b]);
        for (std::size_t g = 0; g < 8; ++g) {
            decode_nibbles(blocks[b].qs + 16 * g, levels * parameters.scales[g], out + 256 * b + 32 * g);
        }
    }
}

/// NVFP4: blocks of four groups of 16, byte j of a group holding codes j and j + 8.
template <class Quantizer>
void decode_short_groups(const typename Quantizer::block* blocks, std::size_t count, float* out) noexcept {
    const table16 levels = load_table16(Quantizer::levels);
    // The codes of a few blocks are spread out first, so that they are in memory when registers load them.
    constexpr std::size_t run = 8;
    std::uint8_t codes[64 * run];
    for (std::size_t first = 0; first < count; first += run) {
        const std::size_t some = count - first < run ? count - first : run;
        for (std::size_t b = 0; b < some; ++b) {
            for (std::size_t g = 0; g < 4; ++g) {
                std::uint64_t word;
                std::memcpy(&word, blocks[first + b].qs + 8 * g, sizeof word);
                const std::uint64_t high = word >> 4;
                std::memcpy(codes + 64 * b + 16 * g, &word, sizeof word);
                std::memcpy(codes + 64 * b + 16 * g + 8, &high, sizeof high);
            }
        }
        for (std::size_t b = 0; b < some; ++b) {
            for (std::size_t g = 0; g < 4; ++g) {
                const table16 values = levels * Quantizer::scale_of(blocks[first + b], g);
                for (std::size_t j = 0; j < 16; j += lanes) {
                    const std::size_t at = 64 * b + 16 * g + j;
                    store(out + 64 * first + at, lookup(values, load_u8(codes + at)));
                }
            }
        }
    }
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf

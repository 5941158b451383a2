// Values of q4_k blocks, compiled once per instruction set.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf {

inline void decode_q4_k(const ::tersor::gguf::q4_k::block* blocks, std::size_t count, float* out) noexcept {
    const vi low = splat(15);
    for (std::size_t b = 0; b < count; ++b) {
        float scales[16], minima[16];
        load_group_values<::tersor::gguf::q4_k>(blocks[b], scales, minima);
        for (std::size_t c = 0; c < 4; ++c, out += 64) {
            const vf scale = splat(scales[2 * c]), minimum = splat(minima[2 * c]);
            const vf next_scale = splat(scales[2 * c + 1]), next_minimum = splat(minima[2 * c + 1]);
            for (std::size_t i = 0; i < 32; i += lanes) {
                const vi codes = load_u8(blocks[b].qs + 32 * c + i);
                store(out + i, scale * convert(codes & low) - minimum);
                store(out + 32 + i, next_scale * convert(shr<4>(codes)) - next_minimum);
            }
        }
    }
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf

// Values of q5_k blocks, compiled once per instruction set.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf {

inline void decode_q5_k(const ::tersor::gguf::q5_k::block* blocks, std::size_t count, float* out) noexcept {
    const vi low = splat(15), fifth = splat(16);
    for (std::size_t b = 0; b < count; ++b, out += 256) {
        float scales[16], minima[16];
        load_group_values<::tersor::gguf::q5_k>(blocks[b], scales, minima);
        for (std::size_t i = 0; i < 32; i += lanes) {
            vi high = shl<4>(load_u8(blocks[b].qh + i));
            for (std::size_t c = 0; c < 4; ++c) {
                const vi codes = load_u8(blocks[b].qs + 32 * c + i);
                const vi first = (codes & low) | (high & fifth), second = shr<4>(codes) | (shr<1>(high) & fifth);
                store(out + 64 * c + i, splat(scales[2 * c]) * convert(first) - splat(minima[2 * c]));
                store(out + 64 * c + 32 + i, splat(scales[2 * c + 1]) * convert(second) - splat(minima[2 * c + 1]));
                high = shr<2>(high);
            }
        }
    }
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf

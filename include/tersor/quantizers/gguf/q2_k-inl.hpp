// Values of q2_k blocks, compiled once per instruction set.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf {

inline void decode_q2_k(const ::tersor::gguf::q2_k::block* blocks, std::size_t count, float* out) noexcept {
    const vi low = splat(3);
    for (std::size_t b = 0; b < count; ++b) {
        float scales[16], minima[16];
        load_group_values<::tersor::gguf::q2_k>(blocks[b], scales, minima);
        for (std::size_t half = 0; half < 2; ++half, out += 128) {
            for (std::size_t i = 0; i < 32; i += lanes) {
                vi codes = load_u8(blocks[b].qs + 32 * half + i);
                for (std::size_t plane = 0; plane < 4; ++plane) {
                    const std::size_t j = 8 * half + 2 * plane + i / 16;
                    store(out + 32 * plane + i, splat(scales[j]) * convert(codes & low) - splat(minima[j]));
                    codes = shr<2>(codes);
                }
            }
        }
    }
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf

// What the headers of q2_k, q4_k and q5_k say, in registers; compiled once per instruction set. The scalar definition
// is k_affine_parameters.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf {

/// The scale and the minimum of each group of a block; room for sixteen of each.
template <class Type>
inline void load_group_values(const typename Type::block& block, float* scale, float* minimum) noexcept {
    constexpr std::size_t groups = Type::pairs::groups;
    std::uint8_t scales[16], minima[16];
    if constexpr (groups == 8) {
        // Four bytes at a time do what six_bit_pairs::unpack does for each.
        std::uint32_t first, second, third;
        std::memcpy(&first, block.scales, 4);
        std::memcpy(&second, block.scales + 4, 4);
        std::memcpy(&third, block.scales + 8, 4);
        const std::uint64_t low = first & 0x3F3F3F3Fu, low_minima = second & 0x3F3F3F3Fu;
        const std::uint64_t high = (third & 0x0F0F0F0Fu) | (first >> 2 & 0x30303030u);
        const std::uint64_t high_minima = (third >> 4 & 0x0F0F0F0Fu) | (second >> 2 & 0x30303030u);
        const std::uint64_t all = low | high << 32, all_minima = low_minima | high_minima << 32;
        std::memcpy(scales, &all, 8);
        std::memcpy(minima, &all_minima, 8);
    }
    const vf step = splat(fp16::decode(block.d)), minimum_step = splat(fp16::decode(block.dmin));
    for (std::size_t j = 0; j < groups; j += lanes) {
        if constexpr (groups == 16) {
            const vi pairs = load_u8(block.scales + j);
            store(scale + j, step * convert(pairs & splat(15)));
            store(minimum + j, minimum_step * convert(shr<4>(pairs)));
        } else {
            store(scale + j, step * convert(load_u8(scales + j)));
            store(minimum + j, minimum_step * convert(load_u8(minima + j)));
        }
    }
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf

// Decoding of the grid types; compiled once per instruction set.
//
// A super-block is spread to 256 signed bytes (the values of the points with their signs) first, then scaled:
// magnitudes db * byte with db = (d * (0.5 + s)) * unit, IQ1 (d * (2 s + 1)) * (byte / 8) with the exact
// byte / 8 = level - 1 +- 0.125. Source: ggml v0.21.0, as described in its golden data.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf {

/// out[i] = scales[i / Run] * bytes[i] for 256 values; with eighths, scale * (byte / 8).
template <std::size_t Run, bool Eighths>
inline void scale_bytes(const std::int8_t* bytes, const float* scales, float* out) noexcept {
    static_assert(lanes <= Run);
    for (std::size_t g = 0; g < detail::grid_block / Run; ++g) {
        const vf scale = splat(scales[g]);
        for (std::size_t i = g * Run; i < (g + 1) * Run; i += lanes) {
            const vf value = convert(load_i8(bytes + i));
            store(out + i, scale * (Eighths ? splat(0.125f) * value : value));
        }
    }
}

/// Decodes `count` blocks of a type, whose unpack() gives the numbers of one.
template <class Type>
void decode_grid(const typename Type::block* blocks, std::size_t count, float* out) noexcept {
    using rules = typename Type::rules;
    alignas(64) std::int8_t bytes[detail::grid_block];
    float scales[detail::grid_block / rules::group];
    const std::int8_t* const values = detail::grid_bytes<rules>();
    const detail::sign_masks& masks = detail::sign_masks::table();
    for (std::size_t n = 0; n < count; ++n) {
        spread_codes<rules>(Type::unpack(blocks[n]), values, masks, bytes, scales);
        scale_bytes<rules::group, rules::is_ternary>(bytes, scales, out + n * detail::grid_block);
    }
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf

// Encoding of MXFP4 and NVFP4 by the formats' own rules, compiled once per instruction set by fp4_kernels.hpp.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf {

/// The thresholds of one scale in registers.
struct fp4_coder {
    vf t0, t1, t2, t3, t4, t5, t6;
    explicit fp4_coder(float s) noexcept
        : t0(at(0, s)), t1(at(1, s)), t2(at(2, s)), t3(at(3, s)), t4(at(4, s)), t5(at(5, s)), t6(at(6, s)) {}
    static vf at(int k, float s) noexcept { return splat(::tersor::gguf::detail::fp4_threshold(k, s)); }

    [[nodiscard]] vi codes(vf x) const noexcept {
        const vf magnitude = abs(x);
        vi code = increment_if(splat(std::int32_t{0}), magnitude > t0);
        const vi sign = shr<28>(bits(x)) & splat(std::int32_t{8});
        const vi signed_zero = select(code > splat(std::int32_t{0}), sign, splat(std::int32_t{0}));
        code = increment_if(increment_if(code, magnitude > t1), magnitude > t2);
        code = increment_if(increment_if(code, magnitude > t3), magnitude > t4);
        return increment_if(increment_if(code, magnitude > t5), magnitude > t6) | signed_zero;
    }
};

/// Blocks of 32 values with a power of two.
template <class Block>
void encode_mxfp4(const float* values, std::size_t count, Block* out) noexcept {
    for (std::size_t b = 0; b < count; ++b) {
        const float* const x = values + 32 * b;
        out[b].e = ::tersor::gguf::detail::mxfp4_exponent(largest_magnitude<32>(x));
        const fp4_coder coder(::tersor::gguf::detail::half_of_e8m0(out[b].e));
        const auto pair = [&](std::size_t j) {
            return coder.codes(load(x + j)) | shl<4>(coder.codes(load(x + 16 + j)));
        };
        // As many registers as hold 16 pairs, repeated to the four that are stored together.
        constexpr std::size_t second = lanes % 16, third = 2 * lanes % 16, fourth = 3 * lanes % 16;
        std::uint8_t bytes[4 * lanes];
        store_u8(bytes, pair(0), pair(second), pair(third), pair(fourth));
        std::memcpy(out[b].qs, bytes, 16);
    }
}

/// The codes of a group whose values are so large that differences to different levels may round to the same float.
inline void encode_fp4_by_definition(const float* x, float s, std::uint8_t* codes) noexcept {
    for (std::size_t i = 0; i < 16; ++i) {
        float least = 0.0f;
        for (int k = 0; k < 16; ++k) {
            const float difference = ::tersor::gguf::detail::fp4_levels[k] * s - x[i];
            const float distance = difference < 0.0f ? -difference : difference;
            if (k == 0 || distance < least) {
                least = distance;
                codes[i] = static_cast<std::uint8_t>(k);
            }
        }
    }
}

/// Packs 64 codes: byte j of a group of 16 holds codes j and j + 8.
inline void pack_short_groups(const std::uint8_t* codes, std::uint8_t* bytes) noexcept {
    for (std::size_t g = 0; g < 4; ++g) {
        std::uint64_t low, high;
        std::memcpy(&low, codes + 16 * g, sizeof low);
        std::memcpy(&high, codes + 16 * g + 8, sizeof high);
        low |= high << 4;
        std::memcpy(bytes + 8 * g, &low, sizeof low);
    }
}

/// Blocks of four groups of 16 values with a small float each.
template <class Block>
void encode_nvfp4(const float* values, std::size_t count, Block* out) noexcept {
    for (std::size_t b = 0; b < count; ++b) {
        std::uint8_t codes[64];
        alignas(64) std::int32_t wide[64];
        float scales[4];
        bool is_large[4];
        for (std::size_t g = 0; g < 4; ++g) {
            const float* const x = values + 64 * b + 16 * g;
            const float largest = largest_magnitude<16>(x);
            out[b].d[g] = ::tersor::gguf::detail::nvfp4_scale(largest / 6.0f);
            scales[g] = ::tersor::gguf::detail::half_of_ue4m3(out[b].d[g]);
            is_large[g] = largest > scales[g] * 0x1p20f;
            const fp4_coder coder(scales[g]);
            for (std::size_t j = 0; j < 16; j += lanes) {
                store(wide + 16 * g + j, coder.codes(load(x + j)));
            }
        }
        for (std::size_t i = 0; i < 64; i += 4 * lanes) {
            store_u8(codes + i, load(wide + i), load(wide + i + lanes), load(wide + i + 2 * lanes),
                     load(wide + i + 3 * lanes));
        }
        for (std::size_t g = 0; g < 4; ++g) {
            if (is_large[g]) {
                encode_fp4_by_definition(values + 64 * b + 16 * g, scales[g], codes + 16 * g);
            }
        }
        pack_short_groups(codes, out[b].qs);
    }
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf

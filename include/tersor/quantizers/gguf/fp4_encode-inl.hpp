// Encoding of MXFP4 and NVFP4 by the formats' own rules, compiled once per instruction set by fp4_kernels.hpp.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf {

/// Codes for half the scale s, which is positive and far from overflow.
struct fp4_coder {
    vf t0, t1, t2, t3, t4, t5, t6;
    explicit fp4_coder(vf s) noexcept
        : t0(splat(0.5f) * s), t1(splat(1.5f) * s), t2(splat(2.5f) * s), t3(splat(3.5f) * s), t4(splat(5.0f) * s),
          t5(splat(7.0f) * s), t6(splat(10.0f) * s) {}

    [[nodiscard]] vi codes(vf x) const noexcept {
        const vf magnitude = abs(x);
        const vm nonzero = magnitude > t0;
        const vi sign = shr<28>(bits(x)) & splat(std::int32_t{8});
        vi code = select(nonzero, increment_if(sign, nonzero), splat(std::int32_t{0}));
        code = increment_if(increment_if(code, magnitude > t1), magnitude > t2);
        code = increment_if(increment_if(code, magnitude > t3), magnitude > t4);
        return increment_if(increment_if(code, magnitude > t5), magnitude > t6);
    }
};

/// Codes one by one, the first of least difference: for scales of 0, for levels that overflow, and for values so large
/// that differences to different levels round to the same float.
inline void encode_fp4_by_definition(const float* x, std::size_t size, float s, std::uint8_t* codes) noexcept {
    for (std::size_t i = 0; i < size; ++i) {
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

/// Blocks of 32 values with a power of two.
template <class Block>
void encode_mxfp4(const float* values, std::size_t count, Block* out) noexcept {
    for (std::size_t b = 0; b < count; ++b) {
        const float* const x = values + 32 * b;
        out[b].e = ::tersor::gguf::detail::mxfp4_exponent(largest_magnitude<32>(x));
        const float s = ::tersor::gguf::detail::half_of_e8m0(out[b].e);
        if (s > 0x1p124f) {
            std::uint8_t codes[32];
            encode_fp4_by_definition(x, 32, s, codes);
            ::tersor::gguf::detail::pack_halves<16>(codes, 16, out[b].qs);
            continue;
        }
        const fp4_coder coder(splat(s));
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

/// The scale bytes for the largest magnitudes of groups.
inline vi nvfp4_scale_lanes(vf largest) noexcept {
    const vf v = min(largest / splat(6.0f), splat(448.0f));
    const vi small = min(truncate(v * splat(512.0f) + splat(0.5f)), splat(std::int32_t{7}));
    const vi code = shr<20>(bits(v) - splat(std::int32_t{(120 << 23) - 0x80000}));
    const vi normal = select(code > splat(std::int32_t{0x77}), splat(std::int32_t{0x7E}), code);
    return select(splat(0x1p-6f) > v, small, normal);
}

/// Half the scale of NVFP4 for c in 0..126.
inline vf half_of_ue4m3_lanes(vi c) noexcept {
    const vf normal = as_float(shl<20>(c) + splat(std::int32_t{119 << 23}));
    return select(c > splat(std::int32_t{7}), normal, convert(c) * splat(0x1p-10f));
}

/// Blocks of four groups of 16 values with a small float each; four blocks at a time.
template <class Block>
void encode_nvfp4(const float* values, std::size_t count, Block* out) noexcept {
    alignas(64) float largest[16] = {}, scales[16];
    alignas(64) std::int32_t bytes[16], codes[64];
    std::uint8_t narrow[64];
    for (std::size_t first = 0; first < count; first += 4) {
        const std::size_t groups = 4 * (count - first < 4 ? count - first : 4);
        for (std::size_t g = 0; g < groups; ++g) {
            largest[g] = largest_magnitude<16>(values + 64 * first + 16 * g);
        }
        for (std::size_t g = 0; g < 16; g += lanes) {
            const vi c = nvfp4_scale_lanes(load(largest + g));
            store(bytes + g, c);
            store(scales + g, half_of_ue4m3_lanes(c));
        }
        for (std::size_t b = 0; b < groups / 4; ++b) {
            const float* const x = values + 64 * (first + b);
            for (std::size_t g = 0; g < 4; ++g) {
                const fp4_coder coder(splat(scales[4 * b + g]));
                for (std::size_t j = 0; j < 16; j += lanes) {
                    store(codes + 16 * g + j, coder.codes(load(x + 16 * g + j)));
                }
            }
            for (std::size_t i = 0; i < 64; i += 4 * lanes) {
                store_u8(narrow + i, load(codes + i), load(codes + i + lanes), load(codes + i + 2 * lanes),
                         load(codes + i + 3 * lanes));
            }
            for (std::size_t g = 0; g < 4; ++g) {
                const float s = scales[4 * b + g];
                out[first + b].d[g] = static_cast<std::uint8_t>(bytes[4 * b + g]);
                if (s == 0.0f || largest[4 * b + g] > s * 0x1p20f) {
                    encode_fp4_by_definition(x + 16 * g, 16, s, narrow + 16 * g);
                }
            }
            pack_short_groups(narrow, out[first + b].qs);
        }
    }
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf

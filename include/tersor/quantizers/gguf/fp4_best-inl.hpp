// The scale of least squared error for MXFP4 and NVFP4, compiled once per instruction set by fp4_kernels.hpp.
//
// Every scale byte in a range about the largest magnitude is tried on the true error; codes are the nearest ones.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf {

/// The difference of a magnitude to its nearest level for half the scale s.
inline vf fp4_difference(vf magnitude, vf s, vf inverse) noexcept {
    const vf v = min(magnitude * inverse, splat(12.0f));
    // The spacing of levels is 1 up to 4, 2 up to 8 and 4 beyond: an addition rounds to it.
    const vf coarse = select(v > splat(8.0f), splat(4.0f * 12582912.0f), splat(2.0f * 12582912.0f));
    const vf magic = select(v > splat(4.0f), coarse, splat(12582912.0f));
    return magnitude - ((v + magic) - magic) * s;
}

/// sum w (x - level * s)^2 with the nearest levels for two scales, whose sums go on side by side.
struct fp4_errors {
    vf first, second;
    template <std::size_t Size, bool Weighted>
    static fp4_errors of(const float* x, const float* w, vf s, vf t) noexcept {
        const vf inverse_s = splat(1.0f) / s, inverse_t = splat(1.0f) / t;
        fp4_errors sums(splat(0.0f), splat(0.0f));
        TERSOR_UNROLL
        for (std::size_t i = 0; i < Size; ++i) {
            const vf magnitude = abs(load(x + panel_width * i));
            const vf e = fp4_difference(magnitude, s, inverse_s), f = fp4_difference(magnitude, t, inverse_t);
            if constexpr (Weighted) {
                const vf weight = load(w + panel_width * i);
                sums.first = sums.first + weight * e * e;
                sums.second = sums.second + weight * f * f;
            } else {
                sums.first = sums.first + e * e;
                sums.second = sums.second + f * f;
            }
        }
        return sums;
    }

private:
    fp4_errors(vf a, vf b) noexcept : first(a), second(b) {}
};

/// Half the scale of MXFP4 for e in 0..254.
inline vf half_of_e8m0_lanes(vi e) noexcept {
    const vi normal = shl<23>(e - splat(std::int32_t{1}));
    const vi subnormal =
        select(e > splat(std::int32_t{0}), splat(std::int32_t{0x00400000}), splat(std::int32_t{0x00200000}));
    return as_float(select(e > splat(std::int32_t{1}), normal, subnormal));
}

/// Which scale bytes are tried: from first + lowest to first + highest.
struct mxfp4_scales {
    static constexpr std::size_t size = 32;
    static constexpr int lowest = -1, lowest_weighted = -11, highest = 1;
    static constexpr std::int32_t subnormal = 0;
    /// The byte that maps the largest magnitude to 4 .. 8 scales. At most 252: beyond, a level would overflow.
    static vi first(vf largest) noexcept { return shr<23>(bits(largest)) - splat(std::int32_t{2}); }
    static vi inside(vi e) noexcept { return max(min(e, splat(std::int32_t{252})), splat(std::int32_t{0})); }
    static vf half(vi e) noexcept { return half_of_e8m0_lanes(e); }
};
struct nvfp4_scales {
    static constexpr std::size_t size = 16;
    static constexpr int lowest = -4, lowest_weighted = -34, highest = 8;
    static constexpr std::int32_t subnormal = 8; ///< scale bytes below are
    /// The byte that maps the largest magnitude to about 6 scales.
    static vi first(vf largest) noexcept {
        const vf wanted = min(largest / splat(6.0f), splat(448.0f));
        const vi normal = shr<20>(bits(wanted)) - splat(std::int32_t{120 << 3});
        return select(splat(0x1p-6f) > wanted, truncate(wanted * splat(512.0f)), normal);
    }
    static vi inside(vi c) noexcept { return max(min(c, splat(std::int32_t{126})), splat(std::int32_t{1})); }
    static vf half(vi c) noexcept { return half_of_ue4m3_lanes(c); }
};

/// The scale bytes of least error for a panel of groups, and the codes: codes[16 * i + g].
/// x: values; they are scaled in place. importance: a weight per value of the groups, or null if not Weighted.
template <class Scales, bool Weighted>
void choose_fp4(float* x, const float* importance, std::size_t groups, std::int32_t* bytes,
                std::int32_t* codes) noexcept {
    constexpr std::size_t size = Scales::size;
    alignas(64) float w[Weighted ? size * panel_width : panel_width], powers[panel_width], largest[panel_width];
    for (std::size_t l = 0; l < panel_width; l += lanes) {
        vf peak = splat(0.0f);
        for (std::size_t i = 0; i < size; ++i) {
            peak = max(abs(load(x + panel_width * i + l)), peak);
        }
        store(largest + l, peak);
    }
    if constexpr (Weighted) {
        fill_weights(importance, groups, size, 1, w);
    }
    normalize_panel(x, size, 1, powers);
    constexpr int lowest = Weighted ? Scales::lowest_weighted : Scales::lowest;
    static_assert((Scales::highest - lowest) % 2 == 0, "after the first, scales are tried two at a time");
    for (std::size_t l = 0; l < panel_width; l += lanes) {
        const vf inverse = reciprocal_of_power(load(powers + l));
        const vi first = Scales::first(load(largest + l));
        const auto candidate = [&](int k) { return Scales::inside(first + splat(std::int32_t{k})); };
        const auto errors = [&](vi a, vi b) {
            return fp4_errors::of<size, Weighted>(x + l, w + l, Scales::half(a) * inverse, Scales::half(b) * inverse);
        };
        vi chosen = candidate(Scales::highest);
        vf error = errors(chosen, chosen).first;
        const auto keep = [&](vi byte, vm better, vf e) {
            chosen = select(better, byte, chosen);
            error = select(better, e, error);
        };
        for (int k = lowest; k < Scales::highest; k += 2) {
            const vi a = candidate(k), b = candidate(k + 1);
            const fp4_errors e = errors(a, b);
            keep(a, error > e.first, e.first);
            keep(b, error > e.second, e.second);
        }
        if constexpr (Scales::subnormal != 0) {
            // Subnormal scales are few and far apart: all that can matter are tried.
            const vm few = splat(Scales::subnormal) > first;
            for (std::int32_t c = 1; any(few) && c < 4 * Scales::subnormal; c += 2) {
                const vi a = splat(c), b = splat(c + 1);
                const fp4_errors e = errors(a, b);
                keep(a, few & (error > e.first), e.first);
                keep(b, few & (error > e.second), e.second);
            }
        }
        chosen = select(load(largest + l) > splat(0.0f), chosen, splat(std::int32_t{0}));
        store(bytes + l, chosen);
        const vf s = Scales::half(chosen) * inverse;
        for (std::size_t i = 0; i < size; ++i) {
            const vf value = load(x + panel_width * i + l), magnitude = abs(value);
            vi code = splat(std::int32_t{0});
            for (int k = 0; k < 7; ++k) {
                code = increment_if(code, magnitude > splat(::tersor::gguf::detail::fp4_midpoints[k]) * s);
            }
            const vi sign = shr<28>(bits(value)) & splat(std::int32_t{8});
            store(codes + panel_width * i + l,
                  select(code > splat(std::int32_t{0}), code | sign, splat(std::int32_t{0})));
        }
    }
}

/// Blocks of MXFP4, sixteen at a time. importance: a weight per value, or null if not Weighted.
template <bool Weighted, class Block>
void encode_mxfp4_best(const float* values, const float* importance, std::size_t count, Block* out) noexcept {
    alignas(64) float x[32 * panel_width];
    alignas(64) std::int32_t codes[32 * panel_width], bytes[panel_width];
    for (std::size_t b = 0; b < count; b += panel_width) {
        const std::size_t some = count - b < panel_width ? count - b : panel_width;
        fill_panel(values + 32 * b, some, 32, x);
        choose_fp4<mxfp4_scales, Weighted>(x, Weighted ? importance + 32 * b : nullptr, some, bytes, codes);
        for (std::size_t g = 0; g < some; ++g) {
            out[b + g].e = static_cast<std::uint8_t>(bytes[g]);
            for (std::size_t j = 0; j < 16; ++j) {
                const std::int32_t high = codes[panel_width * (j + 16) + g];
                out[b + g].qs[j] = static_cast<std::uint8_t>(codes[panel_width * j + g] | high << 4);
            }
        }
    }
}

/// Blocks of NVFP4, four at a time. importance: a weight per value, or null if not Weighted.
template <bool Weighted, class Block>
void encode_nvfp4_best(const float* values, const float* importance, std::size_t count, Block* out) noexcept {
    alignas(64) float x[16 * panel_width];
    alignas(64) std::int32_t codes[16 * panel_width], bytes[panel_width];
    for (std::size_t b = 0; b < count; b += 4) {
        const std::size_t groups = 4 * (count - b < 4 ? count - b : 4);
        fill_panel(values + 64 * b, groups, 16, x);
        choose_fp4<nvfp4_scales, Weighted>(x, Weighted ? importance + 64 * b : nullptr, groups, bytes, codes);
        for (std::size_t g = 0; g < groups; ++g) {
            Block& block = out[b + g / 4];
            block.d[g % 4] = static_cast<std::uint8_t>(bytes[g]);
            for (std::size_t j = 0; j < 8; ++j) {
                const std::int32_t high = codes[panel_width * (j + 8) + g];
                block.qs[8 * (g % 4) + j] = static_cast<std::uint8_t>(codes[panel_width * j + g] | high << 4);
            }
        }
    }
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf

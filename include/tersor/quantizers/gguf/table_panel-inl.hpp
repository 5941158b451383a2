// What the encoders share: the largest magnitude; groups of panels scaled by powers of two; weights; rounding to fp16.
// Compiled once per instruction set by table_panel.hpp.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf {

/// The largest magnitude of a few values.
template <std::size_t Count>
inline float largest_magnitude(const float* x) noexcept {
    vi largest = splat(std::int32_t{0});
    for (std::size_t i = 0; i < Count; i += lanes) {
        largest = max(largest, bits(abs(load(x + i))));
    }
    return std::bit_cast<float>(reduce_max(largest));
}

/// The power of two at or below the largest magnitude of each group, within 2^-100 .. 2^100.
inline vf panel_exponent(const float* panel, std::size_t size) noexcept {
    vf largest = splat(0.0f);
    for (std::size_t i = 0; i < size; ++i) {
        largest = max(abs(load(panel + panel_width * i)), largest);
    }
    const vf power = as_float(bits(largest) & splat(std::int32_t{0x7F800000}));
    return min(max(power, splat(0x1p-100f)), splat(0x1p100f));
}

/// 1 / power, exactly, for a power of two.
inline vf reciprocal_of_power(vf power) noexcept {
    return as_float(splat(std::int32_t{254 << 23}) - bits(power));
}

/// Multiplies every group of a panel by 1 / powers[g], where `share` neighbouring groups take the largest of their
/// exponents, so that squares neither overflow nor vanish. powers receives 16 powers of two.
inline void normalize_panel(float* panel, std::size_t size, std::size_t share, float* powers) noexcept {
    for (std::size_t l = 0; l < panel_width; l += lanes) {
        store(powers + l, panel_exponent(panel + l, size));
    }
    for (std::size_t g = 0; g < panel_width; g += share) {
        float largest = powers[g];
        for (std::size_t k = 1; k < share; ++k) {
            largest = powers[g + k] > largest ? powers[g + k] : largest;
        }
        for (std::size_t k = 0; k < share; ++k) {
            powers[g + k] = largest;
        }
    }
    for (std::size_t l = 0; l < panel_width; l += lanes) {
        const vf factor = reciprocal_of_power(load(powers + l));
        for (std::size_t i = 0; i < size; ++i) {
            store(panel + panel_width * i + l, load(panel + panel_width * i + l) * factor);
        }
    }
}

/// The weights of a panel of groups for a search: those given, scaled, or ones. Weights of which all of a group are
/// zero count as ones.
inline void fill_weights(const float* importance, std::size_t groups, std::size_t size, std::size_t share,
                         float* panel) noexcept {
    if (importance == nullptr) {
        for (std::size_t i = 0; i < panel_width * size; ++i) {
            panel[i] = 1.0f;
        }
        return;
    }
    fill_panel(importance, groups, size, panel);
    float powers[panel_width];
    normalize_panel(panel, size, share, powers);
    for (std::size_t l = 0; l < panel_width; l += lanes) {
        vf sum = splat(0.0f);
        for (std::size_t i = 0; i < size; ++i) {
            sum = sum + load(panel + panel_width * i + l);
        }
        const vm nothing = sum == splat(0.0f);
        for (std::size_t i = 0; i < size; ++i) {
            float* const at = panel + panel_width * i + l;
            store(at, select(nothing, splat(1.0f), load(at)));
        }
    }
}

/// The largest magnitude of each group among the values with a weight.
inline vf weighted_peak(const float* x, const float* w, std::size_t size) noexcept {
    vf peak = splat(0.0f);
    for (std::size_t i = 0; i < size; ++i) {
        const vm counts = load(w + panel_width * i) > splat(0.0f);
        peak = max(select(counts, abs(load(x + panel_width * i)), splat(0.0f)), peak);
    }
    return peak;
}

/// v as fp16 has it: rounded half to even, saturated to 65504.
inline vf round_to_half(vf v) noexcept {
    const vi pattern = bits(v);
    const vi odd = shr<13>(pattern) & splat(std::int32_t{1});
    const vi rounded = (pattern + splat(std::int32_t{0xFFF}) + odd) & splat(std::int32_t{~0x1FFF});
    const vf normal = max(min(as_float(rounded), splat(65504.0f)), splat(-65504.0f));
    // The unit in the last place of 0.75 is the spacing of the subnormal halves.
    const vf subnormal = (v + splat(0.75f)) - splat(0.75f);
    return select(splat(0x1p-14f) > abs(v), subnormal, normal);
}

/// The fp16 value next to `half` on the other side of v.
inline vf other_half(vf v, vf half) noexcept {
    const vi exponent = bits(abs(half)) & splat(std::int32_t{0x7F800000});
    const vf unit = max(as_float(exponent), splat(0x1p-14f)) * splat(0x1p-10f);
    return round_to_half(select(half > v, half - unit, half + unit));
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf

// Encoding of IQ4_NL, compiled once per instruction set by iq4_kernels.hpp: sixteen blocks at a time.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf {

/// The weights of the format's own search: importance * sqrt(s + x x) with s = sum x x * 2 / 32, or x x.
inline void iq4_nl_weights(const float* x, const float* importance, float* w) noexcept {
    for (std::size_t l = 0; l < panel_width; l += lanes) {
        vf sum = splat(0.0f);
        if (importance != nullptr) {
            for (std::size_t i = 0; i < 32; ++i) {
                const vf value = load(x + panel_width * i + l);
                sum = sum + value * value;
            }
        }
        const vf sigma2 = sum * splat(2.0f / 32);
        for (std::size_t i = 0; i < 32; ++i) {
            const std::size_t at = panel_width * i + l;
            const vf value = load(x + at);
            store(w + at, importance != nullptr ? load(importance + at) * sqrt(sigma2 + value * value) : value * value);
        }
    }
}

/// The scales of a panel by the format's own rule.
template <bool Searches>
void iq4_nl_reference_scales(const iq4_tables& tables, const float* x, const float* w, float* scales) noexcept {
    for (std::size_t l = 0; l < panel_width; l += lanes) {
        store(scales + l, iq4_reference_scale<Searches>(tables, x + l, w + l));
    }
}

/// Writes the blocks of a panel: scales as stored, and codes nearest to x * (1 / divisor), to 0 * x for a divisor of 0.
template <class Block>
void store_iq4_nl(const iq4_tables& tables, const float* x, const float* scales, const float* divisors,
                  std::size_t count, Block* out) noexcept {
    alignas(64) std::int32_t bytes[16 * panel_width];
    for (std::size_t l = 0; l < panel_width; l += lanes) {
        const vf divisor = load(divisors + l);
        const vf inverse = select(divisor == splat(0.0f), splat(0.0f), splat(1.0f) / divisor);
        store_iq4_codes(tables, x + l, inverse, bytes + l);
    }
    for (std::size_t g = 0; g < count; ++g) {
        out[g].d = ::tersor::fp16::encode(scales[g]);
        take_bytes(bytes, g, out[g].qs);
    }
}

/// Encodes `count` blocks. importance is null or a weight per value.
template <class Block>
void encode_iq4_nl(const float* values, const float* importance, std::size_t count, quantize_mode mode,
                   Block* out) noexcept {
    const iq4_tables tables;
    alignas(64) float x[32 * panel_width], w[32 * panel_width], given[32 * panel_width];
    alignas(64) float scales[panel_width], divisors[panel_width], powers[panel_width];
    for (std::size_t b = 0; b < count; b += panel_width) {
        const std::size_t some = count - b < panel_width ? count - b : panel_width;
        const float* const weights = importance != nullptr ? importance + 32 * b : nullptr;
        fill_panel(values + 32 * b, some, 32, x);
        if (mode != quantize_mode::fast) {
            if (weights != nullptr) {
                fill_panel(weights, some, 32, given);
            }
            iq4_nl_weights(x, weights != nullptr ? given : nullptr, w);
            iq4_nl_reference_scales<true>(tables, x, w, scales);
        }
        if (mode == quantize_mode::reference) {
            store_iq4_nl(tables, x, scales, scales, some, out + b);
            continue;
        }
        fill_weights(weights, some, 32, 1, w);
        normalize_panel(x, 32, 1, powers);
        for (std::size_t l = 0; l < panel_width; l += lanes) {
            const vf power = load(powers + l);
            const vf half = mode == quantize_mode::best
                                ? best_iq4_scale(tables, x + l, w + l, power, weights != nullptr, scales + l)
                                : quick_iq4_scale(tables, x + l, w + l, power, weights != nullptr);
            store(scales + l, half);
            store(divisors + l, half * reciprocal_of_power(power));
        }
        store_iq4_nl(tables, x, scales, divisors, some, out + b);
    }
}

/// Encodes `count` blocks as the format's function without a search does.
template <class Block>
void encode_iq4_nl_first_fit(const float* values, std::size_t count, Block* out) noexcept {
    const iq4_tables tables;
    alignas(64) float x[32 * panel_width], w[32 * panel_width], scales[panel_width];
    alignas(64) std::int32_t bytes[16 * panel_width];
    for (std::size_t b = 0; b < count; b += panel_width) {
        const std::size_t some = count - b < panel_width ? count - b : panel_width;
        fill_panel(values + 32 * b, some, 32, x);
        iq4_nl_weights(x, nullptr, w);
        iq4_nl_reference_scales<false>(tables, x, w, scales);
        for (std::size_t l = 0; l < panel_width; l += lanes) {
            const iq4_peak peak(x + l);
            const vf inverse = splat(1.0f) / (peak.value / splat(-127.0f));
            store_iq4_codes(tables, x + l, select(splat(1e-15f) > peak.magnitude, splat(0.0f), inverse), bytes + l);
        }
        for (std::size_t g = 0; g < some; ++g) {
            out[b + g].d = ::tersor::fp16::encode(scales[g]);
            take_bytes(bytes, g, out[b + g].qs);
        }
    }
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf

// Encoding of IQ4_XS, compiled once per instruction set by iq4_kernels.hpp: two super-blocks, sixteen groups, at a
// time.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf {

/// The weights of the format's own search: importance * sqrt(s + x x) with s = sum x x * 2 / 256 over the super-block,
/// or x x. given: a panel of importance, or null.
inline void iq4_xs_weights(const float* values, std::size_t superblocks, const float* x, const float* given,
                           float* w) noexcept {
    alignas(64) float sigma2[panel_width] = {};
    if (given != nullptr) {
        for (std::size_t s = 0; s < superblocks; ++s) {
            float sum = 0.0f;
            for (std::size_t i = 0; i < 256; ++i) {
                sum += values[256 * s + i] * values[256 * s + i];
            }
            for (std::size_t g = 0; g < 8; ++g) {
                sigma2[8 * s + g] = sum * (2.0f / 256);
            }
        }
    }
    for (std::size_t l = 0; l < panel_width; l += lanes) {
        const vf add = load(sigma2 + l);
        for (std::size_t i = 0; i < 32; ++i) {
            const std::size_t at = panel_width * i + l;
            const vf value = load(x + at);
            store(w + at, given != nullptr ? load(given + at) * sqrt(add + value * value) : value * value);
        }
    }
}

/// v as the format's own program rounds it: half to even by an addition, whatever comes out for large ones and NaN.
inline std::int32_t round_by_addition(float v) noexcept {
    const auto pattern = std::bit_cast<std::int32_t>(v + 12582912.0f);
    return (pattern & 0x007FFFFF) - 0x00400000;
}

/// The header by the format's own rule, from the scales of the groups: M = the scale of largest magnitude,
/// d = -M / 32, multiplier = scale * (1 / d) rounded.
inline void iq4_xs_reference_header(const float* scales, iq4_xs_header& header) noexcept {
    for (std::size_t s = 0; s < 2; ++s) {
        float largest = 0.0f, signed_largest = 0.0f;
        for (std::size_t g = 8 * s; g < 8 * s + 8; ++g) {
            const float magnitude = scales[g] < 0.0f ? -scales[g] : scales[g];
            if (magnitude > largest) {
                largest = magnitude;
                signed_largest = scales[g];
            }
        }
        const float d = -signed_largest / 32.0f;
        const float inverse = d != 0.0f ? 1.0f / d : 0.0f;
        for (std::size_t g = 8 * s; g < 8 * s + 8; ++g) {
            const std::int32_t m = round_by_addition(inverse * scales[g]);
            header.multipliers[g] = m < -32 ? -32 : m > 31 ? 31 : m;
        }
        header.d[s] = d;
    }
}

/// Writes the blocks of a panel. divisors[s]: the scale of super-block s in the units of x.
template <class Block>
void store_iq4_xs(const iq4_tables& tables, const float* x, const iq4_xs_header& header, const float* divisors,
                  std::size_t superblocks, Block* out) noexcept {
    alignas(64) std::int32_t bytes[16 * panel_width];
    alignas(64) float inverses[panel_width];
    for (std::size_t g = 0; g < panel_width; ++g) {
        const float scale = divisors[g / 8] * static_cast<float>(header.multipliers[g]);
        inverses[g] = scale != 0.0f ? 1.0f / scale : 0.0f;
    }
    for (std::size_t l = 0; l < panel_width; l += lanes) {
        store_iq4_codes(tables, x + l, load(inverses + l), bytes + l);
    }
    for (std::size_t s = 0; s < superblocks; ++s) {
        Block& b = out[s];
        b.d = ::tersor::fp16::encode(header.d[s]);
        unsigned high = 0;
        for (std::size_t g = 0; g < 8; ++g) {
            const auto six = static_cast<unsigned>(header.multipliers[8 * s + g] + 32);
            const unsigned kept = g % 2 == 0 ? 0u : b.scales_l[g / 2];
            b.scales_l[g / 2] = static_cast<std::uint8_t>(kept | (six & 15u) << (4 * (g % 2)));
            high |= (six >> 4) << (2 * g);
            take_bytes(bytes, 8 * s + g, b.qs + 16 * g);
        }
        b.scales_h = static_cast<std::uint16_t>(high);
    }
}

/// Encodes `count` super-blocks. importance is null or a weight per value.
template <class Block>
void encode_iq4_xs(const float* values, const float* importance, std::size_t count, quantize_mode mode,
                   Block* out) noexcept {
    const iq4_tables tables;
    alignas(64) float x[32 * panel_width], w[32 * panel_width], given[32 * panel_width], scales[panel_width];
    for (std::size_t b = 0; b < count; b += 2) {
        const std::size_t some = count - b < 2 ? count - b : 2;
        const float* const weights = importance != nullptr ? importance + 256 * b : nullptr;
        iq4_xs_header header;
        fill_panel(values + 256 * b, 8 * some, 32, x);
        if (mode != quantize_mode::fast) {
            if (weights != nullptr) {
                fill_panel(weights, 8 * some, 32, given);
            }
            iq4_xs_weights(values + 256 * b, some, x, weights != nullptr ? given : nullptr, w);
            iq4_nl_reference_scales<true>(tables, x, w, scales);
            iq4_xs_reference_header(scales, header);
        }
        if (mode == quantize_mode::reference) {
            store_iq4_xs(tables, x, header, header.d, some, out + b);
            continue;
        }
        float powers[panel_width];
        fill_weights(weights, 8 * some, 32, 8, w);
        normalize_panel(x, 32, 8, powers);
        iq4_xs_search search(tables, x, w, powers, weights != nullptr);
        if (mode == quantize_mode::best) {
            search.run(header);
        } else {
            search.run_quickly(header);
        }
        const float divisors[2] = {header.d[0] / powers[0], header.d[1] / powers[8]};
        store_iq4_xs(tables, x, header, divisors, some, out + b);
    }
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf

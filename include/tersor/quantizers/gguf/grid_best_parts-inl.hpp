// What the thorough searches of all grid types share: the error of decoded values, d as it is stored, and where d
// should move; compiled once per instruction set.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf {

/// sum w (y - x)^2 over a super-block of what a decoder makes of the codes, in double; the largest double if that is
/// not a number.
template <class Rules, class Codes>
inline double error_of_codes(const Codes& codes, const float* x, const float* w) noexcept {
    alignas(64) std::int8_t bytes[detail::grid_block];
    alignas(64) float y[detail::grid_block];
    float scales[detail::grid_block / Rules::group];
    spread_codes<Rules>(codes, detail::grid_bytes<Rules>(), detail::sign_masks::table(), bytes, scales);
    scale_bytes<Rules::group, Rules::is_ternary>(bytes, scales, y);
    double sums[4] = {};
    for (std::size_t i = 0; i < detail::grid_block; ++i) {
        const double off = static_cast<double>(y[i]) - static_cast<double>(x[i]);
        sums[i % 4] += static_cast<double>(w[i]) * off * off;
    }
    const double sum = (sums[0] + sums[1]) + (sums[2] + sums[3]);
    return sum <= 1.7976931348623157e308 ? sum : 1.7976931348623157e308;
}

/// 2^-e for the e of 2^e <= largest < 2^(e + 1), within what a float can hold; and 2^e.
struct power_of_two {
    float down, up;
    explicit power_of_two(float largest) noexcept {
        std::uint32_t pattern;
        std::memcpy(&pattern, &largest, sizeof pattern);
        std::uint32_t exponent = pattern >> 23 & 255;
        exponent = exponent < 1 ? 1 : exponent > 253 ? 253 : exponent;
        const std::uint32_t up_pattern = exponent << 23, down_pattern = (254 - exponent) << 23;
        std::memcpy(&up, &up_pattern, sizeof up);
        std::memcpy(&down, &down_pattern, sizeof down);
    }
};

inline float largest_magnitude(const float* x) noexcept {
    float largest = 0.0f;
    for (std::size_t i = 0; i < detail::grid_block; ++i) {
        const float magnitude = x[i] < 0.0f ? -x[i] : x[i];
        largest = magnitude > largest ? magnitude : largest;
    }
    return largest;
}

/// The half that stores d: positive and finite.
inline std::uint16_t store_step(float d) noexcept {
    const float above = d > 0x1p-24f ? d : 0x1p-24f;
    return fp16::encode(above < 65504.0f ? above : 65504.0f);
}

/// The d near `d` that suits best groups with the error b m^2 - 2 a m (+ c) under m = d * unit * (s + 0.5), each with
/// its best s of 0..top: the best of 64 within a fifth, then the least squares with its scales.
inline float fit_step(const float* a, const float* b, std::size_t groups, float unit, int top, float d) noexcept {
    alignas(64) float steps[64], costs[64];
    for (int k = 0; k < 64; ++k) {
        steps[k] = d * (0.8f + static_cast<float>(k) * 0.00625f);
    }
    const auto scale_of = [&](std::size_t g, vf step) noexcept {
        const vf wanted = splat(b[g] > 0.0f ? a[g] / b[g] : 0.0f) / step - splat(0.5f);
        return convert(round(max(min(wanted, splat(static_cast<float>(top))), splat(0.0f)))) + splat(0.5f);
    };
    for (std::size_t k = 0; k < 64; k += lanes) {
        const vf step = load(steps + k) * splat(unit);
        vf cost = splat(0.0f);
        for (std::size_t g = 0; g < groups; ++g) {
            const vf m = step * scale_of(g, step);
            cost = cost + (splat(b[g]) * m - splat(2.0f * a[g])) * m;
        }
        store(costs + k, cost);
    }
    std::size_t best = 32;
    for (std::size_t k = 0; k < 64; ++k) {
        best = costs[k] < costs[best] ? k : best;
    }
    float above = 0.0f, below = 0.0f;
    for (std::size_t g = 0; g < groups; ++g) {
        alignas(64) float scales[lanes];
        store(scales, scale_of(g, splat(steps[best] * unit)));
        const float share = scales[0] * unit;
        above += a[g] * share;
        below += b[g] * share * share;
    }
    return below > 0.0f && above > 0.0f ? above / below : steps[best];
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf

// From integer sums to floats, compiled once per instruction set by int8_product_scale.hpp.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE {

/// out[r * out_distance + t] = float(sums[r * distance + t] - zeros[t] * row_sums[r])
///                             * (token_scales[t] * row_scales[r]) * factor
/// modulo 2^32 before and with three roundings after the conversion. Where zeros is null there are none. Arrays of
/// tokens have room for a whole register; out_distance is whole registers, whose last values are unspecified.
inline void scale_sums(const std::int32_t* sums, std::ptrdiff_t distance, std::size_t rows, std::size_t tokens,
                       const std::int32_t* zeros, const std::int32_t* row_sums, const float* token_scales,
                       const float* row_scales, float factor, float* out, std::ptrdiff_t out_distance) noexcept {
    const vf last = splat(factor);
    for (std::size_t r = 0; r < rows; ++r) {
        const std::int32_t* const row = sums + static_cast<std::ptrdiff_t>(r) * distance;
        float* const to = out + static_cast<std::ptrdiff_t>(r) * out_distance;
        const vf scale = splat(row_scales[r]);
        for (std::size_t t = 0; t < tokens; t += lanes) {
            vi sum;
            if (t + lanes <= tokens) {
                sum = load(row + t);
            } else {
                std::int32_t padded[lanes] = {};
                std::memcpy(padded, row + t, (tokens - t) * sizeof(std::int32_t));
                sum = load(padded);
            }
            if (zeros != nullptr) {
                sum = sum - load(zeros + t) * splat(row_sums[r]);
            }
            store(to + t, convert(sum) * (load(token_scales + t) * scale) * last);
        }
    }
}

/// out[r * out_distance + t] += s with s = 0; s = fma(w[r * count + k], x[k * x_distance + t], s) for k = 0, 1, ...
/// in order. Distances are whole registers.
inline void add_columns(const float* w, const float* x, std::ptrdiff_t x_distance, std::size_t count, std::size_t rows,
                        std::size_t tokens, float* out, std::ptrdiff_t out_distance) noexcept {
    for (std::size_t r = 0; r < rows; ++r) {
        float* const to = out + static_cast<std::ptrdiff_t>(r) * out_distance;
        for (std::size_t t = 0; t < tokens; t += lanes) {
            vf sum = splat(0.0f);
            for (std::size_t k = 0; k < count; ++k) {
                sum = fma(splat(w[r * count + k]), load(x + static_cast<std::ptrdiff_t>(k) * x_distance + t), sum);
            }
            store(to + t, load(to + t) + sum);
        }
    }
}

/// out[r * out_distance + t] += bias[r].
inline void add_bias(const float* bias, std::size_t rows, std::size_t tokens, float* out,
                     std::ptrdiff_t out_distance) noexcept {
    for (std::size_t r = 0; r < rows; ++r) {
        float* const to = out + static_cast<std::ptrdiff_t>(r) * out_distance;
        for (std::size_t t = 0; t < tokens; t += lanes) {
            store(to + t, load(to + t) + splat(bias[r]));
        }
    }
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE

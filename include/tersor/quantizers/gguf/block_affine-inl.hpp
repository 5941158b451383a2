// q4_1 and q5_1 byte for byte as ggml writes them; compiled once per instruction set.
//
// Without importance: lo and hi are the least and the largest value, d = (hi - lo) / top, and with id = 1 / d (0 for
// d = 0) codes are trunc((x - lo) id + 0.5), at most 15 in q4_1; d and lo are stored as halves. With importance the
// search A with w = importance * sqrt(sigma2 + x^2), sigma2 the mean of x^2 over the row; its levels are the codes.
// Source: ggml v0.21.0 (quantize_row_q4_1_ref, quantize_row_q4_1_impl), as described in its golden data.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf {

/// What the one pass stores beside the codes of sixteen blocks.
template <int Top>
struct affine_headers {
    static constexpr std::size_t size = ::tersor::gguf::detail::block_values;
    // Codes are never above Top: three roundings raise a quotient of at most Top by far less than a half.
    static constexpr int most = 255;
    float lows[16], inverses[16];
    std::uint16_t scales[16], minima[16];

    void measure(const float* x) noexcept {
        const vf zero = splat(0.0f), one = splat(1.0f), infinity = as_float(splat(0x7F800000));
        float hi[16], steps[16];
        find_ranges(x, hi);
        encode_halves(lows, minima);
        for (std::size_t at = 0; at < 16; at += lanes) {
            const vf step = (load(hi + at) - load(lows + at)) / splat(static_cast<float>(Top));
            const vf per_step = select(step == zero, zero, one / step);
            store(steps + at, step);
            // Where either overflows every code is 0.
            const vm finite = (infinity > step) & (infinity > per_step);
            store(inverses + at, select(finite, per_step, zero));
            store(lows + at, select(finite, load(lows + at), zero));
        }
        encode_halves(steps, scales);
    }
    [[nodiscard]] vi levels(const float* x, std::size_t b, std::size_t i) const noexcept {
        return truncate((load(x + b * size + i) - splat(lows[b])) * splat(inverses[b]) + splat(0.5f));
    }
    template <class Block>
    void write(std::size_t b, Block& out) const noexcept {
        out.d = scales[b];
        out.m = minima[b];
    }

private:
    /// Zeros of both signs are equal: of lows the first one counts, and no `hi` is a negative zero.
    void find_ranges(const float* x, float* hi) noexcept {
        block_ranges<size>(x, 16, lows, hi);
        vm zeros = splat(0) > splat(0);
        for (std::size_t at = 0; at < 16; at += lanes) {
            store(hi + at, load(hi + at) + splat(0.0f));
            zeros = zeros | (load(lows + at) == splat(0.0f));
        }
        for (std::size_t b = 0; any(zeros) && b < 16; ++b) {
            for (std::size_t i = 0; lows[b] == 0.0f && i < size; ++i) {
                if (x[b * size + i] == 0.0f) {
                    lows[b] = x[b * size + i];
                    break;
                }
            }
        }
    }
};

/// Blocks without importance.
template <class Type>
inline void encode_in_one_pass(const float* x, std::size_t blocks, typename Type::block* out) noexcept {
    encode_in_sixteens<Type::top, affine_headers<Type::top>>(x, blocks, out);
}

/// (Sum x^2) / count, summed in order.
inline float mean_square(const float* x, std::size_t count) noexcept {
    float sum = 0.0f;
    for (std::size_t i = 0; i < count; ++i) {
        sum += x[i] * x[i];
    }
    return sum / static_cast<float>(count);
}

/// The search A for up to 16 blocks of a panel; `weights` has the importance and is changed.
inline void fit_as_reference(const float* x, float* weights, float sigma2, std::size_t count, int top, float* levels,
                             float* scale, float* minimum) noexcept {
    constexpr std::size_t size = ::tersor::gguf::detail::block_values;
    for (std::size_t at = 0; at < count; at += lanes) {
        for (std::size_t i = at; i < size * panel_width; i += panel_width) {
            store(weights + i, load(weights + i) * sqrt(splat(sigma2) + load(x + i) * load(x + i)));
        }
        const float largest = static_cast<float>(top);
        const auto fit = affine_search<false, vf>(x + at, weights + at, size, 0, largest, -0.9f, 0.05f, 36);
        store(scale + at, fit.scale);
        store(minimum + at, fit.minimum);
        store_levels(fit.inverse, fit.low, x + at, size, largest, levels + at);
    }
}

/// The headers of up to 16 blocks as floats.
template <class Block>
inline void load_headers(const Block* blocks, std::size_t count, float* scale, float* minimum) noexcept {
    std::uint16_t d[16] = {}, m[16] = {};
    for (std::size_t b = 0; b < count; ++b) {
        d[b] = blocks[b].d;
        m[b] = blocks[b].m;
    }
    for (std::size_t at = 0; at < 16; at += lanes) {
        if constexpr (has_half_conversion) {
            store(scale + at, load_half(d + at));
            store(minimum + at, load_half(m + at));
        } else {
            for (std::size_t k = at; k < at + lanes; ++k) {
                scale[k] = fp16::decode(d[k]);
                minimum[k] = fp16::decode(m[k]);
            }
        }
    }
}

inline constexpr std::int32_t bit_of_lane[16] = {1,   2,   4,    8,    16,   32,   64,    128,
                                                 256, 512, 1024, 2048, 4096, 8192, 16384, 32768};

/// Values of q4_1 and q5_1 blocks.
template <class Type>
inline void decode_block_affine(const typename Type::block* blocks, std::size_t count, float* out) noexcept {
    const vi low = splat(15), fifth = splat(16);
    for (std::size_t first = 0; first < count; first += 16) {
        const std::size_t some = count - first < 16 ? count - first : 16;
        float scales[16], minima[16];
        load_headers(blocks + first, some, scales, minima);
        for (std::size_t b = 0; b < some; ++b, out += 32) {
            const typename Type::block& block = blocks[first + b];
            const vf scale = splat(scales[b]), minimum = splat(minima[b]);
            for (std::size_t i = 0; i < 16; i += lanes) {
                vi codes = load_u8(block.qs + i), next = shr<4>(codes);
                codes = codes & low;
                if constexpr (Type::top == 31) {
                    const vi bit = load(bit_of_lane + i);
                    const auto word = [&](std::size_t at) { return splat(block.qh[at] | block.qh[at + 1] << 8); };
                    codes = select((word(0) & bit) == bit, codes | fifth, codes);
                    next = select((word(2) & bit) == bit, next | fifth, next);
                }
                store(out + i, convert(codes) * scale + minimum);
                store(out + 16 + i, convert(next) * scale + minimum);
            }
        }
    }
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf

// Kernels of q4_0 and q5_0, compiled once per instruction set. N = 8 or 16.
//
//   reference             d = m / -N with m the value of largest magnitude (the first on ties), q = min(2 N - 1,
//                         trunc(x (1 / d) + N + 0.5)), all with d as a float; h(d) is stored
//   reference, weighted   the search of signed_search-inl.hpp with w = importance * sqrt(sigma2 + x^2), sigma2 the mean
//                         square of the row; the levels of the search
//
// Source: ggml, quantize_row_q4_0_ref, quantize_row_q5_0_ref and their weighted forms.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf::signed_blocks {

inline constexpr std::size_t nibble_group = 32;

/// d = m / -N and 1 / d, 0 where d is 0, of 16 groups.
template <int N>
inline void one_pass_scales(const float* extremes, float* scales, float* inverses) noexcept {
    for (std::size_t g = 0; g < 16; g += lanes) {
        const vf d = load(extremes + g) / splat(static_cast<float>(-N));
        store(scales + g, d);
        store(inverses + g, inverse_of(d));
    }
}

/// What the one pass stores beside the codes of sixteen blocks.
template <int N>
struct one_pass_headers {
    static constexpr int most = 2 * N - 1;
    float inverses[16], shifts[16];
    std::uint16_t halves[16];

    void measure(const float* x) noexcept {
        float extremes[16], scales[16];
        signed_extremes<nibble_group>(x, 16, extremes);
        one_pass_scales<N>(extremes, scales, inverses);
        encode_halves(scales, halves);
        for (std::size_t g = 0; g < 16; g += lanes) {
            // An infinite inverse gives ggml codes of 0.
            const vf inverse = load(inverses + g);
            const vm is_finite = as_float(splat(0x7F800000)) > abs(inverse);
            store(inverses + g, select(is_finite, inverse, splat(0.0f)));
            store(shifts + g, select(is_finite, splat(N + 0.5f), splat(0.0f)));
        }
    }
    [[nodiscard]] vi levels(const float* x, std::size_t g, std::size_t i) const noexcept {
        return truncate(load(x + g * nibble_group + i) * splat(inverses[g]) + splat(shifts[g]));
    }
    template <class Block>
    void write(std::size_t g, Block& out) const noexcept {
        out.d = halves[g];
    }
};

/// What a search stores beside the codes of sixteen blocks.
template <int N>
struct searched_headers {
    static constexpr int most = 2 * N - 1;
    float inverses[16];
    std::int32_t zeros[16]; ///< the code of 0
    std::uint16_t halves[16];

    [[nodiscard]] vi levels(const float* x, std::size_t g, std::size_t i) const noexcept {
        return round(clamp(load(x + g * nibble_group + i) * splat(inverses[g]), -N, N - 1)) + splat(zeros[g]);
    }
    template <class Block>
    void write(std::size_t g, Block& out) const noexcept {
        out.d = halves[g];
    }
};

template <int N>
inline constexpr trial_plan fast_plan = {N == 8 ? 6 : 8, N == 8 ? 6.9f : 15.0f, N == 8 ? 8.9f : 16.7f, 0};
template <int N>
inline constexpr trial_plan best_plan = {32, N == 8 ? 6.0f : 13.5f, N == 8 ? 10.0f : 18.0f, 2};

/// All modes but the one pass: panels of sixteen blocks. `importance` may be null except in mode reference.
template <int N, class Block>
inline void encode_searched(const float* x, const float* importance, std::size_t count, quantize_mode mode,
                            Block* out) noexcept {
    const bool weighted = importance != nullptr;
    const float length = static_cast<float>(count * nibble_group);
    const float sigma2 = weighted ? sum_squares(x, count * nibble_group) / length : 0.0f;
    for (std::size_t b = 0; b < count; b += 16) {
        const std::size_t blocks = count - b < 16 ? count - b : 16;
        float panel[nibble_group * panel_width], given[nibble_group * panel_width], weights[nibble_group * panel_width];
        float scales[16], copy[16 * nibble_group];
        searched_headers<N> headers;
        const float* const values = sixteen_blocks(x + b * nibble_group, blocks, copy);
        fill_panel(values, 16, nibble_group, panel);
        if (weighted) {
            fill_panel(importance + b * nibble_group, blocks, nibble_group, given);
        }
        if (weighted && mode != quantize_mode::fast) {
            weigh_panel(panel, given, nibble_group, sigma2, weights);
            search_signed<N>(panel, weights, nibble_group, scales, headers.inverses);
        } else {
            float extremes[16];
            for (std::size_t g = 0; g < panel_width; g += lanes) {
                store(extremes + g, extreme(panel + g, nibble_group).value);
            }
            one_pass_scales<N>(extremes, scales, headers.inverses);
        }
        if (mode != quantize_mode::reference) {
            const trial_plan& plan = mode == quantize_mode::best ? best_plan<N> : fast_plan<N>;
            if (weighted) {
                search_best<N, true>(panel, given, nibble_group, plan, scales, headers.inverses);
            } else {
                search_best<N, false>(panel, nullptr, nibble_group, plan, scales, headers.inverses);
            }
        }
        encode_halves(scales, headers.halves);
        for (std::size_t g = 0; g < 16; ++g) {
            // As ggml leaves the levels of a group of zeros.
            const bool is_left = mode == quantize_mode::reference && headers.inverses[g] == 0.0f;
            headers.zeros[g] = is_left ? 0 : N;
        }
        pack_codes<2 * N - 1>(headers, values, blocks, out + b);
    }
}

template <int N, class Block>
inline void encode_nibbles(const float* x, const float* importance, std::size_t count, quantize_mode mode,
                           Block* out) noexcept {
    if (mode == quantize_mode::reference && importance == nullptr) {
        encode_in_sixteens<2 * N - 1, one_pass_headers<N>>(x, count, out);
    } else {
        encode_searched<N>(x, importance, count, mode, out);
    }
}

/// The bits 1 << j, j = 0..31.
inline constexpr std::uint32_t single_bits[32] = {
    1u << 0,  1u << 1,  1u << 2,  1u << 3,  1u << 4,  1u << 5,  1u << 6,  1u << 7,  1u << 8,  1u << 9,  1u << 10,
    1u << 11, 1u << 12, 1u << 13, 1u << 14, 1u << 15, 1u << 16, 1u << 17, 1u << 18, 1u << 19, 1u << 20, 1u << 21,
    1u << 22, 1u << 23, 1u << 24, 1u << 25, 1u << 26, 1u << 27, 1u << 28, 1u << 29, 1u << 30, 1u << 31};

/// values = (q - N) * d.
template <int N, class Block>
inline void decode_nibbles(const Block* blocks, std::size_t count, float* out) noexcept {
    for (std::size_t b = 0; b < count; b += 16) {
        const std::size_t run = count - b < 16 ? count - b : 16;
        std::uint16_t halves[16] = {};
        float scales[16];
        for (std::size_t g = 0; g < run; ++g) {
            halves[g] = blocks[b + g].d;
        }
        decode_halves(halves, scales);
        for (std::size_t g = 0; g < run; ++g, out += nibble_group) {
            const Block& block = blocks[b + g];
            const vf d = splat(scales[g]);
            std::int32_t high = 0;
            if constexpr (N == 16) {
                std::memcpy(&high, block.qh, sizeof high);
            }
            const auto value = [&](vi nibble, std::size_t j) {
                if constexpr (N == 16) {
                    const vi mask = load(reinterpret_cast<const std::int32_t*>(single_bits + j));
                    const vm is_low = (splat(high) & mask) == splat(0);
                    return convert(nibble + select(is_low, splat(-16), splat(0))) * d;
                } else {
                    return convert(nibble - splat(N)) * d;
                }
            };
            for (std::size_t j = 0; j < 16; j += lanes) {
                const vi both = load_u8(block.qs + j);
                store(out + j, value(both & splat(15), j));
                store(out + j + 16, value(shr<4>(both), j + 16));
            }
        }
    }
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf::signed_blocks

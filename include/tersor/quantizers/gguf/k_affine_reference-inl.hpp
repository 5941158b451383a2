// q2_k, q4_k and q5_k byte for byte as ggml writes them, sixteen super-blocks at a time; compiled once per instruction
// set.
//
// Per group the search A. Without importance w = |x| (q2_k) or sqrt(sum x^2 / size) + |x|, the integers of the groups
// are rn((T / S) scale), S the largest scale and T = 63 (15), and d = half(S / T); the minima likewise. With importance
// w = importance * sqrt(sigma2 + x^2), sigma2 = sum x^2 / 256 (q2_k) or twice that, and the search P over the scales,
// each weighing sum w, gives d and the integers; the minima likewise. Last, levels are rn((x + dmin lm) / (d ls))
// within 0..top; a group with d ls = 0 keeps those of the search. Source: ggml v0.21.0 (quantize_row_q*_K_ref,
// quantize_row_q*_K_impl), as described in its golden data.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf {

/// Integers for numbers of the groups, and what one step of them is worth, before it is rounded to a half.
inline vf round_header(float* numbers, std::size_t groups, int top) noexcept {
    const vf zero = splat(0.0f), steps = splat(static_cast<float>(top));
    vf most = zero;
    for (std::size_t j = 0; j < groups; ++j) {
        most = max(load(numbers + j * panel_width), most);
    }
    const vm some = most > zero;
    const vf inverse = select(some, steps / most, zero);
    for (std::size_t j = 0; j < groups; ++j) {
        // They are bytes before they are capped.
        const vi rounded = round_by_sum(inverse * load(numbers + j * panel_width)) & splat(255);
        store(numbers + j * panel_width, convert(min(rounded, splat(top))));
    }
    return select(some, most / steps, zero);
}

/// The weights of group j, with or without importance; returns their sum.
inline vf store_reference_weights(const ::tersor::gguf::detail::k_affine_shape& shape, const float* x,
                                  const float* importance, vf sigma2, float* weights) noexcept {
    vf squares = splat(0.0f), sum = squares;
    if (importance == nullptr && !shape.absolute) {
        for (std::size_t i = 0; i < shape.size; ++i) {
            squares = squares + load(x + i * panel_width) * load(x + i * panel_width);
        }
    }
    const vf mean = sqrt(squares / splat(static_cast<float>(shape.size)));
    for (std::size_t i = 0; i < shape.size; ++i) {
        const vf value = load(x + i * panel_width);
        vf weight = shape.absolute ? abs(value) : mean + abs(value);
        if (importance != nullptr) {
            weight = load(importance + i * panel_width) * sqrt(sigma2 + value * value);
        }
        store(weights + i * panel_width, weight);
        sum = sum + weight;
    }
    return sum;
}

/// The search of every group, for the `lanes` super-blocks from lane `at`. Scales and minima are left as floats, the
/// sums of weights in `sums`.
inline void search_groups(const ::tersor::gguf::detail::k_affine_shape& shape, bool weighted, std::size_t at,
                          ::tersor::gguf::detail::k_affine_tile& tile, float* sums) noexcept {
    vf sigma2 = splat(0.0f);
    for (std::size_t i = 0; weighted && i < ::tersor::gguf::detail::k_values; ++i) {
        const vf value = load(tile.x + i * panel_width + at);
        sigma2 = sigma2 + value * value;
    }
    sigma2 = (shape.absolute ? sigma2 : splat(2.0f) * sigma2) / splat(256.0f);
    const float largest = static_cast<float>(shape.top);
    const std::size_t apart = shape.size * panel_width;
    for (std::size_t j = 0; j < shape.groups; j += 2) {
        float weights[2 * 32 * panel_width];
        const float* const x = tile.x + j * apart + at;
        for (std::size_t k = 0; k < 2; ++k) {
            const float* const importance = weighted ? tile.importance + (j + k) * apart + at : nullptr;
            const vf sum = store_reference_weights(shape, x + k * apart, importance, sigma2, weights + k * apart);
            store(sums + (j + k) * panel_width + at, sum);
        }
        const auto search = [&](auto absolute, float start, float step, int steps) {
            return affine_search<absolute(), vf_pair>(x, weights, shape.size, apart, largest, start, step, steps);
        };
        const affine_fit<vf_pair> fit = weighted         ? search(std::false_type(), -0.9f, 0.05f, 36)
                                        : shape.absolute ? search(std::true_type(), shape.start, 0.1f, shape.steps)
                                                         : search(std::false_type(), shape.start, 0.1f, shape.steps);
        for (std::size_t k = 0; k < 2; ++k) {
            const auto of = [k](const vf_pair& both) { return k == 0 ? both.a : both.b; };
            const std::size_t row = (j + k) * panel_width + at;
            store(tile.scale + row, of(fit.scale));
            store(tile.minimum + row, of(fit.minimum));
            store_levels(of(fit.inverse), of(fit.low), x + k * apart, shape.size, largest,
                         tile.level + (j + k) * apart + at);
        }
    }
}

/// The final levels of the `lanes` super-blocks from lane `at` for the header that is stored.
inline void requantize_groups(const ::tersor::gguf::detail::k_affine_shape& shape, std::size_t at, const float* d,
                              const float* dmin, ::tersor::gguf::detail::k_affine_tile& tile) noexcept {
    const vf zero = splat(0.0f), top = splat(static_cast<float>(shape.top));
    for (std::size_t j = 0; j < shape.groups; ++j) {
        const vf scale = load(d + at) * load(tile.scale + j * panel_width + at);
        const vf minimum = load(dmin + at) * load(tile.minimum + j * panel_width + at);
        const vm keep = scale == zero;
        for (std::size_t i = j * shape.size; i < (j + 1) * shape.size; ++i) {
            const vf level = affine_level<true>((load(tile.x + i * panel_width + at) + minimum) / scale, top);
            float* const out = tile.level + i * panel_width + at;
            store(out, select(keep, load(out), level));
        }
    }
}

/// Quantizes the first `count` super-blocks of a tile.
inline void quantize_as_reference(const ::tersor::gguf::detail::k_affine_shape& shape, bool weighted, std::size_t count,
                                  ::tersor::gguf::detail::k_affine_tile& tile) noexcept {
    float sums[16 * panel_width], integers[16 * panel_width], d[panel_width] = {}, dmin[panel_width] = {};
    for (std::size_t at = 0; at < count; at += lanes) {
        search_groups(shape, weighted, at, tile, sums);
        if (weighted) {
            const auto search = [&](float* numbers, float* steps) {
                store(steps, positive_search(numbers, sums + at, shape.groups, shape.header_top, integers + at));
                for (std::size_t j = 0; j < shape.groups; ++j) {
                    store(numbers + j * panel_width, load(integers + j * panel_width + at));
                }
            };
            search(tile.scale + at, d + at);
            search(tile.minimum + at, dmin + at);
        } else {
            store(d + at, round_header(tile.scale + at, shape.groups, shape.header_top));
            store(dmin + at, round_header(tile.minimum + at, shape.groups, shape.header_top));
        }
    }
    for (std::size_t g = 0; g < count; ++g) {
        tile.d[g] = fp16::encode(d[g]);
        tile.dmin[g] = fp16::encode(dmin[g]);
        d[g] = fp16::decode(tile.d[g]);
        dmin[g] = fp16::decode(tile.dmin[g]);
    }
    for (std::size_t at = 0; at < count; at += lanes) {
        requantize_groups(shape, at, d, dmin, tile);
    }
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf

// q2_k, q4_k and q5_k with the least squared error that a search finds; compiled once per instruction set.
//
// Values are scaled by a power of two beforehand, so that their squares neither vanish nor overflow; that commutes with
// every rounding of a decoded value. In mode best the header of the reference rules is kept where it is no worse. Sums
// run in order, products and sums are rounded apart: the same bits with any instruction set.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf {

/// The error of a header as it is stored, and the levels nearest to the values.
template <bool Weighted>
inline vf store_nearest_levels(const k_affine_search& search, vf d, vf dmin, const vf* scales, const vf* minima,
                               float* levels) noexcept {
    const std::size_t n = search.shape.size;
    const vf zero = splat(0.0f), magic = splat(12582912.0f);
    vf error = zero;
    for (std::size_t j = 0; j < search.shape.groups; ++j) {
        const vf scale = d * scales[j], minimum = dmin * minima[j];
        const vm some = scale > zero;
        for (std::size_t i = j * n; i < (j + 1) * n; ++i) {
            const vf x = load(search.x + i * panel_width);
            const vf v = select(some, (x + minimum) / scale, zero);
            const vf level = min(max((v + magic) - magic, zero), search.top);
            const vf off = (scale * level - minimum) - x;
            error = error + (Weighted ? load(search.w + i * panel_width) * (off * off) : off * off);
            store(levels + i * panel_width, level);
        }
    }
    return error;
}

/// The best header for the `lanes` super-blocks from lane `at`; with `compared` the one that is in the tile, with steps
/// d and dmin, if that is better.
template <bool Weighted>
inline void improve(const ::tersor::gguf::detail::k_affine_shape& shape, const affine_effort& effort, bool compared,
                    std::size_t at, ::tersor::gguf::detail::k_affine_tile& tile, float* d, float* dmin) noexcept {
    constexpr std::size_t values = ::tersor::gguf::detail::k_values;
    const vf zero = splat(0.0f);
    float x[values * panel_width], levels[values * panel_width];
    vf largest = zero, heaviest = zero;
    for (std::size_t i = at; i < values * panel_width; i += panel_width) {
        largest = max(abs(load(tile.x + i)), largest);
        heaviest = Weighted ? max(load(tile.importance + i), heaviest) : heaviest;
    }
    const vf factor = power_for(largest), inverse = as_float(splat(254 << 23) - bits(factor));
    const vf weight_factor = power_for(heaviest);
    for (std::size_t i = 0; i < values * panel_width; i += panel_width) {
        store(x + i, load(tile.x + i + at) * factor);
        if constexpr (Weighted) {
            const vf weight = load(tile.importance + i + at) * weight_factor;
            store(tile.importance + i + at, select(heaviest > zero, weight, splat(1.0f)));
        }
    }
    const k_affine_search search(shape, x, tile.importance + at, factor, inverse);
    const k_affine_header header = search_header<Weighted>(search, effort);
    const vf error =
        store_nearest_levels<Weighted>(search, header.d, header.dmin, header.scale, header.minimum, levels);
    vm worse = zero > zero;
    vf scales[16], minima[16];
    if (compared) {
        for (std::size_t j = 0; j < shape.groups; ++j) {
            scales[j] = load(tile.scale + j * panel_width + at);
            minima[j] = load(tile.minimum + j * panel_width + at);
        }
        const vf before = store_nearest_levels<Weighted>(search, load(d + at) * factor, load(dmin + at) * factor,
                                                         scales, minima, tile.level + at);
        worse = error > before;
    }
    for (std::size_t j = 0; j < shape.groups; ++j) {
        store(tile.scale + j * panel_width + at, select(worse, scales[j], header.scale[j]));
        store(tile.minimum + j * panel_width + at, select(worse, minima[j], header.minimum[j]));
    }
    for (std::size_t i = 0; i < values * panel_width; i += panel_width) {
        store(tile.level + i + at, select(worse, load(tile.level + i + at), load(levels + i)));
    }
    store(d + at, select(worse, load(d + at), header.d * inverse));
    store(dmin + at, select(worse, load(dmin + at), header.dmin * inverse));
}

/// Quantizes the first `count` super-blocks of a tile with the least squared error that the search finds; Compared: or
/// as the reference rules do, whichever is better.
template <bool Compared>
inline void quantize_by_error(const ::tersor::gguf::detail::k_affine_shape& shape, const affine_effort& effort,
                              bool weighted, std::size_t count, ::tersor::gguf::detail::k_affine_tile& tile) noexcept {
    float d[panel_width] = {}, dmin[panel_width] = {};
    if constexpr (Compared) {
        quantize_as_reference(shape, weighted, count, tile);
        for (std::size_t g = 0; g < count; ++g) {
            d[g] = fp16::decode(tile.d[g]);
            dmin[g] = fp16::decode(tile.dmin[g]);
        }
    }
    for (std::size_t at = 0; at < count; at += lanes) {
        if (weighted) {
            improve<true>(shape, effort, Compared, at, tile, d, dmin);
        } else {
            improve<false>(shape, effort, Compared, at, tile, d, dmin);
        }
    }
    for (std::size_t g = 0; g < count; ++g) {
        tile.d[g] = fp16::encode(d[g]);
        tile.dmin[g] = fp16::encode(dmin[g]);
    }
}

inline constexpr affine_effort best_effort{12, 6, 4, 8, 2}, fast_effort{6, 3, 2, 4, 1};

/// Quantizes the first `count` super-blocks of a tile.
inline void quantize_tile(const ::tersor::gguf::detail::k_affine_shape& shape, quantize_mode mode, bool weighted,
                          std::size_t count, ::tersor::gguf::detail::k_affine_tile& tile) noexcept {
    if (mode == quantize_mode::best) {
        quantize_by_error<true>(shape, best_effort, weighted, count, tile);
    } else if (mode == quantize_mode::fast) {
        quantize_by_error<false>(shape, fast_effort, weighted, count, tile);
    } else {
        quantize_as_reference(shape, weighted, count, tile);
    }
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf

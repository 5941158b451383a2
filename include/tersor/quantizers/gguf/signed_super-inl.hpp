// Super-blocks of sixteen groups of sixteen values, x ~ (d * s_j) * l with integers s_j and levels l of -N..N-1;
// compiled once per instruction set.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf::signed_blocks {

inline constexpr std::size_t super_group = 16, super_size = 256;

/// The scale of largest magnitude, the first on ties; NaN counts as nothing.
inline float largest_scale(const float* scales) noexcept {
    vf sizes = splat(0.0f);
    for (std::size_t j = 0; j < 16; j += lanes) {
        sizes = max(abs(load(scales + j)), sizes); // of a NaN and a number max takes the second
    }
    const std::int32_t pattern = reduce_max(bits(sizes));
    float value = 0.0f;
    for (std::size_t j = 16; j-- > 0;) {
        const bool is_largest = (std::bit_cast<std::int32_t>(scales[j]) & 0x7FFFFFFF) == pattern;
        value = is_largest ? scales[j] : value;
    }
    return pattern == 0 ? 0.0f : value;
}

/// integers[j] = clamp(rn(inverse * scales[j]), low, high).
inline void round_scales(const float* scales, float inverse, int low, int high, std::int32_t* integers) noexcept {
    for (std::size_t j = 0; j < 16; j += lanes) {
        const vi nearest = nearest_any(splat(inverse) * load(scales + j));
        store(integers + j, min(max(nearest, splat(low)), splat(high)));
    }
}

/// The codes of a super-block with scales d * s_j, in the order of the values: clamp(rn(x / (d s_j)), -N, N - 1) + N.
/// A group whose d * s_j is zero keeps the levels of its search: those of `inverses`, or 0 where they are 0 too.
template <int N>
inline void requantize(const float* x, float d, const std::int32_t* integers, std::uint8_t* codes) noexcept {
    float scales[16];
    for (std::size_t j = 0; j < 16; j += lanes) {
        const vf scale = splat(d) * convert(load(integers + j));
        store(scales + j, select(scale == splat(0.0f), splat(1.0f), scale));
    }
    const auto code = [&](std::size_t i) {
        const vi level = nearest_any(load(x + i) / splat(scales[i / 16]));
        return min(max(level, splat(-N)), splat(N - 1)) + splat(N);
    };
    for (std::size_t i = 0; i < super_size; i += 4 * lanes) {
        store_saturated<false, 0, 255>(codes + i, code(i), code(i + lanes), code(i + 2 * lanes), code(i + 3 * lanes));
    }
}

/// Replaces the codes of the groups whose d * s_j is zero by those of a panel of levels.
inline void keep_levels(float d, const std::int32_t* integers, const std::uint8_t* panel,
                        std::uint8_t* codes) noexcept {
    for (std::size_t j = 0; j < 16; ++j) {
        for (std::size_t i = 0; d * static_cast<float>(integers[j]) == 0.0f && i < 16; ++i) {
            codes[16 * j + i] = panel[i * panel_width + j];
        }
    }
}

/// The weighted squared error of a super-block, added in a fixed order.
inline double super_error(const float* x, const float* weights, const float* decoded) noexcept {
    double sums[4] = {};
    for (std::size_t i = 0; i < super_size; i += 4) {
        for (std::size_t k = 0; k < 4; ++k) {
            const double error = static_cast<double>(x[i + k]) - static_cast<double>(decoded[i + k]);
            const double square = error * error;
            sums[k] += weights != nullptr ? static_cast<double>(weights[i + k]) * square : square;
        }
    }
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

/// Whether decoded values `a` have a lesser error than `b`: without weights by sums of floats, whose errors are below
/// 2^-15 of them, where they are further apart than that.
inline bool has_less_error(const float* x, const float* weights, const float* a, const float* b) noexcept {
    if (weights == nullptr) {
        const auto rough_error = [x](const float* decoded) {
            vf sum = splat(0.0f);
            for (std::size_t i = 0; i < super_size; i += lanes) {
                const vf error = load(x + i) - load(decoded + i);
                sum = sum + error * error;
            }
            float each[lanes], total = 0.0f;
            store(each, sum);
            for (std::size_t k = 0; k < lanes; ++k) {
                total += each[k];
            }
            return total;
        };
        const float of_a = rough_error(a), of_b = rough_error(b), lesser = of_a < of_b ? of_a : of_b;
        const float difference = of_a - of_b;
        if (lesser > 1e-30f && (difference > 1e-4f * lesser || -difference > 1e-4f * lesser)) {
            return of_a < of_b;
        }
    }
    return super_error(x, weights, a) < super_error(x, weights, b);
}

/// Super-blocks in any mode, by the rules of a type: reference(x, panel, importance panel, block), the searches
/// (x, panel, weights, mode, block) with weights and without, and decode(blocks, count, values).
template <class Block, class Reference, class Weighted, class Plain, class Decode>
inline void encode_super(const float* x, const float* importance, std::size_t count, quantize_mode mode, Block* out,
                         Reference reference, Weighted weighted, Plain plain, Decode decode) noexcept {
    for (std::size_t b = 0; b < count; ++b, x += super_size) {
        const float* const weights = importance != nullptr ? importance + b * super_size : nullptr;
        float panel[super_size], weight_panel[super_size];
        fill_panel(x, 16, super_group, panel);
        if (weights != nullptr) {
            fill_panel(weights, 16, super_group, weight_panel);
        }
        const float* const given = weights != nullptr ? weight_panel : nullptr;
        if (mode == quantize_mode::reference) {
            reference(x, panel, given, out[b]);
            continue;
        }
        if (weights != nullptr) {
            weighted(x, panel, given, mode, out[b]);
        } else {
            plain(x, panel, nullptr, mode, out[b]);
        }
        if (mode == quantize_mode::best) {
            Block other;
            reference(x, panel, given, other);
            float decoded[super_size], others[super_size];
            decode(out + b, 1, decoded);
            decode(&other, 1, others);
            if (has_less_error(x, weights, others, decoded)) {
                out[b] = other;
            }
        }
    }
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf::signed_blocks

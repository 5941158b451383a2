// q4_1 and q5_1 byte for byte as ggml writes them; compiled once per instruction set.
//
// Without importance: lo and hi are the least and the largest value, d = (hi - lo) / top, and with id = 1 / d (0 for
// d = 0) codes are trunc((x - lo) id + 0.5), at most 15 in q4_1; d and lo are stored as halves. With importance the
// search A with w = importance * sqrt(sigma2 + x^2), sigma2 the mean of x^2 over the row; its levels are the codes.
// Source: ggml v0.21.0 (quantize_row_q4_1_ref, quantize_row_q4_1_impl), as described in its golden data.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf {

/// Integers that order as floats do, and back.
inline vi ordered_bits(vi b) noexcept {
    return select(splat(0) > b, b ^ splat(0x7FFFFFFF), b);
}

/// The least and the largest value of each of up to 16 blocks; later ones repeat the last.
inline void block_ranges(const float* x, std::size_t count, float* lo, float* hi) noexcept {
    constexpr std::size_t size = ::tersor::gguf::detail::block_values;
    std::int32_t above[16] = {}, below[16] = {};
    for (std::size_t b = 0; b < count; b += 4) {
        vi most[4], least[4];
        TERSOR_UNROLL
        for (std::size_t k = 0; k < 4; ++k) {
            const float* const block = x + size * (b + k < count ? b + k : count - 1);
            vf largest = load(block), smallest = largest;
            for (std::size_t i = lanes; i < size; i += lanes) {
                largest = max(load(block + i), largest);
                smallest = min(load(block + i), smallest);
            }
            most[k] = ordered_bits(bits(largest));
            least[k] = ordered_bits(bits(smallest)) ^ splat(-1);
        }
        reduce_max(above + b, most[0], most[1], most[2], most[3]);
        reduce_max(below + b, least[0], least[1], least[2], least[3]);
    }
    for (std::size_t at = 0; at < 16; at += lanes) {
        store(hi + at, as_float(ordered_bits(load(above + at))));
        store(lo + at, as_float(ordered_bits(load(below + at) ^ splat(-1))));
    }
    vm zeros = splat(0) > splat(0);
    for (std::size_t at = 0; at < 16; at += lanes) {
        zeros = zeros | (load(lo + at) == splat(0.0f));
    }
    for (std::size_t b = 0; any(zeros) && b < count; ++b) {
        // Zeros of both signs are equal: the first one counts.
        const float* first = x + size * b;
        while (lo[b] == 0.0f && *first != 0.0f) {
            ++first;
        }
        lo[b] = lo[b] == 0.0f ? *first : lo[b];
    }
}

/// 16 floats to halves, as bits.
inline void store_halves(std::uint16_t* out, const float* x) noexcept {
    for (std::size_t at = 0; at < 16; at += lanes) {
        if constexpr (has_half_conversion) {
            store_half(out + at, load(x + at));
        } else {
            for (std::size_t k = at; k < at + lanes; ++k) {
                out[k] = fp16::encode(x[k]);
            }
        }
    }
}

/// Up to 16 blocks of q4_1 or q5_1, whose codes are levels(block, position of the first lane).
template <class Type, class Levels>
inline void store_blocks(Levels levels, std::size_t count, const std::uint16_t* d, const std::uint16_t* m,
                         typename Type::block* out) noexcept {
    constexpr std::size_t parts = 16 / lanes, at_once = 4 / parts;
    for (std::size_t b = 0; b < count; b += at_once) {
        // What four registers fill: the low halves of the codes, and where there is a fifth bit, two of them a byte.
        vi low[4], fifth[4];
        TERSOR_UNROLL
        for (std::size_t r = 0; r < 4; ++r) {
            const std::size_t block = b + r / parts < count ? b + r / parts : count - 1, i = r % parts * lanes;
            const vi first = levels(block, i), second = levels(block, i + 16);
            low[r] = Type::top == 31 ? (first & splat(15)) | shl<4>(second & splat(15)) : first | shl<4>(second);
            fifth[r] = Type::top == 31 ? shr<4>(first) | (shr<3>(second) & splat(2)) : first;
        }
        std::uint8_t bytes[64], bits_of[64];
        store_u8(bytes, low[0], low[1], low[2], low[3]);
        if constexpr (Type::top == 31) {
            store_u8(bits_of, fifth[0], fifth[1], fifth[2], fifth[3]);
        }
        for (std::size_t k = 0; k < at_once && b + k < count; ++k) {
            typename Type::block& block = out[b + k];
            block.d = d[b + k];
            block.m = m[b + k];
            std::memcpy(block.qs, bytes + 16 * k, 16);
            if constexpr (Type::top == 31) {
                for (std::size_t i = 0; i < 2; ++i) {
                    std::uint64_t word;
                    std::memcpy(&word, bits_of + 16 * k + 8 * i, sizeof word);
                    block.qh[i] = ::tersor::gguf::detail::gather_low_bits(word);
                    block.qh[i + 2] = ::tersor::gguf::detail::gather_low_bits(word >> 1);
                }
            }
        }
    }
}

/// Blocks without importance.
template <class Type>
inline void encode_in_one_pass(const float* x, std::size_t blocks, typename Type::block* out) noexcept {
    constexpr std::size_t size = ::tersor::gguf::detail::block_values;
    const vf zero = splat(0.0f), one = splat(1.0f), top = splat(static_cast<float>(Type::top));
    const vf infinity = as_float(splat(0x7F800000));
    for (std::size_t first = 0; first < blocks; first += 16, x += 16 * size) {
        const std::size_t count = blocks - first < 16 ? blocks - first : 16;
        float lo[16], hi[16], scale[16], inverse[16];
        std::uint16_t d[16], m[16];
        block_ranges(x, count, lo, hi);
        store_halves(m, lo);
        for (std::size_t at = 0; at < 16; at += lanes) {
            const vf step = (load(hi + at) - load(lo + at)) / top;
            const vf per_step = select(step == zero, zero, one / step);
            store(scale + at, step);
            // Where either overflows every code is 0.
            const vm finite = (infinity > step) & (infinity > per_step);
            store(inverse + at, select(finite, per_step, zero));
            store(lo + at, select(finite, load(lo + at), zero));
        }
        store_halves(d, scale);
        const auto levels = [&](std::size_t b, std::size_t i) {
            // Never more than the largest level and a half: three roundings raise a quotient by far less than a half.
            return truncate((load(x + b * size + i) - splat(lo[b])) * splat(inverse[b]) + splat(0.5f));
        };
        store_blocks<Type>(levels, count, d, m, out + first);
    }
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

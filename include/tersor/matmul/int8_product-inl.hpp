// The loops of int8 products, compiled once per instruction set by int8_product_kernels.hpp.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE::bytes {

/// A token's code as the multiplication takes it. Codes from 0 to 255 need no offset.
template <bool Unsigned>
inline token_code widened(std::uint8_t code) noexcept {
    return static_cast<token_code>(Unsigned      ? static_cast<int>(code)
                                   : offset != 0 ? code ^ 128
                                                 : static_cast<int>(static_cast<std::int8_t>(code)));
}

/// One token's codes in order, then zeros up to a whole run.
template <bool Unsigned>
void widen_token(const std::uint8_t* x, std::size_t depth, void* widened_codes) noexcept {
    auto* const out = static_cast<token_code*>(widened_codes);
    for (std::size_t k = 0; k < depth; ++k) {
        out[k] = widened<Unsigned>(x[k]);
    }
    for (std::size_t k = depth; k % run != 0; ++k) {
        out[k] = 0;
    }
}

/// Tokens side by side: out[(k / step * width + t) * step + k % step] is code k of token t; zeros beyond both.
template <bool Unsigned>
void pack_tokens(const std::uint8_t* x, std::ptrdiff_t distance, std::size_t tokens, std::size_t depth,
                 std::size_t width, void* packed) noexcept {
    constexpr std::size_t line = 64;
    auto* const out = static_cast<token_code*>(packed);
    for (std::size_t first = 0; first < depth; first += line) {
        const std::size_t size = depth - first < line ? depth - first : line;
        for (std::size_t t = 0; t < width; ++t) {
            // A cache line of each token at a time.
            token_code codes[line] = {};
            if (t < tokens) {
                widen_token<Unsigned>(x + static_cast<std::ptrdiff_t>(t) * distance + first, size, codes);
            }
            token_code* const to = out + first * width + t * step;
            for (std::size_t k = 0; k < size; k += step) {
                std::memcpy(to + k * width, codes + k, step * sizeof(token_code));
            }
        }
    }
}

/// The codes of the last, shorter run of a row.
inline codes load_rest(const std::int8_t* p, std::size_t count) noexcept {
    std::int8_t padded[run] = {};
    std::memcpy(padded, p, count);
    return load_run(padded);
}

/// Rows of weights, widened, `out_distance` apart, each padded with zeros to a whole run, and, WithSums, the sum of
/// each row.
template <bool WithSums>
void stage_rows(const std::int8_t* w, std::ptrdiff_t distance, std::size_t rows, std::size_t depth, void* staged,
                std::ptrdiff_t out_distance, [[maybe_unused]] std::int32_t* row_sums) noexcept {
    [[maybe_unused]] const codes one = ones();
    for (std::size_t r = 0; r < rows; ++r) {
        const std::int8_t* const from = w + static_cast<std::ptrdiff_t>(r) * distance;
        auto* const out = static_cast<weight_code*>(staged) + static_cast<std::ptrdiff_t>(r) * out_distance;
        [[maybe_unused]] sums total = splat(0);
        for (std::size_t k = 0; k < depth; k += run) {
            const codes c = k + run <= depth ? load_run(from + k) : load_rest(from + k, depth - k);
            store_run(out + k, c);
            if constexpr (WithSums) {
                total = multiply_add(total, one, c);
            }
        }
        if constexpr (WithSums) {
            row_sums[r] = reduce(total);
        }
    }
}

/// tile_rows rows of staged weights times Vectors * lanes packed tokens: out[r * out_distance + t] +=; where `start` is
/// given the sums begin at start[r] instead.
template <std::size_t Vectors>
void multiply_tile(const void* packed, const void* staged, std::ptrdiff_t distance, std::size_t steps,
                   const std::int32_t* start, std::int32_t* out, std::ptrdiff_t out_distance) noexcept {
    const auto* x = static_cast<const token_code*>(packed);
    const auto* w = static_cast<const weight_code*>(staged);
    sums s[tile_rows][Vectors];
    TERSOR_UNROLL_ALL
    for (std::size_t r = 0; r < tile_rows; ++r) {
        TERSOR_UNROLL_ALL
        for (std::size_t v = 0; v < Vectors; ++v) {
            s[r][v] = start != nullptr ? splat(start[r])
                                       : load(out + static_cast<std::ptrdiff_t>(r) * out_distance + v * lanes);
        }
    }
    for (std::size_t k = 0; k < steps; ++k, x += Vectors * run, w += step) {
        codes tokens[Vectors];
        TERSOR_UNROLL_ALL
        for (std::size_t v = 0; v < Vectors; ++v) {
            tokens[v] = load_tokens(x + v * run);
        }
        TERSOR_UNROLL_ALL
        for (std::size_t r = 0; r < tile_rows; ++r) {
            const codes weights = splat_weights(w + static_cast<std::ptrdiff_t>(r) * distance);
            TERSOR_UNROLL_ALL
            for (std::size_t v = 0; v < Vectors; ++v) {
                s[r][v] = multiply_add(s[r][v], tokens[v], weights);
            }
        }
    }
    TERSOR_UNROLL_ALL
    for (std::size_t r = 0; r < tile_rows; ++r) {
        TERSOR_UNROLL_ALL
        for (std::size_t v = 0; v < Vectors; ++v) {
            store(out + static_cast<std::ptrdiff_t>(r) * out_distance + v * lanes, s[r][v]);
        }
    }
}

/// Rows that dot_rows takes at once: they are read side by side, as one stream does not fill the memory's pipes.
template <std::size_t Tokens>
inline constexpr std::size_t dot_height = dot_sums / Tokens < 8 ? dot_sums / Tokens : 8;

/// At most dot_height<Tokens> rows of weights, as they are stored, times widened tokens: out[r * Tokens + t], and with
/// `row_sums` the sum of each row.
template <std::size_t Tokens, bool WithSums>
inline void dot_some(const std::int8_t* w, std::ptrdiff_t distance, std::size_t rows, std::size_t depth,
                     const token_code* x, std::ptrdiff_t x_distance, std::int32_t* out,
                     std::int32_t* row_sums) noexcept {
    constexpr std::size_t height = dot_height<Tokens>;
    const std::int8_t* row[height];
    sums s[height][Tokens], total[height];
    TERSOR_UNROLL_ALL
    for (std::size_t r = 0; r < height; ++r) {
        row[r] = w + static_cast<std::ptrdiff_t>(r < rows ? r : rows - 1) * distance;
        total[r] = splat(0);
        TERSOR_UNROLL_ALL
        for (std::size_t t = 0; t < Tokens; ++t) {
            s[r][t] = splat(0);
        }
    }
    const codes one = ones();
    std::size_t k = 0;
    for (; k + run <= depth; k += run) {
        TERSOR_UNROLL_ALL
        for (std::size_t r = 0; r < height; ++r) {
            const codes weights = load_run(row[r] + k);
            if constexpr (WithSums) {
                total[r] = multiply_add(total[r], one, weights);
            }
            TERSOR_UNROLL_ALL
            for (std::size_t t = 0; t < Tokens; ++t) {
                s[r][t] =
                    multiply_add(s[r][t], load_tokens(x + static_cast<std::ptrdiff_t>(t) * x_distance + k), weights);
            }
        }
    }
    TERSOR_UNROLL_ALL
    for (std::size_t r = 0; r < height; ++r) {
        if (r < rows) {
            const codes weights = k < depth ? load_rest(row[r] + k, depth - k) : codes{};
            if constexpr (WithSums) {
                row_sums[r] = reduce(multiply_add(total[r], one, weights));
            }
            TERSOR_UNROLL_ALL
            for (std::size_t t = 0; t < Tokens; ++t) {
                const codes tokens =
                    k < depth ? load_tokens(x + static_cast<std::ptrdiff_t>(t) * x_distance + k) : codes{};
                out[r * Tokens + t] = reduce(multiply_add(s[r][t], tokens, weights));
            }
        }
    }
}

/// The same for any number of rows; out[r * Tokens + t].
template <std::size_t Tokens>
void dot_rows(const std::int8_t* w, std::ptrdiff_t distance, std::size_t rows, std::size_t depth, const void* tokens,
              std::ptrdiff_t token_distance, std::int32_t* out, std::int32_t* row_sums) noexcept {
    constexpr std::size_t height = dot_height<Tokens>;
    const auto* const x = static_cast<const token_code*>(tokens);
    for (std::size_t r = 0; r < rows; r += height) {
        const std::size_t now = rows - r < height ? rows - r : height;
        const std::int8_t* const from = w + static_cast<std::ptrdiff_t>(r) * distance;
        if (row_sums != nullptr) {
            dot_some<Tokens, true>(from, distance, now, depth, x, token_distance, out + r * Tokens, row_sums + r);
        } else {
            dot_some<Tokens, false>(from, distance, now, depth, x, token_distance, out + r * Tokens, nullptr);
        }
    }
}

inline constexpr detail::int8_kernels kernels = {
    .lanes = lanes,
    .step = step,
    .run = run,
    .tile_rows = tile_rows,
    .tile_vectors = tile_vectors,
    .token_bytes = sizeof(token_code),
    .weight_bytes = sizeof(weight_code),
    .offset = offset,
    .widen_token = {widen_token<false>, widen_token<true>},
    .pack_tokens = {pack_tokens<false>, pack_tokens<true>},
    .stage_rows = {stage_rows<false>, stage_rows<true>},
    .multiply_tile = {multiply_tile<1>, multiply_tile<2>, multiply_tile<tile_vectors>},
    .dot_rows = {dot_rows<1>, dot_rows<2>, dot_rows<3>, dot_rows<4>},
};

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE::bytes

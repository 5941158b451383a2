// The loops of this folder that need registers, compiled once per instruction set by kernels.hpp.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE {

/// c[r * stride + v] = fused(a[k * tile_rows + r], b[k * width + v], c[...]) for k = 0 .. depth - 1, in order; the tile
/// has tile_rows rows and width = tile_vectors registers of columns.
template <class Scalar>
inline void multiply_tile(std::ptrdiff_t depth, const Scalar* a, const Scalar* b, Scalar* c,
                          std::ptrdiff_t stride) noexcept {
    using reg = typename wide<Scalar>::type;
    constexpr std::ptrdiff_t n = wide<Scalar>::count;
    reg s[tile_rows][tile_vectors];
    Scalar* row = c;
#pragma GCC unroll 16
    for (int r = 0; r < tile_rows; ++r, row += stride) {
        s[r][0] = load(row);
        s[r][1] = load(row + n);
    }
    // Otherwise the compiler keeps the address of every row in memory, for the stores.
    __asm__("" : "+r"(c));
    for (std::ptrdiff_t k = 0; k < depth; ++k, a += tile_rows, b += tile_vectors * n) {
        const reg b0 = load(b), b1 = load(b + n);
#pragma GCC unroll 16
        for (int r = 0; r < tile_rows; ++r) {
            const reg value = splat(a[r]);
            s[r][0] = fused(value, b0, s[r][0]);
            s[r][1] = fused(value, b1, s[r][1]);
        }
    }
    row = c;
#pragma GCC unroll 16
    for (int r = 0; r < tile_rows; ++r, row += stride) {
        store(row, s[r][0]);
        store(row + n, s[r][1]);
    }
}

/// Forward substitution in a panel of `solve_width` lanes and `steps` columns: for t = 0, 1, ...
/// x[t] = fused(x[u], coefficients[t * steps + u], x[t]) for u = 0 .. t - 1, in order, and then / pivots[t], where x[t]
/// stands for the lanes x[t * solve_width + i].
template <class Scalar, int Width>
inline void solve_panel(std::ptrdiff_t steps, const Scalar* coefficients, const Scalar* pivots, Scalar* x) noexcept {
    using reg = typename wide<Scalar>::type;
    constexpr std::ptrdiff_t n = wide<Scalar>::count;
    constexpr int vectors = Width / n < 8 ? static_cast<int>(Width / n) : 8;
    for (std::ptrdiff_t first = 0; first < Width; first += vectors * n) {
        Scalar* const lane = x + first;
        for (std::ptrdiff_t t = 0; t < steps; ++t) {
            reg s[vectors];
#pragma GCC unroll 8
            for (int v = 0; v < vectors; ++v) {
                s[v] = load(lane + t * Width + v * n);
            }
            for (std::ptrdiff_t u = 0; u < t; ++u) {
                const reg value = splat(coefficients[t * steps + u]);
#pragma GCC unroll 8
                for (int v = 0; v < vectors; ++v) {
                    s[v] = fused(load(lane + u * Width + v * n), value, s[v]);
                }
            }
            const reg pivot = splat(pivots[t]);
#pragma GCC unroll 8
            for (int v = 0; v < vectors; ++v) {
                store(lane + t * Width + v * n, s[v] / pivot);
            }
        }
    }
}

/// Cholesky of a symmetric panel of steps <= Width columns, lanes i >= t of column t given and computed:
/// x[t][i] = fused(x[u][i], -x[u][t], x[t][i]) for u = 0 .. t - 1, in order; x[t][t] = sqrt(x[t][t]), x[t][i] /=
/// x[t][t]. Returns -1, or the first t whose pivot is not positive.
template <class Scalar, int Width>
inline std::ptrdiff_t factor_panel(std::ptrdiff_t steps, Scalar* x) noexcept {
    using reg = typename wide<Scalar>::type;
    constexpr std::ptrdiff_t n = wide<Scalar>::count;
    for (std::ptrdiff_t t = 0; t < steps; ++t) {
        Scalar* const column = x + t * Width;
        constexpr int vectors = Width / n < 4 ? static_cast<int>(Width / n) : 4;
        for (std::ptrdiff_t first = t / (vectors * n) * (vectors * n); first < steps; first += vectors * n) {
            reg s[vectors];
#pragma GCC unroll 4
            for (int v = 0; v < vectors; ++v) {
                s[v] = load(column + first + v * n);
            }
            for (std::ptrdiff_t u = 0; u < t; ++u) {
                const reg value = splat(-x[u * Width + t]);
#pragma GCC unroll 4
                for (int v = 0; v < vectors; ++v) {
                    s[v] = fused(load(x + u * Width + first + v * n), value, s[v]);
                }
            }
#pragma GCC unroll 4
            for (int v = 0; v < vectors; ++v) {
                store(column + first + v * n, s[v]);
            }
        }
        if (!(column[t] > Scalar{0})) {
            return t;
        }
        const Scalar root = sizeof(Scalar) == sizeof(float)
                                ? static_cast<Scalar>(__builtin_sqrtf(static_cast<float>(column[t])))
                                : static_cast<Scalar>(__builtin_sqrt(column[t]));
        for (std::ptrdiff_t i = t + 1; i < steps; ++i) {
            column[i] = column[i] / root;
        }
        column[t] = root;
    }
    return -1;
}

template <class Scalar, class Kernels>
inline Kernels kernels_of() noexcept {
    return {tile_rows,
            tile_vectors * wide<Scalar>::count,
            &multiply_tile<Scalar>,
            &pack_lines<Scalar, tile_rows>,
            &pack_lines<Scalar, tile_vectors * wide<Scalar>::count>,
            &solve_panel<Scalar, Kernels::solve_width>,
            &factor_panel<Scalar, Kernels::solve_width>};
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE

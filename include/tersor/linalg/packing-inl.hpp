// Packed panels, the layout that multiply_tile reads, compiled once per instruction set by kernels.hpp.
//
// Line i of a factor is line i % Width of panel i / Width; value k of line l of a panel p lies at
// out[(p * depth + k) * Width + l]. Lines beyond the last are zero.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE {

/// The register of a scalar and how many it holds.
template <class Scalar>
struct wide;
template <>
struct wide<float> {
    using type = vf;
    static constexpr int count = sizeof(vf) / sizeof(float);
};
template <>
struct wide<double> {
    using type = vd;
    static constexpr int count = sizeof(vd) / sizeof(double);
};

// As many sums as the registers hold beside the operands: 14 x 2 of 32 with AVX-512, 6 x 2 of 16 otherwise.
inline constexpr int tile_rows = sizeof(vf) == 64 ? 14 : 6;
inline constexpr int tile_vectors = 2;

template <class Scalar, int Width>
inline void copy_line(const Scalar* in, Scalar* out) noexcept {
    constexpr int n = wide<Scalar>::count;
    if constexpr (Width >= n) {
#pragma GCC unroll 8
        for (int i = 0; i + n <= Width; i += n) {
            store(out + i, load(in + i));
        }
        if constexpr (Width % n != 0) {
            store(out + Width - n, load(in + Width - n));
        }
    } else {
        std::memcpy(out, in, Width * sizeof(Scalar));
    }
}

/// Of neighbouring lines: value k of line i is x[k * depth_step + i]. Some panels at a time, so that more than a few
/// values of a row of memory are read together.
template <class Scalar, int Width>
inline void pack_neighbours(const Scalar* x, std::ptrdiff_t depth_step, std::ptrdiff_t panels, std::ptrdiff_t depth,
                            Scalar* out) noexcept {
    constexpr std::ptrdiff_t most = 1024 / (Width * sizeof(Scalar)), ahead = 8, line = 64 / sizeof(Scalar);
    for (std::ptrdiff_t first = 0; first < panels; first += most) {
        const std::ptrdiff_t count = panels - first < most ? panels - first : most;
        for (std::ptrdiff_t k = 0; k < depth; ++k) {
            const Scalar* const from = x + k * depth_step + first * Width;
            for (std::ptrdiff_t i = 0; i < count * Width; i += line) {
                __builtin_prefetch(from + ahead * depth_step + i);
            }
            for (std::ptrdiff_t p = 0; p < count; ++p) {
                copy_line<Scalar, Width>(from + p * Width, out + ((first + p) * depth + k) * Width);
            }
        }
    }
}

/// out[k * lines + i] = x[i * line_step + k] for k < count; at least as many lines and values as a square has.
template <int Lines, int Count>
inline void transpose_lines(const float* x, std::ptrdiff_t line_step, float* out) noexcept {
    constexpr int side = static_cast<int>(square);
    static_assert(Count % side == 0 && Lines >= side);
    for (int i = 0; i < Lines; i += side) {
        // The last square lies back over the one before where lines are not whole squares.
        const int from = i + side <= Lines ? i : Lines - side;
        for (int k = 0; k < Count; k += side) {
            transpose_square(x + from * line_step + k, line_step, out + k * Lines + from, Lines);
        }
    }
}
template <int Lines, int Count>
inline void transpose_lines(const double* x, std::ptrdiff_t line_step, double* out) noexcept {
    for (int i = 0; i < Lines; ++i) {
        for (int k = 0; k < Count; ++k) {
            out[k * Lines + i] = x[i * line_step + k];
        }
    }
}

/// Of lines whose values are neighbours: value k of line i is x[i * line_step + k], or with `Reversed` - k.
template <class Scalar, int Width, bool Reversed>
inline void pack_runs(const Scalar* x, std::ptrdiff_t line_step, std::ptrdiff_t panels, std::ptrdiff_t depth,
                      Scalar* out) noexcept {
    constexpr int together = Width < 8 ? 2 : 1, lines = together * Width, count = 64 / sizeof(Scalar);
    alignas(64) Scalar part[lines * count];
    std::ptrdiff_t p = 0;
    for (; p + together <= panels; p += together) {
        const Scalar* const from = x + p * Width * line_step;
        Scalar* const to = out + p * Width * depth;
        std::ptrdiff_t k = 0;
        for (; k + count <= depth; k += count) {
            const Scalar* const values = Reversed ? from - k - (count - 1) : from + k;
            for (int i = 0; i < lines; ++i) {
                __builtin_prefetch(values + (lines + i) * line_step);
            }
            transpose_lines<lines, count>(values, line_step, part);
            for (int j = 0; j < count; ++j) {
                const Scalar* const row = part + (Reversed ? count - 1 - j : j) * lines;
                for (int q = 0; q < together; ++q) {
                    copy_line<Scalar, Width>(row + q * Width, to + (q * depth + k + j) * Width);
                }
            }
        }
        for (; k < depth; ++k) {
            for (int i = 0; i < lines; ++i) {
                to[(i / Width * depth + k) * Width + i % Width] = from[i * line_step + (Reversed ? -k : k)];
            }
        }
    }
    for (; p < panels; ++p) {
        for (int i = 0; i < Width; ++i) {
            for (std::ptrdiff_t k = 0; k < depth; ++k) {
                out[(p * depth + k) * Width + i] = x[(p * Width + i) * line_step + (Reversed ? -k : k)];
            }
        }
    }
}

/// `count` lines of `depth` values, value k of line i at x[i * line_step + k * depth_step], negated if asked.
template <class Scalar, int Width>
inline void pack_lines(const Scalar* x, std::ptrdiff_t line_step, std::ptrdiff_t depth_step, std::ptrdiff_t count,
                       std::ptrdiff_t depth, bool negate, Scalar* out) noexcept {
    const std::ptrdiff_t panels = count / Width, rest = count % Width;
    if (line_step == 1) {
        pack_neighbours<Scalar, Width>(x, depth_step, panels, depth, out);
    } else if (depth_step == 1) {
        pack_runs<Scalar, Width, false>(x, line_step, panels, depth, out);
    } else {
        pack_runs<Scalar, Width, true>(x, line_step, panels, depth, out);
    }
    if (rest > 0) {
        const Scalar* const from = x + panels * Width * line_step;
        Scalar* const to = out + panels * Width * depth;
        for (std::ptrdiff_t k = 0; k < depth; ++k) {
            for (std::ptrdiff_t i = 0; i < Width; ++i) {
                to[k * Width + i] = i < rest ? from[i * line_step + k * depth_step] : Scalar{0};
            }
        }
    }
    if (negate) {
        const std::ptrdiff_t values = (panels + (rest > 0 ? 1 : 0)) * Width * depth;
        for (std::ptrdiff_t i = 0; i < values; ++i) {
            out[i] = -out[i];
        }
    }
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE

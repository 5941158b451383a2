// The inner loops of the solver, compiled once per instruction set by gptq_kernels.hpp.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE {

/// column[r] = fused(terms[k * width + r], -coefficients[k], column[r]) for k = 0 .. depth - 1, in order; width is a
/// multiple of 64.
template <class Scalar>
inline void subtract_terms(std::ptrdiff_t depth, std::ptrdiff_t width, const Scalar* terms, const Scalar* coefficients,
                           Scalar* column) noexcept {
    using reg = typename wide<Scalar>::type;
    constexpr std::ptrdiff_t n = wide<Scalar>::count;
    constexpr int vectors = 64 / n < 8 ? static_cast<int>(64 / n) : 8;
    for (std::ptrdiff_t first = 0; first < width; first += vectors * n) {
        reg s[vectors];
#pragma GCC unroll 8
        for (int v = 0; v < vectors; ++v) {
            s[v] = load(column + first + v * n);
        }
        const Scalar* term = terms + first;
        for (std::ptrdiff_t k = 0; k < depth; ++k, term += width) {
            const reg factor = splat(-coefficients[k]);
#pragma GCC unroll 8
            for (int v = 0; v < vectors; ++v) {
                s[v] = fused(load(term + v * n), factor, s[v]);
            }
        }
#pragma GCC unroll 8
        for (int v = 0; v < vectors; ++v) {
            store(column + first + v * n, s[v]);
        }
    }
}

/// In sixteen lanes each, lane i of every sixteen values: sums of w (x - q)^2, w x q and w q^2; count is a multiple of
/// sixteen.
inline void weighted_lanes(std::ptrdiff_t count, const float* x, const float* q, const float* w, float* errors,
                           float* crosses, float* squares) noexcept {
    constexpr std::ptrdiff_t n = sizeof(vf) / sizeof(float);
    for (std::ptrdiff_t lane = 0; lane < 16; lane += n) {
        vf error = splat(0.0f), cross = error, square = error;
        for (std::ptrdiff_t i = lane; i < count; i += 16) {
            const vf value = load(x + i), decoded = load(q + i), weight = load(w + i);
            const vf difference = value - decoded, weighted = weight * decoded;
            error = fused(weight * difference, difference, error);
            cross = fused(weighted, value, cross);
            square = fused(weighted, decoded, square);
        }
        store(errors + lane, error);
        store(crosses + lane, cross);
        store(squares + lane, square);
    }
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE

// The inner loop of the solver, compiled once per instruction set by gptq_kernels.hpp.

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

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE

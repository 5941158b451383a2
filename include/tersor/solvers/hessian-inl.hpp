// The loop of hessian_total.hpp over pairs of doubles, compiled once per instruction set.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE {

inline vd load_as_double(const float* p) noexcept {
    return load_wide(p);
}
inline vd load_as_double(const double* p) noexcept {
    return load(p);
}

/// high[i] + low[i] += x[i], without error while the sum fits 106 bits; low stays within half a unit of high.
template <class Scalar>
inline void add_to_pairs(const Scalar* x, double* high, double* low, std::ptrdiff_t count) noexcept {
    constexpr std::ptrdiff_t n = sizeof(vd) / sizeof(double);
    std::ptrdiff_t i = 0;
    for (; i + n <= count; i += n) {
        const vd added = load_as_double(x + i), before = load(high + i);
        const vd sum = before + added, other = sum - before;
        const vd error = (before - (sum - other)) + (added - other) + load(low + i);
        const vd rounded = sum + error;
        store(high + i, rounded);
        store(low + i, error - (rounded - sum));
    }
    for (; i < count; ++i) {
        const double added = static_cast<double>(x[i]), before = high[i];
        const double sum = before + added, other = sum - before;
        const double error = (before - (sum - other)) + (added - other) + low[i];
        const double rounded = sum + error;
        high[i] = rounded;
        low[i] = error - (rounded - sum);
    }
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE

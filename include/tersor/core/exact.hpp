#ifndef TERSOR_CORE_EXACT_HPP
#define TERSOR_CORE_EXACT_HPP

// One rounding per written operation, whatever the compiler's contraction mode.
//
// A compiler that may fuse (gcc by default, with -march=native) turns a * b + c into one fused multiply-add, which
// rounds once instead of twice and so gives other bits on another machine. A product taken through `exact::product`
// is rounded before it is used. Code inside a simd region needs none of this: contraction is off there.

// Flags that let the compiler reorder sums, replace divisions or assume that there is no NaN change stored numbers.
#if !defined(TERSOR_ALLOW_FAST_MATH) && \
    (defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__) || \
     (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__))
#    error "tersor needs exact arithmetic: compile without -ffast-math, or define TERSOR_ALLOW_FAST_MATH and lose it"
#endif

namespace tersor::inline v0::exact {

/// a * b, rounded; never fused into a following addition.
template <class Float>
[[nodiscard]] constexpr Float product(Float a, Float b) noexcept {
#if defined(__clang__)
#    pragma clang fp contract(off)
    return a * b;
#elif defined(__GNUC__) && __GNUC__ >= 12
    return __builtin_assoc_barrier(a * b);
#else
    volatile Float rounded = a * b;
    return rounded;
#endif
}

} // namespace tersor::inline v0::exact

#endif // TERSOR_CORE_EXACT_HPP

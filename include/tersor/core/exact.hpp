#ifndef TERSOR_CORE_EXACT_HPP
#define TERSOR_CORE_EXACT_HPP

// One rounding per written operation, whatever the compiler's contraction mode.
//
// A compiler that may fuse (gcc by default, with -march=native) turns a * b + c into one fused multiply-add, which
// rounds once instead of twice and so gives other bits on another machine. A product taken through `exact::product`
// is rounded before it is used. Code inside a simd region needs none of this: contraction is off there.

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

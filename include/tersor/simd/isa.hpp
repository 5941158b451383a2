#ifndef TERSOR_SIMD_ISA_HPP
#define TERSOR_SIMD_ISA_HPP

// Which instruction set runs: found once from the processor and the operating system, forced by the environment
// variable TERSOR_ISA (generic, avx2, avx512) or by `set_isa`. Results never depend on it; only speed does.

#include "tersor/core/error.hpp"
#include "tersor/simd/region.hpp"

#include <atomic>
#include <cstdlib>
#include <string>
#include <string_view>

#if TERSOR_X86
#    include <cpuid.h>
#endif

namespace tersor::inline v0 {

/// The instruction sets that kernels are compiled for, in ascending order.
enum class isa { generic, avx2, avx512 };

/// The name of an instruction set as TERSOR_ISA spells it.
[[nodiscard]] constexpr const char* to_string(isa set) noexcept {
    return set == isa::avx512 ? "avx512" : set == isa::avx2 ? "avx2" : "generic";
}

namespace detail {

inline isa detect_isa() noexcept {
#if TERSOR_X86
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d)) {
        return isa::generic;
    }
    constexpr unsigned fma = 1u << 12, osxsave = 1u << 27, f16c = 1u << 29;
    if ((c & (fma | osxsave | f16c)) != (fma | osxsave | f16c)) {
        return isa::generic;
    }
    // The processor may have registers that the operating system does not save: XCR0 says which it does.
    unsigned saved = 0, saved_high = 0;
    __asm__ volatile("xgetbv" : "=a"(saved), "=d"(saved_high) : "c"(0));
    constexpr unsigned ymm = 0x06, zmm = 0xE6;
    if ((saved & ymm) != ymm || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
        return isa::generic;
    }
    constexpr unsigned avx2 = 1u << 5, avx512f = 1u << 16, avx512dq = 1u << 17, avx512bw = 1u << 30, avx512vl = 1u << 31;
    if ((b & avx2) == 0) {
        return isa::generic;
    }
    constexpr unsigned avx512 = avx512f | avx512dq | avx512bw | avx512vl;
    return TERSOR_AVX512 && (b & avx512) == avx512 && (saved & zmm) == zmm ? isa::avx512 : isa::avx2;
#else
    return isa::generic;
#endif
}

} // namespace detail

/// The best instruction set that this processor and operating system can run.
[[nodiscard]] inline isa best_isa() noexcept {
    static const isa best = detail::detect_isa();
    return best;
}

/// The instruction set of a name.
/// Errors: `invalid_argument` for any name but generic, avx2, avx512.
[[nodiscard]] inline isa parse_isa(std::string_view name) {
    for (const isa set : {isa::generic, isa::avx2, isa::avx512}) {
        if (name == to_string(set)) {
            return set;
        }
    }
    raise(error_code::invalid_argument,
          "unknown instruction set '" + std::string(name) + "': expected generic, avx2 or avx512");
}

namespace detail {

inline std::atomic<isa>& current_isa() {
    // A wish that this machine cannot grant, or a misspelt one, must not end a program before main: it is ignored.
    static std::atomic<isa> current = [] {
        const char* wish = std::getenv("TERSOR_ISA");
        for (const isa set : {isa::generic, isa::avx2, isa::avx512}) {
            if (wish != nullptr && std::string_view(wish) == to_string(set) && set <= best_isa()) {
                return set;
            }
        }
        return best_isa();
    }();
    return current;
}

} // namespace detail

/// The instruction set that kernels run with now.
[[nodiscard]] inline isa active_isa() noexcept { return detail::current_isa().load(std::memory_order_relaxed); }

/// Forces an instruction set for the whole program and returns the previous one.
/// Errors: `unsupported` if this machine cannot run it.
inline isa set_isa(isa set) {
    if (set > best_isa()) {
        raise(error_code::unsupported, std::string("this machine cannot run ") + to_string(set) + ": its best is " +
                                           to_string(best_isa()));
    }
    return detail::current_isa().exchange(set, std::memory_order_relaxed);
}

} // namespace tersor::inline v0

/// Calls a function of the active instruction set's namespace and returns its result:
/// `TERSOR_DISPATCH(decode<Format>(codes, count, out))`.
#if TERSOR_X86 && !TERSOR_AVX512
#    define TERSOR_DISPATCH(...)                                                                                       \
        (::tersor::active_isa() == ::tersor::isa::avx2 ? ::tersor::simd::avx2::__VA_ARGS__                             \
                                                       : ::tersor::simd::TERSOR_GENERIC_NAMESPACE::__VA_ARGS__)
#elif TERSOR_X86
#    define TERSOR_DISPATCH(...)                                                                                       \
        (::tersor::active_isa() == ::tersor::isa::avx512 ? ::tersor::simd::avx512::__VA_ARGS__                         \
         : ::tersor::active_isa() == ::tersor::isa::avx2                                                               \
             ? ::tersor::simd::avx2::__VA_ARGS__                                                                       \
             : ::tersor::simd::TERSOR_GENERIC_NAMESPACE::__VA_ARGS__)
#else
#    define TERSOR_DISPATCH(...) (::tersor::simd::TERSOR_GENERIC_NAMESPACE::__VA_ARGS__)
#endif

#endif // TERSOR_SIMD_ISA_HPP

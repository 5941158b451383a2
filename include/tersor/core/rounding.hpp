#ifndef TERSOR_CORE_ROUNDING_HPP
#define TERSOR_CORE_ROUNDING_HPP

// How a value between two codes is rounded, and the random numbers of stochastic rounding.
//
// uniform(seed, index) is a function of its arguments alone, so that neither the number of threads nor the order of the
// work changes a result. It applies the finalizer of splitmix64 (Steele, Lea, Flood, OOPSLA 2014) to seed and index.

#include <cstdint>

namespace tersor::inline v0 {

/// What happens to a value that lies between two representable ones.
enum class rounding {
    nearest_even, ///< to the nearest by the format's own rule; for integers and floats ties go to the even code
    half_away,    ///< to the nearest, ties to the larger magnitude
    stochastic    ///< up with probability (v - below) / (above - below), else down
};

namespace detail {
constexpr std::uint64_t mix(std::uint64_t x) noexcept {
    x ^= x >> 30;
    x *= 0xBF58476D1CE4E5B9u;
    x ^= x >> 27;
    x *= 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}
} // namespace detail

/// The `index`-th number of the random sequence named by `seed`: a multiple of 2^-24 in [0, 1), the same everywhere.
[[nodiscard]] constexpr float uniform(std::uint64_t seed, std::uint64_t index) noexcept {
    constexpr std::uint64_t golden_ratio = 0x9E3779B97F4A7C15u;
    const std::uint64_t start = detail::mix(seed + golden_ratio);
    const std::uint64_t random = detail::mix(start + (index + 1) * golden_ratio);
    return static_cast<float>(random >> 40) * 0x1p-24f;
}

} // namespace tersor::inline v0

#endif // TERSOR_CORE_ROUNDING_HPP

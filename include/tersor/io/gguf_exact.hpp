#ifndef TERSOR_IO_GGUF_EXACT_HPP
#define TERSOR_IO_GGUF_EXACT_HPP

// Conversions between the numbers of metadata that either keep the value or fail.

#include <bit>
#include <concepts>
#include <cstdint>
#include <limits>
#include <utility>

namespace tersor::inline v0::detail {

/// Sets `to` to the value of `from`; false if T has no such value. NaN and infinities are values of every float.
template <class T, class From>
[[nodiscard]] constexpr bool convert_exactly(From from, T& to) noexcept {
    if constexpr (std::integral<From> && std::integral<T>) {
        const bool fits = std::in_range<T>(from);
        to = fits ? static_cast<T>(from) : T{};
        return fits;
    } else if constexpr (std::integral<From>) {
        // exact if the significant bits fit the mantissa; every 64-bit integer is within the range of float
        const auto bits = static_cast<std::uint64_t>(from);
        const std::uint64_t magnitude = from < From{} ? std::uint64_t{0} - bits : bits;
        to = static_cast<T>(from);
        return magnitude == 0 || (magnitude >> std::countr_zero(magnitude)) >> std::numeric_limits<T>::digits == 0;
    } else if constexpr (std::integral<T>) {
        constexpr double lowest = static_cast<double>(std::numeric_limits<T>::min());
        constexpr double above = 2.0 * static_cast<double>(std::uint64_t{1} << (std::numeric_limits<T>::digits - 1));
        const double value = from;
        if (!(value >= lowest && value < above)) {
            return false;
        }
        to = static_cast<T>(value);
        return static_cast<double>(to) == value;
    } else if constexpr (sizeof(T) >= sizeof(From)) {
        to = from;
        return true;
    } else {
        constexpr From largest = std::numeric_limits<T>::max();
        constexpr From infinity = std::numeric_limits<From>::infinity();
        const bool in_range = from >= -largest && from <= largest;
        if (!in_range && from == from && from != infinity && from != -infinity) {
            return false;
        }
        to = static_cast<T>(from);
        return static_cast<From>(to) == from || from != from;
    }
}

} // namespace tersor::inline v0::detail

#endif // TERSOR_IO_GGUF_EXACT_HPP

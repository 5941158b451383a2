#ifndef TERSOR_FORMATS_CONVERT_HPP
#define TERSOR_FORMATS_CONVERT_HPP

// Whole arrays to and from a number format, without a scale: one code per element, by the format's own encode and
// decode, with the vector instructions of the machine.

#include "tersor/core/error.hpp"
#include "tersor/formats/lanes.hpp"

#include <span>
#include <string>
#include <type_traits>

namespace tersor::inline v0 {

namespace detail {
inline void require_equal_sizes(std::size_t given, std::size_t expected) {
    if (given != expected) {
        raise(error_code::shape_mismatch,
              "the destination holds " + std::to_string(given) + " elements, the source " + std::to_string(expected));
    }
}
} // namespace detail

/// codes[i] = Format::encode(values[i]). Errors: `shape_mismatch` if the lengths differ.
template <number_format Format>
void encode(std::span<const float> values, std::span<code_t<Format>> codes, const Format& format = {}) {
    detail::require_equal_sizes(codes.size(), values.size());
    if constexpr (std::is_same_v<Format, fp16> || std::is_same_v<Format, bf16>) {
        TERSOR_DISPATCH(encode_halves(format, values.data(), values.size(), codes.data()));
    } else {
        auto* const bytes = reinterpret_cast<std::uint8_t*>(codes.data());
        TERSOR_DISPATCH(encode_bytes<Format>(format, values.data(), values.size(), bytes));
    }
}

/// values[i] = Format::decode(codes[i]). Errors: `shape_mismatch` if the lengths differ.
template <number_format Format>
void decode(std::span<const code_t<Format>> codes, std::span<float> values, const Format& format = {}) {
    detail::require_equal_sizes(values.size(), codes.size());
    if constexpr (std::is_same_v<Format, fp16> || std::is_same_v<Format, bf16>) {
        TERSOR_DISPATCH(decode_halves(format, codes.data(), codes.size(), values.data()));
    } else {
        const auto* const bytes = reinterpret_cast<const std::uint8_t*>(codes.data());
        TERSOR_DISPATCH(decode_bytes<Format>(format, bytes, codes.size(), values.data()));
    }
}

} // namespace tersor::inline v0

#endif // TERSOR_FORMATS_CONVERT_HPP

#ifndef TERSOR_TESTS_COMMON_REFERENCE_HPP
#define TERSOR_TESTS_COMMON_REFERENCE_HPP

// Naive versions of what the library computes, written from the definitions and used by the tests as the truth.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace reference {

/// The values of the codes 0, 1, ... of a small float without sign, as if its exponent had no upper end.
inline std::vector<double> float_magnitudes(int mantissa_bits, int bias, int count) {
    std::vector<double> values;
    for (int code = 0; code < count; ++code) {
        const int field = code >> mantissa_bits;
        const int mantissa = code & ((1 << mantissa_bits) - 1);
        const double significand = std::ldexp(mantissa, -mantissa_bits) + (field > 0 ? 1.0 : 0.0);
        values.push_back(std::ldexp(significand, (field > 0 ? field : 1) - bias));
    }
    return values;
}

/// The index of the value nearest to `magnitude` in an ascending list; on a tie the even index.
inline int nearest_even(const std::vector<double>& ascending, double magnitude) {
    std::size_t low = 0;
    std::size_t high = ascending.size() - 1;
    while (high - low > 1) {
        const std::size_t middle = (low + high) / 2;
        (ascending[middle] <= magnitude ? low : high) = middle;
    }
    const double to_low = magnitude - ascending[low];
    const double to_high = ascending[high] - magnitude;
    const bool up = to_high < to_low || (to_high == to_low && high % 2 == 0);
    return static_cast<int>(up ? high : low);
}

/// How many of the midpoints lie strictly below a value.
template <class Midpoints>
int midpoints_below(const Midpoints& midpoints, float value) {
    int count = 0;
    for (const float midpoint : midpoints) {
        count += midpoint < value ? 1 : 0;
    }
    return count;
}

/// Packs the low `bits` bits of every code, bit by bit: bit k of code i is bit i * bits + k of the stream.
template <class Code>
std::vector<std::uint8_t> pack_bits(const std::vector<Code>& codes, int bits) {
    const auto width = static_cast<std::size_t>(bits);
    std::vector<std::uint8_t> packed((codes.size() * width + 7) / 8);
    for (std::size_t i = 0; i < codes.size(); ++i) {
        for (std::size_t k = 0; k < width; ++k) {
            const std::size_t bit = i * width + k;
            const unsigned one = (static_cast<unsigned>(codes[i]) >> k) & 1u;
            packed[bit / 8] = static_cast<std::uint8_t>(packed[bit / 8] | one << (bit % 8));
        }
    }
    return packed;
}

/// The `index`-th code of a packed stream, bit by bit, without sign.
inline unsigned unpack_bit(const std::vector<std::uint8_t>& packed, int bits, std::size_t index) {
    const auto width = static_cast<std::size_t>(bits);
    unsigned code = 0;
    for (std::size_t k = 0; k < width; ++k) {
        const std::size_t bit = index * width + k;
        code |= ((packed[bit / 8] >> (bit % 8)) & 1u) << k;
    }
    return code;
}

} // namespace reference

#endif // TERSOR_TESTS_COMMON_REFERENCE_HPP

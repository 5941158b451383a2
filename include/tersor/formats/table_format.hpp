#ifndef TERSOR_FORMATS_TABLE_FORMAT_HPP
#define TERSOR_FORMATS_TABLE_FORMAT_HPP

// A codebook whose values are known only at run time, such as the map stored in a checkpoint; same rule as `codebook`.

#include "tersor/core/error.hpp"
#include "tersor/formats/format.hpp"
#include "tersor/formats/nearest.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace tersor::inline v0 {

/// A format of `Bits` bits whose values are given to the constructor. It holds its tables by value (up to 7 KiB for 8
/// bits): pass it by reference.
template <int Bits, bool HighNibbleFirst = false>
class table_format {
    static_assert(Bits >= 1 && Bits <= 8, "a table format has 1 to 8 bits");
    static_assert(!HighNibbleFirst || Bits == 4, "only 4-bit codes have nibbles to order");

public:
    static constexpr int bits = Bits;
    using code_type = std::uint8_t;
    static constexpr std::size_t size = std::size_t{1} << Bits;
    /// Stored maps are relative to the block's maximum.
    static constexpr float largest = 1.0f;
    static constexpr bool high_nibble_first = HighNibbleFirst;

    /// All values zero.
    constexpr table_format() noexcept : order_(detail::sorted_order(values_)) {}

    /// The values by code. Throws invalid_argument unless there are 1 << Bits of them, non_finite for NaN or infinity.
    explicit table_format(std::span<const float> values) : values_(checked(values)) {
        order_ = detail::sorted_order(values_);
        midpoints_ = detail::sorted_midpoints(values_, order_);
        search_ = detail::nearest_search<size>(midpoints_);
    }

    /// Code to value.
    [[nodiscard]] constexpr const std::array<float, size>& values() const noexcept { return values_; }
    /// Sorted position to code.
    [[nodiscard]] constexpr const std::array<std::uint8_t, size>& order() const noexcept { return order_; }
    /// The decision points between neighbours in sorted order, ascending.
    [[nodiscard]] constexpr const std::array<float, size - 1>& midpoints() const noexcept { return midpoints_; }

    /// The code of the nearest value, ties to the lower value. NaN gives the code of the lowest value.
    constexpr code_type encode(float value) const noexcept { return order_[search_(value)]; }

    /// The value of a code; bits above `bits` are ignored.
    constexpr float decode(code_type code) const noexcept { return values_[code & (size - 1)]; }

    /// The codes that enclose `value`.
    constexpr code_pair<code_type> neighbours(float value) const noexcept {
        return detail::sorted_neighbours(values_, order_, search_(value), value);
    }

    /// Equal values in equal order.
    friend constexpr bool operator==(const table_format& a, const table_format& b) noexcept {
        return a.values_ == b.values_;
    }

private:
    static std::array<float, size> checked(std::span<const float> values) {
        if (values.size() != size) {
            raise(error_code::invalid_argument, "a table format of " + std::to_string(Bits) + " bits needs " +
                                                    std::to_string(size) + " values, got " +
                                                    std::to_string(values.size()));
        }
        std::array<float, size> copy{};
        for (std::size_t i = 0; i < size; ++i) {
            if (detail::magnitude_bits(values[i]) >= 0x7F800000u) {
                raise(error_code::non_finite, "value " + std::to_string(i) + " of a table format is not finite");
            }
            copy[i] = values[i];
        }
        return copy;
    }

    std::array<float, size> values_{};
    std::array<std::uint8_t, size> order_{};
    std::array<float, size - 1> midpoints_{};
    detail::nearest_search<size> search_{};
};

} // namespace tersor::inline v0

#endif // TERSOR_FORMATS_TABLE_FORMAT_HPP

#ifndef TERSOR_FORMATS_NEAREST_HPP
#define TERSOR_FORMATS_NEAREST_HPP

// The nearest of a sorted list of numbers: position = how many midpoints lie strictly below the value.
//
// midpoint[i] = (sorted[i] + sorted[i+1]) * 0.5, rounded to float; a value on a midpoint belongs to the lower number.
// For more than 4 numbers a table indexed by the upper bits of the value gives the first candidate, so that very few
// midpoints remain to be compared. The result does not depend on the table.

#include "tersor/formats/format.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace tersor::inline v0::detail {

// The positions of `values` in ascending order; equal values keep their order.
template <std::size_t Count>
constexpr std::array<std::uint8_t, Count> sorted_order(const std::array<float, Count>& values) noexcept {
    std::array<std::uint8_t, Count> order{};
    for (std::size_t next = 0; next < Count; ++next) {
        std::size_t place = next;
        for (; place > 0 && values[order[place - 1]] > values[next]; --place) {
            order[place] = order[place - 1];
        }
        order[place] = static_cast<std::uint8_t>(next);
    }
    return order;
}

template <std::size_t Count>
constexpr std::array<float, Count - 1> sorted_midpoints(const std::array<float, Count>& values,
                                                        const std::array<std::uint8_t, Count>& order) noexcept {
    std::array<float, Count - 1> midpoints{};
    for (std::size_t i = 0; i + 1 < Count; ++i) {
        midpoints[i] = (values[order[i]] + values[order[i + 1]]) * 0.5f;
    }
    return midpoints;
}

// The codes on either side of `value`, whose nearest number is the one at `position`.
template <std::size_t Count>
constexpr code_pair<std::uint8_t> sorted_neighbours(const std::array<float, Count>& values,
                                                    const std::array<std::uint8_t, Count>& order, std::size_t position,
                                                    float value) noexcept {
    const float nearest = values[order[position]];
    const std::size_t below = position - (value < nearest && position > 0 ? 1u : 0u);
    const std::size_t above = position + (value > nearest && position + 1 < Count ? 1u : 0u);
    return {order[below], order[above]};
}

// Finds positions among `Count` numbers. NaN gives position 0, as every comparison with it is false.
template <std::size_t Count, bool Indexed = (Count > 4)>
class nearest_search {
public:
    constexpr nearest_search() noexcept = default;
    constexpr explicit nearest_search(const std::array<float, Count - 1>& midpoints) noexcept : midpoints_(midpoints) {}

    constexpr unsigned operator()(float value) const noexcept {
        unsigned position = 0;
        for (const float midpoint : midpoints_) {
            position += midpoint < value;
        }
        return position;
    }

    constexpr bool operator==(const nearest_search&) const = default;

private:
    std::array<float, Count - 1> midpoints_{};
};

// A float's magnitude bits, clamped to those of the midpoints and shifted, name a bucket; the buckets of negative
// values stand mirrored before those of positive ones. first_[bucket] counts the midpoints below the whole bucket.
template <std::size_t Count>
class nearest_search<Count, true> {
public:
    constexpr nearest_search() noexcept : nearest_search(std::array<float, Count - 1>{}) {}

    constexpr explicit nearest_search(const std::array<float, Count - 1>& midpoints) noexcept {
        midpoints_.fill(std::numeric_limits<float>::infinity());
        lowest_ = 0x7F800000u;
        std::uint32_t highest = 0;
        for (std::size_t i = 0; i + 1 < Count; ++i) {
            midpoints_[i] = midpoints[i];
            const std::uint32_t magnitude = magnitude_bits(midpoints[i]);
            lowest_ = magnitude > 0 ? std::min(lowest_, magnitude) : lowest_;
            highest = std::max(highest, magnitude);
        }
        highest = std::max(highest, lowest_);
        shift_ = 16;
        while (((highest - lowest_) >> shift_) >= side) {
            ++shift_;
        }
        last_ = (highest - lowest_) >> shift_;
        fill_buckets();
    }

    constexpr unsigned operator()(float value) const noexcept {
        const std::uint32_t magnitude = magnitude_bits(value);
        const std::uint32_t offset = magnitude > lowest_ ? (magnitude - lowest_) >> shift_ : 0u;
        const std::uint32_t bucket = std::min(offset, last_);
        const bool negative = (float_bits(value) >> 31) != 0;
        unsigned position = first_[negative ? side - 1u - bucket : side + bucket];
        for (unsigned round = 0; round < rounds_; ++round) {
            position += midpoints_[position] < value;
        }
        return magnitude > 0x7F800000u ? 0u : position;
    }

    constexpr bool operator==(const nearest_search&) const = default;

private:
    static constexpr std::uint32_t side = Count > 64 ? 2048 : 256; // the most buckets of one sign

    constexpr void fill_buckets() noexcept {
        unsigned below = 0;
        for (std::uint32_t bucket = side - 1u - last_; bucket <= side + last_; ++bucket) {
            const bool negative = bucket < side;
            const std::uint32_t offset = negative ? side - 1u - bucket : bucket - side;
            const std::uint32_t inner = offset == 0 ? 0u : lowest_ + (offset << shift_);
            const std::uint32_t outer = offset == last_ ? 0x7F800000u : lowest_ + ((offset + 1u) << shift_) - 1u;
            const float low = std::bit_cast<float>(negative ? outer | 0x80000000u : inner);
            const float high = std::bit_cast<float>(negative ? inner | 0x80000000u : outer);
            while (midpoints_[below] < low) {
                ++below;
            }
            unsigned inside = below;
            while (midpoints_[inside] < high) {
                ++inside;
            }
            first_[bucket] = static_cast<std::uint8_t>(below);
            rounds_ = std::max(rounds_, inside - below);
        }
    }

    std::array<float, Count> midpoints_{}; // one infinity after the midpoints stops every loop
    std::array<std::uint8_t, 2 * side> first_{};
    std::uint32_t lowest_ = 0;
    std::uint32_t last_ = 0;
    unsigned shift_ = 0;
    unsigned rounds_ = 0;
};

} // namespace tersor::inline v0::detail

#endif // TERSOR_FORMATS_NEAREST_HPP

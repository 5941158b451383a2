#ifndef TERSOR_IO_AFFINE_WEIGHT_HPP
#define TERSOR_IO_AFFINE_WEIGHT_HPP

// A weight on integer grids as the checkpoint layouts of GPTQ, AWQ and compressed-tensors exchange it: unpacked, with
// unsigned codes in the original order of the columns.
//
//   value = (code - zero) * scale of the row and the group of the column, rounded once to float
//
// A symmetric grid has zero = 2^(bits - 1) everywhere.

#include "tersor/core/concepts.hpp"
#include "tersor/core/error.hpp"
#include "tersor/core/execution.hpp"
#include "tersor/formats/integer.hpp"
#include "tersor/quantizers/codec.hpp"
#include "tersor/quantizers/zero_point.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tersor::inline v0 {

/// A weight [rows x cols] of unsigned integers of 1 to 8 bits. All arrays are row-major.
struct affine_weight {
    int bits = 4;
    index rows = 0;
    index cols = 0;
    std::vector<std::uint8_t> codes; ///< [rows x cols], 0 .. 2^bits - 1
    index groups = 1;
    std::vector<float> scales;             ///< [rows x groups]
    std::vector<std::uint8_t> zeros;       ///< [rows x groups], 0 .. 2^bits - 1
    std::vector<std::int32_t> group_index; ///< [cols]: the group of every column, 0 .. groups - 1

    friend bool operator==(const affine_weight&, const affine_weight&) = default;
};

/// What is known of an affine weight before its values are: enough to declare its tensors.
struct affine_shape {
    int bits = 4;
    index rows = 0;
    index cols = 0;
    index groups = 1;
    index group = 0;        ///< columns of a group, the largest one; 0: the whole row
    bool symmetric = false; ///< all zeros are 2^(bits - 1)
    bool in_order = true;   ///< column c belongs to group c / group

    friend bool operator==(const affine_shape&, const affine_shape&) = default;
};

namespace detail {

/// n such that column c belongs to group c / n, or 0 if the columns are not in the order of their groups.
[[nodiscard]] inline index columns_per_group(std::span<const std::int32_t> group_index, index groups) noexcept {
    const auto count = static_cast<index>(group_index.size());
    index run = 0;
    while (run < count && group_index[static_cast<std::size_t>(run)] == 0) {
        ++run;
    }
    if (run == 0 || (count - 1) / run + 1 != groups) {
        return 0;
    }
    for (index c = run; c < count; ++c) {
        if (group_index[static_cast<std::size_t>(c)] != c / run) {
            return 0;
        }
    }
    return run;
}

/// The index of columns in the order of their groups, `run` of them in each.
[[nodiscard]] inline std::vector<std::int32_t> ordered_group_index(index cols, index run) {
    std::vector<std::int32_t> result(static_cast<std::size_t>(cols));
    for (std::size_t c = 0; c < result.size(); ++c) {
        result[c] = static_cast<std::int32_t>(static_cast<index>(c) / run);
    }
    return result;
}

/// Decodes rows of unsigned codes. `parameters` has everything but codes; unpack(first, count, to) writes the codes of
/// rows [first, first + count), a byte each.
template <class Unpack>
void decode_affine(const affine_weight& parameters, const Unpack& unpack, float* out, const execution& exec) {
    using quantizer = zero_point<uint8>;
    const index rows = parameters.rows, cols = parameters.cols, groups = parameters.groups;
    if (rows == 0 || cols == 0) {
        return;
    }
    const index run = columns_per_group(parameters.group_index, groups);
    // a multiple of what any layout packs together, in caches where it can be
    const index strip = std::clamp<index>((index{1} << 18) / cols / 32 * 32, 32, 128);
    exec.for_each((rows - 1) / strip + 1, [&](index i) {
        const index first = i * strip, count = std::min(strip, rows - first);
        std::vector<std::uint8_t> codes(static_cast<std::size_t>(count * cols));
        std::vector<quantizer::parameters> grid(static_cast<std::size_t>(groups));
        unpack(first, count, codes.data());
        for (index row = 0; row < count; ++row) {
            const auto place = static_cast<std::size_t>((first + row) * groups);
            for (std::size_t g = 0; g < grid.size(); ++g) {
                grid[g] = {parameters.scales[place + g], parameters.zeros[place + g]};
            }
            const std::uint8_t* const from = codes.data() + row * cols;
            float* const to = out + (first + row) * cols;
            if (run > 0) {
                codec<quantizer>::decode({}, from, static_cast<std::size_t>(cols), static_cast<std::size_t>(run),
                                         static_cast<std::size_t>(run), grid.data(), to, nullptr);
                continue;
            }
            for (index c = 0; c < cols; ++c) {
                const auto group = static_cast<std::size_t>(parameters.group_index[static_cast<std::size_t>(c)]);
                to[c] = quantizer{}.decode(from[c], grid[group]);
            }
        }
    });
}

[[nodiscard]] inline std::string shape_of_values(index rows, index cols) {
    return "[" + std::to_string(rows) + " x " + std::to_string(cols) + "]";
}

} // namespace detail

/// Raises what is wrong with a weight: invalid_argument for bits, codes, zeros or groups out of range, shape_mismatch
/// for arrays of other sizes, non_finite for such a scale. `name` stands in the message.
inline void check(const affine_weight& w, std::string_view name = "affine weight") {
    const auto fail = [&](error_code code, const std::string& problem) {
        raise(code, std::string(name) + " " + detail::shape_of_values(w.rows, w.cols) + " " + problem);
    };
    if (w.bits < 1 || w.bits > 8) {
        fail(error_code::invalid_argument, "has codes of " + std::to_string(w.bits) + " bits; 1 to 8 are possible");
    }
    constexpr index countable = index{1} << 40;
    if (w.rows < 1 || w.cols < 1 || w.rows > countable || w.cols > INT32_MAX || w.groups < 1 || w.groups > w.cols ||
        w.rows > countable / w.cols) {
        fail(error_code::invalid_argument, "in " + std::to_string(w.groups) + " groups has no valid sizes");
    }
    const auto require_size = [&](std::size_t given, index expected, const char* what) {
        if (given != static_cast<std::size_t>(expected)) {
            fail(error_code::shape_mismatch, "in " + std::to_string(w.groups) + " groups needs " +
                                                 std::to_string(expected) + " " + what + ", not " +
                                                 std::to_string(given));
        }
    };
    require_size(w.codes.size(), w.rows * w.cols, "codes");
    require_size(w.scales.size(), w.rows * w.groups, "scales");
    require_size(w.zeros.size(), w.rows * w.groups, "zeros");
    require_size(w.group_index.size(), w.cols, "entries of the group index");
    const int highest = (1 << w.bits) - 1;
    const auto require_codes = [&](const std::vector<std::uint8_t>& codes, const char* what) {
        std::uint8_t bits = 0;
        for (const std::uint8_t code : codes) {
            bits = static_cast<std::uint8_t>(bits | code);
        }
        if (bits > highest) {
            fail(error_code::invalid_argument,
                 std::string("has ") + what + " above " + std::to_string(highest) + ", the largest of its bits");
        }
    };
    require_codes(w.codes, "codes");
    require_codes(w.zeros, "zeros");
    for (std::size_t i = 0; i < w.scales.size(); ++i) {
        if (!std::isfinite(w.scales[i])) {
            fail(error_code::non_finite, "has no finite scale in row " + std::to_string(i / std::size_t(w.groups)) +
                                             ", group " + std::to_string(i % std::size_t(w.groups)));
        }
    }
    for (std::size_t c = 0; c < w.group_index.size(); ++c) {
        if (w.group_index[c] < 0 || w.group_index[c] >= w.groups) {
            fail(error_code::invalid_argument, "puts column " + std::to_string(c) + " in group " +
                                                   std::to_string(w.group_index[c]) + " of " +
                                                   std::to_string(w.groups));
        }
    }
}

/// Whether every zero is 2^(bits - 1).
[[nodiscard]] inline bool is_symmetric(const affine_weight& w) noexcept {
    const auto half = static_cast<std::uint8_t>(1 << (w.bits - 1));
    return std::all_of(w.zeros.begin(), w.zeros.end(), [half](std::uint8_t zero) { return zero == half; });
}

/// Whether the columns are in the order of their groups, all of one size but for the last, as without act-order.
[[nodiscard]] inline bool is_in_order(const affine_weight& w) noexcept {
    return detail::columns_per_group(w.group_index, w.groups) > 0;
}

/// What the weight's tensors are declared by.
[[nodiscard]] inline affine_shape shape_of(const affine_weight& w) {
    const index run = detail::columns_per_group(w.group_index, w.groups);
    index largest = run;
    if (run == 0) {
        std::vector<index> sizes(static_cast<std::size_t>(w.groups));
        for (const std::int32_t group : w.group_index) {
            largest = std::max(largest, ++sizes[static_cast<std::size_t>(group)]);
        }
    }
    return {w.bits, w.rows, w.cols, w.groups, w.groups == 1 ? 0 : largest, is_symmetric(w), run > 0};
}

/// The values [rows x cols], row-major. `to` has rows * cols of them; the weight is valid.
inline void dequantize_into(const affine_weight& w, std::span<float> to, const execution& exec = {}) {
    if (to.size() != w.codes.size()) {
        raise(error_code::shape_mismatch, "an affine weight " + detail::shape_of_values(w.rows, w.cols) +
                                              " does not fit a destination of " + std::to_string(to.size()));
    }
    const auto copy = [&w](index first, index count, std::uint8_t* codes) {
        std::copy_n(w.codes.data() + first * w.cols, count * w.cols, codes);
    };
    detail::decode_affine(w, copy, to.data(), exec);
}

/// The values of a valid weight, row after row.
[[nodiscard]] inline std::vector<float> values_of(const affine_weight& w, const execution& exec = {}) {
    std::vector<float> values(w.codes.size());
    dequantize_into(w, values, exec);
    return values;
}

} // namespace tersor::inline v0

#endif // TERSOR_IO_AFFINE_WEIGHT_HPP

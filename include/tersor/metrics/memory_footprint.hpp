#ifndef TERSOR_METRICS_MEMORY_FOOTPRINT_HPP
#define TERSOR_METRICS_MEMORY_FOOTPRINT_HPP

// How much memory weights take: parameters x bits / 8, and the scales that a quantizer stores beside the codes.
//
//   70 * 10^9 weights of 32 bits are 280 GB; in nf4 with a float scale per 64 they are 35 GB of codes and 4.375 GB of
//   scales, 4.5 bits a weight; with the scales in 8 bits (double quantization) about 4.127.
//
// Units are decimal, as those of disks and model cards: 1 GB = 10^9 bytes.

#include "tersor/core/concepts.hpp"
#include "tersor/core/error.hpp"
#include "tersor/core/quantized_tensor.hpp"
#include "tersor/quantizers/double_quant.hpp"

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>

namespace tersor::inline v0 {

/// Bytes of some weights, by what they hold.
struct footprint {
    std::size_t weights = 0;    ///< how many weights
    std::size_t codes = 0;      ///< bytes of codes, or of the plain values
    std::size_t parameters = 0; ///< bytes of scales, zero points, nested scales and tensor-wide state

    /// All bytes.
    [[nodiscard]] constexpr std::size_t total() const noexcept { return codes + parameters; }
    /// All bits, per weight; 0 where there are none.
    [[nodiscard]] constexpr double bits_per_weight() const noexcept {
        return weights == 0 ? 0.0 : 8.0 * static_cast<double>(total()) / static_cast<double>(weights);
    }
    /// Adds those of other weights.
    constexpr footprint& operator+=(const footprint& other) noexcept {
        weights += other.weights;
        codes += other.codes;
        parameters += other.parameters;
        return *this;
    }
    friend constexpr bool operator==(const footprint&, const footprint&) = default;
};

/// The footprint of `parameters` plain weights of `bits` bits (1 to 64), packed without gaps.
/// Errors: `invalid_argument` for other bits, or if the bytes cannot be counted.
[[nodiscard]] constexpr footprint memory_footprint(std::size_t parameters, int bits) {
    if (bits < 1 || bits > 64) {
        raise(error_code::invalid_argument, "a weight has 1 to 64 bits, not " + std::to_string(bits));
    }
    const auto width = static_cast<std::size_t>(bits);
    const std::size_t tail = (parameters % 8 * width + 7) / 8;
    if (parameters / 8 > (std::numeric_limits<std::size_t>::max() - tail) / width) {
        raise(error_code::invalid_argument, "the bytes of " + std::to_string(parameters) + " weights of " +
                                                std::to_string(bits) + " bits cannot be counted");
    }
    return {parameters, parameters / 8 * width + tail, 0};
}

namespace detail {

template <class Array>
struct parameter_bytes;
template <class Parameters, index N, class Nested>
struct parameter_bytes<nested_scale_array<Parameters, N, Nested>> {
    static constexpr std::size_t of(std::size_t groups) noexcept {
        const auto block = static_cast<std::size_t>(N);
        return groups + (groups / block + (groups % block != 0)) * sizeof(float) + sizeof(float);
    }
};

template <class Q>
[[nodiscard]] constexpr std::size_t parameter_bytes_of(std::size_t groups) noexcept {
    if constexpr (block_quantizer<Q>) {
        return 0;
    } else if constexpr (std::is_same_v<parameter_array<Q>, std::vector<typename Q::parameters>>) {
        constexpr std::size_t bits = parameter_bits<Q>();
        return groups / 8 * bits + (groups % 8 * bits + 7) / 8;
    } else if constexpr (requires { parameter_array<Q>::bytes_of(groups); }) {
        return parameter_array<Q>::bytes_of(groups);
    } else {
        return parameter_bytes<parameter_array<Q>>::of(groups);
    }
}

} // namespace detail

/// The footprint of a matrix [rows x cols] quantized along its rows: what `quantize` will report as bytes(). A
/// quantizer with its own parameter array gives the bytes of `n` parameters as the array's static `bytes_of(n)`.
/// Errors: `invalid_argument` for negative sizes, or if the bytes cannot be counted.
template <quantizer Quantizer>
[[nodiscard]] constexpr footprint memory_footprint(index rows, index cols) {
    // Parameters take at most 64 bytes a weight, whatever the quantizer, so that no sum below overflows.
    constexpr index most = std::numeric_limits<index>::max() / 128;
    if (rows < 0 || cols < 0 || (cols > 0 && rows > most / cols)) {
        raise(error_code::invalid_argument,
              "the bytes of a matrix [" + std::to_string(rows) + " x " + std::to_string(cols) + "] cannot be counted");
    }
    const row_layout layout = make_row_layout<Quantizer>(rows == 0 || cols == 0 ? 0 : rows, cols);
    footprint result{.weights = static_cast<std::size_t>(rows * cols),
                     .codes = static_cast<std::size_t>(layout.rows * layout.row_bytes),
                     .parameters = detail::parameter_bytes_of<Quantizer>(static_cast<std::size_t>(layout.groups))};
    if (!std::is_empty_v<Quantizer> && result.weights > 0) {
        if constexpr (requires { Quantizer::state_bytes; }) {
            result.parameters += static_cast<std::size_t>(Quantizer::state_bytes);
        } else {
            result.parameters += sizeof(Quantizer);
        }
    }
    return result;
}

/// The footprint of a tensor that exists.
template <class Quantizer, int Rank, class Kind, class Codes, class Parameters>
[[nodiscard]] footprint memory_footprint(const basic_quantized<Quantizer, Rank, Kind, Codes, Parameters>& q) {
    return {static_cast<std::size_t>(q.size()), q.codes().size(), q.bytes() - q.codes().size()};
}

/// Bytes for a reader: "512 B", "1.5 kB", "280.0 GB"; one decimal, halves rounded up.
[[nodiscard]] inline std::string byte_text(std::size_t bytes) {
    if (bytes < 1000) {
        return std::to_string(bytes) + " B";
    }
    constexpr std::string_view units[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
    std::size_t unit = 1000, i = 0;
    const auto tenths = [&] { return bytes / (unit / 10) + (bytes % (unit / 10) >= unit / 20 ? 1 : 0); };
    while (tenths() >= 10000 && i + 1 < std::size(units)) {
        unit *= 1000;
        ++i;
    }
    return std::to_string(tenths() / 10) + "." + std::to_string(tenths() % 10) + " " + std::string(units[i]);
}

/// A footprint in one line: "39.4 GB (35.0 GB codes + 4.4 GB parameters), 4.500 bits per weight".
[[nodiscard]] inline std::string to_string(const footprint& f) {
    char bits[32];
    const auto end = std::to_chars(bits, bits + sizeof bits, f.bits_per_weight(), std::chars_format::fixed, 3).ptr;
    const std::string parts =
        f.parameters == 0 ? "" : " (" + byte_text(f.codes) + " codes + " + byte_text(f.parameters) + " parameters)";
    return byte_text(f.total()) + parts + ", " + std::string(bits, end) + " bits per weight";
}

} // namespace tersor::inline v0

#endif // TERSOR_METRICS_MEMORY_FOOTPRINT_HPP

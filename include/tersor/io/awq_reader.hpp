#ifndef TERSOR_IO_AWQ_READER_HPP
#define TERSOR_IO_AWQ_READER_HPP

// Finding the weights of an AWQ checkpoint of version gemm: the companions of PREFIX.qweight, checked against each
// other, as values, as affine weights and as quantized tensors.

#include "tersor/core/quantized_tensor.hpp"
#include "tersor/io/affine_weight_convert.hpp"
#include "tersor/io/affine_weight_load.hpp"
#include "tersor/io/affine_weight_reader.hpp"
#include "tersor/io/awq_layout.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tersor::inline v0::awq_layout {

/// A weight in a file. The tensors are those of the file, checked.
struct stored_weight {
    std::string name; ///< PREFIX.weight
    affine_shape shape;
    const safetensors_tensor* codes = nullptr;
    const safetensors_tensor* zeros = nullptr;
    const safetensors_tensor* scales = nullptr;
};

namespace detail {

/// Unpacks words of a row: outputs 8 * first .. 8 * (first + count) - 1, `stride` bytes apart.
inline void unpack_words(const std::byte* words, std::size_t count, std::uint8_t* to, std::size_t stride) noexcept {
    for (std::size_t word = 0; word < count; ++word) {
        std::uint32_t packed;
        std::memcpy(&packed, words + word * 4, 4);
        for (std::size_t i = 0; i < 8; ++i) {
            to[(word * 8 + i) * stride] = code_of_word(packed, i);
        }
    }
}

/// The zero points [groups x rows].
[[nodiscard]] inline std::vector<std::uint8_t> zeros_of(const stored_weight& w) {
    std::vector<std::uint8_t> zeros(static_cast<std::size_t>(w.shape.groups * w.shape.rows));
    unpack_words(w.zeros->data.data(), zeros.size() / 8, zeros.data(), 1);
    return zeros;
}

/// The codes of rows [first, first + count), whole eights and at most 128, a byte each.
inline void unpack_rows(const stored_weight& w, index first, index count, std::uint8_t* to) noexcept {
    constexpr std::size_t at_once = 64;
    const auto cols = static_cast<std::size_t>(w.shape.cols), wide = static_cast<std::size_t>(w.shape.rows / 8);
    const auto words = static_cast<std::size_t>(count / 8), bytes = words * 4;
    const std::byte* const from = w.codes->data.data() + static_cast<std::size_t>(first / 8) * 4;
    // words of neighbouring columns side by side, so that whole lines of codes are written
    std::uint32_t tile[at_once * 16];
    for (std::size_t column = 0; column < cols; column += at_once) {
        const std::size_t now = std::min(at_once, cols - column);
        for (std::size_t c = 0; c < now; ++c) {
            std::memcpy(tile + c * words, from + (column + c) * wide * 4, bytes);
        }
        for (std::size_t word = 0; word < words; ++word) {
            for (std::size_t i = 0; i < 8; ++i) {
                std::uint8_t* const out = to + (word * 8 + i) * cols + column;
                for (std::size_t c = 0; c < now; ++c) {
                    out[c] = code_of_word(tile[c * words + word], i);
                }
            }
        }
    }
}

[[nodiscard]] inline affine_weight parameters_of(const stored_weight& w) {
    return tersor::detail::stored_parameters(
        w.shape, *w.scales, zeros_of(w),
        tersor::detail::ordered_group_index(w.shape.cols, w.shape.group > 0 ? w.shape.group : w.shape.cols));
}

} // namespace detail

/// Whether PREFIX.qweight has the form of this layout: eight times as many scales a group as words a row.
[[nodiscard]] inline bool has_form(const safetensors_tensor& codes, const safetensors_tensor& scales) noexcept {
    return codes.shape.size() == 2 && scales.shape.size() == 2 && codes.shape[1] > 0 &&
           scales.shape[1] / 8 == codes.shape[1] && scales.shape[1] % 8 == 0;
}

/// The weight of a tensor PREFIX.qweight. `find(name)` gives a tensor of the file or null; `source` names the file.
/// corrupt_file, naming the tensor, where companions are missing or do not fit.
template <class Find>
[[nodiscard]] stored_weight find_weight(const safetensors_tensor& codes, std::string_view source, const Find& find) {
    const std::string prefix = codes.name.substr(0, codes.name.size() - std::string_view("qweight").size());
    stored_weight w;
    w.name = prefix + "weight";
    w.codes = &codes;
    w.zeros = &tersor::detail::companion_of(codes, prefix + "qzeros", source, find);
    w.scales = &tersor::detail::companion_of(codes, prefix + "scales", source, find);
    tersor::detail::require_matrix(codes, source, true);
    tersor::detail::require_matrix(*w.zeros, source, true);
    tersor::detail::require_matrix(*w.scales, source, false);
    const std::int64_t cols = codes.shape[0], rows = codes.shape[1] * 8, groups = w.scales->shape[0];
    tersor::detail::require_shape(*w.scales, source, groups, rows, codes);
    tersor::detail::require_shape(*w.zeros, source, groups, codes.shape[1], *w.scales);
    if (cols % groups != 0) {
        tersor::detail::fail_tensor(source, *w.scales,
                                    "has " + std::to_string(groups) + " groups, which do not divide the " +
                                        std::to_string(cols) + " columns");
    }
    w.shape = {4, static_cast<index>(rows), static_cast<index>(cols), static_cast<index>(groups)};
    w.shape.group = groups > 1 ? static_cast<index>(cols / groups) : 0;
    const std::vector<std::uint8_t> zeros = detail::zeros_of(w);
    w.shape.symmetric = std::all_of(zeros.begin(), zeros.end(), [](std::uint8_t zero) { return zero == 8; });
    return w;
}

/// The weight, unpacked. corrupt_file, naming the tensor, for a scale that is not finite.
[[nodiscard]] inline affine_weight to_affine(const stored_weight& w) {
    affine_weight result = detail::parameters_of(w);
    result.codes.resize(static_cast<std::size_t>(w.shape.rows * w.shape.cols));
    constexpr index at_once = 128;
    for (index first = 0; first < w.shape.rows; first += at_once) {
        detail::unpack_rows(w, first, std::min(at_once, w.shape.rows - first),
                            result.codes.data() + first * w.shape.cols);
    }
    return result;
}

/// The values of a weight in row-major order, in float; rounded to half they are what the ecosystem computes with.
/// `out` has rows * cols of them. corrupt_file for a scale that is not finite.
template <class Execution>
void decode(const stored_weight& w, std::span<float> out, const Execution& exec) {
    const auto unpack = [&w](index first, index count, std::uint8_t* to) { detail::unpack_rows(w, first, count, to); };
    tersor::detail::decode_affine(detail::parameters_of(w), unpack, out.data(), exec);
}

/// Whether load<Q> gives the weight: integers of 4 bits and its groups; without zero point if it is symmetric.
template <quantizer Q>
[[nodiscard]] bool holds(const stored_weight& w) noexcept {
    return tersor::detail::holds_stored<Q>(w.shape, w.scales->dtype);
}

/// The weight as a quantized tensor. unsupported if not holds<Q>.
template <quantizer Q, int Rank = 2>
[[nodiscard]] quantized_tensor<Q, Rank> load(const stored_weight& w) {
    return tersor::detail::load_stored<Q, Rank>(w);
}

} // namespace tersor::inline v0::awq_layout

#endif // TERSOR_IO_AWQ_READER_HPP

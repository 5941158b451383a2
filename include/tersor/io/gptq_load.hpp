#ifndef TERSOR_IO_GPTQ_LOAD_HPP
#define TERSOR_IO_GPTQ_LOAD_HPP

// Weights of a GPTQ checkpoint as values, as affine weights and as quantized tensors.

#include "tersor/core/quantized_tensor.hpp"
#include "tersor/io/affine_weight_convert.hpp"
#include "tersor/io/affine_weight_load.hpp"
#include "tersor/io/gptq_reader.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace tersor::inline v0::gptq_layout {

namespace detail {

/// The codes of rows [first, first + count), a byte each.
inline void unpack_rows(const stored_weight& w, index first, index count, std::uint8_t* to) {
    const auto rows = static_cast<std::size_t>(w.shape.rows), cols = static_cast<std::size_t>(w.shape.cols);
    const auto bits = static_cast<std::size_t>(w.shape.bits);
    const std::byte* const words = w.codes->data.data() + static_cast<std::size_t>(first) * 4;
    std::uint8_t block[32];
    for (std::size_t column = 0; column < cols; column += 32) {
        const std::size_t now = std::min<std::size_t>(32, cols - column);
        const std::byte* const from = words + column / 32 * bits * rows * 4;
        for (std::size_t row = 0; row < static_cast<std::size_t>(count); ++row) {
            for (std::size_t i = 0; i < now * bits / 32; ++i) {
                std::memcpy(block + i * 4, from + (i * rows + row) * 4, 4);
            }
            unpack_block(block, w.shape.bits, w.storage.packing, {to + row * cols + column, now});
        }
    }
}

/// Everything but the codes. corrupt_file for a scale that is not finite.
[[nodiscard]] inline affine_weight parameters_of(const stored_weight& w) {
    return tersor::detail::stored_parameters(w.shape, *w.scales, zeros_of(w, w.storage.zeros), groups_of(w));
}

} // namespace detail

/// The weight, unpacked. corrupt_file, naming the tensor, for a scale that is not finite.
[[nodiscard]] inline affine_weight to_affine(const stored_weight& w) {
    affine_weight result = detail::parameters_of(w);
    result.codes.resize(static_cast<std::size_t>(w.shape.rows * w.shape.cols));
    detail::unpack_rows(w, 0, w.shape.rows, result.codes.data());
    return result;
}

/// The values of a weight in row-major order, in float; rounded to half they are what the ecosystem computes with.
/// `out` has rows * cols of them. corrupt_file for a scale that is not finite.
template <class Execution>
void decode(const stored_weight& w, std::span<float> out, const Execution& exec) {
    const auto unpack = [&w](index first, index count, std::uint8_t* to) { detail::unpack_rows(w, first, count, to); };
    tersor::detail::decode_affine(detail::parameters_of(w), unpack, out.data(), exec);
}

/// Whether load<Q> gives the weight: integers of its bits and groups, in the order of the columns; without zero point
/// if it is symmetric.
template <quantizer Q>
[[nodiscard]] bool holds(const stored_weight& w) noexcept {
    return tersor::detail::holds_stored<Q>(w.shape, w.scales->dtype);
}

/// The weight as a quantized tensor. unsupported if not holds<Q>.
template <quantizer Q, int Rank = 2>
[[nodiscard]] quantized_tensor<Q, Rank> load(const stored_weight& w) {
    return tersor::detail::load_stored<Q, Rank>(w);
}

} // namespace tersor::inline v0::gptq_layout

#endif // TERSOR_IO_GPTQ_LOAD_HPP

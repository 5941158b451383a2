#ifndef TERSOR_IO_SAFETENSORS_TENSOR_HPP
#define TERSOR_IO_SAFETENSORS_TENSOR_HPP

// One tensor of a safetensors file: what its header says of it, and a view of its bytes.

#include "tersor/io/quote.hpp"
#include "tersor/io/safetensors_dtype.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace tersor::inline v0 {

/// The strings of "__metadata__", in the order of the file.
using safetensors_metadata = std::vector<std::pair<std::string, std::string>>;

/// One tensor of a file. `data` is borrowed from the file and has no alignment promise.
struct safetensors_tensor {
    std::string name;
    safetensors_dtype dtype = safetensors_dtype::f32;
    std::vector<std::int64_t> shape;
    std::span<const std::byte> data;
    std::uint64_t offset = 0; ///< of the data, from the start of the file

    /// The number of elements: the product of the shape, 1 for rank 0.
    [[nodiscard]] std::int64_t elements() const noexcept {
        std::int64_t product = 1;
        for (const std::int64_t extent : shape) {
            product *= extent;
        }
        return product;
    }
};

namespace detail {

/// "[2, 3]".
[[nodiscard]] inline std::string describe_shape(std::span<const std::int64_t> shape) {
    std::string text = "[";
    for (const std::int64_t extent : shape) {
        text += text.size() > 1 ? ", " : "";
        text += std::to_string(extent);
    }
    return text + "]";
}

/// product(shape) * bits / 8, or a `problem`: what is wrong, to follow "has".
struct tensor_size {
    std::uint64_t bytes = 0;
    const char* problem = nullptr;
};

[[nodiscard]] inline tensor_size size_of_tensor(safetensors_dtype dtype, const std::vector<std::int64_t>& shape) {
    constexpr std::uint64_t limit = INT64_MAX;
    std::uint64_t product = 1;
    // in order and before a zero can hide it, as the reference reader multiplies
    for (const std::int64_t extent : shape) {
        if (extent < 0) {
            return {0, "a negative dimension"};
        }
        const auto factor = static_cast<std::uint64_t>(extent);
        if (factor != 0 && product > limit / factor) {
            return {0, "more elements than 63 bits can count"};
        }
        product *= factor;
    }
    const auto bits = static_cast<std::uint64_t>(bits_of(dtype));
    if (product > limit / bits) {
        return {0, "more bits than 63 bits can count"};
    }
    if (product * bits % 8 != 0) {
        return {0, "a size that is not a whole number of bytes"};
    }
    return {product * bits / 8, nullptr};
}

} // namespace detail

} // namespace tersor::inline v0

#endif // TERSOR_IO_SAFETENSORS_TENSOR_HPP

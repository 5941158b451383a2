#ifndef TERSOR_IO_GGUF_TENSOR_HPP
#define TERSOR_IO_GGUF_TENSOR_HPP

// One tensor of a GGUF file: what its table says of it, and a view of its bytes.

#include "tersor/io/gguf_types.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tersor::inline v0 {

/// One tensor of a file. `name` and `data` are borrowed from the file; `data` starts at a multiple of the file's
/// alignment and ends before the padding.
struct gguf_tensor {
    std::string_view name;
    gguf_type type = gguf_type::f32;
    std::uint32_t rank = 0;                        ///< how many dimensions the file gives, 0 to 4
    std::array<std::int64_t, 4> ne = {1, 1, 1, 1}; ///< dimensions, the length of a row first; 1 beyond the rank
    std::uint64_t offset = 0;                      ///< of the data, from the start of the file
    std::span<const std::byte> data;

    /// The dimensions that the file gives, the length of a row first.
    [[nodiscard]] std::span<const std::int64_t> dimensions() const noexcept { return {ne.data(), rank}; }
    /// The same dimensions in row-major order, the length of a row last.
    [[nodiscard]] std::vector<std::int64_t> shape() const {
        return {ne.rend() - static_cast<std::ptrdiff_t>(rank), ne.rend()};
    }
    /// The length of a row.
    [[nodiscard]] std::int64_t columns() const noexcept { return ne[0]; }
    /// The number of rows: the product of the other dimensions.
    [[nodiscard]] std::int64_t rows() const noexcept { return ne[1] * ne[2] * ne[3]; }
    /// The number of values.
    [[nodiscard]] std::int64_t elements() const noexcept { return rows() * columns(); }
    /// The bytes of one row.
    [[nodiscard]] std::size_t row_bytes() const noexcept {
        const gguf_type_info& info = info_of(type);
        return static_cast<std::size_t>(columns()) / info.block_values * info.block_bytes;
    }
};

/// The largest alignment of tensors that files may ask for. The format sets no limit; a larger one serves nobody, and
/// programs were attacked with it.
inline constexpr std::uint32_t gguf_alignment_limit = 1U << 30;

/// The longest string, in bytes, and the most elements of an array in the metadata of a file.
inline constexpr std::uint64_t gguf_length_limit = std::uint64_t{1} << 30;

/// The longest name of a tensor, in bytes.
inline constexpr std::size_t gguf_name_limit = 63;

namespace detail {

/// "[64, 5]", the length of a row first.
[[nodiscard]] inline std::string describe_dimensions(std::span<const std::int64_t> dimensions) {
    std::string text = "[";
    for (const std::int64_t extent : dimensions) {
        text += text.size() > 1 ? ", " : "";
        text += std::to_string(extent);
    }
    return text + "]";
}

/// The bytes of a tensor, or a `problem`: what is wrong, to follow "has".
struct gguf_tensor_size {
    std::uint64_t bytes = 0;
    const char* problem = nullptr;
};

[[nodiscard]] constexpr gguf_tensor_size size_of_gguf_tensor(const gguf_type_info& info,
                                                             std::span<const std::int64_t> dimensions) noexcept {
    constexpr std::uint64_t limit = INT64_MAX;
    std::uint64_t elements = 1;
    for (const std::int64_t extent : dimensions) {
        if (extent < 0) {
            return {0, "a negative dimension"};
        }
        if (extent == 0) {
            return {0, "a dimension of 0"};
        }
        if (elements > limit / static_cast<std::uint64_t>(extent)) {
            return {0, "more elements than 63 bits can count"};
        }
        elements *= static_cast<std::uint64_t>(extent);
    }
    const std::uint64_t row = dimensions.empty() ? 1 : static_cast<std::uint64_t>(dimensions[0]);
    if (row % info.block_values != 0) {
        return {0, "rows that are not a whole number of blocks"};
    }
    const std::uint64_t blocks = elements / info.block_values;
    if (blocks > limit / info.block_bytes) {
        return {0, "more bytes than 63 bits can count"};
    }
    return {blocks * info.block_bytes, nullptr};
}

/// The next multiple of a power of two; `value` is at most 2^63.
[[nodiscard]] constexpr std::uint64_t align_up(std::uint64_t value, std::uint64_t alignment) noexcept {
    return (value + (alignment - 1)) & ~(alignment - 1);
}

} // namespace detail

} // namespace tersor::inline v0

#endif // TERSOR_IO_GGUF_TENSOR_HPP

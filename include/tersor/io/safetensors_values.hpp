#ifndef TERSOR_IO_SAFETENSORS_VALUES_HPP
#define TERSOR_IO_SAFETENSORS_VALUES_HPP

// The elements of a tensor in a safetensors file as numbers: copied to float, copied as they are, or, where type and
// alignment allow it, seen in place as an Eigen matrix. The bytes of the file are little-endian, as is the machine.

#include "tersor/core/error.hpp"
#include "tersor/formats/convert.hpp"
#include "tersor/formats/half.hpp"
#include "tersor/io/quote.hpp"
#include "tersor/io/safetensors_tensor.hpp"

#include <Eigen/Core>

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

namespace tersor::inline v0 {

static_assert(std::endian::native == std::endian::little, "safetensors files are read on little-endian machines only");

/// The element type of a C++ type: float, double, bool, Eigen::half, Eigen::bfloat16, the integers of 8 to 64 bits.
template <class T>
[[nodiscard]] constexpr safetensors_dtype safetensors_dtype_of() noexcept {
    using type = safetensors_dtype;
    if constexpr (std::same_as<T, float>) {
        return type::f32;
    } else if constexpr (std::same_as<T, double>) {
        return type::f64;
    } else if constexpr (std::same_as<T, bool>) {
        return type::boolean;
    } else if constexpr (std::same_as<T, Eigen::half>) {
        return type::f16;
    } else if constexpr (std::same_as<T, Eigen::bfloat16>) {
        return type::bf16;
    } else {
        static_assert(std::integral<T> && sizeof(T) <= 8, "The safetensors format has no element type for this type.");
        constexpr type of_signed[] = {type::i8, type::i16, type::i32, type::i64};
        constexpr type of_unsigned[] = {type::u8, type::u16, type::u32, type::u64};
        return (std::is_signed_v<T> ? of_signed : of_unsigned)[std::bit_width(sizeof(T)) - 1];
    }
}

/// Whether read_floats takes that type: F16, BF16, F32, F64.
[[nodiscard]] constexpr bool is_float(safetensors_dtype type) noexcept {
    return type == safetensors_dtype::f16 || type == safetensors_dtype::bf16 || type == safetensors_dtype::f32 ||
           type == safetensors_dtype::f64;
}

namespace detail {
/// Widens the fp16 or bf16 values at `from`, which may be at any address.
template <class Format>
void widen_halves(const std::byte* from, std::span<float> to) {
    std::uint16_t codes[2048];
    while (!to.empty()) {
        const std::size_t count = to.size() < std::size(codes) ? to.size() : std::size(codes);
        std::memcpy(codes, from, count * sizeof(codes[0]));
        decode<Format>({codes, count}, to.first(count));
        from += count * sizeof(codes[0]);
        to = to.subspan(count);
    }
}

inline void narrow_doubles(const std::byte* from, std::span<float> to) noexcept {
    for (std::size_t i = 0; i < to.size(); ++i) {
        double value = 0;
        std::memcpy(&value, from + i * sizeof(value), sizeof(value));
        to[i] = static_cast<float>(value);
    }
}

inline void require_dtype(const safetensors_tensor& tensor, safetensors_dtype wanted) {
    if (tensor.dtype != wanted) {
        raise(error_code::invalid_argument, "tensor " + quote_name(tensor.name) + " is " +
                                                std::string(to_string(tensor.dtype)) + ", not " +
                                                std::string(to_string(wanted)));
    }
}
} // namespace detail

/// Reads elements [first, first + to.size()) as float, in row-major order. F16 and BF16 are widened exactly, F64 is
/// rounded to nearest. unsupported for any other type; shape_mismatch if the tensor has not that many elements.
inline void read_floats(const safetensors_tensor& tensor, std::int64_t first, std::span<float> to) {
    const std::int64_t elements = tensor.elements();
    if (first < 0 || first > elements || to.size() > static_cast<std::uint64_t>(elements - first)) {
        raise(error_code::shape_mismatch, "tensor " + detail::quote_name(tensor.name) + " has " +
                                              std::to_string(elements) + " elements; " + std::to_string(to.size()) +
                                              " from element " + std::to_string(first) + " were asked for");
    }
    if (!is_float(tensor.dtype)) {
        raise(error_code::unsupported, "tensor " + detail::quote_name(tensor.name) + " is " +
                                           std::string(to_string(tensor.dtype)) +
                                           "; F16, BF16, F32 and F64 can be read as floats");
    }
    const auto width = static_cast<std::size_t>(bits_of(tensor.dtype)) / 8;
    const std::byte* const from = tensor.data.data() + static_cast<std::size_t>(first) * width;
    switch (tensor.dtype) {
    case safetensors_dtype::f16:
        detail::widen_halves<fp16>(from, to);
        break;
    case safetensors_dtype::bf16:
        detail::widen_halves<bf16>(from, to);
        break;
    case safetensors_dtype::f64:
        detail::narrow_doubles(from, to);
        break;
    default:
        if (!to.empty()) {
            std::memcpy(to.data(), from, to.size_bytes());
        }
    }
}

/// Reads all elements as float; `to` must have exactly as many.
inline void read_floats(const safetensors_tensor& tensor, std::span<float> to) {
    if (to.size() != static_cast<std::uint64_t>(tensor.elements())) {
        raise(error_code::shape_mismatch, "tensor " + detail::quote_name(tensor.name) + " has " +
                                              std::to_string(tensor.elements()) + " elements, the destination " +
                                              std::to_string(to.size()));
    }
    read_floats(tensor, 0, to);
}

/// All elements as float.
[[nodiscard]] inline std::vector<float> read_floats(const safetensors_tensor& tensor) {
    std::vector<float> result(is_float(tensor.dtype) ? static_cast<std::size_t>(tensor.elements()) : 0);
    read_floats(tensor, 0, result);
    return result;
}

/// All elements as they are stored; invalid_argument unless the tensor's type is that of T. Alignment does not matter.
template <class T>
requires(!std::same_as<T, bool>) [[nodiscard]] std::vector<T> read_values(const safetensors_tensor& tensor) {
    detail::require_dtype(tensor, safetensors_dtype_of<T>());
    std::vector<T> result(tensor.data.size() / sizeof(T));
    if (!result.empty()) {
        std::memcpy(result.data(), tensor.data.data(), tensor.data.size());
    }
    return result;
}

/// A row-major matrix in place. A tensor of rank 1 is one row.
template <class T>
using safetensors_matrix = Eigen::Map<const Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>;

/// Whether map_matrix<T> can show the tensor: type, rank 1 or 2, alignment.
template <class T>
[[nodiscard]] bool can_map(const safetensors_tensor& tensor) noexcept {
    return tensor.dtype == safetensors_dtype_of<T>() && (tensor.shape.size() == 1 || tensor.shape.size() == 2) &&
           reinterpret_cast<std::uintptr_t>(tensor.data.data()) % alignof(T) == 0;
}

/// The tensor in place, valid as long as its file is open. invalid_argument for another type, shape_mismatch for
/// another rank, unsupported if the file stores it at an unaligned address (then read it by read_values).
template <class T>
[[nodiscard]] safetensors_matrix<T> map_matrix(const safetensors_tensor& tensor) {
    detail::require_dtype(tensor, safetensors_dtype_of<T>());
    if (tensor.shape.empty() || tensor.shape.size() > 2) {
        raise(error_code::shape_mismatch, "tensor " + detail::quote_name(tensor.name) + " " +
                                              detail::describe_shape(tensor.shape) + " is not a matrix");
    }
    if (!can_map<T>(tensor)) {
        raise(error_code::unsupported, "tensor " + detail::quote_name(tensor.name) + " at byte " +
                                           std::to_string(tensor.offset) + " is not aligned for its type; copy it");
    }
    const auto* const data = static_cast<const T*>(static_cast<const void*>(tensor.data.data()));
    const bool row = tensor.shape.size() == 1;
    return {data, static_cast<Eigen::Index>(row ? 1 : tensor.shape[0]), static_cast<Eigen::Index>(tensor.shape.back())};
}

} // namespace tersor::inline v0

#endif // TERSOR_IO_SAFETENSORS_VALUES_HPP

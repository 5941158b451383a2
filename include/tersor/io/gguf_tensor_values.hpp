#ifndef TERSOR_IO_GGUF_TENSOR_VALUES_HPP
#define TERSOR_IO_GGUF_TENSOR_VALUES_HPP

// The values of a tensor in a GGUF file as numbers: decoded to float, copied as they are, or, where type and alignment
// allow it, seen in place as an Eigen matrix. The matrix of a tensor has rows() x columns(), row-major.

#include "tersor/core/error.hpp"
#include "tersor/formats/half.hpp"
#include "tersor/io/gguf_tensor.hpp"
#include "tersor/io/quote.hpp"
#include "tersor/io/safetensors_values.hpp"

#include <Eigen/Core>

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

namespace tersor::inline v0 {

/// The tensor type of a C++ type: float, double, Eigen::half, Eigen::bfloat16, the signed integers of 8 to 64 bits.
template <class T>
[[nodiscard]] constexpr gguf_type gguf_type_of() noexcept {
    using type = gguf_type;
    if constexpr (std::same_as<T, float>) {
        return type::f32;
    } else if constexpr (std::same_as<T, double>) {
        return type::f64;
    } else if constexpr (std::same_as<T, Eigen::half>) {
        return type::f16;
    } else if constexpr (std::same_as<T, Eigen::bfloat16>) {
        return type::bf16;
    } else {
        static_assert(std::signed_integral<T> && sizeof(T) <= 8, "GGUF tensors have no type for this type.");
        constexpr type of_size[] = {type::i8, type::i16, type::i32, type::i64};
        return of_size[std::bit_width(sizeof(T)) - 1];
    }
}

namespace detail {
template <class T>
void round_numbers(const std::byte* from, std::span<float> to) noexcept {
    for (std::size_t i = 0; i < to.size(); ++i) {
        T number;
        std::memcpy(&number, from + i * sizeof(number), sizeof(number));
        to[i] = static_cast<float>(number);
    }
}

/// Decodes to.size() values, whole blocks; `from` may be at any address. False for a type that it does not know.
[[nodiscard]] inline bool decode_gguf_values(gguf_type type, const std::byte* from, std::span<float> to) {
    switch (type) {
    case gguf_type::f32:
        if (!to.empty()) {
            std::memcpy(to.data(), from, to.size_bytes());
        }
        return true;
    case gguf_type::f16:
        widen_halves<fp16>(from, to);
        return true;
    case gguf_type::bf16:
        widen_halves<bf16>(from, to);
        return true;
    case gguf_type::f64:
        round_numbers<double>(from, to);
        return true;
    case gguf_type::i8:
        round_numbers<std::int8_t>(from, to);
        return true;
    case gguf_type::i16:
        round_numbers<std::int16_t>(from, to);
        return true;
    case gguf_type::i32:
        round_numbers<std::int32_t>(from, to);
        return true;
    case gguf_type::i64:
        round_numbers<std::int64_t>(from, to);
        return true;
    default:
        return false;
    }
}

inline void require_gguf_type(const gguf_tensor& tensor, gguf_type wanted) {
    if (tensor.type != wanted) {
        raise(error_code::invalid_argument, "tensor " + quote_name(tensor.name) + " is " +
                                                std::string(to_string(tensor.type)) + ", not " +
                                                std::string(to_string(wanted)));
    }
}
} // namespace detail

/// Reads values [first, first + to.size()) as float, row after row. f16 and bf16 are widened exactly, f64 and integers
/// rounded to nearest. unsupported for a type that cannot be decoded; shape_mismatch if the tensor has not that many
/// values, or if the range does not start and end with a block.
inline void read_floats(const gguf_tensor& tensor, std::int64_t first, std::span<float> to) {
    const std::int64_t elements = tensor.elements();
    const auto range = [&] {
        return std::to_string(to.size()) + " from value " + std::to_string(first) + " were asked for";
    };
    if (first < 0 || first > elements || to.size() > static_cast<std::uint64_t>(elements - first)) {
        raise(error_code::shape_mismatch,
              "tensor " + detail::quote_name(tensor.name) + " has " + std::to_string(elements) + " values; " + range());
    }
    const gguf_type_info& info = info_of(tensor.type);
    const auto start = static_cast<std::size_t>(first);
    if (start % info.block_values != 0 || to.size() % info.block_values != 0) {
        raise(error_code::shape_mismatch, "tensor " + detail::quote_name(tensor.name) + " is " +
                                              std::string(info.name) + " in blocks of " +
                                              std::to_string(info.block_values) + " values; " + range());
    }
    const std::byte* const from = tensor.data.data() + start / info.block_values * info.block_bytes;
    if (!detail::decode_gguf_values(tensor.type, from, to)) {
        raise(error_code::unsupported, "tensor " + detail::quote_name(tensor.name) + " is " + std::string(info.name) +
                                           ", which cannot be read as floats");
    }
}

/// Reads all values as float; `to` must have exactly as many.
inline void read_floats(const gguf_tensor& tensor, std::span<float> to) {
    if (to.size() != static_cast<std::uint64_t>(tensor.elements())) {
        raise(error_code::shape_mismatch, "tensor " + detail::quote_name(tensor.name) + " has " +
                                              std::to_string(tensor.elements()) + " values, the destination " +
                                              std::to_string(to.size()));
    }
    read_floats(tensor, 0, to);
}

/// All values as float.
[[nodiscard]] inline std::vector<float> read_floats(const gguf_tensor& tensor) {
    std::vector<float> result(static_cast<std::size_t>(tensor.elements()));
    read_floats(tensor, 0, result);
    return result;
}

/// All values as they are stored; invalid_argument unless the tensor's type is that of T. Alignment does not matter.
template <class T>
[[nodiscard]] std::vector<T> read_values(const gguf_tensor& tensor) {
    detail::require_gguf_type(tensor, gguf_type_of<T>());
    std::vector<T> result(tensor.data.size() / sizeof(T));
    if (!result.empty()) {
        std::memcpy(result.data(), tensor.data.data(), tensor.data.size());
    }
    return result;
}

/// Whether map_matrix<T> can show the tensor: type and alignment.
template <class T>
[[nodiscard]] bool can_map(const gguf_tensor& tensor) noexcept {
    return tensor.type == gguf_type_of<T>() && reinterpret_cast<std::uintptr_t>(tensor.data.data()) % alignof(T) == 0;
}

/// The tensor in place, rows() x columns(), valid as long as its file is open. invalid_argument for another type,
/// unsupported if the file stores it at an unaligned address (then read it by read_values).
template <class T>
[[nodiscard]] safetensors_matrix<T> map_matrix(const gguf_tensor& tensor) {
    detail::require_gguf_type(tensor, gguf_type_of<T>());
    if (!can_map<T>(tensor)) {
        raise(error_code::unsupported, "tensor " + detail::quote_name(tensor.name) + " at byte " +
                                           std::to_string(tensor.offset) + " is not aligned for its type; copy it");
    }
    return {static_cast<const T*>(static_cast<const void*>(tensor.data.data())),
            static_cast<Eigen::Index>(tensor.rows()), static_cast<Eigen::Index>(tensor.columns())};
}

} // namespace tersor::inline v0

#endif // TERSOR_IO_GGUF_TENSOR_VALUES_HPP

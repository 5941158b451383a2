#ifndef TERSOR_IO_AFFINE_WEIGHT_READER_HPP
#define TERSOR_IO_AFFINE_WEIGHT_READER_HPP

// What the readers of GPTQ and AWQ checkpoints share: companions of PREFIX.qweight and their checks.

#include "tersor/core/error.hpp"
#include "tersor/io/quote.hpp"
#include "tersor/io/safetensors_tensor.hpp"
#include "tersor/io/safetensors_values.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tersor::inline v0::detail {

/// Whether a tensor holds the codes of a GPTQ or AWQ weight, by its name.
[[nodiscard]] inline bool is_packed_codes(std::string_view name) noexcept {
    return name == "qweight" || name.ends_with(".qweight");
}

/// "I32 [2, 3]".
[[nodiscard]] inline std::string describe_tensor(const safetensors_tensor& tensor) {
    return std::string(to_string(tensor.dtype)) + " " + describe_shape(tensor.shape);
}

/// Raises an error that names file and tensor.
[[noreturn]] inline void fail_tensor(std::string_view source, const safetensors_tensor& tensor,
                                     const std::string& problem, error_code code = error_code::corrupt_file) {
    raise(code, std::string(source) + ": tensor " + quote_name(tensor.name) + " " + problem);
}

/// The tensor of that name beside `tensor`.
template <class Find>
[[nodiscard]] const safetensors_tensor& companion_of(const safetensors_tensor& tensor, const std::string& name,
                                                     std::string_view source, const Find& find) {
    const safetensors_tensor* const found = find(name);
    if (found == nullptr) {
        fail_tensor(source, tensor, "has no " + quote_name(name) + " beside it");
    }
    return *found;
}

/// Raises corrupt_file unless a tensor is a matrix of words, or of floats, with no empty side.
inline void require_matrix(const safetensors_tensor& tensor, std::string_view source, bool words) {
    const bool right = words ? tensor.dtype == safetensors_dtype::i32 : is_float(tensor.dtype);
    if (!right || tensor.shape.size() != 2 || tensor.shape[0] < 1 || tensor.shape[1] < 1 ||
        tensor.shape[0] > INT32_MAX || tensor.shape[1] > INT32_MAX) {
        fail_tensor(source, tensor,
                    "is " + describe_tensor(tensor) + ", not a matrix of " + (words ? "I32" : "F16, BF16 or F32"));
    }
}

/// Raises corrupt_file unless a tensor has the shape that another asks for.
inline void require_shape(const safetensors_tensor& tensor, std::string_view source, std::int64_t rows,
                          std::int64_t cols, const safetensors_tensor& because) {
    if (tensor.shape != std::vector<std::int64_t>{rows, cols}) {
        fail_tensor(source, tensor,
                    "is " + describe_tensor(tensor) + "; " + quote_name(because.name) + " " + describe_tensor(because) +
                        " needs [" + std::to_string(rows) + ", " + std::to_string(cols) + "]");
    }
}

} // namespace tersor::inline v0::detail

#endif // TERSOR_IO_AFFINE_WEIGHT_READER_HPP

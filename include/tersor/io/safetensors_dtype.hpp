#ifndef TERSOR_IO_SAFETENSORS_DTYPE_HPP
#define TERSOR_IO_SAFETENSORS_DTYPE_HPP

// The element types of the safetensors format, in the order that its reference writer sorts tensors by.
// Source: the `Dtype` enumeration of github.com/huggingface/safetensors, version 0.7.

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tersor::inline v0 {

/// The element type of a tensor in a safetensors file.
enum class safetensors_dtype : std::uint8_t {
    boolean,
    f4,
    f6_e2m3,
    f6_e3m2,
    u8,
    i8,
    f8_e5m2,
    f8_e4m3,
    f8_e8m0,
    f8_e4m3fnuz,
    f8_e5m2fnuz,
    i16,
    u16,
    f16,
    bf16,
    i32,
    u32,
    f32,
    c64,
    f64,
    i64,
    u64
};

namespace detail {
struct safetensors_dtype_entry {
    safetensors_dtype type;
    std::string_view name;
    int bits;
};

inline constexpr safetensors_dtype_entry safetensors_dtypes[] = {
    {safetensors_dtype::boolean, "BOOL", 8},
    {safetensors_dtype::f4, "F4", 4},
    {safetensors_dtype::f6_e2m3, "F6_E2M3", 6},
    {safetensors_dtype::f6_e3m2, "F6_E3M2", 6},
    {safetensors_dtype::u8, "U8", 8},
    {safetensors_dtype::i8, "I8", 8},
    {safetensors_dtype::f8_e5m2, "F8_E5M2", 8},
    {safetensors_dtype::f8_e4m3, "F8_E4M3", 8},
    {safetensors_dtype::f8_e8m0, "F8_E8M0", 8},
    {safetensors_dtype::f8_e4m3fnuz, "F8_E4M3FNUZ", 8},
    {safetensors_dtype::f8_e5m2fnuz, "F8_E5M2FNUZ", 8},
    {safetensors_dtype::i16, "I16", 16},
    {safetensors_dtype::u16, "U16", 16},
    {safetensors_dtype::f16, "F16", 16},
    {safetensors_dtype::bf16, "BF16", 16},
    {safetensors_dtype::i32, "I32", 32},
    {safetensors_dtype::u32, "U32", 32},
    {safetensors_dtype::f32, "F32", 32},
    {safetensors_dtype::c64, "C64", 64},
    {safetensors_dtype::f64, "F64", 64},
    {safetensors_dtype::i64, "I64", 64},
    {safetensors_dtype::u64, "U64", 64},
};
} // namespace detail

/// The name of an element type as files spell it: "F32", "BF16", "F8_E4M3", ...
[[nodiscard]] constexpr std::string_view to_string(safetensors_dtype type) noexcept {
    return detail::safetensors_dtypes[static_cast<std::size_t>(type)].name;
}

/// The bits of one element; below 8 for F4 and F6.
[[nodiscard]] constexpr int bits_of(safetensors_dtype type) noexcept {
    return detail::safetensors_dtypes[static_cast<std::size_t>(type)].bits;
}

/// The element type of that name, or null.
[[nodiscard]] constexpr const safetensors_dtype* find_safetensors_dtype(std::string_view name) noexcept {
    for (const auto& entry : detail::safetensors_dtypes) {
        if (entry.name == name) {
            return &entry.type;
        }
    }
    return nullptr;
}

} // namespace tersor::inline v0

#endif // TERSOR_IO_SAFETENSORS_DTYPE_HPP

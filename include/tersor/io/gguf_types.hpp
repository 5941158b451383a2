#ifndef TERSOR_IO_GGUF_TYPES_HPP
#define TERSOR_IO_GGUF_TYPES_HPP

// The tensor types of GGUF files: their numbers, their names, and how many bytes a block of how many values takes.
// Source: the type traits of github.com/ggml-org/ggml, version 0.21. The numbers 4, 5, 31 to 33 and 36 to 38 belonged
// to types that were removed, and no type may use them again.

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tersor::inline v0 {

/// The type of a tensor in a GGUF file; the enumerators are the numbers in the file.
enum class gguf_type : std::uint32_t {
    f32 = 0,
    f16 = 1,
    q4_0 = 2,
    q4_1 = 3,
    q5_0 = 6,
    q5_1 = 7,
    q8_0 = 8,
    q8_1 = 9,
    q2_k = 10,
    q3_k = 11,
    q4_k = 12,
    q5_k = 13,
    q6_k = 14,
    q8_k = 15,
    iq2_xxs = 16,
    iq2_xs = 17,
    iq3_xxs = 18,
    iq1_s = 19,
    iq4_nl = 20,
    iq3_s = 21,
    iq2_s = 22,
    iq4_xs = 23,
    i8 = 24,
    i16 = 25,
    i32 = 26,
    i64 = 27,
    f64 = 28,
    iq1_m = 29,
    bf16 = 30,
    tq1_0 = 34,
    tq2_0 = 35,
    mxfp4 = 39,
    nvfp4 = 40,
    q1_0 = 41,
    q2_0 = 42
};

/// What a tensor type is. Types that are no block formats have blocks of one value.
struct gguf_type_info {
    gguf_type type = gguf_type::f32;
    std::string_view name;          ///< in lower case, as the names of the quantizers: "q4_k", "bf16"
    std::uint32_t block_values = 1; ///< how many values a block holds; the length of a row is a multiple of it
    std::uint32_t block_bytes = 4;  ///< how many bytes a block takes

    /// Whether blocks hold several values.
    [[nodiscard]] constexpr bool is_block_format() const noexcept { return block_values > 1; }
};

/// All types in the order of their numbers.
inline constexpr gguf_type_info gguf_types[] = {
    {gguf_type::f32, "f32", 1, 4},
    {gguf_type::f16, "f16", 1, 2},
    {gguf_type::q4_0, "q4_0", 32, 18},
    {gguf_type::q4_1, "q4_1", 32, 20},
    {gguf_type::q5_0, "q5_0", 32, 22},
    {gguf_type::q5_1, "q5_1", 32, 24},
    {gguf_type::q8_0, "q8_0", 32, 34},
    {gguf_type::q8_1, "q8_1", 32, 36},
    {gguf_type::q2_k, "q2_k", 256, 84},
    {gguf_type::q3_k, "q3_k", 256, 110},
    {gguf_type::q4_k, "q4_k", 256, 144},
    {gguf_type::q5_k, "q5_k", 256, 176},
    {gguf_type::q6_k, "q6_k", 256, 210},
    {gguf_type::q8_k, "q8_k", 256, 292},
    {gguf_type::iq2_xxs, "iq2_xxs", 256, 66},
    {gguf_type::iq2_xs, "iq2_xs", 256, 74},
    {gguf_type::iq3_xxs, "iq3_xxs", 256, 98},
    {gguf_type::iq1_s, "iq1_s", 256, 50},
    {gguf_type::iq4_nl, "iq4_nl", 32, 18},
    {gguf_type::iq3_s, "iq3_s", 256, 110},
    {gguf_type::iq2_s, "iq2_s", 256, 82},
    {gguf_type::iq4_xs, "iq4_xs", 256, 136},
    {gguf_type::i8, "i8", 1, 1},
    {gguf_type::i16, "i16", 1, 2},
    {gguf_type::i32, "i32", 1, 4},
    {gguf_type::i64, "i64", 1, 8},
    {gguf_type::f64, "f64", 1, 8},
    {gguf_type::iq1_m, "iq1_m", 256, 56},
    {gguf_type::bf16, "bf16", 1, 2},
    {gguf_type::tq1_0, "tq1_0", 256, 54},
    {gguf_type::tq2_0, "tq2_0", 256, 66},
    {gguf_type::mxfp4, "mxfp4", 32, 17},
    {gguf_type::nvfp4, "nvfp4", 64, 36},
    {gguf_type::q1_0, "q1_0", 128, 18},
    {gguf_type::q2_0, "q2_0", 64, 18},
};

/// The type of that number, or null; null also for the removed types.
[[nodiscard]] constexpr const gguf_type_info* find_gguf_type(std::uint32_t id) noexcept {
    for (const gguf_type_info& info : gguf_types) {
        if (static_cast<std::uint32_t>(info.type) == id) {
            return &info;
        }
    }
    return nullptr;
}

/// The type of that name in lower case, or null.
[[nodiscard]] constexpr const gguf_type_info* find_gguf_type(std::string_view name) noexcept {
    for (const gguf_type_info& info : gguf_types) {
        if (info.name == name) {
            return &info;
        }
    }
    return nullptr;
}

/// Whether that number once was a type that no reader knows any more.
[[nodiscard]] constexpr bool is_removed_gguf_type(std::uint32_t id) noexcept {
    return id == 4 || id == 5 || (id >= 31 && id <= 33) || (id >= 36 && id <= 38);
}

/// What a type is; the type must be one of the enumerators.
[[nodiscard]] constexpr const gguf_type_info& info_of(gguf_type type) noexcept {
    return *find_gguf_type(static_cast<std::uint32_t>(type));
}

/// The name of a type in lower case.
[[nodiscard]] constexpr std::string_view to_string(gguf_type type) noexcept {
    return info_of(type).name;
}

} // namespace tersor::inline v0

#endif // TERSOR_IO_GGUF_TYPES_HPP

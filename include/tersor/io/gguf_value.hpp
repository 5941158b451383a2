#ifndef TERSOR_IO_GGUF_VALUE_HPP
#define TERSOR_IO_GGUF_VALUE_HPP

// One value of a GGUF file's metadata, seen in place: a number, a bool, a string, or an array of one of them.
//
// In the file a number has its own width, little-endian; a bool one byte, 0 or 1; a string its length in 8 bytes, then
// its characters; an array the type of its elements in 4 bytes, their count in 8, then the elements. Arrays of arrays
// are refused, as ggml refuses them.

#include "tersor/core/error.hpp"
#include "tersor/io/gguf_exact.hpp"

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace tersor::inline v0 {

static_assert(std::endian::native == std::endian::little, "GGUF files are read on little-endian machines only");

/// The type of a value in the metadata; the enumerators are the numbers in the file.
enum class gguf_value_type : std::uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, string, array, u64, i64, f64 };

namespace detail {
struct gguf_value_type_entry {
    std::string_view name;
    std::uint32_t bytes; ///< 0: not fixed
};

inline constexpr gguf_value_type_entry gguf_value_types[] = {
    {"u8", 1},   {"i8", 1},     {"u16", 2},   {"i16", 2}, {"u32", 4}, {"i32", 4}, {"f32", 4},
    {"bool", 1}, {"string", 0}, {"array", 0}, {"u64", 8}, {"i64", 8}, {"f64", 8},
};

template <class T>
inline constexpr bool is_vector = false;
template <class T>
inline constexpr bool is_vector<std::vector<T>> = true;

// not the characters, which are no numbers
template <class T>
concept gguf_number = std::same_as<T, float> || std::same_as<T, double> || std::same_as<T, signed char> ||
    std::same_as<T, short> || std::same_as<T, int> || std::same_as<T, long> || std::same_as<T, long long> ||
    std::same_as<T, unsigned char> || std::same_as<T, unsigned short> || std::same_as<T, unsigned int> ||
    std::same_as<T, unsigned long> || std::same_as<T, unsigned long long>;
} // namespace detail

/// The name of a type: "u8", "f32", "bool", "string", "array".
[[nodiscard]] constexpr std::string_view to_string(gguf_value_type type) noexcept {
    return detail::gguf_value_types[static_cast<std::size_t>(type)].name;
}

/// The bytes of a number or bool; 0 for strings and arrays.
[[nodiscard]] constexpr std::uint32_t bytes_of(gguf_value_type type) noexcept {
    return detail::gguf_value_types[static_cast<std::size_t>(type)].bytes;
}

/// The type of values of a C++ type: bool, the integers of 8 to 64 bits, float, double, strings.
template <class T>
[[nodiscard]] constexpr gguf_value_type gguf_value_type_of() noexcept {
    using type = gguf_value_type;
    if constexpr (std::same_as<T, bool>) {
        return type::boolean;
    } else if constexpr (std::same_as<T, float>) {
        return type::f32;
    } else if constexpr (std::same_as<T, double>) {
        return type::f64;
    } else if constexpr (std::convertible_to<T, std::string_view>) {
        return type::string;
    } else {
        static_assert(detail::gguf_number<T>, "The metadata of GGUF files has no type for this type.");
        constexpr type of_signed[] = {type::i8, type::i16, type::i32, type::i64};
        constexpr type of_unsigned[] = {type::u8, type::u16, type::u32, type::u64};
        return (std::is_signed_v<T> ? of_signed : of_unsigned)[std::bit_width(sizeof(T)) - 1];
    }
}

/// A value of the metadata. It borrows its bytes from the file or the metadata that it belongs to.
class gguf_value {
public:
    /// An empty array.
    gguf_value() = default;

    /// A value whose bytes are checked already. `bytes`: of a string its characters; of an array its elements.
    gguf_value(gguf_value_type type, gguf_value_type element_type, std::uint64_t count,
               std::span<const std::byte> bytes) noexcept
        : type_(type), element_type_(element_type), count_(count), bytes_(bytes) {}

    [[nodiscard]] gguf_value_type type() const noexcept { return type_; }
    [[nodiscard]] bool is_array() const noexcept { return type_ == gguf_value_type::array; }
    /// The type of the elements of an array; type() for all others.
    [[nodiscard]] gguf_value_type element_type() const noexcept { return element_type_; }
    /// The elements of an array; 1 for all others.
    [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
    /// As stored: a number; the characters of a string; the elements of an array, strings each after its length in
    /// 8 bytes. Without alignment.
    [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_; }

    /// The value as a T: a number, bool, std::string, std::string_view (borrowed), or a std::vector of these. Numbers
    /// convert where nothing is lost; invalid_argument, naming the value, otherwise.
    template <class T>
    [[nodiscard]] T as() const {
        T result{};
        const std::string problem = read(result);
        if (!problem.empty()) {
            raise(error_code::invalid_argument, "a GGUF value " + problem);
        }
        return result;
    }

    /// As as<T>(), into `to`: gives what is wrong, to follow the name of the value, or an empty string.
    template <class T>
    [[nodiscard]] std::string read(T& to) const {
        if constexpr (detail::is_vector<T>) {
            return read_array(to);
        } else if (is_array()) {
            return describe() + ", not one value";
        } else {
            return read_element(bytes_, to);
        }
    }

    /// "is u32" or "is an array of 3 strings".
    [[nodiscard]] std::string describe() const {
        const std::string element(to_string(element_type_));
        return is_array() ? "is an array of " + std::to_string(count_) + " values of type " + element : "is " + element;
    }

private:
    template <class T>
    [[nodiscard]] std::string read_array(std::vector<T>& to) const {
        if (!is_array()) {
            return describe() + ", not an array";
        }
        to.clear();
        to.reserve(static_cast<std::size_t>(count_));
        std::span<const std::byte> rest = bytes_;
        for (std::uint64_t i = 0; i < count_; ++i) {
            T element{};
            const std::string problem = read_element(take_element(rest), element);
            if (!problem.empty()) {
                return problem + ", in element " + std::to_string(i);
            }
            to.push_back(std::move(element));
        }
        return {};
    }

    /// Cuts the next element off; a string without its length.
    [[nodiscard]] std::span<const std::byte> take_element(std::span<const std::byte>& rest) const {
        std::uint64_t size = bytes_of(element_type_);
        if (element_type_ == gguf_value_type::string) {
            // the lengths were checked, but the file may have been changed since
            size = UINT64_MAX;
            if (rest.size() >= sizeof(size)) {
                std::memcpy(&size, rest.data(), sizeof(size));
                rest = rest.subspan(sizeof(size));
            }
        }
        if (size > rest.size()) {
            raise(error_code::corrupt_file, "an array of strings of a GGUF file has changed while it was open");
        }
        const auto element = rest.first(static_cast<std::size_t>(size));
        rest = rest.subspan(static_cast<std::size_t>(size));
        return element;
    }

    template <class T>
    [[nodiscard]] std::string read_element(std::span<const std::byte> from, T& to) const {
        if constexpr (std::same_as<T, std::string_view> || std::same_as<T, std::string>) {
            if (element_type_ != gguf_value_type::string) {
                return describe() + ", not a string";
            }
            to = T(reinterpret_cast<const char*>(from.data()), from.size());
        } else if constexpr (std::same_as<T, bool>) {
            if (element_type_ != gguf_value_type::boolean) {
                return describe() + ", not a bool";
            }
            to = from[0] != std::byte{0};
        } else {
            static_assert(detail::gguf_number<T>, "A value of the metadata cannot be read as this type.");
            return read_number(from.data(), to);
        }
        return {};
    }

    template <class T>
    [[nodiscard]] std::string read_number(const std::byte* from, T& to) const {
        switch (element_type_) {
        case gguf_value_type::u8:
            return convert<std::uint8_t>(from, to);
        case gguf_value_type::i8:
            return convert<std::int8_t>(from, to);
        case gguf_value_type::u16:
            return convert<std::uint16_t>(from, to);
        case gguf_value_type::i16:
            return convert<std::int16_t>(from, to);
        case gguf_value_type::u32:
            return convert<std::uint32_t>(from, to);
        case gguf_value_type::i32:
            return convert<std::int32_t>(from, to);
        case gguf_value_type::u64:
            return convert<std::uint64_t>(from, to);
        case gguf_value_type::i64:
            return convert<std::int64_t>(from, to);
        case gguf_value_type::f32:
            return convert<float>(from, to);
        case gguf_value_type::f64:
            return convert<double>(from, to);
        default:
            return describe() + ", not a number";
        }
    }

    template <class Stored, class T>
    [[nodiscard]] std::string convert(const std::byte* from, T& to) const {
        Stored stored;
        std::memcpy(&stored, from, sizeof(stored));
        if (detail::convert_exactly(stored, to)) {
            return {};
        }
        return "is " + std::to_string(stored) + ", which " + std::string(to_string(gguf_value_type_of<T>())) +
               " cannot hold exactly";
    }

    gguf_value_type type_ = gguf_value_type::array;
    gguf_value_type element_type_ = gguf_value_type::u8;
    std::uint64_t count_ = 0;
    std::span<const std::byte> bytes_;
};

/// A value of the metadata under its name, both borrowed.
struct gguf_metadata_entry {
    std::string_view key;
    gguf_value value;
};

} // namespace tersor::inline v0

#endif // TERSOR_IO_GGUF_VALUE_HPP

#ifndef TERSOR_IO_GGUF_METADATA_HPP
#define TERSOR_IO_GGUF_METADATA_HPP

// The metadata of a GGUF file to be written: typed values under keys, in order, kept as the file stores them.

#include "tersor/core/error.hpp"
#include "tersor/io/gguf_tensor.hpp"
#include "tersor/io/gguf_value.hpp"
#include "tersor/io/quote.hpp"

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace tersor::inline v0 {

/// Metadata to be written. A key given twice is refused when a file is planned with it.
class gguf_metadata {
public:
    /// A value under its key. `bytes` as gguf_value::bytes().
    struct entry {
        std::string key;
        gguf_value_type type = gguf_value_type::array;
        gguf_value_type element_type = gguf_value_type::u8;
        std::uint64_t count = 0;
        std::string bytes;

        /// The value, borrowed.
        [[nodiscard]] gguf_value value() const noexcept {
            return {type, element_type, count, std::as_bytes(std::span(bytes))};
        }
    };

    gguf_metadata() = default;

    /// The metadata of a file as it was read.
    explicit gguf_metadata(std::span<const gguf_metadata_entry> entries) {
        entries_.reserve(entries.size());
        for (const gguf_metadata_entry& e : entries) {
            add(std::string(e.key), e.value);
        }
    }

    /// Adds a number, a bool, a string, a gguf_value as it is, or an array: anything that std::span takes, of numbers,
    /// bools or strings, or std::vector<bool>. The type in the file is that of T: an int is i32, a std::uint32_t u32, a
    /// float f32. invalid_argument for an empty key, a key with a zero byte, a string or array longer than 2^30.
    template <class T>
    gguf_metadata& add(std::string key, const T& value) {
        entry e;
        e.key = std::move(key);
        check_key(e.key);
        if constexpr (std::same_as<T, gguf_value>) {
            e.type = value.type();
            e.element_type = value.element_type();
            e.count = value.count();
            e.bytes.assign(reinterpret_cast<const char*>(value.bytes().data()), value.bytes().size());
        } else if constexpr (std::convertible_to<const T&, std::string_view>) {
            e.type = e.element_type = gguf_value_type::string;
            e.count = 1;
            e.bytes = std::string_view(value);
            check_length(e, e.bytes.size());
        } else if constexpr (std::is_arithmetic_v<T>) {
            e.type = e.element_type = gguf_value_type_of<T>();
            e.count = 1;
            append(e.bytes, value);
        } else if constexpr (std::same_as<T, std::vector<bool>>) {
            add_elements<bool>(e, value);
        } else {
            const auto values = std::span(value);
            add_elements<typename decltype(values)::value_type>(e, values);
        }
        entries_.push_back(std::move(e));
        return *this;
    }

    /// The entries in the order of the file.
    [[nodiscard]] const std::vector<entry>& entries() const noexcept { return entries_; }

    /// Whether there is a value of that key. Looks at every key.
    [[nodiscard]] bool contains(std::string_view key) const noexcept {
        for (const entry& e : entries_) {
            if (e.key == key) {
                return true;
            }
        }
        return false;
    }

private:
    [[noreturn]] static void refuse(const std::string& message) { raise(error_code::invalid_argument, message); }

    static void check_key(const std::string& key) {
        if (key.empty()) {
            refuse("a key of GGUF metadata is empty");
        }
        if (key.find('\0') != std::string::npos) {
            refuse("the key " + detail::quote_name(key) + " of GGUF metadata has a zero byte");
        }
        if (key.size() > gguf_length_limit) {
            refuse("a key of GGUF metadata has " + std::to_string(key.size()) + " bytes, more than " +
                   std::to_string(gguf_length_limit));
        }
    }

    static void check_length(const entry& e, std::uint64_t length) {
        if (length > gguf_length_limit) {
            refuse("the key " + detail::quote_name(e.key) + " of GGUF metadata has a value of length " +
                   std::to_string(length) + ", more than " + std::to_string(gguf_length_limit));
        }
    }

    template <class T>
    static void append(std::string& bytes, const T& number) {
        bytes.append(reinterpret_cast<const char*>(&number), sizeof(T));
    }

    template <class T, class Values>
    static void add_elements(entry& e, const Values& values) {
        e.type = gguf_value_type::array;
        e.element_type = gguf_value_type_of<T>();
        e.count = values.size();
        check_length(e, e.count);
        for (const T& value : values) {
            if constexpr (std::convertible_to<T, std::string_view>) {
                const std::string_view text(value);
                check_length(e, text.size());
                append(e.bytes, static_cast<std::uint64_t>(text.size()));
                e.bytes += text;
            } else {
                append(e.bytes, value);
            }
        }
    }

    std::vector<entry> entries_;
};

} // namespace tersor::inline v0

#endif // TERSOR_IO_GGUF_METADATA_HPP

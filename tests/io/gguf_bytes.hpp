#ifndef TERSOR_TESTS_IO_GGUF_BYTES_HPP
#define TERSOR_TESTS_IO_GGUF_BYTES_HPP

// Hand-made GGUF files, right and wrong, byte for byte.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// Bytes put one after another, numbers little-endian.
class gguf_bytes {
public:
    gguf_bytes& raw(std::string_view bytes) {
        bytes_ += bytes;
        return *this;
    }
    template <class T>
    gguf_bytes& number(T value) {
        bytes_.append(reinterpret_cast<const char*>(&value), sizeof(value));
        return *this;
    }
    gguf_bytes& u32(std::uint32_t value) { return number(value); }
    gguf_bytes& u64(std::uint64_t value) { return number(value); }
    gguf_bytes& text(std::string_view value) { return u64(value.size()).raw(value); }

    /// The first 24 bytes of a file.
    gguf_bytes& header(std::uint64_t tensors, std::uint64_t entries, std::uint32_t version = 3) {
        return raw("GGUF").u32(version).u64(tensors).u64(entries);
    }
    /// A key and the type of its value.
    gguf_bytes& key(std::string_view name, std::uint32_t type) { return text(name).u32(type); }
    /// "general.alignment" as u32.
    gguf_bytes& alignment(std::uint32_t value) { return key("general.alignment", 4).u32(value); }
    /// A line of the tensors' table.
    gguf_bytes& tensor(std::string_view name, const std::vector<std::uint64_t>& ne, std::uint32_t type,
                       std::uint64_t offset) {
        text(name).u32(static_cast<std::uint32_t>(ne.size()));
        for (const std::uint64_t extent : ne) {
            u64(extent);
        }
        return u32(type).u64(offset);
    }
    /// Zeros up to a multiple.
    gguf_bytes& pad(std::size_t alignment = 32) {
        bytes_.resize((bytes_.size() + alignment - 1) / alignment * alignment);
        return *this;
    }
    /// `size` bytes that are not zero, then zeros up to a multiple.
    gguf_bytes& data(std::size_t size, std::size_t alignment = 32) {
        pad(alignment);
        bytes_.append(size, 'd');
        return pad(alignment);
    }

    [[nodiscard]] const std::string& str() const { return bytes_; }
    operator const std::string&() const { return bytes_; } // NOLINT: a builder stands where its bytes are wanted

private:
    std::string bytes_;
};

inline std::span<const std::byte> as_byte_span(const std::string& text) {
    return std::as_bytes(std::span(text));
}

#endif // TERSOR_TESTS_IO_GGUF_BYTES_HPP

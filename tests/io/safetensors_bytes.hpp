#ifndef TERSOR_TESTS_IO_SAFETENSORS_BYTES_HPP
#define TERSOR_TESTS_IO_SAFETENSORS_BYTES_HPP

// Hand-made safetensors files, right and wrong.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

/// The bytes of a file with that header length, header and data.
inline std::string safetensors_bytes(std::uint64_t length, std::string_view header, std::string_view data = {}) {
    std::string file;
    for (int i = 0; i < 8; ++i) {
        file += static_cast<char>(static_cast<unsigned char>(length >> (8 * i)));
    }
    return file.append(header).append(data);
}

inline std::string safetensors_bytes(std::string_view header, std::string_view data = {}) {
    return safetensors_bytes(header.size(), header, data);
}

inline std::span<const std::byte> as_byte_span(std::string_view text) {
    return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

#endif // TERSOR_TESTS_IO_SAFETENSORS_BYTES_HPP

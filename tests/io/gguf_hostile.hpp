#ifndef TERSOR_TESTS_IO_GGUF_HOSTILE_HPP
#define TERSOR_TESTS_IO_GGUF_HOSTILE_HPP

// How the tests hold the GGUF reader's verdict on hand-made bytes.

#include "tersor/io/gguf.hpp"
#include "tests/io/gguf_bytes.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

inline constexpr std::uint64_t minus_one = UINT64_MAX;
inline constexpr std::uint64_t two_63 = std::uint64_t{1} << 63;

/// The message of the corrupt_file error that the bytes raise, or nothing.
inline std::string gguf_complaint(const std::string& bytes) {
    // a copy of exactly that size lets a sanitizer see any read past the end
    const std::vector<std::byte> exact(as_byte_span(bytes).begin(), as_byte_span(bytes).end());
    try {
        static_cast<void>(tersor::gguf_file::from_bytes(exact));
    } catch (const tersor::error& e) {
        EXPECT_EQ(e.code(), tersor::error_code::corrupt_file) << e.what();
        return e.what();
    }
    return {};
}

/// The bytes are refused, with this text in the message.
inline void expect_corrupt(const std::string& bytes, std::string_view with) {
    const std::string message = gguf_complaint(bytes);
    EXPECT_NE(message.find("at byte "), std::string::npos) << message;
    EXPECT_NE(message.find(with), std::string::npos) << '"' << message << "\" does not say " << with;
}

inline void expect_accepted(const std::string& bytes) {
    EXPECT_EQ(gguf_complaint(bytes), "");
}

/// A file of one tensor "x" with that line of the table, and `data` bytes of data.
inline std::string one_gguf_tensor(const std::vector<std::uint64_t>& ne, std::uint32_t type, std::uint64_t offset,
                                   std::size_t data) {
    return gguf_bytes().header(1, 0).tensor("x", ne, type, offset).data(data).str();
}

#endif // TERSOR_TESTS_IO_GGUF_HOSTILE_HPP

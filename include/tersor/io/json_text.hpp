#ifndef TERSOR_IO_JSON_TEXT_HPP
#define TERSOR_IO_JSON_TEXT_HPP

// The characters of JSON: UTF-8 (Unicode 15, table 3-7), and the size of a number that no double holds.

#include "tersor/core/error.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tersor::inline v0::json::detail {

/// The length of the valid UTF-8 sequence that starts `text`, or 0 where it is not valid.
[[nodiscard]] constexpr std::size_t utf8_length(std::string_view text) noexcept {
    const auto at = [text](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
    const auto follows = [&at](std::size_t i, unsigned lowest = 0x80, unsigned highest = 0xBF) {
        return at(i) >= lowest && at(i) <= highest;
    };
    const unsigned lead = at(0);
    if (lead < 0x80) {
        return text.empty() ? 0 : 1;
    }
    if (lead >= 0xC2 && lead <= 0xDF) {
        return follows(1) ? 2 : 0;
    }
    if (lead >= 0xE0 && lead <= 0xEF) {
        const bool second = follows(1, lead == 0xE0 ? 0xA0 : 0x80, lead == 0xED ? 0x9F : 0xBF);
        return second && follows(2) ? 3 : 0;
    }
    if (lead >= 0xF0 && lead <= 0xF4) {
        const bool second = follows(1, lead == 0xF0 ? 0x90 : 0x80, lead == 0xF4 ? 0x8F : 0xBF);
        return second && follows(2) && follows(3) ? 4 : 0;
    }
    return 0;
}

/// Appends the UTF-8 form of a code point through `append`.
template <class Append>
void append_utf8(std::uint32_t point, Append&& append) {
    char bytes[4];
    std::size_t length = 0;
    const auto put = [&](std::uint32_t byte) { bytes[length++] = static_cast<char>(static_cast<unsigned char>(byte)); };
    if (point < 0x80) {
        put(point);
    } else if (point < 0x800) {
        put(0xC0 | (point >> 6));
        put(0x80 | (point & 0x3F));
    } else if (point < 0x10000) {
        put(0xE0 | (point >> 12));
        put(0x80 | ((point >> 6) & 0x3F));
        put(0x80 | (point & 0x3F));
    } else {
        put(0xF0 | (point >> 18));
        put(0x80 | ((point >> 12) & 0x3F));
        put(0x80 | ((point >> 6) & 0x3F));
        put(0x80 | (point & 0x3F));
    }
    append(std::string_view(bytes, length));
}

/// Whether a well-formed number that no double holds is too small (it rounds to zero) rather than too large.
[[nodiscard]] inline bool underflows(std::string_view digits) noexcept {
    // value = 0.d1d2d3... * 10^magnitude with d1 the first digit that is not zero
    const std::size_t mark = digits.find_first_of("eE");
    const std::string_view mantissa = digits.substr(0, mark);
    const std::size_t first = mantissa.find_first_of("123456789");
    const std::size_t point = mantissa.find('.') == std::string_view::npos ? mantissa.size() : mantissa.find('.');
    if (first == std::string_view::npos) {
        return true;
    }
    const bool negative = mark != std::string_view::npos && digits[mark + 1] == '-';
    std::int64_t exponent = 0;
    for (std::size_t i = mark == std::string_view::npos ? digits.size() : mark + 1; i < digits.size(); ++i) {
        if (digits[i] >= '0' && digits[i] <= '9' && exponent < (std::int64_t{1} << 50)) {
            exponent = exponent * 10 + (digits[i] - '0');
        }
    }
    const auto shift =
        first < point ? static_cast<std::int64_t>(point - first) : -static_cast<std::int64_t>(first - point - 1);
    return (negative ? -exponent : exponent) + shift < 0;
}

/// Appends a string in quotes with the escapes that it needs; invalid_argument if it is not valid UTF-8.
inline void write_string(std::string& out, std::string_view text) {
    constexpr char digits[] = "0123456789abcdef";
    constexpr std::string_view named = "\b\t\n\f\r\"\\";
    constexpr std::string_view names = "btnfr\"\\";
    out += '"';
    for (std::size_t i = 0; i < text.size();) {
        std::size_t end = i;
        while (end < text.size() && text[end] >= 0x20 && text[end] < 0x7F && text[end] != '"' && text[end] != '\\') {
            ++end;
        }
        if (end != i) {
            out += text.substr(i, end - i);
            i = end;
            continue;
        }
        const auto byte = static_cast<unsigned char>(text[i]);
        std::size_t length = 1;
        if (const std::size_t n = named.find(text[i]); n != std::string_view::npos) {
            out += '\\';
            out += names[n];
        } else if (byte < 0x20) {
            out += "\\u00";
            out += digits[byte >> 4];
            out += digits[byte & 15];
        } else if (length = utf8_length(text.substr(i, 4)); length != 0) {
            out += text.substr(i, length);
        } else {
            raise(error_code::invalid_argument,
                  "a JSON string must be valid UTF-8; this one is not at its byte " + std::to_string(i));
        }
        i += length;
    }
    out += '"';
}

} // namespace tersor::inline v0::json::detail

#endif // TERSOR_IO_JSON_TEXT_HPP

#ifndef TERSOR_IO_QUOTE_HPP
#define TERSOR_IO_QUOTE_HPP

// How messages show a name that a file chose.

#include <cstddef>
#include <string>
#include <string_view>

namespace tersor::inline v0::detail {

/// A name as messages show it: in quotes, on one line, cut when a hostile file made it long.
[[nodiscard]] inline std::string quote_name(std::string_view name) {
    constexpr std::size_t limit = 200;
    constexpr char digits[] = "0123456789abcdef";
    std::string text = "'";
    for (const char c : name.substr(0, limit)) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x20 && byte != 0x7F) {
            text += c;
        } else {
            text += "\\x";
            text += digits[byte >> 4];
            text += digits[byte & 15];
        }
    }
    return text + (name.size() > limit ? "...'" : "'");
}

} // namespace tersor::inline v0::detail

#endif // TERSOR_IO_QUOTE_HPP

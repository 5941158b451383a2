#include "text.hpp"

#include "tersor/io/json_text.hpp"

#include <array>
#include <cmath>
#include <cstdio>

namespace cli {

namespace {
template <class... Values>
std::string format(const char* pattern, Values... values) {
    std::array<char, 64> buffer{};
    const int length = std::snprintf(buffer.data(), buffer.size(), pattern, values...);
    return {buffer.data(), static_cast<std::size_t>(length < 0 ? 0 : length)};
}
} // namespace

std::string size_text(std::uint64_t bytes) {
    if (bytes < 1024) {
        return std::to_string(bytes) + " B";
    }
    constexpr std::array units{"KiB", "MiB", "GiB", "TiB"};
    double size = static_cast<double>(bytes) / 1024.0;
    std::size_t unit = 0;
    while (size >= 999.95 && unit + 1 < units.size()) {
        size /= 1024.0;
        ++unit;
    }
    return format("%.1f %s", size, units[unit]);
}

std::string shape_text(std::span<const std::int64_t> shape) {
    std::string text = "[";
    for (const std::int64_t extent : shape) {
        text += (text.size() > 1 ? ", " : "") + std::to_string(extent);
    }
    return text + "]";
}

std::string fixed_text(double number, int digits) {
    if (std::isnan(number)) {
        return "-";
    }
    return std::isinf(number) ? (number > 0 ? "exact" : "-inf") : format("%.*f", digits, number);
}

std::string short_text(double number) {
    return std::isnan(number) ? "-" : format("%.3g", number);
}

std::string time_text(double seconds) {
    const auto whole = static_cast<long long>(seconds < 0 ? 0 : seconds + 0.5);
    return whole >= 3600 ? format("%lld:%02lld:%02lld", whole / 3600, whole / 60 % 60, whole % 60)
                         : format("%lld:%02lld", whole / 60, whole % 60);
}

std::string cut_text(const std::string& text, std::size_t width) {
    if (text.size() <= width || width < 5) {
        return text.substr(0, width);
    }
    const std::size_t tail = (width - 2) / 2 + 1;
    return text.substr(0, width - 2 - tail) + ".." + text.substr(text.size() - tail);
}

std::string printable(const std::string& text) {
    std::string result = text;
    for (char& c : result) {
        c = static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? '?' : c;
    }
    return result;
}

std::string valid_utf8(std::string_view text) {
    std::string result;
    while (!text.empty()) {
        const bool is_ascii = static_cast<unsigned char>(text.front()) < 0x80;
        const std::size_t length = is_ascii ? 1 : tersor::json::detail::utf8_length(text.substr(0, 4));
        result += length == 0 ? std::string_view("?") : text.substr(0, length);
        text.remove_prefix(length == 0 ? 1 : length);
    }
    return result;
}

std::string count_text(std::uint64_t number, const char* noun) {
    return std::to_string(number) + " " + noun + (number == 1 ? "" : "s");
}

} // namespace cli

#ifndef TERSOR_IO_JSON_SCAN_HPP
#define TERSOR_IO_JSON_SCAN_HPP

// The parts of json::cursor that turn characters into values: escapes and numbers (RFC 8259, sections 6 and 7).

#include "tersor/io/json_cursor.hpp"
#include "tersor/io/json_text.hpp"

namespace tersor::inline v0::json {

template <class Append>
void cursor::scan_escape(Append&& append) {
    if (at_ == text_.size()) {
        fail("the text ends inside a string");
    }
    constexpr std::string_view names = "\"\\/bfnrt";
    constexpr std::string_view values = "\"\\/\b\f\n\r\t";
    const char name = text_[at_++];
    if (const std::size_t i = names.find(name); i != std::string_view::npos) {
        return append(values.substr(i, 1));
    }
    if (name != 'u') {
        fail("unknown escape", at_ - 1);
    }
    const std::size_t start = at_ - 2;
    std::uint32_t point = scan_hexadecimal();
    if (point >= 0xD800 && point <= 0xDBFF && text_.substr(at_, 2) == "\\u") {
        at_ += 2;
        const std::uint32_t low = scan_hexadecimal();
        if (low < 0xDC00 || low > 0xDFFF) {
            fail("a surrogate without its other half", start);
        }
        point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
    } else if (point >= 0xD800 && point <= 0xDFFF) {
        fail("a surrogate without its other half", start);
    }
    detail::append_utf8(point, append);
}

inline std::uint32_t cursor::scan_hexadecimal() {
    std::uint32_t value = 0;
    const std::string_view digits = text_.substr(at_, 4);
    const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (digits.size() != 4 || problem != std::errc() || end != digits.data() + 4) {
        fail("'\\u' needs four hexadecimal digits");
    }
    at_ += 4;
    return value;
}

inline void cursor::scan_digits() {
    if (at_ == text_.size() || !is_digit(text_[at_])) {
        fail("a digit should stand here");
    }
    while (at_ < text_.size() && is_digit(text_[at_])) {
        ++at_;
    }
}

inline bool cursor::scan_number() {
    bool integral = true;
    if (text_[at_] == '-') {
        ++at_;
    }
    const std::size_t start = at_;
    scan_digits();
    if (at_ - start > 1 && text_[start] == '0') {
        fail("a number may not start with 0", start);
    }
    if (at_ < text_.size() && text_[at_] == '.') {
        integral = false;
        ++at_;
        scan_digits();
    }
    if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
        integral = false;
        ++at_;
        if (at_ < text_.size() && (text_[at_] == '+' || text_[at_] == '-')) {
            ++at_;
        }
        scan_digits();
    }
    return integral;
}

inline number cursor::convert(std::string_view digits, bool integral, std::size_t start) const {
    number result;
    const char* const first = digits.data();
    const char* const last = first + digits.size();
    if (integral && digits != "-0") {
        if (std::from_chars(first, last, result.signed_integer).ec == std::errc()) {
            result.real = static_cast<double>(result.signed_integer);
            return result;
        }
        if (std::from_chars(first, last, result.unsigned_integer).ec == std::errc()) {
            result.is = number::form::unsigned_integer;
            result.real = static_cast<double>(result.unsigned_integer);
            return result;
        }
    }
    result.is = number::form::real;
    if (std::from_chars(first, last, result.real).ec != std::errc()) {
        if (!detail::underflows(digits)) {
            fail("a number beyond the range of a double", start);
        }
        result.real = digits[0] == '-' ? -0.0 : 0.0;
    }
    return result;
}

} // namespace tersor::inline v0::json

#endif // TERSOR_IO_JSON_SCAN_HPP

#ifndef TERSOR_IO_JSON_CURSOR_HPP
#define TERSOR_IO_JSON_CURSOR_HPP

// A strict JSON reader that walks a text once and builds nothing.
//
// Grammar: RFC 8259, with the freedoms closed that make two readers disagree: the text is valid UTF-8, escapes name
// valid code points (no lone surrogates), nesting ends at `maximum_depth`, nothing but white space follows the value.
// Integers are exact (int64, else uint64); every other number is the nearest double, and too large a one is an error.

#include "tersor/core/error.hpp"
#include "tersor/io/json_text.hpp"

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace tersor::inline v0::json {

/// What a JSON value is.
enum class kind { null, boolean, number, string, array, object };

/// The name of a kind with its article, as messages use it.
[[nodiscard]] constexpr const char* describe(kind k) noexcept {
    switch (k) {
    case kind::null:
        return "null";
    case kind::boolean:
        return "a boolean";
    case kind::number:
        return "a number";
    case kind::string:
        return "a string";
    case kind::array:
        return "an array";
    case kind::object:
        return "an object";
    }
    return "unknown";
}

/// A number as it was written: exact where it is an integer of 64 bits.
struct number {
    enum class form { signed_integer, unsigned_integer, real };
    form is = form::signed_integer;     ///< unsigned_integer only beyond int64
    std::int64_t signed_integer = 0;    ///< valid for form::signed_integer
    std::uint64_t unsigned_integer = 0; ///< valid for form::unsigned_integer
    double real = 0;                    ///< valid for every form: the nearest double
};

/// Walks a JSON text value by value. The text must outlive the cursor. Every failure is a corrupt_file error with
/// the byte offset.
class cursor {
public:
    static constexpr int maximum_depth = 64;

    /// `source` names the text in messages; `base` is added to the offsets that they show.
    explicit cursor(std::string_view text, std::string_view source = "JSON text", std::size_t base = 0) noexcept
        : text_(text), source_(source), base_(base) {}

    /// The kind of the value that comes next.
    [[nodiscard]] kind peek() {
        skip_space();
        if (at_ == text_.size()) {
            fail("the text ends where a value should stand");
        }
        switch (text_[at_]) {
        case '{':
            return kind::object;
        case '[':
            return kind::array;
        case '"':
            return kind::string;
        case 't':
        case 'f':
            return kind::boolean;
        case 'n':
            return kind::null;
        default:
            if (text_[at_] == '-' || is_digit(text_[at_])) {
                return kind::number;
            }
            fail("a value should stand here");
        }
    }

    void read_null() {
        expect(kind::null);
        read_word("null");
    }

    [[nodiscard]] bool read_boolean() {
        expect(kind::boolean);
        const bool result = text_[at_] == 't';
        read_word(result ? "true" : "false");
        return result;
    }

    [[nodiscard]] std::string read_string() {
        expect(kind::string);
        std::string result;
        scan_string([&result](std::string_view piece) { result.append(piece); });
        return result;
    }

    [[nodiscard]] number read_number() {
        expect(kind::number);
        const std::size_t start = at_;
        const bool integral = scan_number();
        return convert(text_.substr(start, at_ - start), integral, start);
    }

    /// A non-negative integer; a fraction, an exponent, a sign or more than 64 bits is an error.
    [[nodiscard]] std::uint64_t read_unsigned() {
        expect(kind::number);
        const std::size_t start = at_;
        const number n = read_number();
        if (n.is == number::form::unsigned_integer) {
            return n.unsigned_integer;
        }
        if (n.is == number::form::real || n.signed_integer < 0) {
            fail("a non-negative integer below 2^64 should stand here", start);
        }
        return static_cast<std::uint64_t>(n.signed_integer);
    }

    /// Calls `element()` before each element; it must read exactly that element.
    template <class Element>
    void read_array(Element&& element) {
        expect(kind::array);
        read_list(']', element);
    }

    /// Calls `member(key)` with each key as a std::string; it must read exactly the member's value.
    template <class Member>
    void read_object(Member&& member) {
        expect(kind::object);
        read_list('}', [this, &member] {
            skip_space();
            if (at_ == text_.size() || text_[at_] != '"') {
                fail("a member name in double quotes should stand here");
            }
            std::string key = read_string();
            skip_space();
            read_character(':', "':' should follow a member name");
            member(std::move(key));
        });
    }

    /// Reads the next value whatever it is, checks it, and forgets it.
    void skip() {
        switch (peek()) {
        case kind::null:
            return read_null();
        case kind::boolean:
            return static_cast<void>(read_boolean());
        case kind::number:
            return static_cast<void>(read_number());
        case kind::string:
            return scan_string([](std::string_view) {});
        case kind::array:
            return read_array([this] { skip(); });
        case kind::object:
            return read_object([this](const std::string&) { skip(); });
        }
    }

    /// Checks that only white space is left.
    void finish() {
        skip_space();
        if (at_ != text_.size()) {
            fail("only white space may follow the value");
        }
    }

    /// How many bytes have been read.
    [[nodiscard]] std::size_t offset() const noexcept { return at_; }

    /// Raises corrupt_file at the current byte.
    [[noreturn]] void fail(const std::string& message) const { fail(message, at_); }

    /// Raises corrupt_file at byte `at` of the text.
    [[noreturn]] void fail(const std::string& message, std::size_t at) const {
        raise(error_code::corrupt_file,
              std::string(source_) + ": invalid JSON at byte " + std::to_string(base_ + at) + ": " + message);
    }

private:
    static constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

    void skip_space() noexcept {
        while (at_ < text_.size() &&
               (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t')) {
            ++at_;
        }
    }

    void expect(kind wanted) {
        if (const kind found = peek(); found != wanted) {
            fail(std::string("expected ") + describe(wanted) + ", found " + describe(found));
        }
    }

    void read_character(char c, const char* message) {
        if (at_ == text_.size() || text_[at_] != c) {
            fail(message);
        }
        ++at_;
    }

    void read_word(std::string_view word) {
        if (text_.substr(at_, word.size()) != word) {
            fail("expected '" + std::string(word) + "'");
        }
        at_ += word.size();
    }

    template <class Item>
    void read_list(char close, Item&& item) {
        if (depth_ == maximum_depth) {
            fail("nested deeper than " + std::to_string(maximum_depth) + " levels");
        }
        ++depth_;
        ++at_;
        skip_space();
        if (at_ < text_.size() && text_[at_] == close) {
            ++at_;
            --depth_;
            return;
        }
        for (;;) {
            item();
            skip_space();
            if (at_ < text_.size() && text_[at_] == ',') {
                ++at_;
                continue;
            }
            read_character(close, close == ']' ? "',' or ']' should stand here" : "',' or '}' should stand here");
            --depth_;
            return;
        }
    }

    template <class Append>
    void scan_string(Append&& append) {
        ++at_;
        for (;;) {
            std::size_t end = at_;
            while (end < text_.size() && text_[end] != '"' && text_[end] != '\\') {
                const auto byte = static_cast<unsigned char>(text_[end]);
                if (byte >= 0x20 && byte < 0x80) {
                    ++end;
                    continue;
                }
                if (byte < 0x20) {
                    fail("a control character in a string must be escaped", end);
                }
                const std::size_t length = detail::utf8_length(text_.substr(end, 4));
                if (length == 0) {
                    fail("the text is not valid UTF-8", end);
                }
                end += length;
            }
            if (end == text_.size()) {
                fail("the text ends inside a string", end);
            }
            append(text_.substr(at_, end - at_));
            at_ = end + 1;
            if (text_[end] == '"') {
                return;
            }
            scan_escape(append);
        }
    }

    template <class Append>
    void scan_escape(Append&& append);

    std::uint32_t scan_hexadecimal();
    bool scan_number();
    void scan_digits();
    number convert(std::string_view digits, bool integral, std::size_t start) const;

    std::string_view text_;
    std::string_view source_;
    std::size_t base_ = 0;
    std::size_t at_ = 0;
    int depth_ = 0;
};

} // namespace tersor::inline v0::json

#include "tersor/io/json_scan.hpp"

#endif // TERSOR_IO_JSON_CURSOR_HPP

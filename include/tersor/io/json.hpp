#ifndef TERSOR_IO_JSON_HPP
#define TERSOR_IO_JSON_HPP

// JSON texts to and from json::value.
//
// Reading is as strict as json_cursor.hpp says, and a repeated member name is an error. Writing is deterministic:
// members in their order, doubles by the shortest digits that read back to the same double, always with a '.' or
// an exponent so that they read back as doubles.

#include "tersor/io/json_cursor.hpp"
#include "tersor/io/json_text.hpp"
#include "tersor/io/json_value.hpp"
#include "tersor/io/quote.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tersor::inline v0::json {

namespace detail {

/// Calls `refuse(name)` if two members have that name.
template <class Refuse>
void refuse_repeated_name(const object& members, Refuse&& refuse) {
    std::vector<std::string_view> names;
    names.reserve(members.size());
    for (const member& m : members) {
        names.emplace_back(m.name);
    }
    std::sort(names.begin(), names.end());
    const auto twice = std::adjacent_find(names.begin(), names.end());
    if (twice != names.end()) {
        refuse(*twice);
    }
}

inline value read_value(cursor& text) {
    switch (text.peek()) {
    case kind::null:
        text.read_null();
        return nullptr;
    case kind::boolean:
        return text.read_boolean();
    case kind::string:
        return text.read_string();
    case kind::number: {
        const number n = text.read_number();
        switch (n.is) {
        case number::form::signed_integer:
            return n.signed_integer;
        case number::form::unsigned_integer:
            return n.unsigned_integer;
        case number::form::real:
            return n.real;
        }
        break;
    }
    case kind::array: {
        array elements;
        text.read_array([&] { elements.push_back(read_value(text)); });
        return elements;
    }
    case kind::object: {
        object members;
        text.read_object([&](std::string&& name) {
            value content = read_value(text);
            members.push_back({std::move(name), std::move(content)});
        });
        refuse_repeated_name(members, [&text](std::string_view name) {
            text.fail("the object that ends here has two members " + tersor::detail::quote_name(name));
        });
        return members;
    }
    }
    return nullptr;
}

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

inline void write_double(std::string& out, double real) {
    if (!std::isfinite(real)) {
        out += "null";
        return;
    }
    char digits[32];
    const char* const end = std::to_chars(digits, digits + sizeof(digits), real).ptr;
    const std::string_view text(digits, static_cast<std::size_t>(end - digits));
    out += text;
    if (text.find_first_of(".e") == std::string_view::npos) {
        out += ".0";
    }
}

class writer {
public:
    writer(std::string& out, int indent) : out_(out), indent_(indent) {}

    void write(const value& v) {
        switch (v.kind()) {
        case kind::null:
            out_ += "null";
            break;
        case kind::boolean:
            out_ += v.as_boolean() ? "true" : "false";
            break;
        case kind::number:
            write_number(v);
            break;
        case kind::string:
            write_string(out_, v.as_string());
            break;
        case kind::array:
            write_list('[', ']', v.as_array(), [this](const value& element) { write(element); });
            break;
        case kind::object:
            write_list('{', '}', v.as_object(), [this](const member& m) {
                write_string(out_, m.name);
                out_ += indent_ > 0 ? ": " : ":";
                write(m.content);
            });
            break;
        }
    }

private:
    void write_number(const value& v) {
        if (!v.is_integer()) {
            write_double(out_, v.as_double());
        } else if (v.as_double() < 0) {
            out_ += std::to_string(v.as_integer());
        } else {
            out_ += std::to_string(v.as_unsigned());
        }
    }

    template <class List, class Item>
    void write_list(char open, char close, const List& list, Item&& item) {
        out_ += open;
        ++level_;
        bool first = true;
        for (const auto& element : list) {
            if (!std::exchange(first, false)) {
                out_ += ',';
            }
            new_line();
            item(element);
        }
        --level_;
        if (!list.empty()) {
            new_line();
        }
        out_ += close;
    }

    void new_line() {
        if (indent_ > 0) {
            out_ += '\n';
            out_.append(static_cast<std::size_t>(indent_) * static_cast<std::size_t>(level_), ' ');
        }
    }

    std::string& out_;
    int indent_;
    int level_ = 0;
};

} // namespace detail

/// The value of a JSON text; `source` names it in messages. corrupt_file, with the byte offset, if it is not valid.
[[nodiscard]] inline value parse(std::string_view text, std::string_view source = "JSON text") {
    cursor at(text, source);
    value result = detail::read_value(at);
    at.finish();
    return result;
}

/// The text of a value: on one line without spaces, or with `indent` spaces a level. Not-a-number and infinity, for
/// which JSON has no word, become null. invalid_argument if a string is not valid UTF-8.
[[nodiscard]] inline std::string write(const value& v, int indent = 0) {
    std::string out;
    detail::writer(out, indent).write(v);
    return out;
}

} // namespace tersor::inline v0::json

#endif // TERSOR_IO_JSON_HPP

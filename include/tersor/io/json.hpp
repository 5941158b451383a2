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
#include "tersor/io/sorted_order.hpp"

#include <charconv>
#include <cmath>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace tersor::inline v0::json {

namespace detail {

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
        const auto name_of = [&members](std::size_t i) -> std::string_view { return members[i].name; };
        const auto order = tersor::detail::sorted_by_name(members.size(), name_of);
        if (const std::size_t i = tersor::detail::find_repeated(order, name_of); i != order.size()) {
            text.fail("the object that ends here has two members " + tersor::detail::quote_name(name_of(order[i])));
        }
        return members;
    }
    }
    return nullptr;
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

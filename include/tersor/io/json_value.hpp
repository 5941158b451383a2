#ifndef TERSOR_IO_JSON_VALUE_HPP
#define TERSOR_IO_JSON_VALUE_HPP

// A JSON value as a tree: null, boolean, int64, uint64 (only beyond int64), double, string, array, object.
//
// A value takes 16 bytes, and what does not fit stands behind a pointer, so that a tree of the worst text takes about
// 32 bytes for each byte of it. Objects keep the order of their members and hold a name once; look-up is linear.

#include "tersor/core/error.hpp"
#include "tersor/io/json_cursor.hpp"
#include "tersor/io/quote.hpp"

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tersor::inline v0::json {

class value;
struct member;

using array = std::vector<value>;
using object = std::vector<member>;

/// One JSON value: a regular type. Access of the wrong kind is a corrupt_file error, because it is a file that
/// surprises.
class value {
public:
    value() noexcept = default;
    value(std::nullptr_t) noexcept {}
    value(std::same_as<bool> auto boolean) noexcept : form_(form::boolean) { content_.boolean = boolean; }
    value(std::integral auto integer) noexcept requires(!std::same_as<decltype(integer), bool>) {
        if (std::in_range<std::int64_t>(integer)) {
            form_ = form::signed_integer;
            content_.signed_integer = static_cast<std::int64_t>(integer);
        } else {
            form_ = form::unsigned_integer;
            content_.unsigned_integer = static_cast<std::uint64_t>(integer);
        }
    }
    value(double real) noexcept : form_(form::real) { content_.real = real; }
    value(std::string text) : form_(form::text) { content_.text = new std::string(std::move(text)); }
    value(std::string_view text) : value(std::string(text)) {}
    value(const char* text) : value(std::string(text)) {}
    value(array elements);
    value(object members);

    value(const value& other);
    value(value&& other) noexcept : form_(std::exchange(other.form_, form::null)), content_(other.content_) {}
    value& operator=(value other) noexcept {
        std::swap(form_, other.form_);
        std::swap(content_, other.content_);
        return *this;
    }
    ~value();

    [[nodiscard]] json::kind kind() const noexcept {
        switch (form_) {
        case form::null:
            return kind::null;
        case form::boolean:
            return kind::boolean;
        case form::signed_integer:
        case form::unsigned_integer:
        case form::real:
            return kind::number;
        case form::text:
            return kind::string;
        case form::elements:
            return kind::array;
        case form::members:
            return kind::object;
        }
        return kind::null;
    }
    [[nodiscard]] bool is(json::kind wanted) const noexcept { return kind() == wanted; }
    /// Whether it is a number that is exactly an integer of 64 bits.
    [[nodiscard]] bool is_integer() const noexcept {
        return form_ == form::signed_integer || form_ == form::unsigned_integer;
    }

    [[nodiscard]] bool as_boolean() const {
        require(form_ == form::boolean, "a boolean");
        return content_.boolean;
    }
    /// An integer within int64.
    [[nodiscard]] std::int64_t as_integer() const {
        require(form_ == form::signed_integer, "an integer below 2^63");
        return content_.signed_integer;
    }
    /// An integer within uint64.
    [[nodiscard]] std::uint64_t as_unsigned() const {
        const bool small = form_ == form::signed_integer && content_.signed_integer >= 0;
        require(small || form_ == form::unsigned_integer, "a non-negative integer below 2^64");
        return small ? static_cast<std::uint64_t>(content_.signed_integer) : content_.unsigned_integer;
    }
    /// Any number as the nearest double.
    [[nodiscard]] double as_double() const {
        require(kind() == kind::number, "a number");
        switch (form_) {
        case form::signed_integer:
            return static_cast<double>(content_.signed_integer);
        case form::unsigned_integer:
            return static_cast<double>(content_.unsigned_integer);
        default:
            return content_.real;
        }
    }
    [[nodiscard]] const std::string& as_string() const {
        require(form_ == form::text, "a string");
        return *content_.text;
    }
    [[nodiscard]] const array& as_array() const {
        require(form_ == form::elements, "an array");
        return *content_.elements;
    }
    [[nodiscard]] const object& as_object() const {
        require(form_ == form::members, "an object");
        return *content_.members;
    }
    [[nodiscard]] array& as_array() { return const_cast<array&>(std::as_const(*this).as_array()); }
    [[nodiscard]] object& as_object() { return const_cast<object&>(std::as_const(*this).as_object()); }

    /// The member of that name, or null if there is none or this is no object.
    [[nodiscard]] const value* find(std::string_view name) const noexcept;
    [[nodiscard]] bool contains(std::string_view name) const noexcept { return find(name) != nullptr; }
    /// The member of that name; corrupt_file if there is none.
    [[nodiscard]] const value& at(std::string_view name) const;
    /// The member of that name, made as null at the end if there is none. A null value becomes an object first.
    [[nodiscard]] value& operator[](std::string_view name);
    /// Adds an element to an array. A null value becomes an array first.
    void push_back(value element);

    friend bool operator==(const value& a, const value& b);

private:
    enum class form : unsigned char { null, boolean, signed_integer, unsigned_integer, real, text, elements, members };
    union payload {
        bool boolean;
        std::int64_t signed_integer;
        std::uint64_t unsigned_integer;
        double real;
        std::string* text;
        array* elements;
        object* members;
    };

    void require(bool condition, const char* wanted) const {
        if (!condition) {
            raise(error_code::corrupt_file,
                  std::string("JSON value: expected ") + wanted + ", found " + describe(kind()));
        }
    }

    form form_ = form::null;
    payload content_{};
};

/// One member of an object.
struct member {
    std::string name;
    value content;
    friend bool operator==(const member& a, const member& b) { return a.name == b.name && a.content == b.content; }
};

inline value::value(array elements) : form_(form::elements) {
    content_.elements = new array(std::move(elements));
}
inline value::value(object members) : form_(form::members) {
    content_.members = new object(std::move(members));
}

inline value::value(const value& other) : form_(other.form_), content_(other.content_) {
    switch (form_) {
    case form::text:
        content_.text = new std::string(*other.content_.text);
        break;
    case form::elements:
        content_.elements = new array(*other.content_.elements);
        break;
    case form::members:
        content_.members = new object(*other.content_.members);
        break;
    default:
        break;
    }
}

inline value::~value() {
    switch (form_) {
    case form::text:
        delete content_.text;
        break;
    case form::elements:
        delete content_.elements;
        break;
    case form::members:
        delete content_.members;
        break;
    default:
        break;
    }
}

inline bool operator==(const value& a, const value& b) {
    if (a.form_ != b.form_) {
        return false;
    }
    switch (a.form_) {
    case value::form::null:
        return true;
    case value::form::boolean:
        return a.content_.boolean == b.content_.boolean;
    case value::form::signed_integer:
        return a.content_.signed_integer == b.content_.signed_integer;
    case value::form::unsigned_integer:
        return a.content_.unsigned_integer == b.content_.unsigned_integer;
    case value::form::real:
        return a.content_.real == b.content_.real;
    case value::form::text:
        return *a.content_.text == *b.content_.text;
    case value::form::elements:
        return *a.content_.elements == *b.content_.elements;
    case value::form::members:
        return *a.content_.members == *b.content_.members;
    }
    return false;
}

inline const value* value::find(std::string_view name) const noexcept {
    if (form_ == form::members) {
        for (const member& m : *content_.members) {
            if (m.name == name) {
                return &m.content;
            }
        }
    }
    return nullptr;
}

inline const value& value::at(std::string_view name) const {
    if (const value* const found = find(name)) {
        return *found;
    }
    static_cast<void>(as_object());
    raise(error_code::corrupt_file, "JSON object: no member " + tersor::detail::quote_name(name));
}

inline value& value::operator[](std::string_view name) {
    if (kind() == json::kind::null) {
        *this = object();
    }
    if (const value* const found = find(name)) {
        return const_cast<value&>(*found);
    }
    return as_object().emplace_back(member{std::string(name), {}}).content;
}

inline void value::push_back(value element) {
    if (kind() == json::kind::null) {
        *this = array();
    }
    as_array().push_back(std::move(element));
}

} // namespace tersor::inline v0::json

#endif // TERSOR_IO_JSON_VALUE_HPP

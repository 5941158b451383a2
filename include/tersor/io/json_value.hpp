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
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace tersor::inline v0::json {

class value;
struct member;

using array = std::vector<value>;
using object = std::vector<member>;

namespace detail {
/// A value on the heap that copies as if it stood here. Empty only after a move.
template <class T>
class boxed {
public:
    explicit boxed(T content) : content_(std::make_unique<T>(std::move(content))) {}
    boxed(const boxed& other) : content_(std::make_unique<T>(*other.content_)) {}
    boxed(boxed&& other) noexcept = default;
    boxed& operator=(boxed other) noexcept {
        content_.swap(other.content_);
        return *this;
    }
    ~boxed() = default;
    [[nodiscard]] T& operator*() noexcept { return *content_; }
    [[nodiscard]] const T& operator*() const noexcept { return *content_; }
    friend bool operator==(const boxed& a, const boxed& b) { return *a == *b; }

private:
    std::unique_ptr<T> content_;
};
} // namespace detail

/// One JSON value: a regular type. Access of the wrong kind is a corrupt_file error, because it is a file that
/// surprises.
class value {
public:
    value() noexcept = default;
    value(std::nullptr_t) noexcept {}
    value(std::same_as<bool> auto boolean) noexcept : content_(boolean) {}
    value(std::integral auto integer) noexcept requires(!std::same_as<decltype(integer), bool>) {
        if (std::in_range<std::int64_t>(integer)) {
            content_ = static_cast<std::int64_t>(integer);
        } else {
            content_ = static_cast<std::uint64_t>(integer);
        }
    }
    value(double real) noexcept : content_(real) {}
    value(std::string text) : content_(detail::boxed<std::string>(std::move(text))) {}
    value(std::string_view text) : value(std::string(text)) {}
    value(const char* text) : value(std::string(text)) {}
    value(array elements);
    value(object members);

    [[nodiscard]] json::kind kind() const noexcept {
        constexpr json::kind kinds[] = {kind::null,   kind::boolean, kind::number, kind::number,
                                        kind::number, kind::string,  kind::array,  kind::object};
        return kinds[content_.index()];
    }
    [[nodiscard]] bool is(json::kind wanted) const noexcept { return kind() == wanted; }
    /// A number that is exactly an integer of 64 bits.
    [[nodiscard]] bool is_integer() const noexcept { return content_.index() == 2 || content_.index() == 3; }

    [[nodiscard]] bool as_boolean() const { return get<bool>("a boolean"); }
    /// An integer within int64.
    [[nodiscard]] std::int64_t as_integer() const { return get<std::int64_t>("an integer below 2^63"); }
    /// An integer within uint64.
    [[nodiscard]] std::uint64_t as_unsigned() const {
        if (const auto* const large = std::get_if<std::uint64_t>(&content_)) {
            return *large;
        }
        if (const auto* const small = std::get_if<std::int64_t>(&content_); small != nullptr && *small >= 0) {
            return static_cast<std::uint64_t>(*small);
        }
        wrong("a non-negative integer below 2^64");
    }
    /// Any number as the nearest double.
    [[nodiscard]] double as_double() const {
        if (const auto* const large = std::get_if<std::uint64_t>(&content_)) {
            return static_cast<double>(*large);
        }
        if (const auto* const small = std::get_if<std::int64_t>(&content_)) {
            return static_cast<double>(*small);
        }
        return get<double>("a number");
    }
    [[nodiscard]] const std::string& as_string() const { return *get<detail::boxed<std::string>>("a string"); }
    [[nodiscard]] const array& as_array() const { return *get<detail::boxed<array>>("an array"); }
    [[nodiscard]] const object& as_object() const { return *get<detail::boxed<object>>("an object"); }
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

    friend bool operator==(const value& a, const value& b) { return a.content_ == b.content_; }

private:
    template <class T>
    const T& get(const char* wanted) const {
        if (const T* const content = std::get_if<T>(&content_)) {
            return *content;
        }
        wrong(wanted);
    }

    [[noreturn]] void wrong(const char* wanted) const {
        raise(error_code::corrupt_file, std::string("JSON value: expected ") + wanted + ", found " + describe(kind()));
    }

    std::variant<std::nullptr_t, bool, std::int64_t, std::uint64_t, double, detail::boxed<std::string>,
                 detail::boxed<array>, detail::boxed<object>>
        content_;
};

/// One member of an object.
struct member {
    std::string name;
    value content;
    friend bool operator==(const member& a, const member& b) { return a.name == b.name && a.content == b.content; }
};

inline value::value(array elements) : content_(detail::boxed<array>(std::move(elements))) {}
inline value::value(object members) : content_(detail::boxed<object>(std::move(members))) {}

inline const value* value::find(std::string_view name) const noexcept {
    if (const auto* const members = std::get_if<detail::boxed<object>>(&content_)) {
        for (const member& m : **members) {
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

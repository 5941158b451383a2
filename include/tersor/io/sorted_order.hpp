#ifndef TERSOR_IO_SORTED_ORDER_HPP
#define TERSOR_IO_SORTED_ORDER_HPP

// Sorting by index: one instantiation of the sort serves all the tables of io, which keeps the headers cheap to
// compile and the sorted things where they are.

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <vector>

namespace tersor::inline v0::detail {

/// A reference to any callable "is item a before item b", without its type.
struct item_order {
    const void* less;
    bool (*call)(const void* less, std::size_t a, std::size_t b);
    bool operator()(std::size_t a, std::size_t b) const { return call(less, a, b); }
};

inline void sort_items(std::vector<std::size_t>& items, item_order order) {
    // equal items keep their order
    std::sort(items.begin(), items.end(),
              [order](std::size_t a, std::size_t b) { return order(a, b) || (a < b && !order(b, a)); });
}

/// The numbers 0 .. count - 1 in the order of `less(a, b)`, equal ones by number.
template <class Less>
[[nodiscard]] std::vector<std::size_t> sorted_order(std::size_t count, const Less& less) {
    std::vector<std::size_t> items(count);
    for (std::size_t i = 0; i < count; ++i) {
        items[i] = i;
    }
    sort_items(items, {&less, [](const void* l, std::size_t a, std::size_t b) {
                           return (*static_cast<const Less*>(l))(a, b);
                       }});
    return items;
}

/// The numbers 0 .. count - 1 in the order of name_of(i).
template <class NameOf>
[[nodiscard]] std::vector<std::size_t> sorted_by_name(std::size_t count, const NameOf& name_of) {
    return sorted_order(count, [&name_of](std::size_t a, std::size_t b) { return name_of(a) < name_of(b); });
}

/// The place in `order` of the item whose name_of(item) is `name`, or order.size(). The order is sorted_by_name.
template <class NameOf>
[[nodiscard]] std::size_t find_sorted(const std::vector<std::size_t>& order, std::string_view name,
                                      const NameOf& name_of) noexcept {
    std::size_t first = 0;
    std::size_t count = order.size();
    while (count != 0) {
        const std::size_t half = count / 2;
        const bool before = name_of(order[first + half]) < name;
        first = before ? first + half + 1 : first;
        count = before ? count - half - 1 : half;
    }
    return first < order.size() && name_of(order[first]) == name ? first : order.size();
}

/// The first place i in `order` where the items i and i + 1 have the same name, or order.size().
template <class NameOf>
[[nodiscard]] std::size_t find_repeated(const std::vector<std::size_t>& order, const NameOf& name_of) noexcept {
    for (std::size_t i = 0; i + 1 < order.size(); ++i) {
        if (name_of(order[i]) == name_of(order[i + 1])) {
            return i;
        }
    }
    return order.size();
}

} // namespace tersor::inline v0::detail

#endif // TERSOR_IO_SORTED_ORDER_HPP

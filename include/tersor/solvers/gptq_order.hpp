#ifndef TERSOR_SOLVERS_GPTQ_ORDER_HPP
#define TERSOR_SOLVERS_GPTQ_ORDER_HPP

// Orders of the columns of a weight matrix, and H in such an order. Equal diagonals keep their order.

#include "tersor/core/concepts.hpp"
#include "tersor/linalg/matrix_view.hpp"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

namespace tersor::inline v0::detail {

/// 0, 1, ... n - 1.
[[nodiscard]] inline std::vector<index> natural_order(index n) {
    std::vector<index> order(static_cast<std::size_t>(n));
    std::iota(order.begin(), order.end(), index{0});
    return order;
}

/// By falling diagonal.
template <class Scalar>
[[nodiscard]] std::vector<index> falling_order(const std::vector<Scalar>& diagonal) {
    std::vector<index> order = natural_order(static_cast<index>(diagonal.size()));
    std::stable_sort(order.begin(), order.end(), [&](index a, index b) {
        return diagonal[static_cast<std::size_t>(a)] > diagonal[static_cast<std::size_t>(b)];
    });
    return order;
}

/// GPTQModel's group-aware order: inside each whole group by falling diagonal, whole groups by their largest diagonal;
/// the columns after the last whole group stay last.
template <class Scalar>
[[nodiscard]] std::vector<index> group_aware_order(const std::vector<Scalar>& diagonal, index group) {
    const auto at = [&](index j) { return diagonal[static_cast<std::size_t>(j)]; };
    const auto falling = [&](index a, index b) { return at(a) > at(b); };
    const index n = static_cast<index>(diagonal.size()), groups = n / group;
    std::vector<index> columns = natural_order(n), order;
    for (index g = 0; g < groups; ++g) {
        std::stable_sort(columns.begin() + g * group, columns.begin() + (g + 1) * group, falling);
    }
    std::vector<index> by_largest = natural_order(groups);
    std::stable_sort(by_largest.begin(), by_largest.end(), [&](index a, index b) {
        return falling(columns[static_cast<std::size_t>(a * group)], columns[static_cast<std::size_t>(b * group)]);
    });
    order.reserve(columns.size());
    for (const index g : by_largest) {
        order.insert(order.end(), columns.begin() + g * group, columns.begin() + (g + 1) * group);
    }
    order.insert(order.end(), columns.begin() + groups * group, columns.end());
    return order;
}

/// Rows and columns of square m in a new order: new m(i, j) = old m(order[i], order[j]); in place.
template <class Scalar>
void reorder(linalg::matrix_view<Scalar> m, std::span<const index> order) {
    const auto n = static_cast<std::size_t>(m.rows);
    std::vector<Scalar> row(n);
    for (index i = 0; i < m.rows; ++i) {
        for (std::size_t j = 0; j < n; ++j) {
            row[j] = m(i, order[j]);
        }
        std::copy(row.begin(), row.end(), &m(i, 0));
    }
    // Rows move along the cycles of the order.
    std::vector<bool> is_done(n);
    for (std::size_t start = 0; start < n; ++start) {
        if (is_done[start]) {
            continue;
        }
        std::copy_n(&m(static_cast<index>(start), 0), n, row.begin());
        std::size_t to = start;
        for (;;) {
            is_done[to] = true;
            const auto from = static_cast<std::size_t>(order[to]);
            Scalar* const target = &m(static_cast<index>(to), 0);
            if (from == start) {
                std::copy(row.begin(), row.end(), target);
                break;
            }
            std::copy_n(&m(static_cast<index>(from), 0), n, target);
            to = from;
        }
    }
}

} // namespace tersor::inline v0::detail

#endif // TERSOR_SOLVERS_GPTQ_ORDER_HPP

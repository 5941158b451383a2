#ifndef TERSOR_SOLVERS_HESSIAN_TOTAL_HPP
#define TERSOR_SOLVERS_HESSIAN_TOTAL_HPP

// The sum of x x^T over chunks of tokens: upper triangle, each element a pair of doubles.
//
// A chunk's own sum is one chain of fused multiply-adds (linalg/gram.hpp) from zero. Adding it to a pair (Knuth's
// two-sum) makes no error while all of an element's chunk sums and totals fit a window of 106 bits: for chains of
// floats, while their magnitudes lie within a factor of 2^80 of each other (or are zero), for chains of doubles within
// 2^50. Sums without error do not depend on their order, so that totals of parts can be merged in any grouping.

#include "tersor/core/error.hpp"
#include "tersor/core/execution.hpp"
#include "tersor/linalg/gram.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#define TERSOR_KERNELS "tersor/solvers/hessian-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"

namespace tersor::inline v0::detail {

/// The values of some tokens, [count x columns].
template <class Scalar>
struct token_block {
    const Scalar* values;
    index count;
};

class hessian_total {
public:
    hessian_total() = default;
    explicit hessian_total(index columns) : columns_(columns) {}

    /// Whether no chunk was added.
    [[nodiscard]] bool is_zero() const noexcept { return high_.empty(); }
    /// The pairs, row after row of the upper triangle: empty, or columns (columns + 1) / 2 of each.
    [[nodiscard]] std::vector<double>& high() noexcept { return high_; }
    [[nodiscard]] std::vector<double>& low() noexcept { return low_; }
    [[nodiscard]] const std::vector<double>& high() const noexcept { return high_; }
    [[nodiscard]] const std::vector<double>& low() const noexcept { return low_; }

    [[nodiscard]] index pairs() const noexcept { return columns_ * (columns_ + 1) / 2; }
    /// Position of the pair (i, i).
    [[nodiscard]] index position(index i) const noexcept { return i * columns_ - i * (i - 1) / 2; }

    /// Makes room for the pairs, all zero.
    void allocate() {
        high_.resize(static_cast<std::size_t>(pairs()));
        low_.resize(static_cast<std::size_t>(pairs()));
    }

    /// Adds the sum over the tokens of one chunk.
    template <class Scalar>
    void add(const token_block<Scalar>& chunk, const execution& exec) {
        if (is_zero()) {
            allocate();
        }
        for_each_tile(exec, [&](const tile& t) {
            const Scalar* const sums = chain(t, chunk);
            for (index r = 0; r < t.rows; ++r) {
                const index skip = t.first_of(r), at = position(t.row + r) + t.column + skip - (t.row + r);
                TERSOR_DISPATCH(
                    add_to_pairs(sums + r * t.columns + skip, high_.data() + at, low_.data() + at, t.columns - skip));
            }
        });
    }

    /// Adds another total of as many columns.
    void add(const hessian_total& other) {
        if (other.is_zero()) {
            return;
        }
        if (is_zero()) {
            *this = other;
            return;
        }
        for (std::size_t i = 0; i < high_.size(); ++i) {
            add_pair(high_[i], low_[i], other.high_[i], other.low_[i]);
        }
    }

    /// Calls write(i, j, high, low) for all i <= j, on several threads, with the sums of this and of further chunks.
    template <class Scalar, class Write>
    void for_each_sum(const token_block<Scalar>* chunks, index count, const execution& exec, const Write& write) const {
        for_each_tile(exec, [&](const tile& t) {
            std::vector<double> high(static_cast<std::size_t>(t.rows * t.columns)), low(high.size());
            for (index r = 0; r < t.rows && !is_zero(); ++r) {
                const index skip = t.first_of(r), at = position(t.row + r) + t.column + skip - (t.row + r);
                std::copy_n(high_.data() + at, t.columns - skip, high.data() + r * t.columns + skip);
                std::copy_n(low_.data() + at, t.columns - skip, low.data() + r * t.columns + skip);
            }
            for (index c = 0; c < count; ++c) {
                if (chunks[c].count > 0) {
                    const Scalar* const sums = chain(t, chunks[c]);
                    TERSOR_DISPATCH(add_to_pairs(sums, high.data(), low.data(), t.rows * t.columns));
                }
            }
            for (index r = 0; r < t.rows; ++r) {
                for (index c = t.first_of(r); c < t.columns; ++c) {
                    const auto at = static_cast<std::size_t>(r * t.columns + c);
                    write(t.row + r, t.column + c, high[at], low[at]);
                }
            }
        });
    }

private:
    static constexpr index edge = 512;

    struct tile {
        index row, rows, column, columns;
        /// The first column, from the tile's on, that row r has in the upper triangle.
        [[nodiscard]] index first_of(index r) const noexcept { return std::max<index>(0, row + r - column); }
    };

    template <class Work>
    void for_each_tile(const execution& exec, const Work& work) const {
        const index across = (columns_ + edge - 1) / edge;
        exec.for_each(across * (across + 1) / 2, [&](index turn) {
            index column = 0;
            for (; turn > column; turn -= ++column) {
            }
            const index i = turn * edge, j = column * edge;
            work(tile{i, std::min(edge, columns_ - i), j, std::min(edge, columns_ - j)});
        });
    }

    /// The chunk's own sums of a tile; zero below the diagonal. They are kept until the thread's next call.
    template <class Scalar>
    const Scalar* chain(const tile& t, const token_block<Scalar>& chunk) const {
        thread_local std::vector<Scalar> sums;
        sums.assign(static_cast<std::size_t>(t.rows * t.columns), Scalar{0});
        const linalg::matrix_view<Scalar> c{sums.data(), t.rows, t.columns, t.columns};
        const auto columns_from = [&](index first, index count) {
            return linalg::matrix_view<const Scalar>{chunk.values + first, chunk.count, count, columns_};
        };
        if (t.row == t.column) {
            linalg::add_gram(c, columns_from(t.row, t.rows));
        } else {
            linalg::add_gram(c, columns_from(t.row, t.rows), columns_from(t.column, t.columns));
        }
        return sums.data();
    }

    static void add_pair(double& high, double& low, double other_high, double other_low) noexcept {
        const double sum = high + other_high, part = sum - high;
        const double error = (high - (sum - part)) + (other_high - part) + (low + other_low);
        high = sum + error;
        low = error - (high - sum);
    }

    index columns_ = 0;
    std::vector<double> high_, low_;
};

/// 2 (high + low) / samples, rounded to double: but for rare cases near the middle of two doubles, the nearest one.
inline double mean_of_pair(double high, double low, index samples) noexcept {
    const double count = static_cast<double>(samples), quotient = 2 * high / count;
    return quotient + (std::fma(-quotient, count, 2 * high) + 2 * low) / count;
}

/// Sets a total such that `mean_of_pair` gives the mean of the values, in memory, and their transpose.
/// Errors: `non_finite`; `invalid_argument` for a negative diagonal value or a matrix that is not symmetric.
template <class Values>
void set_total(hessian_total& total, const Values& h, index samples) {
    const auto value = [&h](index i, index j) { return static_cast<double>(h(i, j)); };
    const auto at = [](index i, index j) { return "(" + std::to_string(i) + ", " + std::to_string(j) + ")"; };
    for (index i = 0; i < h.rows(); ++i) {
        for (index j = 0; j < h.cols(); ++j) {
            if (!std::isfinite(value(i, j))) {
                raise(error_code::non_finite, "hessian::from_matrix: the value at " + at(i, j) + " is not finite");
            }
        }
        if (value(i, i) < 0) {
            raise(error_code::invalid_argument, "hessian::from_matrix: the diagonal value " +
                                                    std::to_string(value(i, i)) + " at " + at(i, i) + " is negative");
        }
    }
    total.allocate();
    const double half_count = static_cast<double>(samples) / 2;
    for (index i = 0; i < h.rows(); ++i) {
        for (index j = i; j < h.cols(); ++j) {
            const double a = value(i, j), b = value(j, i), difference = std::abs(a - b);
            if (difference > 0x1p-10 * std::sqrt(value(i, i)) * std::sqrt(value(j, j))) {
                raise(error_code::invalid_argument,
                      "hessian::from_matrix: the matrix is not symmetric: " + std::to_string(a) + " at " + at(i, j) +
                          ", " + std::to_string(b) + " at " + at(j, i));
            }
            const double mean = a == b ? a : a / 2 + b / 2, product = mean * half_count;
            const auto position = static_cast<std::size_t>(total.position(i) + j - i);
            total.high()[position] = product;
            total.low()[position] = std::fma(mean, half_count, -product);
        }
    }
}

} // namespace tersor::inline v0::detail

#endif // TERSOR_SOLVERS_HESSIAN_TOTAL_HPP

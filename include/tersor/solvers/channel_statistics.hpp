#ifndef TERSOR_SOLVERS_CHANNEL_STATISTICS_HPP
#define TERSOR_SOLVERS_CHANNEL_STATISTICS_HPP

// Mean and largest magnitude of every input column of a layer, over all tokens seen: what AWQ and SmoothQuant scale by.
//
//   mean_j = (sum over tokens of |x_j|) / tokens,  max_j = the largest |x_j|
//
// The sum is exact: a fixed-point number of 352 bits whose last bit is the smallest subnormal float. So neither the
// order of the tokens, nor their cut into batches, nor the order in which parts are merged changes a bit. The exact sum
// is rounded to double (relative error below 2^-51), divided, and rounded to float.

#include "tersor/core/error.hpp"
#include "tersor/core/execution.hpp"
#include "tersor/core/strided.hpp"
#include "tersor/quantizers/quantize_checks.hpp"
#include "tersor/quantizers/rows.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tersor::inline v0 {

namespace detail {

/// An exact sum of magnitudes of floats: the words of value / 2^-149, least first, 32 bits each once carried.
class exact_sum {
public:
    /// How many values may be added between two carries: each adds less than 2^55 to a word.
    static constexpr index capacity = 256;

    void add(float x) noexcept {
        const std::uint32_t pattern = magnitude_bits(x), exponent = pattern >> 23;
        const std::uint64_t significand = exponent == 0 ? pattern : (pattern & 0x7FFFFFu) | 0x800000u;
        const std::uint32_t shift = exponent == 0 ? 0 : exponent - 1;
        words_[shift / 32] += significand << (shift % 32);
    }
    void carry() noexcept {
        for (std::size_t k = 0; k + 1 < words_.size(); ++k) {
            words_[k + 1] += words_[k] >> 32;
            words_[k] &= 0xFFFFFFFFu;
        }
    }
    void add(const exact_sum& other) noexcept {
        for (std::size_t k = 0; k < words_.size(); ++k) {
            words_[k] += other.words_[k];
        }
        carry();
    }
    [[nodiscard]] double value() const noexcept {
        double sum = 0.0;
        for (std::size_t k = 0; k < words_.size(); ++k) {
            sum += std::ldexp(static_cast<double>(words_[k]), static_cast<int>(32 * k) - 149);
        }
        return sum;
    }
    friend bool operator==(const exact_sum&, const exact_sum&) = default;

private:
    std::array<std::uint64_t, 11> words_{};
};

} // namespace detail

/// Mean and largest magnitude per input column of the activations of a layer, gathered batch by batch.
class channel_statistics {
public:
    /// For activations of `columns` columns. Errors: `invalid_argument` unless there is at least one.
    explicit channel_statistics(index columns) {
        if (columns < 1) {
            raise(error_code::invalid_argument,
                  "channel_statistics of " + std::to_string(columns) + " columns: at least one is needed");
        }
        sums_.resize(static_cast<std::size_t>(columns));
        largest_.resize(static_cast<std::size_t>(columns));
    }

    /// Takes in activations [..., columns]: an Eigen matrix or tensor of float, double (rounded to float), Eigen::half
    /// or Eigen::bfloat16, in any order; a vector is one token.
    /// Errors: `shape_mismatch` for another number of columns; `non_finite`; nothing is taken in then.
    template <class Batch>
    void observe(const Batch& x, const execution& exec = {}) {
        static_assert(eigen_object<Batch>, "observe takes a dense Eigen object: a matrix or tensor [..., columns]");
        if constexpr (!detail::has_memory<Batch>()) {
            const typename Batch::PlainObject evaluated = x;
            observe(evaluated, exec);
        } else {
            using Scalar = typename Batch::Scalar;
            constexpr int rank = detail::rank_of<Batch>();
            const strided<const Scalar, rank> source = as_strided(x);
            const row_view<const Scalar, rank> view(source, rank - 1);
            if (view.length() != columns()) {
                raise(error_code::shape_mismatch, "activations of " + std::to_string(view.length()) +
                                                      " columns for statistics of " + std::to_string(columns()));
            }
            for_each_panel(view, exec.part(0.0, 0.3), [&](index, index, const std::vector<float>& panel) {
                if (!std::all_of(panel.begin(), panel.end(), [](float v) { return detail::is_finite(v); })) {
                    raise_first_bad(view);
                }
            });
            add(view, exec.part(0.3, 1.0));
            tokens_ += source.size() == 0 ? 0 : view.rows();
        }
    }

    /// Takes in what another one has seen. Errors: `shape_mismatch` for another number of columns.
    void merge(const channel_statistics& other) {
        if (other.columns() != columns()) {
            raise(error_code::shape_mismatch, "statistics of " + std::to_string(other.columns()) +
                                                  " columns cannot be merged into those of " +
                                                  std::to_string(columns()));
        }
        for (std::size_t j = 0; j < sums_.size(); ++j) {
            sums_[j].add(other.sums_[j]);
            largest_[j] = std::max(largest_[j], other.largest_[j]);
        }
        tokens_ += other.tokens_;
    }

    [[nodiscard]] index columns() const noexcept { return static_cast<index>(sums_.size()); }
    /// How many tokens were seen.
    [[nodiscard]] index tokens() const noexcept { return tokens_; }

    /// mean |x_j| of every column; zeros before the first token.
    [[nodiscard]] std::vector<float> mean_magnitude() const {
        std::vector<float> means(sums_.size());
        for (std::size_t j = 0; j < sums_.size() && tokens_ > 0; ++j) {
            means[j] = static_cast<float>(sums_[j].value() / static_cast<double>(tokens_));
        }
        return means;
    }
    /// max |x_j| of every column; zeros before the first token.
    [[nodiscard]] std::vector<float> max_magnitude() const { return largest_; }

    friend bool operator==(const channel_statistics&, const channel_statistics&) = default;

private:
    static constexpr index tile = 64;

    /// Calls work(column, rows, panel) for panels of at most 64 columns and exact_sum::capacity rows; the panels of a
    /// column come one after another.
    template <class View, class Work>
    void for_each_panel(const View& view, const execution& exec, const Work& work) const {
        exec.for_each((columns() + tile - 1) / tile, [&](index t) {
            thread_local std::vector<float> panel;
            const index column = t * tile, width = std::min(tile, columns() - column);
            for (index row = 0; row < view.rows(); row += detail::exact_sum::capacity) {
                const index rows = std::min(detail::exact_sum::capacity, view.rows() - row);
                panel.resize(static_cast<std::size_t>(rows * width));
                detail::load_panel(view, row, rows, column, width, panel.data());
                work(column, rows, panel);
            }
        });
    }

    template <class View>
    void add(const View& view, const execution& exec) {
        for_each_panel(view, exec, [&](index column, index rows, const std::vector<float>& panel) {
            const std::size_t width = panel.size() / static_cast<std::size_t>(rows);
            for (std::size_t j = 0; j < width; ++j) {
                detail::exact_sum& sum = sums_[static_cast<std::size_t>(column) + j];
                float& largest = largest_[static_cast<std::size_t>(column) + j];
                for (std::size_t i = j; i < panel.size(); i += width) {
                    sum.add(panel[i]);
                    largest = std::max(largest, std::abs(panel[i]));
                }
                sum.carry();
            }
        });
    }

    template <class View>
    [[noreturn]] static void raise_first_bad(const View& view) {
        for (index r = 0; r < view.rows(); ++r) {
            for (index c = 0; c < view.length(); ++c) {
                if (!detail::is_finite(static_cast<float>(*view.address(r, c)))) {
                    raise(error_code::non_finite,
                          "the activation at " + view.position(r, c) + " is not finite as a float");
                }
            }
        }
        raise(error_code::non_finite, "the activations changed while they were observed");
    }

    std::vector<detail::exact_sum> sums_;
    std::vector<float> largest_;
    index tokens_ = 0;
};

} // namespace tersor::inline v0

#endif // TERSOR_SOLVERS_CHANNEL_STATISTICS_HPP

#ifndef TERSOR_METRICS_SENSITIVITY_NORM_HPP
#define TERSOR_METRICS_SENSITIVITY_NORM_HPP

// How much an error of the weights matters for the output of a layer, given the second moments of its inputs.
//
//   tr(E H E^T) = sum over the rows e of E of e H e^T,   E = W - Q [rows x columns]
//
// With H = (2/n) X^T X this is 2/n times the squared error of the outputs, |X W^T - X Q^T|^2; with H = I it is |E|^2.
//
// A row is e H e^T = 2 sum_i e_i (H_ii e_i / 2 + sum_{j > i} H_ij e_j): only the upper triangle is read, half of the
// work. Sums have the fixed order of sensitivity-inl.hpp; those of the rows are added in order.

#include "tersor/core/error.hpp"
#include "tersor/core/execution.hpp"
#include "tersor/metrics/error_metrics.hpp"

#include <Eigen/Core>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <string>
#include <type_traits>
#include <vector>

#define TERSOR_KERNELS "tersor/metrics/sensitivity-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"

namespace tersor::inline v0 {

/// The squared norm tr(E H E^T) of matrices [rows x columns] that a symmetric H [columns x columns] gives.
class hessian_norm {
public:
    /// H is any dense Eigen expression of real numbers; only its upper triangle is read. It takes 4 bytes per entry of
    /// H. Errors: `shape_mismatch` if it is not square; `non_finite`.
    template <class Symmetric>
    explicit hessian_norm(const Eigen::DenseBase<Symmetric>& h) : columns_(h.rows()) {
        if (h.rows() != h.cols()) {
            raise(error_code::shape_mismatch, "hessian_norm: a matrix [" + std::to_string(h.rows()) + " x " +
                                                  std::to_string(h.cols()) + "] is not square");
        }
        const Eigen::Ref<const typename Symmetric::PlainObject> values(h.derived());
        for (index i = 0; i < columns_; ++i) {
            const std::size_t begin = triangle_.size();
            triangle_.resize(begin + static_cast<std::size_t>(stride() - i / 16 * 16));
            double* const row = triangle_.data() + begin;
            for (index j = i; j < columns_; ++j) {
                const auto value = static_cast<double>(values(i, j));
                if (!std::isfinite(value)) {
                    raise(error_code::non_finite, "hessian_norm: the matrix is not finite at (" + std::to_string(i) +
                                                      ", " + std::to_string(j) + ")");
                }
                row[j - i / 16 * 16] = j == i ? 0.5 * value : value;
            }
        }
    }

    /// How many columns a matrix has that it measures.
    [[nodiscard]] index columns() const noexcept { return columns_; }

    /// tr(W H W^T) of an Eigen object or a quantized tensor whose last axis has columns() values.
    /// Errors: `shape_mismatch`; `cancelled`.
    template <class W>
    [[nodiscard]] double squared(const W& w, const execution& exec = {}) const {
        return with_panels(w, [&](const auto& source) {
            return sum_rows(source.sizes, exec,
                            [&](index row, index rows, double* out) { load(source, row, rows, out); });
        });
    }

    /// tr((W - Q) H (W - Q)^T) of two of them, of the same shape. Errors: `shape_mismatch`; `cancelled`.
    template <class W, class Q>
    [[nodiscard]] double squared_distance(const W& w, const Q& q, const execution& exec = {}) const {
        return with_panels(w, [&](const auto& original) {
            return with_panels(q, [&](const auto& approximation) {
                if (original.sizes != approximation.sizes) {
                    raise(error_code::shape_mismatch, "hessian_norm: shapes " + detail::shape_text(original.sizes) +
                                                          " and " + detail::shape_text(approximation.sizes) +
                                                          " differ");
                }
                return sum_rows(original.sizes, exec, [&](index row, index rows, double* out) {
                    thread_local std::vector<double> q_rows;
                    q_rows.resize(static_cast<std::size_t>(rows * stride()));
                    load(original, row, rows, out);
                    load(approximation, row, rows, q_rows.data());
                    for (std::size_t i = 0; i < q_rows.size(); ++i) {
                        out[i] -= q_rows[i];
                    }
                });
            });
        });
    }

private:
    static constexpr index tile_rows = 16;

    [[nodiscard]] index stride() const noexcept { return (columns_ + 15) / 16 * 16; }

    template <class T, class Use>
    [[nodiscard]] static double with_panels(const T& object, const Use& use) {
        if constexpr (requires { detail::panels_of(object); }) {
            return use(detail::panels_of(object));
        } else {
            const typename T::PlainObject evaluated = object;
            return use(detail::panels_of(evaluated));
        }
    }

    /// `rows` rows as doubles, stride() apart, with zeros behind each.
    template <class Source>
    void load(const Source& source, index row, index rows, double* out) const {
        thread_local std::vector<typename Source::value_type> panel;
        panel.resize(static_cast<std::size_t>(rows * columns_));
        source.load(row, rows, 0, columns_, panel.data());
        for (index r = 0; r < rows; ++r) {
            double* const end = std::copy_n(panel.data() + r * columns_, columns_, out + r * stride());
            std::fill(end, out + (r + 1) * stride(), 0.0);
        }
    }

    template <std::size_t Rank, class Fill>
    [[nodiscard]] double sum_rows(const std::array<index, Rank>& sizes, const execution& exec, const Fill& fill) const {
        if (sizes.back() != columns_) {
            raise(error_code::shape_mismatch, "hessian_norm: a tensor " + detail::shape_text(sizes) +
                                                  " where the inputs have " + std::to_string(columns_) + " columns");
        }
        index rows = columns_ == 0 ? 0 : 1;
        for (std::size_t i = 0; i + 1 < Rank; ++i) {
            rows *= sizes[i];
        }
        std::vector<double> forms(static_cast<std::size_t>((rows + tile_rows - 1) / tile_rows * tile_rows));
        exec.for_each((rows + tile_rows - 1) / tile_rows, [&](index tile) {
            const index count = std::min(tile_rows, rows - tile * tile_rows);
            thread_local std::vector<double> e;
            // One more where their number is odd
            e.assign(static_cast<std::size_t>((count + 1) / 2 * 2 * stride()), 0.0);
            fill(tile * tile_rows, count, e.data());
            TERSOR_DISPATCH(add_quadratic_forms(
                triangle_.data(), static_cast<std::size_t>(columns_), static_cast<std::size_t>(stride()), e.data(),
                static_cast<std::size_t>((count + 1) / 2 * 2), forms.data() + tile * tile_rows));
        });
        double sum = 0.0;
        for (const double form : forms) {
            sum += form;
        }
        return 2.0 * sum;
    }

    index columns_;
    std::vector<double> triangle_;
};

} // namespace tersor::inline v0

#endif // TERSOR_METRICS_SENSITIVITY_NORM_HPP

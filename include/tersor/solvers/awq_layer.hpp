#ifndef TERSOR_SOLVERS_AWQ_LAYER_HPP
#define TERSOR_SOLVERS_AWQ_LAYER_HPP

// The weights of one or more layers that share their input, one below the other, and what a choice of scales and
// clipping costs them:
//
//   V = clamp(W diag(s), lower, upper)      products rounded to float; bounds per row and group
//   D = quantized(V) diag(s)^-1 - W         quotient and difference rounded to float
//   cost = tr(D H D^T)                      the sum of its rows' objectives (objective.hpp, in float), in order
//
// With H = (2 / samples) sum x x^T this is 2 / samples times the squared error of the outputs over all tokens.

#include "tersor/core/error.hpp"
#include "tersor/core/exact.hpp"
#include "tersor/core/execution.hpp"
#include "tersor/core/quantized_tensor.hpp"
#include "tersor/linalg/multiply.hpp"
#include "tersor/quantizers/dequantize.hpp"
#include "tersor/quantizers/quantize.hpp"
#include "tersor/quantizers/quantize_checks.hpp"
#include "tersor/solvers/objective.hpp"

#include <Eigen/Core>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace tersor::inline v0 {

/// What scaled weights are clipped to, per row and group [rows x groups].
struct awq_clip_bounds {
    Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> lower, upper;
};

namespace detail {

using awq_matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using awq_hessian = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// Calls work() and reports that this part of the progress is done; `work` uses the threads by itself.
template <class Work>
void run_step(const execution& part, const Work& work) {
    part.for_each(1, [&](index) { work(); });
}

/// Calls work(first, count) for runs of rows, on the threads of `exec`.
template <class Work>
void for_each_row_tile(index rows, index columns, const execution& exec, const Work& work) {
    const index height = std::clamp<index>(16384 / std::max<index>(columns, 1), 1, 64);
    exec.for_each((rows + height - 1) / height,
                  [&](index i) { work(i * height, std::min(height, rows - i * height)); });
}

/// sum over j, in order, of d_j * t_j: products and sums in double.
template <class Scalar>
[[nodiscard]] double dot(const Scalar* d, const Scalar* t, index count) noexcept {
    double sum = 0.0;
    for (index j = 0; j < count; ++j) {
        sum += exact::product(static_cast<double>(d[j]), static_cast<double>(t[j]));
    }
    return sum;
}

/// Errors: `non_finite` for the first value, in row-major order, that is not finite.
inline void check_finite(const char* what, const awq_matrix& values) {
    for (index r = 0; r < values.rows(); ++r) {
        for (index j = 0; j < values.cols(); ++j) {
            if (!is_finite(values(r, j))) {
                raise(error_code::non_finite, std::string(what) + " at (" + std::to_string(r) + ", " +
                                                  std::to_string(j) + ") is not finite as a float");
            }
        }
    }
}

/// The weights of all layers as floats, one below the other, and the row where each ends.
/// Errors: `shape_mismatch`, `invalid_argument` without weights, `non_finite`; their messages begin with `what`.
template <class Weights>
[[nodiscard]] std::pair<awq_matrix, std::vector<index>> stack_weights(const char* what, const Weights& weights,
                                                                      index columns) {
    std::vector<index> ends;
    index rows = 0;
    for (const auto& w : weights) {
        if (w.rows() < 1 || w.cols() != columns) {
            raise(error_code::shape_mismatch, std::string(what) + ": weights [" + std::to_string(w.rows()) + " x " +
                                                  std::to_string(w.cols()) + "] do not fit " + std::to_string(columns) +
                                                  " input columns");
        }
        ends.push_back(rows += w.rows());
    }
    if (ends.empty()) {
        raise(error_code::invalid_argument, std::string(what) + ": no weights");
    }
    awq_matrix all(rows, columns);
    rows = 0;
    for (const auto& w : weights) {
        all.middleRows(rows, w.rows()) = w.template cast<float>();
        rows += w.rows();
    }
    check_finite((std::string(what) + ": the weight of all layers, one below the other,").c_str(), all);
    return {std::move(all), std::move(ends)};
}

template <quantizer Q>
class awq_layer {
public:
    /// `w` [rows x in] holds layers one below the other, the k-th up to row ends[k]; `h` [in x in] is symmetric.
    awq_layer(awq_matrix w, std::vector<index> ends, awq_matrix h)
        : w_(std::move(w)), ends_(std::move(ends)), h_(std::move(h)),
          group_(make_row_layout<Q>(w_.rows(), w_.cols()).group) {}

    [[nodiscard]] const awq_matrix& weights() const noexcept { return w_; }
    [[nodiscard]] const awq_matrix& hessian() const noexcept { return h_; }
    [[nodiscard]] index rows() const noexcept { return w_.rows(); }
    [[nodiscard]] index columns() const noexcept { return w_.cols(); }
    /// Columns that share parameters, and how many such groups a row has.
    [[nodiscard]] index group() const noexcept { return group_; }
    [[nodiscard]] index groups() const noexcept { return (columns() - 1) / group_ + 1; }
    [[nodiscard]] index group_size(index g) const noexcept { return std::min(group_, columns() - g * group_); }

    /// V.
    [[nodiscard]] awq_matrix scaled(std::span<const float> s, const awq_clip_bounds* bounds,
                                    const execution& exec) const {
        awq_matrix v(rows(), columns());
        for_each_row_tile(rows(), columns(), exec, [&](index first, index count) {
            for (index r = first; r < first + count; ++r) {
                for (index j = 0; j < columns(); ++j) {
                    const float x = w_(r, j) * s[static_cast<std::size_t>(j)];
                    v(r, j) = bounds == nullptr
                                  ? x
                                  : std::clamp(x, bounds->lower(r, j / group_), bounds->upper(r, j / group_));
                }
            }
        });
        return v;
    }

    /// The quantized layers.
    [[nodiscard]] std::vector<quantized_tensor<Q, 2>> quantized(std::span<const float> s, const awq_clip_bounds* bounds,
                                                                const execution& exec) const {
        const awq_matrix v = scaled(s, bounds, exec);
        std::vector<quantized_tensor<Q, 2>> layers;
        for (index k = 0, first = 0; k < static_cast<index>(ends_.size());
             first = ends_[static_cast<std::size_t>(k++)]) {
            layers.push_back(
                quantize<Q>(v.middleRows(first, ends_[static_cast<std::size_t>(k)] - first), {.execution = exec}));
        }
        return layers;
    }

    /// D.
    [[nodiscard]] awq_matrix difference(std::span<const float> s, const std::vector<quantized_tensor<Q, 2>>& layers,
                                        const execution& exec) const {
        awq_matrix d(rows(), columns());
        index first_row = 0;
        for (const auto& layer : layers) {
            dequantize_into(layer, d.middleRows(first_row, layer.rows()), exec);
            first_row += layer.rows();
        }
        for_each_row_tile(rows(), columns(), exec, [&](index first, index count) {
            for (index r = first; r < first + count; ++r) {
                for (index j = 0; j < columns(); ++j) {
                    d(r, j) = d(r, j) / s[static_cast<std::size_t>(j)] - w_(r, j);
                }
            }
        });
        return d;
    }

    /// D H.
    [[nodiscard]] awq_matrix weighted(const awq_matrix& d, const execution& exec) const {
        awq_matrix t = awq_matrix::Zero(rows(), columns());
        linalg::multiply_add(linalg::view(t), linalg::view(d), linalg::view(h_), exec);
        return t;
    }

    /// tr(D H D^T).
    [[nodiscard]] double cost(const awq_matrix& d, const execution& exec) const {
        constexpr index height = 64;
        std::vector<std::vector<double>> parts(static_cast<std::size_t>((rows() + height - 1) / height));
        exec.for_each(static_cast<index>(parts.size()), [&](index i) {
            const index first = i * height, count = std::min(height, rows() - first);
            parts[static_cast<std::size_t>(i)] =
                row_objectives<float>(linalg::view(d).block(first, 0, count, columns()), linalg::view(h_));
        });
        double sum = 0.0;
        for (const std::vector<double>& part : parts) {
            for (const double row : part) {
                sum += row;
            }
        }
        return sum;
    }
    [[nodiscard]] double cost(std::span<const float> s, const awq_clip_bounds* bounds, const execution& exec) const {
        return cost(difference(s, quantized(s, bounds, exec), exec), exec);
    }

private:
    awq_matrix w_;
    std::vector<index> ends_;
    awq_matrix h_;
    index group_;
};

} // namespace detail

} // namespace tersor::inline v0

#endif // TERSOR_SOLVERS_AWQ_LAYER_HPP

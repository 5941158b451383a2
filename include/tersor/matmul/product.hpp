#ifndef TERSOR_MATMUL_PRODUCT_HPP
#define TERSOR_MATMUL_PRODUCT_HPP

// Products of quantized weights W [out x in] and float values, for every quantizer:
//
//   q * x            y = W x         x [in x n] or a vector
//   linear(x, q)     y = x W^T       x [tokens x in] or a vector: a layer of a network
//
// Each result is s = 0; for k = 0 .. in - 1: s = fma(w_k, x_k, s), in float, so that the bits do not depend on the
// instruction set, the threads or the storage order. With u = 2^-24 and n u < 1 it differs from the exact sum by at
// most n u / (1 - n u) * sum |w_k x_k| (Higham, Accuracy and Stability of Numerical Algorithms, 3.1), barring overflow.
// Weights are decoded sixteen rows at a time; the matrix never exists as a whole.

#include "tersor/core/error.hpp"
#include "tersor/core/execution.hpp"
#include "tersor/core/quantized_tensor.hpp"
#include "tersor/core/strided.hpp"
#include "tersor/quantizers/decode_panel.hpp"
#include "tersor/quantizers/rows.hpp"

#include <Eigen/Core>

#include <algorithm>
#include <cstddef>
#include <string>
#include <type_traits>
#include <vector>

#define TERSOR_KERNELS "tersor/matmul/product-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"

namespace tersor::inline v0 {

namespace detail {

template <class T>
concept eigen_matrix = std::is_base_of_v<Eigen::MatrixBase<T>, T>;

/// The columns of the right-hand factor, each a run of floats: in place, or copied.
class factor_columns {
public:
    /// Column j is row j of the view.
    template <class Scalar>
    factor_columns(const row_view<const Scalar, 2>& view, const execution& exec)
        : count_(view.rows()), depth_(view.length()), distance_(depth_) {
        if constexpr (std::is_same_v<Scalar, float>) {
            if (count_ > 0 && depth_ > 0 && view.is_contiguous()) {
                data_ = view.address(0, 0);
                distance_ = count_ > 1 ? view.address(1, 0) - data_ : 0;
                return;
            }
        }
        copy_.resize(static_cast<std::size_t>(count_ * depth_));
        data_ = copy_.data();
        const index rows = std::max<index>(1, 65536 / std::max<index>(depth_, 1)) * 16;
        exec.for_each(depth_ == 0 ? 0 : (count_ + rows - 1) / rows, [&](index i) {
            const index first = i * rows, size = std::min(rows, count_ - first);
            load_panel(view, first, size, 0, depth_, copy_.data() + first * depth_);
        });
    }
    factor_columns(const factor_columns&) = delete;
    factor_columns& operator=(const factor_columns&) = delete;

    [[nodiscard]] index count() const noexcept { return count_; }
    [[nodiscard]] index distance() const noexcept { return distance_; }
    [[nodiscard]] const float* at(index column, index k) const noexcept { return data_ + column * distance_ + k; }

private:
    index count_, depth_, distance_;
    const float* data_ = nullptr;
    std::vector<float> copy_;
};

/// Writes y(r, j) = row r of q times column j of x; y is seen as rows of results of one column each.
template <class Q, class Kind, class C, class P>
void multiply_into(const basic_quantized<Q, 2, Kind, C, P>& q, const factor_columns& x, float* y, index row_step,
                   index column_step, const execution& exec) {
    constexpr index tile = 16, depth = 512, most_columns = 256;
    const index rows = q.rows(), length = q.cols();
    const index down = (rows + tile - 1) / tile, across = (x.count() + most_columns - 1) / most_columns;
    exec.for_each(down * across, [&](index i) {
        thread_local std::vector<float> decoded, weights, sums;
        decoded.resize(static_cast<std::size_t>(tile * depth));
        weights.assign(static_cast<std::size_t>(tile * depth), 0.0f);
        const index first = i % down * tile, height = std::min(tile, rows - first);
        const index column = i / down * most_columns, columns = std::min(most_columns, x.count() - column);
        sums.assign(static_cast<std::size_t>(tile * columns), 0.0f);
        for (index k = 0; k < length; k += depth) {
            const index size = std::min(depth, length - k);
            decode_panel(q, first, height, k, size, decoded.data());
            for (index r = 0; r < height; ++r) {
                for (index j = 0; j < size; ++j) {
                    weights[static_cast<std::size_t>(j * tile + r)] = decoded[static_cast<std::size_t>(r * size + j)];
                }
            }
            TERSOR_DISPATCH(multiply_panel(weights.data(), static_cast<std::size_t>(size), x.at(column, k),
                                           x.distance(), static_cast<std::size_t>(columns), sums.data()));
        }
        for (index j = 0; j < columns; ++j) {
            for (index r = 0; r < height; ++r) {
                y[(first + r) * row_step + (column + j) * column_step] = sums[static_cast<std::size_t>(j * tile + r)];
            }
        }
    });
}

template <class T>
[[nodiscard]] strided<const typename T::Scalar, 2> matrix_view(const T& x) {
    return {x.data(), {x.rows(), x.cols()}, {x.rowStride(), x.colStride()}};
}

[[noreturn]] inline void raise_product_shapes(const char* product, index weights_out, index weights_in, index x_rows,
                                              index x_cols) {
    raise(error_code::shape_mismatch, std::string(product) + ": weights [" + std::to_string(weights_out) + " x " +
                                          std::to_string(weights_in) + "] do not fit x [" + std::to_string(x_rows) +
                                          " x " + std::to_string(x_cols) + "]");
}

} // namespace detail

/// W x for weights [out x in] and x [in x n], any Eigen matrix, vector or expression of them, of float, double,
/// Eigen::half or Eigen::bfloat16, taken as float. Gives a float matrix [out x n] in the storage order of x, or a
/// vector. Errors: `shape_mismatch`; `cancelled`.
template <class Q, class Kind, class C, class P, class T>
requires detail::eigen_matrix<T>
[[nodiscard]] auto multiply(const basic_quantized<Q, 2, Kind, C, P>& q, const T& x, const execution& exec = {}) {
    if constexpr (!detail::has_memory<T>()) {
        const typename T::PlainObject evaluated = x;
        return multiply(q, evaluated, exec);
    } else {
        constexpr bool is_column = T::ColsAtCompileTime == 1;
        constexpr int order = T::IsRowMajor && !is_column ? Eigen::RowMajor : Eigen::ColMajor;
        if (x.rows() != q.cols()) {
            detail::raise_product_shapes("q * x", q.rows(), q.cols(), x.rows(), x.cols());
        }
        Eigen::Matrix<float, Eigen::Dynamic, is_column ? 1 : Eigen::Dynamic, order> y(q.rows(), x.cols());
        const detail::factor_columns columns(row_view<const typename T::Scalar, 2>(detail::matrix_view(x), 0), exec);
        detail::multiply_into(q, columns, y.data(), y.rowStride(), y.colStride(), exec);
        return y;
    }
}

/// W x; see `multiply`, which also takes an execution.
template <class Q, class Kind, class C, class P, class T>
requires detail::eigen_matrix<T>
[[nodiscard]] auto operator*(const basic_quantized<Q, 2, Kind, C, P>& q, const T& x) {
    return multiply(q, x);
}

/// x W^T for activations [tokens x in], or one token as a vector of either kind, and weights [out x in]; x as in
/// `multiply`. Gives a float matrix [tokens x out] in the storage order of x, or a vector of the same kind.
/// Errors: `shape_mismatch`; `cancelled`.
template <class T, class Q, class Kind, class C, class P>
requires detail::eigen_matrix<T>
[[nodiscard]] auto linear(const T& x, const basic_quantized<Q, 2, Kind, C, P>& q, const execution& exec = {}) {
    if constexpr (!detail::has_memory<T>()) {
        const typename T::PlainObject evaluated = x;
        return linear(evaluated, q, exec);
    } else {
        constexpr bool is_column = T::ColsAtCompileTime == 1, is_row = T::RowsAtCompileTime == 1 && !is_column;
        constexpr int order = is_row || (T::IsRowMajor && !is_column) ? Eigen::RowMajor : Eigen::ColMajor;
        // A column vector is one token: its transpose is the matrix [1 x in].
        auto view = detail::matrix_view(x);
        if (is_column) {
            std::swap(view.sizes[0], view.sizes[1]);
            std::swap(view.strides[0], view.strides[1]);
        }
        if (view.sizes[1] != q.cols()) {
            detail::raise_product_shapes("linear(x, q)", q.rows(), q.cols(), x.rows(), x.cols());
        }
        Eigen::Matrix<float, is_row ? 1 : Eigen::Dynamic, is_column ? 1 : Eigen::Dynamic, order> y(
            is_column ? q.rows() : view.sizes[0], is_column ? 1 : q.rows());
        const detail::factor_columns tokens(row_view<const typename T::Scalar, 2>(view, 1), exec);
        detail::multiply_into(q, tokens, y.data(), is_column ? y.rowStride() : y.colStride(),
                              is_column ? y.colStride() : y.rowStride(), exec);
        return y;
    }
}

} // namespace tersor::inline v0

#endif // TERSOR_MATMUL_PRODUCT_HPP

#ifndef TERSOR_LINALG_MATRIX_VIEW_HPP
#define TERSOR_LINALG_MATRIX_VIEW_HPP

// A row-major matrix in someone else's memory: what the dense kernels of this folder read and write.

#include "tersor/core/concepts.hpp"

#include <type_traits>

namespace tersor::inline v0::linalg {

/// `rows` x `cols` values, row-major; row i begins at data + i * stride. `Scalar` is const for a source.
template <class Scalar>
struct matrix_view {
    Scalar* data = nullptr;
    index rows = 0;
    index cols = 0;
    index stride = 0;

    [[nodiscard]] Scalar& operator()(index i, index j) const noexcept { return data[i * stride + j]; }
    /// The `block_rows` x `block_cols` values from (i, j) on; within the matrix.
    [[nodiscard]] matrix_view block(index i, index j, index block_rows, index block_cols) const noexcept {
        return {data + i * stride + j, block_rows, block_cols, stride};
    }
    /// The same values, read only.
    [[nodiscard]] operator matrix_view<const Scalar>() const noexcept
    requires(!std::is_const_v<Scalar>) {
        return {data, rows, cols, stride};
    }
};

/// The view of a row-major Eigen matrix, map or block; const values of a const object.
template <class Matrix>
[[nodiscard]] auto view(Matrix&& matrix) {
    using M = std::remove_cvref_t<Matrix>;
    static_assert(M::IsRowMajor, "linalg::view takes row-major matrices: pass the transpose of a column-major one");
    using Scalar = std::remove_pointer_t<decltype(matrix.data())>;
    return matrix_view<Scalar>{matrix.data(), matrix.rows(), matrix.cols(), matrix.outerStride()};
}

} // namespace tersor::inline v0::linalg

#endif // TERSOR_LINALG_MATRIX_VIEW_HPP

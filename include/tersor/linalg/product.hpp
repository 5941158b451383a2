#ifndef TERSOR_LINALG_PRODUCT_HPP
#define TERSOR_LINALG_PRODUCT_HPP

// The one product under everything in this folder: c_ij = fma(a_ik, b_kj, c_ij) for k = 0, 1, ... in order, of factors
// with any strides, over all of c or its upper triangle.
//
// The blocking is that of Goto and van de Geijn (Anatomy of high-performance matrix multiplication, 2008): panels of
// both factors are packed so that a tile of sums stays in registers. Between blocks of k the sums go through c, which
// changes no bit: each element is one chain whatever the blocks, the threads and the width of the registers.

#include "tersor/core/execution.hpp"
#include "tersor/linalg/kernels.hpp"
#include "tersor/linalg/matrix_view.hpp"
#include "tersor/linalg/scratch.hpp"

#include <algorithm>

namespace tersor::inline v0::linalg::detail {

/// A factor: value k of line i, a row of the left factor or a column of the right one, is at
/// data + i * line_step + k * depth_step.
template <class Scalar>
struct factor {
    const Scalar* data;
    index line_step;
    index depth_step;
};

enum class part_of_result { all, upper };

/// The least multiple of `step` that is not below n.
constexpr index round_up(index n, index step) noexcept {
    return (n + step - 1) / step * step;
}

/// Adds a tile to c(i.., j..) where it does not fit whole: at an edge, or across the diagonal of an upper triangle.
template <class Scalar>
void multiply_partial_tile(const kernels<Scalar>& kernel, index depth, const Scalar* a, const Scalar* b,
                           matrix_view<Scalar> c, index i, index j, part_of_result part) noexcept {
    constexpr index most = 14 * 32;
    alignas(64) Scalar sums[most] = {};
    const index rows = std::min(kernel.rows, c.rows - i), cols = std::min(kernel.cols, c.cols - j);
    const auto first_of = [&](index row) {
        return part == part_of_result::upper ? std::clamp<index>(i + row - j, 0, cols) : index{0};
    };
    for (index row = 0; row < rows; ++row) {
        for (index col = first_of(row); col < cols; ++col) {
            sums[row * kernel.cols + col] = c(i + row, j + col);
        }
    }
    kernel.multiply_tile(depth, a, b, sums, kernel.cols);
    for (index row = 0; row < rows; ++row) {
        for (index col = first_of(row); col < cols; ++col) {
            c(i + row, j + col) = sums[row * kernel.cols + col];
        }
    }
}

/// One product. Shapes were checked; `c` shares no element with a factor.
template <class Scalar>
class product {
public:
    product(matrix_view<Scalar> c, factor<Scalar> a, factor<Scalar> b, index depth, bool negate, part_of_result part)
        : c_(c), a_(a), b_(b), depth_(depth), negate_(negate), part_(part) {}

    void run(const execution& exec) const {
        if (c_.rows == 0 || c_.cols == 0 || depth_ == 0) {
            return;
        }
        thread_local scratch<Scalar> memory;
        const execution quiet = exec.with_progress({});
        const index slabs = (c_.cols + slab_columns - 1) / slab_columns * ((depth_ + block_depth - 1) / block_depth);
        index done = 0;
        for (index j = 0; j < c_.cols; j += slab_columns) {
            const index cols = std::min(slab_columns, c_.cols - j);
            for (index k = 0; k < depth_; k += block_depth, ++done) {
                const index depth = std::min(block_depth, depth_ - k);
                Scalar* const right = memory.reserve(round_up(cols, kernel_.cols) * depth);
                pack_right(right, j, cols, k, depth, quiet);
                const execution step = exec.part(static_cast<double>(done) / static_cast<double>(slabs),
                                                 static_cast<double>(done + 1) / static_cast<double>(slabs));
                multiply_slab(right, j, cols, k, depth, step);
            }
        }
    }

private:
    // Values of a block of k, of a row block of the left factor, and of the right factor that are packed at a time.
    static constexpr index block_depth = 256;
    static constexpr index block_rows = 168;
    static constexpr index slab_columns = 4096;

    void pack_right(Scalar* right, index j, index cols, index k, index depth, const execution& exec) const {
        const index panels = round_up(cols, kernel_.cols) / kernel_.cols;
        const index together = std::max<index>(1, 65536 / (kernel_.cols * depth));
        exec.for_each((panels + together - 1) / together, [&](index turn) {
            const index first = turn * together * kernel_.cols, last = std::min(cols, first + together * kernel_.cols);
            kernel_.pack_right(b_.data + (j + first) * b_.line_step + k * b_.depth_step, b_.line_step, b_.depth_step,
                               last - first, depth, false, right + first * depth);
        });
    }

    void multiply_slab(const Scalar* right, index j, index cols, index k, index depth, const execution& exec) const {
        const bool upper = part_ == part_of_result::upper;
        const index rows = upper ? std::min(c_.rows, j + cols) : c_.rows;
        const index height = std::max(kernel_.rows, block_rows / kernel_.rows * kernel_.rows);
        const index down = (rows + height - 1) / height;
        // Few rows are shared out by columns as well.
        const index width = down < 16 ? round_up(1024, kernel_.cols) : slab_columns;
        const index across = (cols + width - 1) / width;
        exec.for_each(down * across, [&](index turn) {
            const index i = turn / across * height, first = turn % across * width;
            const index last = std::min(cols, first + width), block = std::min(height, rows - i);
            if (upper && j + last - 1 < i) {
                return;
            }
            thread_local scratch<Scalar> memory;
            Scalar* const left = memory.reserve(round_up(block, kernel_.rows) * depth);
            kernel_.pack_left(a_.data + i * a_.line_step + k * a_.depth_step, a_.line_step, a_.depth_step, block,
                              depth, negate_, left);
            for (index col = first; col < last; col += kernel_.cols) {
                for (index row = 0; row < block; row += kernel_.rows) {
                    multiply_at(i + row, j + col, depth, left + row * depth, right + col * depth);
                }
            }
        });
    }

    void multiply_at(index i, index j, index depth, const Scalar* left, const Scalar* right) const noexcept {
        const bool is_whole = i + kernel_.rows <= c_.rows && j + kernel_.cols <= c_.cols;
        if (part_ == part_of_result::upper && i + kernel_.rows - 1 > j) {
            if (i <= j + kernel_.cols - 1) {
                multiply_partial_tile(kernel_, depth, left, right, c_, i, j, part_);
            }
        } else if (is_whole) {
            kernel_.multiply_tile(depth, left, right, &c_(i, j), c_.stride);
        } else {
            multiply_partial_tile(kernel_, depth, left, right, c_, i, j, part_);
        }
    }

    matrix_view<Scalar> c_;
    factor<Scalar> a_, b_;
    index depth_;
    bool negate_;
    part_of_result part_;
    kernels<Scalar> kernel_ = kernels<Scalar>::active();
};

} // namespace tersor::inline v0::linalg::detail

#endif // TERSOR_LINALG_PRODUCT_HPP

#ifndef TERSOR_SOLVERS_GPTQ_KERNELS_HPP
#define TERSOR_SOLVERS_GPTQ_KERNELS_HPP

// Tiles: a run of columns of a panel of rows, column by column, so that the rows are the lanes of registers.
//
//   column_j -= sum over earlier columns k of term_k * coefficient_kj, as a chain of fused multiply-adds in order of k
//
// which are the very operations of linalg::multiply_subtract, so that the place where a block of columns ends changes
// no bit. And the weighted sums of a group that a search of scales needs.

#include "tersor/core/concepts.hpp"
#include "tersor/linalg/kernels.hpp"
#include "tersor/linalg/matrix_view.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#define TERSOR_KERNELS "tersor/solvers/gptq_kernels-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"

namespace tersor::inline v0::detail {

/// Rows of a panel that a tile holds: rounded up to whole registers.
[[nodiscard]] constexpr index tile_width(index rows) noexcept {
    return (rows + 63) / 64 * 64;
}

/// column[r] -= sum over k of terms[k * width + r] * coefficients[k].
template <class Scalar>
void subtract_terms(index depth, index width, const Scalar* terms, const Scalar* coefficients,
                    Scalar* column) noexcept {
    if (depth > 0) {
        TERSOR_DISPATCH(subtract_terms<Scalar>(depth, width, terms, coefficients, column));
    }
}

/// sums = sum of w (x - q)^2, of w x q and of w q^2 over count values, a multiple of sixteen.
inline void weighted_sums(index count, const float* x, const float* q, const float* w, float (&sums)[3]) noexcept {
    float lanes[3][16];
    TERSOR_DISPATCH(weighted_lanes(count, x, q, w, lanes[0], lanes[1], lanes[2]));
    for (int k = 0; k < 3; ++k) {
        sums[k] = 0.0f;
        for (const float lane : lanes[k]) {
            sums[k] += lane;
        }
    }
}

/// tile[k * width + r] = m(r, k); zeros for r from m.rows on.
template <class Scalar>
void to_tile(linalg::matrix_view<const Scalar> m, index width, Scalar* tile) noexcept {
    constexpr index step = 16;
    for (index k = 0; k < m.cols; ++k) {
        std::fill(tile + k * width + m.rows, tile + (k + 1) * width, Scalar{0});
    }
    for (index k0 = 0; k0 < m.cols; k0 += step) {
        const index k1 = std::min(k0 + step, m.cols);
        for (index r = 0; r < m.rows; ++r) {
            const Scalar* const row = &m(r, 0);
            for (index k = k0; k < k1; ++k) {
                tile[k * width + r] = row[k];
            }
        }
    }
}

/// m(r, k) = tile[k * width + r].
template <class Scalar>
void from_tile(const Scalar* tile, index width, linalg::matrix_view<Scalar> m) noexcept {
    constexpr index step = 16;
    for (index k0 = 0; k0 < m.cols; k0 += step) {
        const index k1 = std::min(k0 + step, m.cols);
        for (index r = 0; r < m.rows; ++r) {
            Scalar* const row = &m(r, 0);
            for (index k = k0; k < k1; ++k) {
                row[k] = tile[k * width + r];
            }
        }
    }
}

} // namespace tersor::inline v0::detail

#endif // TERSOR_SOLVERS_GPTQ_KERNELS_HPP

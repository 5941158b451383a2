#ifndef TERSOR_LINALG_KERNELS_HPP
#define TERSOR_LINALG_KERNELS_HPP

// The inner loops of this folder for the active instruction set, as a table: an operation takes it once, so that a
// change of the instruction set in the middle cannot mix two layouts of packed panels.

#include "tersor/core/concepts.hpp"
#include "tersor/linalg/registers.hpp"

#define TERSOR_KERNELS "tersor/linalg/packing-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"
#define TERSOR_KERNELS "tersor/linalg/kernels-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"

namespace tersor::inline v0::linalg::detail {

/// See kernels-inl.hpp and packing-inl.hpp for what each function does.
template <class Scalar>
struct kernels {
    static constexpr int solve_width = 64;

    index rows; ///< of a tile of sums: the lines of a left panel
    index cols; ///< of a tile of sums: the lines of a right panel
    void (*multiply_tile)(index depth, const Scalar* a, const Scalar* b, Scalar* c, index stride) noexcept;
    void (*pack_left)(const Scalar* x, index line_step, index depth_step, index count, index depth, bool negate,
                      Scalar* out) noexcept;
    void (*pack_right)(const Scalar* x, index line_step, index depth_step, index count, index depth, bool negate,
                       Scalar* out) noexcept;
    void (*solve_panel)(index steps, const Scalar* coefficients, const Scalar* pivots, Scalar* x) noexcept;
    index (*factor_panel)(index steps, Scalar* x) noexcept;

    static kernels active() noexcept { return TERSOR_DISPATCH(kernels_of<Scalar, kernels>()); }
};

} // namespace tersor::inline v0::linalg::detail

#endif // TERSOR_LINALG_KERNELS_HPP

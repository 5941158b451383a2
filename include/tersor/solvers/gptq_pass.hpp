#ifndef TERSOR_SOLVERS_GPTQ_PASS_HPP
#define TERSOR_SOLVERS_GPTQ_PASS_HPP

// One pass over the columns: each is quantized in turn, and those after it take over its error. Source: Frantar et al.,
// GPTQ, arXiv:2210.17323. With H = R R^T, R upper triangular, in the order in which columns are processed:
//
//   inverse   U = R^-1:   value_j = w_j - sum_{i<j} e_i U_ij,   e_i = (value_i - q_i) / U_ii,   loss e_j^2 / 2
//   direct    no inverse: value_j = w_j - sum_{i<j} e_i M_ij,   e_i = w_i - q_i,   M_ij = -R_ij / R_jj,
//             loss ((value_j - q_j) R_jj)^2 / 2
//
// q_j is the decoded code of value_j. Both give the same values but for rounding; grids that are found on the way need
// the columns ahead and so the inverse. Each sum is one chain of fused multiply-adds in order of i; losses are summed
// in double in order of j.

#include "tersor/core/error.hpp"
#include "tersor/core/exact.hpp"
#include "tersor/linalg/multiply.hpp"
#include "tersor/solvers/gptq_factor.hpp"
#include "tersor/solvers/gptq_kernels.hpp"
#include "tersor/solvers/gptq_options.hpp"
#include "tersor/solvers/gptq_problem.hpp"

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

namespace tersor::inline v0::detail {

template <class Cells, class Scalar>
class gptq_pass {
public:
    /// `order[k]` is the stored column that is processed as k-th; groups stay together unless grids are fixed.
    gptq_pass(const Cells& cells, const weight_problem<Scalar>& problem, const pass_factor<Scalar>& factor,
              std::span<const index> order, group_grids grids, index block)
        : cells_(cells), problem_(problem), factor_(factor), order_(order), grids_(grids) {
        cut_blocks(block);
    }

    /// Codes, and parameters where they are found on the way, of one panel; the loss of each of its rows.
    void run(row_panel panel, weight_codes<Cells>& solution, double* losses) const {
        work here(*this, panel, solution, losses);
        for (std::size_t i = 0; i + 1 < starts_.size(); ++i) {
            here.block(starts_[i], starts_[i + 1]);
        }
        here.finish();
    }

private:
    using parameters = typename Cells::parameters;

    // Blocks of updated grids begin with a group or lie within one, so that a group that begins inside a block ends
    // there too. The result does not depend on the cut, except with lazy grids.
    void cut_blocks(index block) {
        const index n = problem_.cols, group = problem_.group;
        starts_ = {0};
        while (starts_.back() < n) {
            const index start = starts_.back();
            index next = start + block;
            if (grids_ == group_grids::updated) {
                const index left = group - start % group;
                next = start + (left > block ? block : left + (block - left) / group * group);
            }
            longest_ = std::max(longest_, std::min(next, n) - start);
            starts_.push_back(std::min(next, n));
        }
    }

    struct work {
        const gptq_pass& pass;
        row_panel panel;
        weight_codes<Cells>& solution;
        double* losses;
        index width = tile_width(panel.count);
        std::vector<Scalar> weights;      // [count x n] in processing order, corrected at block ends
        std::vector<Scalar> tile, terms;  // [columns of a block x width]
        std::vector<Scalar> originals;    // the same, for the direct form
        std::vector<Scalar> term_rows;    // [count x columns of a block]
        std::vector<Scalar> coefficients; // [columns of a block x columns of a block], transposed
        std::vector<index> applied;       // terms that a column of the tile already has
        std::vector<parameters> grids;    // [groups x count]

        work(const gptq_pass& p, row_panel rows, weight_codes<Cells>& s, double* l)
            : pass(p), panel(rows), solution(s), losses(l) {
            const index n = pass.problem_.cols, groups = pass.problem_.groups, longest = pass.longest_;
            const auto size = [](index a, index b) { return static_cast<std::size_t>(a * b); };
            weights.resize(size(panel.count, n));
            tile.resize(size(longest, width));
            terms.resize(size(longest, width));
            originals.resize(pass.factor_.is_inverse ? 0 : size(longest, width));
            term_rows.resize(size(panel.count, longest));
            coefficients.resize(size(longest, longest));
            applied.resize(static_cast<std::size_t>(longest));
            grids.resize(size(groups, panel.count));
            for (index r = 0; r < panel.count; ++r) {
                const Scalar* const from = pass.problem_.weights.data() + (panel.first + r) * n;
                for (index k = 0; k < n; ++k) {
                    weights[static_cast<std::size_t>(r * n + k)] = from[pass.order_[static_cast<std::size_t>(k)]];
                }
                for (index g = 0; g < groups; ++g) {
                    grids[static_cast<std::size_t>(g * panel.count + r)] =
                        solution.parameters[static_cast<std::size_t>((panel.first + r) * groups + g)];
                }
                losses[r] = 0;
            }
        }

        [[nodiscard]] linalg::matrix_view<Scalar> all() noexcept {
            return {weights.data(), panel.count, pass.problem_.cols, pass.problem_.cols};
        }

        void block(index begin, index end) {
            const index columns = end - begin;
            to_tile<Scalar>(all().block(0, begin, panel.count, columns), width, tile.data());
            if (!pass.factor_.is_inverse) {
                gather_originals(begin, columns);
            }
            for (index j = 0; j < columns; ++j) {
                for (index k = 0; k < j; ++k) {
                    coefficients[static_cast<std::size_t>(j * columns + k)] = pass.factor_.terms(begin + k, begin + j);
                }
                applied[static_cast<std::size_t>(j)] = 0;
            }
            for (index j = 0; j < columns; ++j) {
                column(begin, end, j);
            }
            if (end < pass.problem_.cols) {
                const index rest = pass.problem_.cols - end;
                const linalg::matrix_view<Scalar> rows{term_rows.data(), panel.count, columns, columns};
                from_tile(terms.data(), width, rows);
                linalg::multiply_subtract<Scalar>(all().block(0, end, panel.count, rest), rows,
                                                  pass.factor_.terms.block(begin, end, columns, rest));
            }
        }

        void gather_originals(index begin, index columns) {
            const auto w = pass.problem_.w();
            for (index r = 0; r < panel.count; ++r) {
                for (index k = 0; k < columns; ++k) {
                    originals[static_cast<std::size_t>(k * width + r)] =
                        w(panel.first + r, pass.order_[static_cast<std::size_t>(begin + k)]);
                }
            }
        }

        void apply(index columns, index j, index until) {
            index& done = applied[static_cast<std::size_t>(j)];
            subtract_terms(until - done, width, terms.data() + done * width, coefficients.data() + j * columns + done,
                           tile.data() + j * width);
            done = until;
        }

        void column(index begin, index end, index j) {
            const index stored = pass.order_[static_cast<std::size_t>(begin + j)];
            const index g = stored / pass.problem_.group, position = stored % pass.problem_.group;
            if (pass.grids_ != group_grids::fixed && starts_group(begin + j)) {
                fit_group(begin, end, j, g);
            }
            apply(end - begin, j, j);
            const bool is_inverse = pass.factor_.is_inverse, is_ragged = pass.problem_.is_ragged(g);
            const Scalar pivot = pass.factor_.pivots[static_cast<std::size_t>(begin + j)];
            const Scalar* const value = tile.data() + j * width;
            const Scalar* const original = is_inverse ? value : originals.data() + j * width;
            Scalar* const term = terms.data() + j * width;
            const parameters* const p = grids.data() + g * panel.count;
            std::uint8_t* const codes = solution.codes.data() + panel.first * pass.problem_.cols + stored;
            for (index r = 0; r < panel.count; ++r) {
                const std::uint8_t code = pass.cells_.encode(value[r], p[r], position, is_ragged);
                const Scalar q = pass.cells_.decode(code, p[r], position);
                const Scalar difference = value[r] - q;
                const Scalar error = is_inverse ? difference / pivot : exact::product(difference, pivot);
                term[r] = is_inverse ? error : original[r] - q;
                const auto wide = static_cast<double>(error);
                losses[r] += exact::product(exact::product(wide, wide), 0.5);
                codes[r * pass.problem_.cols] = code;
            }
            std::fill(term + panel.count, term + width, Scalar{0});
        }

        [[nodiscard]] bool starts_group(index k) const noexcept {
            const auto at = [&](index i) { return pass.order_[static_cast<std::size_t>(i)] / pass.problem_.group; };
            return k == 0 || at(k) != at(k - 1);
        }

        // The group that begins at column j of this block, in the order of processing.
        void fit_group(index begin, index end, index j, index g) {
            const index length = pass.problem_.length_of(g), columns = end - begin;
            const index inside = pass.grids_ == group_grids::updated ? std::min(length, columns - j) : 0;
            for (index i = 0; i < inside; ++i) {
                apply(columns, j + i, j);
            }
            std::vector<Scalar> values(static_cast<std::size_t>(length));
            for (index r = 0; r < panel.count; ++r) {
                for (index i = 0; i < length; ++i) {
                    const index stored = pass.order_[static_cast<std::size_t>(begin + j + i)];
                    values[static_cast<std::size_t>(stored % pass.problem_.group)] =
                        i < inside ? tile[static_cast<std::size_t>((j + i) * width + r)]
                                   : weights[static_cast<std::size_t>(r * pass.problem_.cols + begin + j + i)];
                }
                pass.cells_.fit(values, {}, pass.problem_.group, &grids[static_cast<std::size_t>(g * panel.count + r)]);
            }
        }

        void finish() {
            const index groups = pass.problem_.groups;
            for (index r = 0; pass.grids_ != group_grids::fixed && r < panel.count; ++r) {
                for (index g = 0; g < groups; ++g) {
                    solution.parameters[static_cast<std::size_t>((panel.first + r) * groups + g)] =
                        grids[static_cast<std::size_t>(g * panel.count + r)];
                }
            }
        }
    };

    const Cells& cells_;
    const weight_problem<Scalar>& problem_;
    const pass_factor<Scalar>& factor_;
    std::span<const index> order_;
    group_grids grids_;
    std::vector<index> starts_;
    index longest_ = 0;
};

} // namespace tersor::inline v0::detail

#endif // TERSOR_SOLVERS_GPTQ_PASS_HPP

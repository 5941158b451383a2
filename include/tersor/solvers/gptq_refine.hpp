#ifndef TERSOR_SOLVERS_GPTQ_REFINE_HPP
#define TERSOR_SOLVERS_GPTQ_REFINE_HPP

// Refinement of codes and scales that exist: descent on the true objective d H d^T, d = w - q, of each row, one
// coordinate after the other, with G = D H kept up to date.
//
//   codes    code_j = encode(q_j + G_j / H_jj), for j in order: the nearest to the minimum over q_j alone
//   scales   s_g += sum_j l_j G_j / (l H l^T) over the group, l_j = q_j / s_g: its least squares,
//            rounded as it is stored
//
// A change delta is kept only if the objective falls, delta (delta H_jj - 2 G_j) < 0. G takes over the changes of a
// block of columns at once, each element by one chain of fused multiply-adds in order of columns, so that a sweep costs
// a product of [rows x n] and [n x n] at most.

#include "tersor/core/exact.hpp"
#include "tersor/linalg/multiply.hpp"
#include "tersor/solvers/gptq_kernels.hpp"
#include "tersor/solvers/gptq_problem.hpp"

#include <algorithm>
#include <cstddef>
#include <vector>

namespace tersor::inline v0::detail {

template <class Cells, class Scalar>
class refinement {
public:
    /// For one panel; `h` is H undamped, whole, in stored order.
    refinement(const Cells& cells, const weight_problem<Scalar>& problem, linalg::matrix_view<const Scalar> h,
               row_panel panel, weight_codes<Cells>& solution)
        : cells_(cells), problem_(problem), h_(h), panel_(panel), solution_(solution), width_(tile_width(panel.count)),
          gradient_(static_cast<std::size_t>(panel.count * h.cols)) {
        const std::vector<Scalar> errors = current_errors();
        linalg::multiply_add<Scalar>(gradient(), errors_view(errors), h_);
    }

    /// One sweep over all codes; how many changed.
    index refine_codes() {
        constexpr index block = 128;
        const index n = h_.cols;
        std::vector<Scalar> tile(static_cast<std::size_t>(block * width_)), changes(tile.size());
        std::vector<Scalar> rows(static_cast<std::size_t>(panel_.count * block));
        std::vector<Scalar> coefficients(static_cast<std::size_t>(block));
        index changed = 0;
        for (index begin = 0; begin < n; begin += block) {
            const index columns = std::min(block, n - begin);
            to_tile<Scalar>(gradient().block(0, begin, panel_.count, columns), width_, tile.data());
            index here = 0;
            for (index j = 0; j < columns; ++j) {
                for (index k = 0; here > 0 && k < j; ++k) {
                    coefficients[static_cast<std::size_t>(k)] = h_(begin + k, begin + j);
                }
                subtract_terms(here > 0 ? j : 0, width_, changes.data(), coefficients.data(), tile.data() + j * width_);
                here += refine_column(begin + j, tile.data() + j * width_, changes.data() + j * width_);
            }
            changed += here;
            if (here > 0) {
                const linalg::matrix_view<Scalar> terms{rows.data(), panel_.count, columns, columns};
                from_tile(changes.data(), width_, terms);
                subtract_changes(terms, begin, here);
            }
        }
        return changed;
    }

    /// One sweep over all scales; how many changed.
    index refine_scales() {
        index changed = 0;
        if constexpr (Cells::has_scale) {
            const index group = problem_.group;
            std::vector<Scalar> levels(static_cast<std::size_t>(panel_.count * group)), products(levels.size());
            for (index g = 0; g < problem_.groups; ++g) {
                const index start = g * group, length = problem_.length_of(g);
                const linalg::matrix_view<Scalar> l{levels.data(), panel_.count, length, length};
                const linalg::matrix_view<Scalar> lh{products.data(), panel_.count, length, length};
                for (index r = 0; r < panel_.count; ++r) {
                    level_row(r, g, &l(r, 0));
                    std::fill_n(&lh(r, 0), length, Scalar{0});
                }
                linalg::multiply_add<Scalar>(lh, l, h_.block(start, start, length, length));
                index here = 0;
                for (index r = 0; r < panel_.count; ++r) {
                    here += refine_scale(r, g, &l(r, 0), &lh(r, 0));
                }
                changed += here;
                if (here > 0) {
                    linalg::multiply_subtract<Scalar>(gradient(), l, h_.block(start, 0, length, h_.cols));
                }
            }
        }
        return changed;
    }

    /// d H d^T of each row.
    [[nodiscard]] std::vector<double> objectives() const {
        const std::vector<Scalar> errors = current_errors();
        std::vector<double> sums(static_cast<std::size_t>(panel_.count));
        for (index r = 0; r < panel_.count; ++r) {
            for (index j = 0; j < h_.cols; ++j) {
                const auto at = static_cast<std::size_t>(r * h_.cols + j);
                sums[static_cast<std::size_t>(r)] +=
                    exact::product(static_cast<double>(errors[at]), static_cast<double>(gradient_[at]));
            }
        }
        return sums;
    }

private:
    using parameters = typename Cells::parameters;

    [[nodiscard]] linalg::matrix_view<Scalar> gradient() noexcept {
        return {gradient_.data(), panel_.count, h_.cols, h_.cols};
    }
    [[nodiscard]] linalg::matrix_view<const Scalar> errors_view(const std::vector<Scalar>& errors) const noexcept {
        return {errors.data(), panel_.count, h_.cols, h_.cols};
    }
    [[nodiscard]] std::vector<Scalar> current_errors() const {
        std::vector<Scalar> errors(gradient_.size());
        errors_of(cells_, problem_, solution_, panel_,
                  linalg::matrix_view<Scalar>{errors.data(), panel_.count, h_.cols, h_.cols});
        return errors;
    }
    [[nodiscard]] parameters& parameters_at(index r, index g) noexcept {
        return solution_.parameters[static_cast<std::size_t>((panel_.first + r) * problem_.groups + g)];
    }

    // The same chains either way; where few codes change, one change after the other costs less than a product.
    void subtract_changes(linalg::matrix_view<Scalar> terms, index begin, index changed) {
        if (h_.cols % 64 != 0 || changed > terms.rows * terms.cols / 12) {
            linalg::multiply_subtract<Scalar>(gradient(), terms, h_.block(begin, 0, terms.cols, h_.cols));
            return;
        }
        for (index r = 0; r < terms.rows; ++r) {
            for (index k = 0; k < terms.cols; ++k) {
                if (terms(r, k) != 0) {
                    subtract_terms(1, h_.cols, &h_(begin + k, 0), &terms(r, k), &gradient()(r, 0));
                }
            }
        }
    }

    index refine_column(index j, const Scalar* gradient, Scalar* changes) {
        const index g = j / problem_.group, position = j % problem_.group;
        const Scalar curvature = h_(j, j);
        const bool is_ragged = problem_.is_ragged(g);
        std::uint8_t* const codes = solution_.codes.data() + panel_.first * problem_.cols + j;
        std::fill_n(changes, width_, Scalar{0});
        index changed = 0;
        for (index r = 0; curvature > 0 && r < panel_.count; ++r) {
            std::uint8_t& code = codes[r * problem_.cols];
            const parameters& p = parameters_at(r, g);
            const Scalar q = cells_.decode(code, p, position);
            const std::uint8_t wanted = cells_.encode(q + gradient[r] / curvature, p, position, is_ragged);
            if (wanted != code) {
                const Scalar change = cells_.decode(wanted, p, position) - q;
                if (exact::product(change, exact::product(change, curvature) - 2 * gradient[r]) < 0) {
                    code = wanted;
                    changes[r] = change;
                    ++changed;
                }
            }
        }
        return changed;
    }

    // Values of a group in units of its scale; zeros if it has none that is positive.
    void level_row(index r, index g, Scalar* levels) {
        const parameters& p = parameters_at(r, g);
        const Scalar scale = cells_.scale(p);
        const index start = g * problem_.group, length = problem_.length_of(g);
        const std::uint8_t* const codes = solution_.codes.data() + (panel_.first + r) * problem_.cols + start;
        for (index i = 0; i < length; ++i) {
            levels[i] = scale > 0 ? cells_.decode(codes[i], p, i) / scale : Scalar{0};
        }
    }

    // Levels become the changes of the values.
    index refine_scale(index r, index g, Scalar* levels, const Scalar* products) {
        parameters& p = parameters_at(r, g);
        const index start = g * problem_.group, length = problem_.length_of(g);
        const Scalar* const gradient = gradient_.data() + r * h_.cols + start;
        double slope = 0, curvature = 0;
        for (index i = 0; i < length; ++i) {
            const auto level = static_cast<double>(levels[i]);
            slope += exact::product(level, static_cast<double>(gradient[i]));
            curvature += exact::product(level, static_cast<double>(products[i]));
        }
        const Scalar scale = cells_.scale(p);
        const double wanted = static_cast<double>(scale) + slope / curvature;
        if (curvature > 0 && wanted > 0 && wanted < 3e38) {
            const parameters next = cells_.with_scale(p, static_cast<Scalar>(wanted));
            const double change = static_cast<double>(cells_.scale(next)) - static_cast<double>(scale);
            if (exact::product(change, exact::product(change, curvature) - 2 * slope) < 0) {
                const std::uint8_t* const codes = solution_.codes.data() + (panel_.first + r) * problem_.cols + start;
                for (index i = 0; i < length; ++i) {
                    levels[i] = cells_.decode(codes[i], next, i) - cells_.decode(codes[i], p, i);
                }
                p = next;
                return 1;
            }
        }
        std::fill_n(levels, length, Scalar{0});
        return 0;
    }

    const Cells& cells_;
    const weight_problem<Scalar>& problem_;
    linalg::matrix_view<const Scalar> h_;
    row_panel panel_;
    weight_codes<Cells>& solution_;
    index width_;
    std::vector<Scalar> gradient_;
};

} // namespace tersor::inline v0::detail

#endif // TERSOR_SOLVERS_GPTQ_REFINE_HPP

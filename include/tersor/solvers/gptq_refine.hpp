#ifndef TERSOR_SOLVERS_GPTQ_REFINE_HPP
#define TERSOR_SOLVERS_GPTQ_REFINE_HPP

// Refinement of codes and scales that exist: descent on the true objective d H d^T, d = w - q, of each row, with the
// gradient G = d H.
//
// A sweep visits runs of columns in order. G of a run is computed when it is reached, each element one chain of fused
// multiply-adds over the columns before the run, those after it, and its own, so that a sweep costs one product of
// [rows x n] and [n x n]. Inside the run, turns of
//
//   codes    code_j = encode(q_j + G_j (1 / H_jj)), for j in order: the nearest to the minimum over q_j alone
//   scales   s_g += sum_j l_j G_j / (l H l^T) over each group of the run, l_j = q_j / s_g: its least squares,
//            rounded as it is stored
//
// keep G up to date: G -= change * row of H. A change delta is kept only if the objective falls,
// delta (delta H_jj - 2 G_j) < 0. A row that a turn leaves as it was is done. Groups that are longer than a run get
// their scales at the beginning of the sweep, with sum_j l_j G_j = (l H) d^T.
//
// The objective of a row is the sum over runs J of (2 d_I H_IJ, I before J, + d_J H_JJ) d_J^T, in double, in order.

#include "tersor/core/exact.hpp"
#include "tersor/linalg/multiply.hpp"
#include "tersor/solvers/gptq_kernels.hpp"
#include "tersor/solvers/gptq_problem.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace tersor::inline v0::detail {

template <class Cells, class Scalar>
class refinement {
public:
    /// For one panel; `h` is H undamped, whole, in stored order.
    refinement(const Cells& cells, const weight_problem<Scalar>& problem, linalg::matrix_view<const Scalar> h,
               row_panel panel, weight_codes<Cells>& solution)
        : cells_(cells), problem_(problem), h_(h), panel_(panel), solution_(solution),
          run_(problem.group <= longest_run ? longest_run / problem.group * problem.group : longest_run),
          width_(tile_width(std::min(run_, h.cols))), errors_(size(panel.count, h.cols)),
          gradient_(size(panel.count, width_)), before_(gradient_.size()), local_(size(width_, width_)),
          levels_(size(panel.count, std::min(problem.group, run_))), products_(gradient_.size()),
          active_(static_cast<std::size_t>(panel.count)), objectives_(active_.size()) {
        errors_of(cells_, problem_, solution_, panel_, errors());
    }

    /// One sweep; whether anything changed. Turns end early where nothing changes any more.
    bool sweep(bool with_scales) {
        constexpr int turns = 3;
        const index n = h_.cols;
        const bool is_long = problem_.group > run_;
        bool changed = with_scales && is_long && refine_long_scales();
        std::fill(objectives_.begin(), objectives_.end(), 0.0);
        for (index begin = 0; begin < n; begin += run_) {
            const index end = std::min(begin + run_, n);
            enter(begin, end);
            std::fill(active_.begin(), active_.end(), char{1});
            for (int turn = 0; turn < turns; ++turn) {
                const bool here = refine_run(begin, end, with_scales && !is_long);
                changed |= here;
                if (!here) {
                    break;
                }
            }
            leave(begin, end);
        }
        return changed;
    }

    /// d H d^T of each row after the last sweep.
    [[nodiscard]] const std::vector<double>& objectives() const noexcept { return objectives_; }

private:
    using parameters = typename Cells::parameters;
    static constexpr index longest_run = 256;

    static std::size_t size(index a, index b) noexcept { return static_cast<std::size_t>(a * b); }
    [[nodiscard]] linalg::matrix_view<Scalar> errors() noexcept {
        return {errors_.data(), panel_.count, h_.cols, h_.cols};
    }
    [[nodiscard]] linalg::matrix_view<Scalar> lines(std::vector<Scalar>& values, index columns) const noexcept {
        return {values.data(), panel_.count, columns, width_};
    }
    [[nodiscard]] parameters& parameters_at(index r, index g) noexcept {
        return solution_.parameters[static_cast<std::size_t>((panel_.first + r) * problem_.groups + g)];
    }
    [[nodiscard]] std::uint8_t* codes_of(index r) noexcept {
        return solution_.codes.data() + (panel_.first + r) * problem_.cols;
    }

    // G of a run of columns, and H of the run itself, in lines of whole registers.
    void enter(index begin, index end) {
        const index n = h_.cols, columns = end - begin, count = panel_.count;
        for (index i = 0; i < columns; ++i) {
            std::copy_n(&h_(begin + i, begin), columns, local_.data() + i * width_);
        }
        std::fill(gradient_.begin(), gradient_.end(), Scalar{0});
        const auto g = lines(gradient_, columns);
        linalg::multiply_add<Scalar>(g, errors().block(0, 0, count, begin), h_.block(0, begin, begin, columns));
        before_ = gradient_;
        linalg::multiply_add<Scalar>(g, errors().block(0, end, count, n - end), h_.block(end, begin, n - end, columns));
        linalg::multiply_add<Scalar>(g, errors().block(0, begin, count, columns),
                                     h_.block(begin, begin, columns, columns));
    }

    // The run's part of the objectives.
    void leave(index begin, index end) {
        const index columns = end - begin;
        std::for_each(before_.begin(), before_.end(), [](Scalar& x) { x *= 2; });
        linalg::multiply_add<Scalar>(lines(before_, columns), errors().block(0, begin, panel_.count, columns),
                                     h_.block(begin, begin, columns, columns));
        for (index r = 0; r < panel_.count; ++r) {
            double& sum = objectives_[static_cast<std::size_t>(r)];
            for (index j = 0; j < columns; ++j) {
                sum += exact::product(static_cast<double>(before_[size(r, width_) + static_cast<std::size_t>(j)]),
                                      static_cast<double>(errors()(r, begin + j)));
            }
        }
    }

    // One turn of all rows; whether anything changed.
    bool refine_run(index begin, index end, bool with_scales) {
        bool any = false;
        std::vector<char> changed(active_.size());
        for (index r = 0; r < panel_.count; ++r) {
            char& here = changed[static_cast<std::size_t>(r)];
            here = active_[static_cast<std::size_t>(r)] != 0 && refine_codes(r, begin, end) ? 1 : 0;
            any |= here != 0;
        }
        if constexpr (Cells::has_scale) {
            for (index start = begin; with_scales && start < end; start += problem_.group) {
                any |= refine_scales(start / problem_.group, begin, end, changed);
            }
        }
        active_.swap(changed);
        return any;
    }

    bool refine_codes(index r, index begin, index end) {
        std::uint8_t* const codes = codes_of(r);
        Scalar* const gradient = gradient_.data() + r * width_;
        const Scalar* const w = problem_.weights.data() + (panel_.first + r) * problem_.cols;
        bool changed = false;
        for (index j = begin; j < end;) {
            const index g = j / problem_.group, start = g * problem_.group;
            const index stop = std::min(start + problem_.group, end);
            const parameters p = parameters_at(r, g);
            const bool is_ragged = problem_.is_ragged(g);
            for (; j < stop; ++j) {
                const Scalar* const row = local_.data() + (j - begin) * width_;
                const Scalar curvature = row[j - begin], slope = gradient[j - begin];
                if (!(curvature > 0)) {
                    continue;
                }
                const Scalar q = cells_.decode(codes[j], p, j - start);
                const std::uint8_t wanted = cells_.encode(q + slope / curvature, p, j - start, is_ragged);
                if (wanted == codes[j]) {
                    continue;
                }
                const Scalar next = cells_.decode(wanted, p, j - start), change = next - q;
                if (exact::product(change, exact::product(change, curvature) - 2 * slope) < 0) {
                    codes[j] = wanted;
                    errors()(r, j) = w[j] - next;
                    subtract_terms(1, width_, row, &change, gradient);
                    changed = true;
                }
            }
        }
        return changed;
    }

    // The scales of group g, which lies in the run, of the rows that are not done.
    bool refine_scales(index g, index begin, index end, std::vector<char>& changed) {
        const index start = g * problem_.group, length = problem_.length_of(g), columns = end - begin;
        level_rows(g, active_);
        std::fill(products_.begin(), products_.end(), Scalar{0});
        linalg::multiply_add<Scalar>(lines(products_, columns), levels(length), h_.block(start, begin, length, columns));
        bool any = false;
        for (index r = 0; r < panel_.count; ++r) {
            const Scalar* const level = levels_.data() + r * length;
            const Scalar* const product = products_.data() + r * width_;
            Scalar* const gradient = gradient_.data() + r * width_;
            double slope = 0, curvature = 0;
            for (index i = 0; i < length; ++i) {
                const auto wide = static_cast<double>(level[i]);
                slope += exact::product(wide, static_cast<double>(gradient[start - begin + i]));
                curvature += exact::product(wide, static_cast<double>(product[start - begin + i]));
            }
            Scalar change;
            if (refine_scale(r, g, slope, curvature, change)) {
                subtract_terms(1, width_, product, &change, gradient);
                changed[static_cast<std::size_t>(r)] = 1;
                any = true;
            }
        }
        return any;
    }

    bool refine_long_scales() {
        bool any = false;
        if constexpr (Cells::has_scale) {
            const index n = h_.cols;
            const std::vector<char> all(active_.size(), char{1});
            for (index g = 0; g < problem_.groups; ++g) {
                const index start = g * problem_.group, length = problem_.length_of(g);
                levels_.resize(size(panel_.count, length));
                level_rows(g, all);
                std::vector<Scalar> products(size(panel_.count, n));
                const linalg::matrix_view<Scalar> lh{products.data(), panel_.count, n, n};
                linalg::multiply_add<Scalar>(lh, levels(length), h_.block(start, 0, length, n));
                for (index r = 0; r < panel_.count; ++r) {
                    double slope = 0, curvature = 0;
                    for (index j = 0; j < n; ++j) {
                        slope += exact::product(static_cast<double>(lh(r, j)), static_cast<double>(errors()(r, j)));
                    }
                    for (index i = 0; i < length; ++i) {
                        curvature += exact::product(static_cast<double>(levels(length)(r, i)),
                                                    static_cast<double>(lh(r, start + i)));
                    }
                    Scalar change;
                    any |= refine_scale(r, g, slope, curvature, change);
                }
            }
        }
        return any;
    }

    // Least squares of one scale; `change` is by how much the stored one moved.
    bool refine_scale(index r, index g, double slope, double curvature, Scalar& change) {
        parameters& p = parameters_at(r, g);
        const Scalar scale = cells_.scale(p);
        const double wanted = static_cast<double>(scale) + slope / curvature;
        if (!(curvature > 0 && wanted > 0 && wanted < 3e38)) {
            return false;
        }
        const parameters next = cells_.with_scale(p, static_cast<Scalar>(wanted));
        change = cells_.scale(next) - scale;
        const auto wide = static_cast<double>(change);
        if (!(exact::product(wide, exact::product(wide, curvature) - 2 * slope) < 0)) {
            return false;
        }
        p = next;
        const index start = g * problem_.group, length = problem_.length_of(g);
        const Scalar* const w = problem_.weights.data() + (panel_.first + r) * problem_.cols + start;
        for (index i = 0; i < length; ++i) {
            errors()(r, start + i) = w[i] - cells_.decode(codes_of(r)[start + i], p, i);
        }
        return true;
    }

    [[nodiscard]] linalg::matrix_view<Scalar> levels(index length) noexcept {
        return {levels_.data(), panel_.count, length, length};
    }
    // Values of group g in units of its scale; zeros for rows that are done or have no positive scale.
    void level_rows(index g, const std::vector<char>& rows) {
        const index start = g * problem_.group, length = problem_.length_of(g);
        for (index r = 0; r < panel_.count; ++r) {
            const parameters& p = parameters_at(r, g);
            const Scalar scale = cells_.scale(p);
            const bool is_used = rows[static_cast<std::size_t>(r)] != 0 && scale > 0;
            for (index i = 0; i < length; ++i) {
                levels(length)(r, i) = is_used ? cells_.decode(codes_of(r)[start + i], p, i) / scale : Scalar{0};
            }
        }
    }

    const Cells& cells_;
    const weight_problem<Scalar>& problem_;
    linalg::matrix_view<const Scalar> h_;
    row_panel panel_;
    weight_codes<Cells>& solution_;
    index run_;                                      // columns of a run: whole groups, or a part of one
    index width_;                                    // of the lines of a run: whole registers
    std::vector<Scalar> errors_;                     // [count x n]
    std::vector<Scalar> gradient_, before_;          // [count x width]
    std::vector<Scalar> local_;                      // H of the run, [columns x width]
    std::vector<Scalar> levels_, products_;          // of one group: [count x length], [count x width]
    std::vector<char> active_;                       // rows that the last turn changed
    std::vector<double> objectives_;
};

} // namespace tersor::inline v0::detail

#endif // TERSOR_SOLVERS_GPTQ_REFINE_HPP

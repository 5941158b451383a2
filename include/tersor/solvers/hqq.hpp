#ifndef TERSOR_SOLVERS_HQQ_HPP
#define TERSOR_SOLVERS_HQQ_HPP

// HQQ: scales and zero points of a weight matrix that make the error of the weights themselves small; it needs no
// activations. For quantizers that store a scale and a zero point: float_zero_point, which is HQQ's own grid, and
// zero_point, whose zero points are integers, so that layouts of integer checkpoints can hold the result.
//
//   reference   the program's own iterations (hqq_groups.hpp), its zero points rounded where they must be integers
//   fast        that and a search of each group (hqq_search.hpp) by its steps from there
//   best        that and the search from many scales
//
// Beyond `reference` a group's grid changes only where its error becomes smaller: by default the mean of |E|, and never
// at the cost of E^2. Groups run along any axis: HQQ's axis 1 is rows of blocks; its axis 0 sees W as [group x rest],
// with groups that run along axis 0, which is a map of that shape with `per_channel` and axis 0.

#include "tersor/core/error.hpp"
#include "tersor/core/options.hpp"
#include "tersor/core/quantized_tensor.hpp"
#include "tersor/formats/packing.hpp"
#include "tersor/quantizers/float_zero_point.hpp"
#include "tersor/quantizers/quantize_checks.hpp"
#include "tersor/quantizers/rows.hpp"
#include "tersor/solvers/hqq_groups.hpp"
#include "tersor/solvers/hqq_packing.hpp"
#include "tersor/solvers/hqq_search.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace tersor::inline v0 {

/// A quantizer of integers whose parameters are a scale and a zero point.
template <class Q>
concept zero_point_quantizer = code_quantizer<Q> && requires(typename Q::parameters p) {
    Q::format::lowest;
    p.scale;
    p.zero;
};

/// Options of `hqq`.
struct hqq_options {
    /// How far to search; see the head of this file.
    quantize_mode mode = quantize_mode::best;
    /// What the modes fast and best make small.
    hqq_error error = hqq_error::balanced;
    /// Mode reference: false leaves the first grid of every group as it is.
    bool optimize = true;
    /// Mode reference: 100 steps with a growing beta instead of at most 20.
    bool slow = false;
    /// The axis along which groups run, 0 or 1; or last_axis.
    int axis = last_axis;
    /// Threads, progress, cancellation.
    tersor::execution execution{};
};

/// What `hqq` found.
template <quantizer Q>
struct hqq_result {
    quantized_tensor<Q, 2> weights;
    /// Means of |W - decoded| and (W - decoded)^2.
    double mean_absolute_error = 0.0, mean_squared_error = 0.0;
};

namespace detail {

template <zero_point_quantizer Q>
class hqq_solver {
public:
    using rule = hqq_rule<Q>;
    using format = typename Q::format;

    hqq_solver(const hqq_values& w, const hqq_options& options)
        : w_(w), options_(options), quiet_(options.execution.with_progress({})) {}

    [[nodiscard]] std::vector<hqq_grid> solve() const {
        std::vector<hqq_grid> grids = hqq_start<format>(w_, quiet_);
        const bool searches = options_.mode != quantize_mode::reference;
        if (options_.optimize) {
            hqq_iterate<format>(w_, grids, options_.slow, options_.execution.part(0.0, searches ? 0.1 : 1.0));
        }
        for_each_group(w_, options_.execution.part(searches ? 0.1 : 1.0, 1.0), [&](index g) {
            hqq_grid& grid = grids[static_cast<std::size_t>(g)];
            grid = rule::stored(grid);
            if (searches) {
                hqq_group_search<Q> search(w_[g], options_.error, grid);
                grid = options_.mode == quantize_mode::best ? search.run() : search.refine();
            }
        });
        return grids;
    }

    /// Codes, a byte each, and the errors of decoding them.
    void encode(const std::vector<hqq_grid>& grids, std::vector<std::uint8_t>& codes, double& absolute,
                double& squared) const {
        std::vector<std::pair<double, double>> errors(grids.size());
        for_each_group(w_, quiet_, [&](index g) {
            const auto k = static_cast<std::size_t>(g);
            const std::span<const float> x = w_[g];
            std::uint8_t* out = codes.data() + w_.offset(g);
            for (const float value : x) {
                const auto code = static_cast<code_of<Q>>(hqq_code<format>(value, grids[k]));
                const float decoded = Q{}.decode(code, parameters(grids[k]));
                const double e = static_cast<double>(value) - static_cast<double>(decoded);
                errors[k].first += std::abs(e);
                errors[k].second += exact::product(e, e);
                *out++ = static_cast<std::uint8_t>(code);
            }
        });
        for (const auto& [a, s] : errors) {
            absolute += a;
            squared += s;
        }
    }

    [[nodiscard]] static typename Q::parameters parameters(const hqq_grid& g) noexcept {
        return {stored_scale<typename rule::scale_type>(g.scale), static_cast<typename rule::zero_type>(g.zero)};
    }

private:
    const hqq_values& w_;
    const hqq_options& options_;
    execution quiet_;
};

} // namespace detail

/// Quantizes a matrix, any Eigen one of float, double, Eigen::half or Eigen::bfloat16, by HQQ's measure.
/// Errors: `non_finite` naming the first bad index; `invalid_argument` for another axis; `cancelled`.
template <zero_point_quantizer Q, class W>
requires(detail::eigen_dense<W>)
[[nodiscard]] hqq_result<Q> hqq(const W& w, const hqq_options& options = {}) {
    if constexpr (!detail::has_memory<W>()) {
        const typename W::PlainObject evaluated = w;
        return hqq<Q>(evaluated, options);
    } else {
        static_assert(detail::rank_of<W>() == 2, "hqq takes a matrix");
        using Scalar = typename W::Scalar;
        const int axis = options.axis == last_axis ? 1 : options.axis;
        if (axis != 0 && axis != 1) {
            raise(error_code::invalid_argument, "hqq: axis " + std::to_string(options.axis) + " of a matrix");
        }
        const strided<const Scalar, 2> source = as_strided(w);
        const row_view<const Scalar, 2> view(source, axis);
        const row_layout layout = make_row_layout<Q>(source.size() == 0 ? 0 : view.rows(), view.length());
        hqq_result<Q> result;
        if (layout.groups == 0) {
            result.weights = {Q{}, {w.rows(), w.cols()}, axis, {}, {}};
            return result;
        }
        std::vector<float> values(static_cast<std::size_t>(source.size()));
        detail::load_panel(view, 0, layout.rows, 0, layout.length, values.data());
        if (!std::all_of(values.begin(), values.end(), [](float x) { return detail::is_finite(x); })) {
            detail::raise_non_finite(source);
        }
        const bool is_whole = Q::group == whole_tensor;
        const detail::hqq_values groups{values.data(), is_whole ? 1 : layout.rows,
                                        is_whole ? source.size() : layout.length,
                                        is_whole ? source.size() : layout.group};
        const detail::hqq_solver<Q> solver(groups, options);
        const std::vector<detail::hqq_grid> grids = solver.solve();
        std::vector<std::uint8_t> codes(values.size());
        solver.encode(grids, codes, result.mean_absolute_error, result.mean_squared_error);
        result.mean_absolute_error /= static_cast<double>(values.size());
        result.mean_squared_error /= static_cast<double>(values.size());
        std::vector<typename Q::parameters> parameters;
        for (const detail::hqq_grid& g : grids) {
            parameters.push_back(solver.parameters(g));
        }
        std::vector<std::uint8_t> packed(static_cast<std::size_t>(layout.rows * layout.row_bytes));
        for (index r = 0; r < layout.rows; ++r) {
            using code = code_of<Q>;
            pack(typename Q::format{},
                 std::span<const code>(reinterpret_cast<const code*>(codes.data()) + r * layout.length,
                                       static_cast<std::size_t>(layout.length)),
                 packed.data() + r * layout.row_bytes);
        }
        result.weights = {Q{}, {w.rows(), w.cols()}, axis, std::move(packed), std::move(parameters)};
        return result;
    }
}

/// The codes of a quantized matrix of unsigned integers, row-major in its own shape, as `hqq_pack` takes them.
template <class Q, class Kind, class C, class P>
requires(zero_point_quantizer<Q>&& Q::format::lowest == 0)
[[nodiscard]] std::vector<std::uint8_t> hqq_codes(const basic_quantized<Q, 2, Kind, C, P>& q) {
    std::vector<std::uint8_t> codes(static_cast<std::size_t>(q.size()));
    std::vector<std::uint8_t> row(static_cast<std::size_t>(q.layout().length));
    for (index r = 0; r < q.layout().rows; ++r) {
        unpack(typename Q::format{}, q.row_codes(r).data(), std::span(row));
        for (index k = 0; k < q.layout().length; ++k) {
            const index place = q.axis() == 0 ? k * q.cols() + r : r * q.layout().length + k;
            codes[static_cast<std::size_t>(place)] = row[static_cast<std::size_t>(k)];
        }
    }
    return codes;
}

} // namespace tersor::inline v0

#endif // TERSOR_SOLVERS_HQQ_HPP

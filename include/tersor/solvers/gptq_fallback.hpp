#ifndef TERSOR_SOLVERS_GPTQ_FALLBACK_HPP
#define TERSOR_SOLVERS_GPTQ_FALLBACK_HPP

// What is stored of a layer that saw too few tokens: every value by itself to the nearest code, of the grid that its group
// was fitted to, or of one around the median of the group. The second rule is GPTQModel's; see gptq_reference_grid.hpp.

#include "tersor/core/error.hpp"
#include "tersor/solvers/gptq_problem.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace tersor::inline v0::detail {

/// Calls code(values, parameters, codes, is_ragged) for every group.
template <class Cells, class Scalar, class Code>
void for_each_group(const weight_problem<Scalar>& problem, weight_codes<Cells>& solution, const Code& code) {
    for (index r = 0; r < problem.rows; ++r) {
        for (index g = 0; g < problem.groups; ++g) {
            const index start = r * problem.cols + g * problem.group;
            code(std::span(problem.weights.data() + start, static_cast<std::size_t>(problem.length_of(g))),
                 solution.parameters[static_cast<std::size_t>(r * problem.groups + g)], solution.codes.data() + start,
                 problem.is_ragged(g));
        }
    }
}

/// The nearest codes under the parameters of the solution.
template <class Cells, class Scalar>
void round_plainly(const Cells& cells, const weight_problem<Scalar>& problem, weight_codes<Cells>& solution) {
    for_each_group(problem, solution,
                   [&](std::span<const Scalar> values, const auto& p, std::uint8_t* codes, bool is_ragged) {
                       for (std::size_t i = 0; i < values.size(); ++i) {
                           codes[i] = cells.encode(values[i], p, static_cast<index>(i), is_ragged);
                       }
                   });
}

/// Grids around the medians, and their nearest codes. Errors: `unsupported` unless the cells are the reference's.
template <class Cells, class Scalar>
void round_around_medians(const Cells& cells, const weight_problem<Scalar>& problem, weight_codes<Cells>& solution) {
    if constexpr (requires { requires Cells::has_median; }) {
        for_each_group(problem, solution, [&](std::span<const Scalar> values, auto& p, std::uint8_t* codes, bool) {
            Scalar median = 0;
            p = cells.rule.fit_median(values, median);
            for (const Scalar value : values) {
                *codes++ = cells.rule.encode_median(value, p, median);
            }
        });
    } else {
        raise(error_code::unsupported, "gptq: the fallback around the median is one of mode reference and integers");
    }
}

} // namespace tersor::inline v0::detail

#endif // TERSOR_SOLVERS_GPTQ_FALLBACK_HPP

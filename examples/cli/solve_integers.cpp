#include "affine_target.hpp"
#include "solve.hpp"

#include "tersor/solvers/gptq_integers.hpp"

#include <utility>

namespace cli {

tersor::affine_weight solve_integers(std::span<const float> values, const target& what, tersor::index group,
                                     solve_task& task) {
    using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    const Eigen::Map<const matrix> weights(values.data(), what.rows(), what.cols());
    tersor::integer_grid grid;
    grid.bits = what.spec.format->bits;
    grid.symmetric = what.spec.format->family == family::absmax;
    grid.group = group;
    grid.half_scales = is_affine_layout(what.layout);
    tersor::integer_gptq_result solved = tersor::gptq(weights, *task.inputs, grid, task.options);
    tersor::affine_weight w;
    w.bits = grid.bits;
    w.rows = what.rows();
    w.cols = what.cols();
    w.codes = std::move(solved.codes);
    w.groups = solved.groups;
    w.group_index = std::move(solved.group_index);
    w.scales.assign(solved.scales.begin(), solved.scales.end());
    for (const double zero : solved.zeros) {
        w.zeros.push_back(static_cast<std::uint8_t>(zero));
    }
    task.report = std::move(static_cast<tersor::gptq_report&>(solved));
    return w;
}

} // namespace cli

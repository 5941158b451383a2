#include "tensor_solver.hpp"

#include "tersor/solvers/channel_scaling.hpp"

#include <chrono>
#include <limits>

namespace cli {

std::optional<solver_report> tensor_solver::run(const solver_job& job,
                                                const std::function<void(double)>& progress) const {
    const auto begin = std::chrono::steady_clock::now();
    const weight_scaling* const scaling = scaling_.find(job.name);
    std::vector<float> scaled;
    if (scaling != nullptr) {
        scaled.assign(job.values.begin(), job.values.end());
        apply(*scaling, job.columns, scaled);
    }
    const std::span<const float> values = scaled.empty() ? job.values : std::span<const float>(scaled);
    if (!job.has_inputs || inputs_ == nullptr) {
        job.encode(values, job.decoded, nullptr);
        if (scaling != nullptr) {
            restore(*scaling, job.columns, job.decoded);
        }
        return {};
    }
    const tersor::hessian h = inputs_->second_moments(job.name, workers_.run());
    solve_task task;
    task.options = gptq_options_of(arguments_);
    task.options.execution = workers_.run(progress);
    std::optional<tersor::hessian> of_scaled;
    if (choice_.gptq && scaling != nullptr && !scaling->columns.empty()) {
        of_scaled = tersor::scaled_hessian(h, scaling->columns);
    }
    task.inputs = of_scaled ? &*of_scaled : &h;
    job.encode(values, job.decoded, choice_.gptq ? &task : nullptr);
    if (scaling != nullptr) {
        restore(*scaling, job.columns, job.decoded);
    }
    solver_report report;
    report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    const auto moments = h.matrix<float>();
    std::vector<float> rounded(job.values.size());
    job.round(job.values, rounded);
    report.objective = objective_of(job.values, job.decoded, moments, workers_.run());
    report.objective_rtn = objective_of(job.values, rounded, moments, workers_.run());
    report.tokens = static_cast<std::uint64_t>(h.tokens());
    report.damp = choice_.gptq ? task.report.damping : std::numeric_limits<double>::quiet_NaN();
    report.loss = choice_.gptq ? task.report.loss : std::numeric_limits<double>::quiet_NaN();
    for (Eigen::Index j = 0; j < moments.cols(); ++j) {
        report.dead_columns += moments(j, j) == 0.0f ? 1u : 0u;
    }
    return report;
}

} // namespace cli

#include "solver.hpp"

#include "text.hpp"
#include "usage.hpp"

#include "tersor/solvers/objective.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace cli {

namespace {

constexpr std::array<std::pair<std::string_view, solver_choice>, 7> solvers{{
    {"rtn", {}},
    {"gptq", {solver_choice::scaling::none, true, false}},
    {"awq", {solver_choice::scaling::awq, false, false}},
    {"hqq", {solver_choice::scaling::none, false, true}},
    {"smoothquant", {solver_choice::scaling::smoothquant, false, false}},
    {"awq+gptq", {solver_choice::scaling::awq, true, false}},
    {"smoothquant+gptq", {solver_choice::scaling::smoothquant, true, false}},
}};

[[noreturn]] void refuse_option(const char* option, const char* needed) {
    throw usage_error(std::string(option) + " is an option of --solver " + needed);
}

} // namespace

solver_choice parse_solver(const quantize_arguments& a) {
    const auto* const found =
        std::ranges::find(solvers, a.solver, [](const auto& entry) { return std::string(entry.first); });
    if (found == solvers.end()) {
        std::string names;
        for (const auto& [name, choice] : solvers) {
            names += (names.empty() ? "" : ", ") + std::string(name);
        }
        throw usage_error("unknown solver '" + a.solver + "'; available: " + names);
    }
    const solver_choice choice = found->second;
    if (!a.calibration.empty()) {
        throw usage_error("--calibration runs the model over tokens, which this program cannot do yet; record the "
                          "inputs of its layers and give them with --inputs");
    }
    if (choice.wants_inputs() && a.inputs.empty()) {
        throw usage_error("--solver " + a.solver + " needs --inputs: tensors NAME.input [tokens, in] for weights "
                                                   "NAME.weight");
    }
    if (!choice.gptq) {
        for (const auto& [given, option] : {std::pair(a.has_damp, "--damp"), std::pair(a.act_order, "--act-order"),
                                            std::pair(a.static_groups, "--static-groups"),
                                            std::pair(a.has_block, "--block"), std::pair(a.mse, "--mse")}) {
            if (given) {
                refuse_option(option, "gptq");
            }
        }
    }
    if (a.alpha >= 0.0 && choice.scales != solver_choice::scaling::smoothquant) {
        refuse_option("--alpha", "smoothquant");
    }
    if (a.alpha > 1.0) {
        throw usage_error("--alpha " + short_text(a.alpha) + ": expected 0 to 1");
    }
    if (a.missing_inputs != "error" && a.missing_inputs != "rtn") {
        throw usage_error("--missing-inputs '" + a.missing_inputs + "'; available: error, rtn");
    }
    if (a.has_damp && !(std::isfinite(a.damp) && a.damp >= 0.0)) {
        throw usage_error("--damp " + short_text(a.damp) + ": expected a number of at least 0");
    }
    if (a.has_block && a.block < 1) {
        throw usage_error("--block " + std::to_string(a.block) + ": expected at least 1");
    }
    return choice;
}

tersor::gptq_options gptq_options_of(const quantize_arguments& a) {
    tersor::gptq_options options;
    options.mode = a.mode == "reference" ? tersor::quantize_mode::reference
                   : a.mode == "fast"    ? tersor::quantize_mode::fast
                                         : tersor::quantize_mode::best;
    options.damp = a.has_damp ? a.damp : options.damp;
    options.act_order = a.act_order;
    options.static_groups = a.static_groups;
    options.block = a.has_block ? a.block : options.block;
    options.mse = a.mse;
    options.objectives = false; // of what the file holds, not of what the solver holds
    return options;
}

bool reorders(const quantize_arguments& a, tersor::index group, std::int64_t columns) {
    return a.act_order && !a.static_groups && group > 0 && group < columns;
}

std::unique_ptr<layer_inputs> open_inputs(const quantize_arguments& arguments) {
    return arguments.inputs.empty() ? nullptr : std::make_unique<recorded_inputs>(arguments.inputs);
}

std::vector<bool> check_inputs(const layer_inputs& inputs, const std::vector<solved_name>& weights,
                               const quantize_arguments& arguments) {
    std::vector<bool> has;
    std::vector<std::string> missing;
    for (const solved_name& w : weights) {
        has.push_back(inputs.has(w.name));
        if (has.back()) {
            inputs.require_columns(w.name, w.columns);
        } else {
            missing.push_back(w.name);
        }
    }
    if (!missing.empty() && arguments.missing_inputs == "error") {
        throw usage_error(inputs.source() + " has no inputs for " + names_text(missing) + ": '" +
                          input_name(missing.front()) +
                          "' is missing; --skip such weights, or round them with --missing-inputs rtn");
    }
    return has;
}

double objective_of(std::span<const float> values, std::span<const float> decoded,
                    const Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>& h,
                    const tersor::execution& exec) {
    constexpr tersor::index panel = 128;
    const tersor::index columns = h.cols(), rows = static_cast<tersor::index>(values.size()) / columns;
    std::vector<double> sums(static_cast<std::size_t>((rows + panel - 1) / panel));
    exec.for_each(static_cast<tersor::index>(sums.size()), [&](tersor::index i) {
        const tersor::index first = i * panel, count = std::min(panel, rows - first);
        std::vector<float> errors(static_cast<std::size_t>(count * columns));
        for (std::size_t k = 0; k < errors.size(); ++k) {
            const std::size_t at = static_cast<std::size_t>(first * columns) + k;
            errors[k] = values[at] - decoded[at];
        }
        const tersor::linalg::matrix_view<const float> e{errors.data(), count, columns, columns};
        for (const double row : tersor::row_objectives<float>(e, tersor::linalg::view(h))) {
            sums[static_cast<std::size_t>(i)] += row;
        }
    });
    double sum = 0.0;
    for (const double part : sums) {
        sum += part;
    }
    return sum;
}

std::string names_text(const std::vector<std::string>& names) {
    constexpr std::size_t shown = 3;
    std::string text;
    for (std::size_t i = 0; i < std::min(shown, names.size()); ++i) {
        text += (i == 0 ? "'" : ", '") + names[i] + "'";
    }
    return names.size() > shown ? text + " and " + std::to_string(names.size() - shown) + " more" : text;
}

} // namespace cli

#ifndef TERSOR_EXAMPLES_CLI_SOLVER_HPP
#define TERSOR_EXAMPLES_CLI_SOLVER_HPP

// --solver: how the codes of weights are chosen, with what data, and what is reported of it.

#include "commands.hpp"
#include "layer_inputs.hpp"
#include "report.hpp"
#include "values.hpp"

#include "tersor/solvers/gptq_options.hpp"

#include <Eigen/Core>

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cli {

/// What --solver says: at most one of the scalings, HQQ, or none of them, and perhaps GPTQ.
struct solver_choice {
    enum class scaling : std::uint8_t { none, awq, smoothquant };
    scaling scales = scaling::none;
    bool gptq = false;
    bool hqq = false;

    [[nodiscard]] bool wants_inputs() const noexcept { return gptq || scales != scaling::none; }
    [[nodiscard]] bool is_rounding() const noexcept { return !gptq && !hqq && scales == scaling::none; }
};

/// Reads --solver and what goes with it; throws usage_error.
[[nodiscard]] solver_choice parse_solver(const quantize_arguments& arguments);

/// The options of GPTQ that the command line asks for.
[[nodiscard]] tersor::gptq_options gptq_options_of(const quantize_arguments& arguments);

/// Whether GPTQ leaves the columns of groups of `group` values of a row of `columns` out of order.
[[nodiscard]] bool reorders(const quantize_arguments& arguments, tersor::index group, std::int64_t columns);

/// The recorded inputs, or null if there are none.
[[nodiscard]] std::unique_ptr<layer_inputs> open_inputs(const quantize_arguments& arguments);

/// One weight that a solver is to work on.
struct solved_name {
    std::string name; ///< of the inputs
    std::int64_t columns = 0;
};

/// The places in `weights` of those with inputs. Throws usage_error naming those without, unless --missing-inputs rtn
/// lets them be rounded, and shape_mismatch for inputs that do not fit.
[[nodiscard]] std::vector<bool> check_inputs(const layer_inputs& inputs, const std::vector<solved_name>& weights,
                                             const quantize_arguments& arguments);

/// tr((W - Q) H (W - Q)^T) of values [rows x columns].
[[nodiscard]] double objective_of(std::span<const float> values, std::span<const float> decoded,
                                  const Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>& h,
                                  const tersor::execution& exec);

/// The weights of a file, in messages: "'a', 'b' and 3 more".
[[nodiscard]] std::string names_text(const std::vector<std::string>& names);

} // namespace cli

#endif // TERSOR_EXAMPLES_CLI_SOLVER_HPP

#ifndef TERSOR_EXAMPLES_CLI_PRECISION_PLAN_HPP
#define TERSOR_EXAMPLES_CLI_PRECISION_PLAN_HPP

// A plan of precisions for people to read, and as the file that --plan-out writes and --plan reads.

#include "model.hpp"
#include "precision_trial.hpp"
#include "selection.hpp"

#include "tersor/metrics/allocation.hpp"

#include <cstddef>
#include <string>

namespace cli {

/// A table of the choices of a plan among what was tried, and its totals beside the budget in bytes.
[[nodiscard]] std::string plan_text(const trial& tried, const tersor::precision_plan& plan, std::size_t budget);

/// The same as JSON; `path` is that of the model.
[[nodiscard]] std::string plan_json(const std::string& path, const trial& tried, const tersor::precision_plan& plan,
                                    std::size_t budget);

/// The names and SPECs of a plan file. Errors: `corrupt_file` for tensors that the model does not have.
[[nodiscard]] precision_map read_plan(const model& from, const std::string& path);

} // namespace cli

#endif // TERSOR_EXAMPLES_CLI_PRECISION_PLAN_HPP

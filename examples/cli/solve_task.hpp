#ifndef TERSOR_EXAMPLES_CLI_SOLVE_TASK_HPP
#define TERSOR_EXAMPLES_CLI_SOLVE_TASK_HPP

#include "tersor/solvers/gptq_options.hpp"
#include "tersor/solvers/gptq_result.hpp"
#include "tersor/solvers/hessian.hpp"

namespace cli {

/// What GPTQ is given for one tensor, and what came of it.
struct solve_task {
    const tersor::hessian* inputs = nullptr;
    tersor::gptq_options options;
    tersor::gptq_report report; ///< what it took, afterwards
};

} // namespace cli

#endif // TERSOR_EXAMPLES_CLI_SOLVE_TASK_HPP

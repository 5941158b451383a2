#ifndef TERSOR_EXAMPLES_CLI_GGUF_COMMAND_HPP
#define TERSOR_EXAMPLES_CLI_GGUF_COMMAND_HPP

#include "commands.hpp"
#include "model.hpp"
#include "report.hpp"
#include "selection.hpp"
#include "values.hpp"

namespace cli {

/// `tersor quantize` into a GGUF file; with --dry-run only the plan.
[[nodiscard]] report quantize_to_gguf(const model& from, const quantize_arguments& arguments,
                                      const precision_map& precisions, const threads& workers);

} // namespace cli

#endif // TERSOR_EXAMPLES_CLI_GGUF_COMMAND_HPP

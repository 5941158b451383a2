#ifndef TERSOR_EXAMPLES_CLI_PRECISION_HPP
#define TERSOR_EXAMPLES_CLI_PRECISION_HPP

// --target-bits and --target-size: a SPEC for every tensor, so that all errors together are the least that fit; and the
// plan file that keeps the choice.

#include "commands.hpp"
#include "model.hpp"
#include "selection.hpp"
#include "values.hpp"

namespace cli {

/// The SPECs of a plan file, or of the best plan within the target; empty if neither is asked for. Prints the plan's
/// table and writes --plan-out. Throws usage_error for targets that cannot be met, and where types of GGUF files and
/// others mix.
[[nodiscard]] precision_map find_precisions(const model& from, const quantize_arguments& arguments, bool to_gguf,
                                            const threads& workers);

/// Throws usage_error where these options do not go together.
void check_precision_arguments(const quantize_arguments& arguments);

/// The SPECs that --choices names, or the usual ones.
[[nodiscard]] std::vector<spec> parse_choices(const quantize_arguments& arguments, bool to_gguf);

/// Bytes of "12MB", "3.5 MiB", "800000"; throws usage_error.
[[nodiscard]] std::uint64_t parse_size(const std::string& text);

} // namespace cli

#endif // TERSOR_EXAMPLES_CLI_PRECISION_HPP

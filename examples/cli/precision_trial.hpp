#ifndef TERSOR_EXAMPLES_CLI_PRECISION_TRIAL_HPP
#define TERSOR_EXAMPLES_CLI_PRECISION_TRIAL_HPP

// Every tensor that may have another precision, quantized once to each SPEC that may be chosen: its bytes and its
// error.

#include "commands.hpp"
#include "model.hpp"
#include "spec.hpp"
#include "values.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace cli {

/// What one SPEC makes of one tensor.
struct tried_choice {
    spec what;
    std::uint64_t bytes = 0;
    double noise = 0.0; ///< relative to the tensor's signal
};

struct tried_tensor {
    std::string name;
    std::vector<std::int64_t> shape;
    std::uint64_t weights = 0;
    std::vector<tried_choice> choices;
};

struct trial {
    std::vector<tried_tensor> tensors;
    std::uint64_t weights = 0;      ///< of all these tensors
    std::uint64_t other_bytes = 0;  ///< of the tensors that keep what they are
    std::uint64_t header_bytes = 0; ///< at most, of the file
};

/// Tries the choices. Throws as quantize does.
[[nodiscard]] trial try_choices(const model& from, const quantize_arguments& arguments,
                                const std::vector<spec>& choices, bool to_gguf, const threads& workers);

} // namespace cli

#endif // TERSOR_EXAMPLES_CLI_PRECISION_TRIAL_HPP

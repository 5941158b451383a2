#ifndef TERSOR_EXAMPLES_CLI_DATASETS_HPP
#define TERSOR_EXAMPLES_CLI_DATASETS_HPP

// Recorded data in a file of tensors: NAME is one dataset, and so are NAME.0, NAME.1, ... together, batches of NAME.

#include "model.hpp"

#include <string>
#include <vector>

namespace cli {

/// A dataset and its batches, in order.
struct dataset {
    std::string name;
    std::vector<const weight*> batches;
};

/// All of a file, in the order of the first of their tensors.
struct dataset_list {
    std::vector<dataset> all;
    std::vector<std::string> left_out; ///< tensors that are no floats

    /// The dataset of that name, or null.
    [[nodiscard]] const dataset* find(std::string_view name) const noexcept;
};

/// The datasets of an open file. Errors: corrupt_file where NAME stands beside NAME.0, or a batch between others is
/// missing.
[[nodiscard]] dataset_list find_datasets(const model& from);

} // namespace cli

#endif // TERSOR_EXAMPLES_CLI_DATASETS_HPP

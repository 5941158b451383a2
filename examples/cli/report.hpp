#ifndef TERSOR_EXAMPLES_CLI_REPORT_HPP
#define TERSOR_EXAMPLES_CLI_REPORT_HPP

// What `quantize` and `compare` found out, and its forms: a table, JSON, a page.

#include "tersor/metrics/error_metrics.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace cli {

/// Counts of values in equal bins from -reach to +reach.
struct histogram {
    double reach = 0.0;
    std::vector<std::uint64_t> counts;
};

/// What a solver did for a tensor. Figures that do not exist are not-a-number.
struct solver_report {
    double objective = 0.0;     ///< tr((W - Q) H (W - Q)^T) of what the file holds
    double objective_rtn = 0.0; ///< the same for plain rounding
    double damp = 0.0;
    double loss = 0.0;
    std::uint64_t dead_columns = 0;
    std::uint64_t tokens = 0;
    double seconds = 0.0;
};

/// One quantized or compared tensor.
struct tensor_report {
    std::string name;
    std::string stored_as; ///< its name in the output where that is another
    std::vector<std::int64_t> shape;
    std::string spec;
    std::uint64_t weights = 0;
    std::uint64_t bytes_in = 0;
    std::uint64_t bytes_out = 0;
    std::optional<tersor::error_sums> errors; ///< nothing in a plan
    std::optional<solver_report> solver;
    histogram values;                         ///< of the original values; empty unless a page was asked for
    histogram differences;                    ///< of quantized minus original values

    /// The error figures; not-a-number in a plan.
    [[nodiscard]] tersor::error_figures figures() const noexcept;
    [[nodiscard]] double bits_per_weight() const noexcept {
        return weights == 0 ? 0.0 : 8.0 * static_cast<double>(bytes_out) / static_cast<double>(weights);
    }
};

/// One tensor that stays as it is.
struct kept_tensor {
    std::string name;
    std::vector<std::int64_t> shape;
    std::string dtype;
    std::uint64_t bytes = 0;    ///< in the output
    std::uint64_t bytes_in = 0; ///< in the model
};

/// One run of the program.
struct report {
    std::string model;
    std::string output;
    std::string layout;
    std::string solver;   ///< its name where one worked; empty: plain rounding
    bool is_plan = false; ///< --dry-run: sizes only
    std::vector<tensor_report> tensors;
    std::vector<kept_tensor> kept;
    std::vector<std::string> notes; ///< what could not be compared
    double seconds = 0.0;

    /// The sums over `tensors`, with the error figures of all their values together.
    [[nodiscard]] tensor_report total() const;
    [[nodiscard]] std::uint64_t kept_bytes() const noexcept;
    [[nodiscard]] std::uint64_t kept_bytes_in() const noexcept;
};

/// The table of quantized tensors with totals.
[[nodiscard]] std::string table_of(const report& r);
/// The JSON report: {"tool","version","model","tensors":[...],"total":{...}}; figures that do not exist are null.
[[nodiscard]] std::string json_of(const report& r);
/// A page of its own, without anything from elsewhere.
[[nodiscard]] std::string html_of(const report& r);

/// Writes a report where the user asked for it, "-" being standard output; an existing file is replaced.
void write_report(const std::string& path, const std::string& text);

} // namespace cli

#endif // TERSOR_EXAMPLES_CLI_REPORT_HPP

#ifndef TERSOR_EXAMPLES_CLI_TABLE_HPP
#define TERSOR_EXAMPLES_CLI_TABLE_HPP

// A table in plain text, its columns as wide as their longest entry.

#include <cstddef>
#include <string>
#include <vector>

namespace cli {

class table {
public:
    /// Column titles; one that starts with '>' is aligned to the right.
    explicit table(std::vector<std::string> titles);

    /// One entry per column.
    void add(std::vector<std::string> row);
    /// A line between what stands above and below.
    void add_rule();
    /// The whole table, lines ended.
    [[nodiscard]] std::string text() const;

private:
    std::vector<bool> right_;
    std::vector<std::vector<std::string>> rows_; // an empty row is a rule
    std::vector<std::size_t> widths_;
};

} // namespace cli

#endif // TERSOR_EXAMPLES_CLI_TABLE_HPP

#ifndef TERSOR_EXAMPLES_CLI_PROGRESS_HPP
#define TERSOR_EXAMPLES_CLI_PROGRESS_HPP

// The progress bar: one line on standard error, and only where that is a terminal.

#include <chrono>
#include <cstdint>
#include <string>

namespace cli {

/// Shows how much of `total` bytes of input is done, with the rate and the remaining time. Removes itself at the end.
class progress_bar {
public:
    progress_bar(std::uint64_t total, bool quiet);
    progress_bar(const progress_bar&) = delete;
    progress_bar& operator=(const progress_bar&) = delete;
    ~progress_bar();

    /// Starts with the next tensor, which takes `bytes`.
    void start(const std::string& tensor, std::uint64_t bytes);
    /// How much of that tensor is done, 0 to 1.
    void update(double share);
    /// That tensor is done.
    void finish();

private:
    using clock = std::chrono::steady_clock;
    void draw(double done);

    std::uint64_t total_;
    bool shown_;
    std::uint64_t finished_ = 0;
    std::uint64_t current_ = 0;
    std::string name_;
    clock::time_point begin_ = clock::now();
    clock::time_point drawn_{};
};

} // namespace cli

#endif // TERSOR_EXAMPLES_CLI_PROGRESS_HPP

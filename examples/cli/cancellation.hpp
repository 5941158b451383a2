#ifndef TERSOR_EXAMPLES_CLI_CANCELLATION_HPP
#define TERSOR_EXAMPLES_CLI_CANCELLATION_HPP

// Ctrl-C ends the work in an orderly way: what is half written is removed. A second Ctrl-C ends the program at once.

namespace cli {

/// Notes SIGINT, SIGTERM and SIGHUP instead of dying of them.
void catch_signals();

/// Whether a signal has asked to stop.
[[nodiscard]] bool is_cancelled() noexcept;

/// Throws tersor::error `cancelled` if so.
void check_cancelled();

} // namespace cli

#endif // TERSOR_EXAMPLES_CLI_CANCELLATION_HPP

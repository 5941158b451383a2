#include "cancellation.hpp"

#include "tersor/core/error.hpp"

#include <csignal>

namespace cli {

namespace {
volatile std::sig_atomic_t caught = 0;

void note(int signal) {
    caught = signal;
}
} // namespace

void catch_signals() {
    struct sigaction action {};
    action.sa_handler = note;
    action.sa_flags = static_cast<int>(SA_RESETHAND | SA_RESTART);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
        struct sigaction before {};
        // who ignores a signal (nohup) keeps ignoring it
        if (::sigaction(signal, nullptr, &before) == 0 && before.sa_handler != SIG_IGN) {
            ::sigaction(signal, &action, nullptr);
        }
    }
}

bool is_cancelled() noexcept {
    return caught != 0;
}

void check_cancelled() {
    if (is_cancelled()) {
        tersor::raise(tersor::error_code::cancelled, "cancelled by a signal; nothing was written");
    }
}

} // namespace cli

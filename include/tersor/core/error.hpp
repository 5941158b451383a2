#ifndef TERSOR_CORE_ERROR_HPP
#define TERSOR_CORE_ERROR_HPP

// The one exception type of the library, and how errors are raised.
//
// Every failure that a caller can cause throws `tersor::error`: a code to branch on and a message that holds the
// numbers (what was given, what was expected, where). A build with -fno-exceptions calls a handler instead.

#include <cstdlib>
#include <stdexcept>
#include <string>
#include <utility>

namespace tersor::inline v0 {

/// What kind of failure an `error` reports.
enum class error_code {
    invalid_argument, ///< an option or value outside its documented range
    shape_mismatch,   ///< two shapes that must agree do not, or a shape does not fit the group size
    non_finite,       ///< NaN or infinity in the input; the message names the first index
    corrupt_file,     ///< a file that contradicts its own format; the message names the offset or tensor
    unsupported,      ///< a valid request that this combination cannot hold; the message says what can
    io,               ///< the operating system refused: open, read, write, rename
    cancelled         ///< a progress callback asked to stop
};

/// The name of an error code as it is spelled above.
[[nodiscard]] constexpr const char* to_string(error_code code) noexcept {
    switch (code) {
    case error_code::invalid_argument: return "invalid_argument";
    case error_code::shape_mismatch: return "shape_mismatch";
    case error_code::non_finite: return "non_finite";
    case error_code::corrupt_file: return "corrupt_file";
    case error_code::unsupported: return "unsupported";
    case error_code::io: return "io";
    case error_code::cancelled: return "cancelled";
    }
    return "unknown";
}

/// The exception that every function of the library throws.
class error : public std::runtime_error {
public:
    error(error_code code, const std::string& message) : std::runtime_error(message), code_(code) {}
    [[nodiscard]] error_code code() const noexcept { return code_; }

private:
    error_code code_;
};

/// Called in place of `throw` in a build without exceptions. It must not return: if it does, the program ends.
using error_handler = void (*)(error_code code, const char* message);

namespace detail {
inline error_handler& current_error_handler() noexcept {
    static error_handler handler = nullptr;
    return handler;
}
} // namespace detail

/// Sets the handler for builds without exceptions and returns the previous one; no effect where exceptions are on.
inline error_handler set_error_handler(error_handler handler) noexcept {
    return std::exchange(detail::current_error_handler(), handler);
}

/// Throws `error(code, message)`; without exceptions calls the handler.
[[noreturn]] inline void raise(error_code code, const std::string& message) {
#if defined(__cpp_exceptions)
    throw error(code, message);
#else
    if (const error_handler handler = detail::current_error_handler()) {
        handler(code, message.c_str());
    }
    std::exit(EXIT_FAILURE);
#endif
}

} // namespace tersor::inline v0

#endif // TERSOR_CORE_ERROR_HPP

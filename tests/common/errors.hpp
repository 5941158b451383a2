#ifndef TERSOR_TESTS_COMMON_ERRORS_HPP
#define TERSOR_TESTS_COMMON_ERRORS_HPP

// What a call that must fail says.

#include "tersor/core/error.hpp"

#include <optional>
#include <string>

/// The code of the error that work() raises, nothing if it raises none. `message` takes what the error says.
template <class Work>
[[nodiscard]] std::optional<tersor::error_code> code_of_error(const Work& work, std::string* message = nullptr) {
    try {
        static_cast<void>(work());
    } catch (const tersor::error& e) {
        if (message != nullptr) {
            *message = e.what();
        }
        return e.code();
    }
    return std::nullopt;
}

#endif // TERSOR_TESTS_COMMON_ERRORS_HPP

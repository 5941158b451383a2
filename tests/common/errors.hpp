#ifndef TERSOR_TESTS_COMMON_ERRORS_HPP
#define TERSOR_TESTS_COMMON_ERRORS_HPP

// What a call that must fail says.

#include "tersor/core/error.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>

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

/// The name of the code and the message of the error that work() raises, as "code: message"; "no error" if none.
template <class Work>
[[nodiscard]] std::string error_of(const Work& work) {
    std::string message;
    const auto code = code_of_error(work, &message);
    return code ? std::string(tersor::to_string(*code)) + ": " + message : "no error";
}

/// Expects an error of that code whose message holds these words.
template <class Work>
void expect_error(tersor::error_code code, const Work& work, std::string_view words) {
    std::string message;
    const auto found = code_of_error(work, &message);
    ASSERT_TRUE(found.has_value()) << "no error: " << words;
    EXPECT_EQ(tersor::to_string(*found), tersor::to_string(code)) << message;
    EXPECT_NE(std::string_view(message).find(words), std::string_view::npos) << message;
}

#endif // TERSOR_TESTS_COMMON_ERRORS_HPP

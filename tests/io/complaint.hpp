#ifndef TERSOR_TESTS_IO_COMPLAINT_HPP
#define TERSOR_TESTS_IO_COMPLAINT_HPP

#include "tests/common/errors.hpp"

#include <gtest/gtest.h>

#include <string>

/// What the error of the system that action() raises says; empty if it raises none.
template <class Action>
std::string complaint(const Action& action) {
    std::string message;
    const auto code = code_of_error(action, &message);
    EXPECT_EQ(code.value_or(tersor::error_code::io), tersor::error_code::io);
    return message;
}

#endif // TERSOR_TESTS_IO_COMPLAINT_HPP

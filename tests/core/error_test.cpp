#include "tersor/core/error.hpp"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

using namespace tersor;

namespace {

TEST(Error, CarriesItsCodeAndMessage) {
    try {
        raise(error_code::shape_mismatch, "3 rows, expected 4");
        FAIL();
    } catch (const error& e) {
        EXPECT_EQ(e.code(), error_code::shape_mismatch);
        EXPECT_STREQ(e.what(), "3 rows, expected 4");
    }
}

TEST(Error, IsARuntimeError) {
    EXPECT_THROW(raise(error_code::io, "no such file"), std::runtime_error);
}

TEST(ErrorCode, HasTheNameThatItIsSpelledWith) {
    EXPECT_STREQ(to_string(error_code::invalid_argument), "invalid_argument");
    EXPECT_STREQ(to_string(error_code::shape_mismatch), "shape_mismatch");
    EXPECT_STREQ(to_string(error_code::non_finite), "non_finite");
    EXPECT_STREQ(to_string(error_code::corrupt_file), "corrupt_file");
    EXPECT_STREQ(to_string(error_code::unsupported), "unsupported");
    EXPECT_STREQ(to_string(error_code::io), "io");
    EXPECT_STREQ(to_string(error_code::cancelled), "cancelled");
    EXPECT_STREQ(to_string(static_cast<error_code>(99)), "unknown");
}

TEST(ErrorHandler, IsReplacedAndReturned) {
    const error_handler mine = [](error_code, const char*) {};
    const error_handler before = set_error_handler(mine);
    EXPECT_EQ(set_error_handler(before), mine);
    EXPECT_EQ(set_error_handler(before), before);
}

} // namespace

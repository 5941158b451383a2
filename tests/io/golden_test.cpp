#include "tests/common/golden.hpp"
#include "tests/common/temporary_folder.hpp"
#include "tests/io/safetensors_bytes.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

namespace {

/// Sets TERSOR_SHARED for one test.
class shared_setting {
public:
    explicit shared_setting(const std::string& folder) {
        if (const char* const old = std::getenv("TERSOR_SHARED")) {
            old_ = old;
        }
        ::setenv("TERSOR_SHARED", folder.c_str(), 1);
    }
    ~shared_setting() { old_ ? ::setenv("TERSOR_SHARED", old_->c_str(), 1) : ::unsetenv("TERSOR_SHARED"); }

private:
    std::optional<std::string> old_;
};

const std::string sample = safetensors_bytes(
    R"({"__metadata__":{"tool":"test"},"f":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
    R"("b":{"dtype":"BF16","shape":[1,2],"data_offsets":[8,12]},"h":{"dtype":"F16","shape":[1],"data_offsets":[12,14]},)"
    R"("i":{"dtype":"I8","shape":[2],"data_offsets":[14,16]}})",
    std::string("\0\0\x80\x3f\0\0\0\xc0\x80\x3f\0\xc0\0\x3c\x80\x7f", 16));

TEST(Golden, IsUnavailableWhereNoFileExists) {
    EXPECT_FALSE(golden::available("no_such_topic/no_such_file"));
    EXPECT_THROW(golden::file("no_such_topic/no_such_file"), tersor::error);
}

TEST(Golden, ReadsTypedTensors) {
    const temporary_folder folder;
    static_cast<void>(folder.write("golden/topic/sample.safetensors", sample));
    const shared_setting setting(folder.path());
    ASSERT_TRUE(golden::available("topic/sample"));
    const golden::file file("topic/sample");
    EXPECT_EQ(file.names(), (std::vector<std::string>{"f", "b", "h", "i"}));
    EXPECT_EQ(file.metadata("tool"), "test");
    EXPECT_EQ(file.shape("b"), (std::vector<std::int64_t>{1, 2}));
    EXPECT_EQ(file.tensor<float>("f"), (std::vector<float>{1.0F, -2.0F}));
    EXPECT_EQ(file.tensor<double>("f"), (std::vector<double>{1.0, -2.0}));
    EXPECT_EQ(file.tensor<std::uint32_t>("f"), (std::vector<std::uint32_t>{0x3F800000, 0xC0000000}));
    EXPECT_EQ(file.tensor<float>("b"), (std::vector<float>{1.0F, -2.0F}));
    EXPECT_EQ(file.tensor<std::uint16_t>("b"), (std::vector<std::uint16_t>{0x3F80, 0xC000}));
    EXPECT_EQ(file.tensor<float>("h"), (std::vector<float>{1.0F}));
    EXPECT_EQ(file.tensor<std::int8_t>("i"), (std::vector<std::int8_t>{-128, 127}));
}

TEST(Golden, RefusesAnotherType) {
    const temporary_folder folder;
    static_cast<void>(folder.write("golden/topic/sample.safetensors", sample));
    const shared_setting setting(folder.path());
    const golden::file file("topic/sample");
    EXPECT_THROW((void)file.tensor<float>("i"), tersor::error);
    EXPECT_THROW((void)file.tensor<std::int32_t>("f"), tersor::error);
    EXPECT_THROW((void)file.tensor<std::int16_t>("b"), tersor::error);
    EXPECT_THROW((void)file.tensor<float>("missing"), tersor::error);
    EXPECT_THROW((void)file.metadata("missing"), tersor::error);
}

} // namespace

#include "tersor/io/posix.hpp"

#include "tests/common/temporary_folder.hpp"

#include <gtest/gtest.h>

#include <string>
#include <sys/stat.h>
#include <unistd.h>

namespace {

TEST(SameFile, SeesThroughNamesAndLinks) {
    const temporary_folder folder;
    const std::string a = folder.write("a", "x");
    const std::string b = folder.write("b", "x");
    ASSERT_EQ(::symlink("a", (folder / "symbolic").c_str()), 0);
    ASSERT_EQ(::link(a.c_str(), (folder / "hard").c_str()), 0);
    EXPECT_TRUE(tersor::same_file(a, a));
    EXPECT_TRUE(tersor::same_file(a, folder / "./a"));
    EXPECT_TRUE(tersor::same_file(a, folder / "symbolic"));
    EXPECT_TRUE(tersor::same_file(folder / "hard", a));
    EXPECT_FALSE(tersor::same_file(a, b));
    EXPECT_FALSE(tersor::same_file(a, folder / "missing"));
    EXPECT_FALSE(tersor::same_file(folder / "missing", folder / "missing"));
}

TEST(InsideFolder, FollowsTheFileSystemNotTheText) {
    const temporary_folder folder;
    const std::string file = folder.write("model/deep/file", "x");
    static_cast<void>(folder.write("other/file", "x"));
    ASSERT_EQ(::symlink("model", (folder / "link").c_str()), 0);
    EXPECT_TRUE(tersor::inside_folder(file, folder / "model"));
    EXPECT_TRUE(tersor::inside_folder(file, folder / "link"));
    EXPECT_TRUE(tersor::inside_folder(folder / "link/deep/file", folder / "model"));
    EXPECT_TRUE(tersor::inside_folder(folder / "model/not_there", folder / "model/"));
    EXPECT_TRUE(tersor::inside_folder(folder / "model", folder / "model"));
    EXPECT_TRUE(tersor::inside_folder(file, "/"));
    EXPECT_FALSE(tersor::inside_folder(folder / "other/file", folder / "model"));
    EXPECT_FALSE(tersor::inside_folder(folder / "model/../other/file", folder / "model"));
    EXPECT_FALSE(tersor::inside_folder(folder / "model", folder / "model/deep"));
    EXPECT_FALSE(tersor::inside_folder(folder / "nothing/at/all", folder / "model"));
}

TEST(Descriptor, ClosesItself) {
    int number = -1;
    {
        const tersor::detail::descriptor file(::dup(0));
        number = file.get();
        struct stat status {};
        ASSERT_EQ(::fstat(number, &status), 0);
    }
    struct stat status {};
    EXPECT_NE(::fstat(number, &status), 0);
}

} // namespace

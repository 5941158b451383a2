#include "tersor/io/mapped_file.hpp"

#include "tests/common/temporary_folder.hpp"

#include <gtest/gtest.h>

#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace {

std::string complaint(const std::string& path) {
    try {
        const tersor::mapped_file file(path);
    } catch (const tersor::error& e) {
        EXPECT_EQ(e.code(), tersor::error_code::io);
        return e.what();
    }
    return {};
}

TEST(MappedFile, ShowsTheBytes) {
    const temporary_folder folder;
    const tersor::mapped_file file(folder.write("f", std::string("a\0b", 3)));
    EXPECT_EQ(file.text(), std::string("a\0b", 3));
    EXPECT_EQ(file.size(), 3U);
    EXPECT_EQ(file.bytes().size(), 3U);
    EXPECT_EQ(file.path(), folder / "f");
}

TEST(MappedFile, AnEmptyFileHasNoBytes) {
    const temporary_folder folder;
    const tersor::mapped_file file(folder.write("f", ""));
    EXPECT_EQ(file.size(), 0U);
    EXPECT_TRUE(file.text().empty());
}

TEST(MappedFile, RefusesWhatIsNoRegularFile) {
    const temporary_folder folder;
    EXPECT_NE(complaint(folder.path()).find("Is a directory"), std::string::npos);
    EXPECT_NE(complaint(folder / "missing").find("No such file"), std::string::npos);
    ASSERT_EQ(::symlink("nowhere", (folder / "dangling").c_str()), 0);
    EXPECT_NE(complaint(folder / "dangling").find("No such file"), std::string::npos);
    ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
    EXPECT_NE(complaint(folder / "pipe").find("not a regular file"), std::string::npos);
    EXPECT_NE(complaint("/dev/zero").find("not a regular file"), std::string::npos);
}

TEST(MappedFile, BytesStayInPlaceWhenItMoves) {
    const temporary_folder folder;
    tersor::mapped_file a(folder.write("f", "abc"));
    const auto view = a.text();
    tersor::mapped_file b(std::move(a));
    EXPECT_EQ(b.text().data(), view.data());
    tersor::mapped_file c;
    c = std::move(b);
    EXPECT_EQ(c.text().data(), view.data());
    EXPECT_EQ(c.text(), "abc");
    EXPECT_EQ(c.path(), folder / "f");
}

TEST(MappedFile, OutlivesItsName) {
    const temporary_folder folder;
    const tersor::mapped_file file(folder.write("f", "abc"));
    ASSERT_EQ(::unlink((folder / "f").c_str()), 0);
    EXPECT_EQ(file.text(), "abc");
}

} // namespace

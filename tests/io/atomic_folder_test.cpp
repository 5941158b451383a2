#include "tersor/io/atomic_folder.hpp"

#include "tersor/io/atomic_file.hpp"
#include "tests/common/temporary_folder.hpp"
#include "tests/io/complaint.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <string>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

namespace {

using tersor::atomic_file;
using tersor::atomic_folder;
using tersor::existing_target;

void write_in(const atomic_folder& target, const std::string& name, const std::string& content) {
    atomic_file file(target / name);
    file.append(content);
    file.commit();
}

TEST(AtomicFolder, AppearsOnlyWhenCommitted) {
    const temporary_folder folder;
    atomic_folder target(folder / "out/");
    write_in(target, "config.json", "{}");
    EXPECT_NE(::access((folder / "out").c_str(), F_OK), 0);
    target.commit();
    EXPECT_EQ(temporary_folder::read(folder / "out/config.json"), "{}");
    EXPECT_EQ(folder.entries(), 1U);
    EXPECT_THROW(target.commit(), tersor::error);
}

TEST(AtomicFolder, LeavesNothingWithoutCommit) {
    const temporary_folder folder;
    {
        atomic_folder target(folder / "out");
        write_in(target, "a", "x");
        const atomic_file unfinished(target / "b");
    }
    EXPECT_EQ(folder.entries(), 0U);
}

TEST(AtomicFolder, KeepsWhatExistsUnlessTold) {
    const temporary_folder folder;
    static_cast<void>(folder.write("out/config.json", "old"));
    static_cast<void>(folder.write("out/extra.txt", "old"));
    EXPECT_NE(complaint([&] { atomic_folder target(folder / "out"); }).find("File exists"), std::string::npos);
    {
        atomic_folder target(folder / "out", existing_target::overwrite);
        write_in(target, "config.json", "half");
    }
    EXPECT_EQ(temporary_folder::read(folder / "out/config.json"), "old");
    atomic_folder target(folder / "out", existing_target::overwrite);
    write_in(target, "config.json", "new");
    target.commit();
    EXPECT_EQ(temporary_folder::read(folder / "out/config.json"), "new");
    EXPECT_NE(::access((folder / "out/extra.txt").c_str(), F_OK), 0);
    EXPECT_EQ(folder.entries(), 1U);
}

TEST(AtomicFolder, OverwritesNothingThatIsNoModel) {
    const temporary_folder folder;
    static_cast<void>(folder.write("home/letters/config.json", "x"));
    static_cast<void>(folder.write("home/config.json", "x"));
    static_cast<void>(folder.write("texts/letter.txt", "x"));
    static_cast<void>(folder.write("model/model.safetensors", "x"));
    static_cast<void>(folder.write("file", "x"));
    ASSERT_EQ(::symlink("model", (folder / "link").c_str()), 0);
    for (const char* const name : {"home", "texts", "file", "link"}) {
        EXPECT_NE(complaint([&] { atomic_folder target(folder / name, existing_target::overwrite); }), "") << name;
    }
    EXPECT_EQ(temporary_folder::read(folder / "home/letters/config.json"), "x");
    EXPECT_EQ(temporary_folder::read(folder / "texts/letter.txt"), "x");
    EXPECT_EQ(temporary_folder::read(folder / "model/model.safetensors"), "x");
    EXPECT_EQ(folder.entries(), 5U);
}

TEST(AtomicFolder, KeepsAFolderThatAppearedMeanwhile) {
    const temporary_folder folder;
    {
        atomic_folder target(folder / "out");
        write_in(target, "config.json", "mine");
        static_cast<void>(folder.write("out/config.json", "theirs"));
        EXPECT_NE(complaint([&] { target.commit(); }).find("File exists"), std::string::npos);
    }
    EXPECT_EQ(temporary_folder::read(folder / "out/config.json"), "theirs");
    EXPECT_EQ(folder.entries(), 1U);
}

TEST(AtomicFolder, AKilledWriterLeavesNothingUnderTheName) {
    const temporary_folder folder;
    int ready[2];
    ASSERT_EQ(::pipe(ready), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        const atomic_folder target(folder / "out");
        write_in(target, "config.json", "{}");
        static_cast<void>(!::write(ready[1], "r", 1));
        for (;;) {
            ::pause();
        }
    }
    char byte = 0;
    ASSERT_EQ(::read(ready[0], &byte, 1), 1);
    ::kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFSIGNALED(status));
    EXPECT_NE(::access((folder / "out").c_str(), F_OK), 0);
    ::close(ready[0]);
    ::close(ready[1]);
}

TEST(AtomicFolder, MovesKeepTheFolder) {
    const temporary_folder folder;
    atomic_folder a(folder / "out");
    write_in(a, "f", "x");
    atomic_folder b(std::move(a));
    atomic_folder c;
    c = std::move(b);
    c.commit();
    EXPECT_EQ(temporary_folder::read(folder / "out/f"), "x");
    EXPECT_EQ(folder.entries(), 1U);
}

TEST(ListFolder, IsSortedAndKnowsFolders) {
    const temporary_folder folder;
    static_cast<void>(folder.write("b", ""));
    static_cast<void>(folder.write("c/x", ""));
    static_cast<void>(folder.write("a", ""));
    const auto entries = tersor::list_folder(folder.path());
    ASSERT_EQ(entries.size(), 3U);
    EXPECT_EQ(entries[0].name, "a");
    EXPECT_FALSE(entries[1].is_folder);
    EXPECT_TRUE(entries[2].is_folder);
    EXPECT_NE(complaint([&] { (void)tersor::list_folder(folder / "a"); }), "");
}

} // namespace

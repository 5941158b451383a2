#include "tersor/io/atomic_file.hpp"

#include "tests/common/temporary_folder.hpp"
#include "tests/io/complaint.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

namespace {

using tersor::atomic_file;
using tersor::existing_target;

/// Limits the size of written files while it lives.
class file_size_limit {
public:
    explicit file_size_limit(rlim_t bytes) {
        ::getrlimit(RLIMIT_FSIZE, &before_);
        const rlimit limit{bytes, before_.rlim_max};
        ::setrlimit(RLIMIT_FSIZE, &limit);
    }
    ~file_size_limit() { ::setrlimit(RLIMIT_FSIZE, &before_); }

private:
    rlimit before_{};
};

TEST(AtomicFile, AppearsOnlyWhenCommitted) {
    const temporary_folder folder;
    const std::string path = folder / "out";
    atomic_file file(path);
    EXPECT_EQ(file.append("hello "), 0U);
    EXPECT_EQ(file.append("world"), 6U);
    EXPECT_EQ(file.size(), 11U);
    EXPECT_NE(::access(path.c_str(), F_OK), 0);
    file.commit();
    EXPECT_EQ(temporary_folder::read(path), "hello world");
    EXPECT_EQ(folder.entries(), 1U);
}

TEST(AtomicFile, LeavesNothingWithoutCommit) {
    const temporary_folder folder;
    {
        atomic_file file(folder / "out");
        file.append(std::string(1 << 20, 'x'));
        EXPECT_EQ(folder.entries(), 1U);
    }
    EXPECT_EQ(folder.entries(), 0U);
}

TEST(AtomicFile, WritesPiecesOfEverySizeAtAnyOffset) {
    const temporary_folder folder;
    for (const std::size_t piece :
         {std::size_t{7}, std::size_t{65535}, std::size_t{65536}, std::size_t{65537}, std::size_t{300000}}) {
        std::string expected(200'003, '\0');
        for (std::size_t i = 0; i < expected.size(); ++i) {
            expected[i] = static_cast<char>(i * 7 + i / 251);
        }
        const std::string path = folder / std::to_string(piece);
        atomic_file file(path);
        const auto all = std::as_bytes(std::span<const char>(expected));
        // the second half first, then the first, in alternating pieces
        const std::size_t middle = expected.size() / 2;
        for (std::size_t at = 0; at < expected.size() - middle; at += piece) {
            file.write_at(middle + at, all.subspan(middle + at, std::min(piece, expected.size() - middle - at)));
            if (at < middle) {
                file.write_at(at, all.subspan(at, std::min(piece, middle - at)));
            }
        }
        file.commit();
        EXPECT_TRUE(temporary_folder::read(path) == expected) << piece;
    }
}

TEST(AtomicFile, PadsWithZeros) {
    const temporary_folder folder;
    atomic_file file(folder / "out");
    EXPECT_EQ(file.pad_to(32), 0U);
    file.append("abc");
    EXPECT_EQ(file.pad_to(8), 8U);
    EXPECT_EQ(file.pad_to(8), 8U);
    EXPECT_EQ(file.pad_to(4096), 4096U);
    file.append("d");
    file.commit();
    EXPECT_EQ(temporary_folder::read(folder / "out"), "abc" + std::string(4093, '\0') + "d");
}

TEST(AtomicFile, KeepsAnExistingFileUnlessTold) {
    const temporary_folder folder;
    const std::string path = folder.write("out", "old");
    EXPECT_NE(complaint([&] { atomic_file file(path); }).find("File exists"), std::string::npos);
    EXPECT_EQ(folder.entries(), 1U);
    {
        atomic_file file(path, existing_target::overwrite);
        file.append("half");
    }
    EXPECT_EQ(temporary_folder::read(path), "old");
    atomic_file file(path, existing_target::overwrite);
    file.append("new");
    EXPECT_EQ(temporary_folder::read(path), "old");
    file.commit();
    EXPECT_EQ(temporary_folder::read(path), "new");
    EXPECT_EQ(folder.entries(), 1U);
}

TEST(AtomicFile, KeepsAFileThatAppearedMeanwhile) {
    const temporary_folder folder;
    {
        atomic_file file(folder / "out");
        file.append("mine");
        static_cast<void>(folder.write("out", "theirs"));
        EXPECT_NE(complaint([&] { file.commit(); }).find("File exists"), std::string::npos);
    }
    EXPECT_EQ(temporary_folder::read(folder / "out"), "theirs");
    EXPECT_EQ(folder.entries(), 1U);
}

TEST(AtomicFile, RefusesTargetsThatAreNoFiles) {
    const temporary_folder folder;
    ASSERT_EQ(::mkdir((folder / "folder").c_str(), 0777), 0);
    ASSERT_EQ(::symlink("/dev/null", (folder / "device").c_str()), 0);
    ASSERT_EQ(::symlink("nowhere", (folder / "dangling").c_str()), 0);
    for (const auto existing : {existing_target::refuse, existing_target::overwrite}) {
        EXPECT_NE(complaint([&] { atomic_file file(folder / "folder", existing); }), "");
        EXPECT_NE(complaint([&] { atomic_file file(folder / "device", existing); }), "");
        EXPECT_NE(complaint([&] { atomic_file file("/dev/null", existing); }), "");
        EXPECT_NE(complaint([&] { atomic_file file(folder / "missing/out", existing); }).find("No such file"),
                  std::string::npos);
        EXPECT_NE(complaint([&] { atomic_file file("", existing); }), "");
    }
    EXPECT_NE(complaint([&] { atomic_file file(folder / "dangling"); }), "");
    EXPECT_EQ(folder.entries(), 3U);
}

TEST(AtomicFile, GivesTheModeThatTheUserAskedFor) {
    const temporary_folder folder;
    const mode_t before = ::umask(027);
    atomic_file file(folder / "out");
    file.commit();
    ::umask(before);
    struct stat status {};
    ASSERT_EQ(::stat((folder / "out").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0640U);
}

TEST(AtomicFile, AFullDiskIsAnErrorAndLeavesNothing) {
    const temporary_folder folder;
    const std::string data(200'000, 'x');
    {
        const file_size_limit limit(100'000);
        const std::string message = complaint([&] {
            atomic_file file(folder / "large_pieces");
            file.append(data);
            file.commit();
        });
        EXPECT_NE(message.find("File too large"), std::string::npos) << message;
        EXPECT_NE(message.find("large_pieces"), std::string::npos) << message;
        EXPECT_NE(complaint([&] {
                      atomic_file file(folder / "small_pieces");
                      for (int i = 0; i < 200; ++i) {
                          file.append(std::string_view(data).substr(0, 1000));
                      }
                      file.commit();
                  }),
                  "");
    }
    EXPECT_EQ(folder.entries(), 0U);
}

TEST(AtomicFile, TheSizeSignalKeepsItsMeaningOutside) {
    const temporary_folder folder;
    sigset_t before;
    sigset_t after;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &before);
    {
        const file_size_limit limit(1000);
        EXPECT_NE(complaint([&] {
                      atomic_file file(folder / "out");
                      file.append(std::string(100'000, 'x'));
                      file.commit();
                  }),
                  "");
    }
    ::pthread_sigmask(SIG_SETMASK, nullptr, &after);
    EXPECT_EQ(::sigismember(&before, SIGXFSZ), ::sigismember(&after, SIGXFSZ));
    sigset_t pending;
    ::sigpending(&pending);
    EXPECT_EQ(::sigismember(&pending, SIGXFSZ), 0);
}

TEST(AtomicFile, AfterAFailureNothingMoreIsWritten) {
    const temporary_folder folder;
    atomic_file file(folder / "out");
    {
        const file_size_limit limit(1000);
        EXPECT_NE(complaint([&] { file.append(std::string(100'000, 'x')); }), "");
    }
    EXPECT_THROW(file.append("more"), tersor::error);
    EXPECT_THROW(file.commit(), tersor::error);
    atomic_file done(folder / "done");
    done.commit();
    EXPECT_THROW(done.append("more"), tersor::error);
    EXPECT_THROW(done.commit(), tersor::error);
}

TEST(AtomicFile, AKilledWriterLeavesNothingUnderTheName) {
    const temporary_folder folder;
    int ready[2];
    ASSERT_EQ(::pipe(ready), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        atomic_file file(folder / "out");
        file.append(std::string(1 << 20, 'x'));
        static_cast<void>(!::write(ready[1], "r", 1));
        for (;;) {
            file.append("more");
            ::usleep(1000);
        }
    }
    char byte = 0;
    ASSERT_EQ(::read(ready[0], &byte, 1), 1);
    ::kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFSIGNALED(status));
    EXPECT_NE(::access((folder / "out").c_str(), F_OK), 0);
    EXPECT_EQ(folder.entries(), 1U) << "the hidden temporary file";
    ::close(ready[0]);
    ::close(ready[1]);
}

TEST(AtomicFile, MovesKeepTheFile) {
    const temporary_folder folder;
    atomic_file a(folder / "out");
    a.append("ab");
    atomic_file b(std::move(a));
    b.append("cd");
    atomic_file c;
    c = std::move(b);
    c.append("ef");
    c.commit();
    EXPECT_EQ(temporary_folder::read(folder / "out"), "abcdef");
    c = atomic_file(folder / "second");
    c = atomic_file();
    EXPECT_EQ(folder.entries(), 1U);
}

} // namespace

#ifndef TERSOR_IO_ATOMIC_FILE_HPP
#define TERSOR_IO_ATOMIC_FILE_HPP

// Writing a file that appears whole or not at all.
//
// The bytes go to a hidden temporary file in the target's folder; commit() forces them to the disk and renames it.
// A crash, a full disk or a kill leaves nothing under the final name, and at worst the temporary file.

#include "tersor/core/error.hpp"
#include "tersor/io/posix.hpp"
#include "tersor/io/replace.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <fcntl.h>
#include <span>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace tersor::inline v0 {

namespace detail {
/// While it lives, a write beyond the process's file size limit fails with EFBIG in this thread instead of killing
/// the process by SIGXFSZ.
class file_size_signal_blocked {
public:
    file_size_signal_blocked() noexcept {
        ::sigemptyset(&signal_);
        ::sigaddset(&signal_, SIGXFSZ);
        ::pthread_sigmask(SIG_BLOCK, &signal_, &before_);
        was_pending_ = pending();
    }
    file_size_signal_blocked(const file_size_signal_blocked&) = delete;
    file_size_signal_blocked& operator=(const file_size_signal_blocked&) = delete;
    ~file_size_signal_blocked() {
        const int reason = errno;
        if (!was_pending_ && pending()) {
            int consumed = 0;
            ::sigwait(&signal_, &consumed);
        }
        ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
        errno = reason;
    }

private:
    static bool pending() noexcept {
        sigset_t all;
        ::sigemptyset(&all);
        ::sigpending(&all);
        return ::sigismember(&all, SIGXFSZ) == 1;
    }

    sigset_t signal_{};
    sigset_t before_{};
    bool was_pending_ = false;
};
} // namespace detail

/// A file being written. Move-only; without commit() nothing is left of it.
class atomic_file {
public:
    atomic_file() = default;

    /// Opens a temporary file beside `path`. io error if that fails, or if `path` exists and `existing` is refuse, or
    /// if it exists and is not a regular file.
    explicit atomic_file(std::string path, existing_target existing = existing_target::refuse)
        : path_(std::move(path)), existing_(existing) {
        detail::check_target(path_, existing_, S_IFREG, "a regular file");
        temporary_ = detail::make_temporary(path_, [this](const std::string& name) {
            file_ = detail::descriptor(
                detail::retry([&] { return ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666); }));
            return file_.get() >= 0;
        });
    }

    atomic_file(atomic_file&& other) noexcept { swap(other); }
    atomic_file& operator=(atomic_file&& other) noexcept {
        atomic_file(std::move(other)).swap(*this);
        return *this;
    }

    ~atomic_file() {
        if (!temporary_.empty()) {
            ::unlink(temporary_.c_str());
        }
    }

    /// Appends bytes and returns the offset of the first of them. io error if the system refuses (a full disk, a
    /// limit); the file is then lost.
    std::uint64_t append(std::span<const std::byte> bytes) {
        const std::uint64_t offset = size_;
        write_at(offset, bytes);
        return offset;
    }

    std::uint64_t append(std::string_view text) {
        return append({reinterpret_cast<const std::byte*>(text.data()), text.size()});
    }

    /// Writes bytes at any offset, also beyond the end: what is never written between is zero. Errors as append.
    void write_at(std::uint64_t offset, std::span<const std::byte> bytes) {
        check_open();
        if (offset != buffer_start_ + buffer_.size() || buffer_.size() + bytes.size() > buffer_limit) {
            flush();
            buffer_start_ = offset;
        }
        if (bytes.size() > buffer_limit) {
            write_out(offset, bytes);
            buffer_start_ = offset + bytes.size();
        } else {
            buffer_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        }
        size_ = std::max(size_, offset + bytes.size());
    }

    /// Appends zeros up to the next multiple of `alignment` and returns the size then.
    std::uint64_t pad_to(std::uint64_t alignment) {
        const std::byte zeros[64] = {};
        for (std::uint64_t missing = (alignment - size_ % alignment) % alignment; missing != 0;) {
            const std::uint64_t count = missing < sizeof(zeros) ? missing : sizeof(zeros);
            append({zeros, static_cast<std::size_t>(count)});
            missing -= count;
        }
        return size_;
    }

    /// Puts the file under its final name, complete and on the disk. io error if that fails, among others because
    /// another process has made the target meanwhile.
    void commit() {
        check_open();
        flush();
        buffer_ = {};
        if (detail::retry([this] { return ::fsync(file_.get()); }) != 0) {
            detail::raise_io("cannot write", path_, errno);
        }
        // some file systems report a full disk only now
        if (::close(file_.release()) != 0) {
            detail::raise_io("cannot write", path_, errno);
        }
        detail::move_into_place(temporary_, path_, existing_);
        temporary_.clear();
    }

    /// The end of the last byte written.
    [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
    /// The final path.
    [[nodiscard]] const std::string& path() const noexcept { return path_; }

private:
    static constexpr std::size_t buffer_limit = std::size_t{1} << 16;

    void swap(atomic_file& other) noexcept {
        std::swap(path_, other.path_);
        std::swap(temporary_, other.temporary_);
        std::swap(existing_, other.existing_);
        std::swap(file_, other.file_);
        std::swap(size_, other.size_);
        std::swap(buffer_, other.buffer_);
        std::swap(buffer_start_, other.buffer_start_);
    }

    void check_open() const {
        if (file_.get() < 0) {
            raise(error_code::invalid_argument, "writing to '" + path_ + "' after its end or a failure");
        }
    }

    void flush() {
        write_out(buffer_start_, {reinterpret_cast<const std::byte*>(buffer_.data()), buffer_.size()});
        buffer_start_ += buffer_.size();
        buffer_.clear();
    }

    void write_out(std::uint64_t offset, std::span<const std::byte> bytes) {
        // systems write less than 2 GiB at once
        constexpr std::size_t most = std::size_t{1} << 30;
        const detail::file_size_signal_blocked guard;
        while (!bytes.empty()) {
            const std::size_t count = bytes.size() < most ? bytes.size() : most;
            const ssize_t done =
                detail::retry([&] { return ::pwrite(file_.get(), bytes.data(), count, static_cast<off_t>(offset)); });
            if (done < 0) {
                const int reason = errno;
                file_ = detail::descriptor();
                detail::raise_io("cannot write", path_, reason);
            }
            bytes = bytes.subspan(static_cast<std::size_t>(done));
            offset += static_cast<std::uint64_t>(done);
        }
    }

    std::string path_;
    std::string temporary_;
    existing_target existing_ = existing_target::refuse;
    detail::descriptor file_;
    std::uint64_t size_ = 0;
    std::string buffer_; ///< not yet written; its first byte belongs at buffer_start_
    std::uint64_t buffer_start_ = 0;
};

} // namespace tersor::inline v0

#endif // TERSOR_IO_ATOMIC_FILE_HPP

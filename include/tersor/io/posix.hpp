#ifndef TERSOR_IO_POSIX_HPP
#define TERSOR_IO_POSIX_HPP

// What every use of the operating system's files here needs: errors with the system's reason, calls that signals do
// not cut short, and descriptors that close themselves.

#include "tersor/core/error.hpp"

#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace tersor::inline v0 {

namespace detail {
/// Raises an io error "<what> <path>: <the system's reason>".
[[noreturn]] inline void raise_io(const char* what, const std::string& path, int reason) {
    raise(error_code::io, std::string(what) + " '" + path + "': " + std::strerror(reason));
}

/// Calls a system call again while a signal interrupts it.
template <class Call>
auto retry(Call&& call) {
    auto result = call();
    while (result < 0 && errno == EINTR) {
        result = call();
    }
    return result;
}

/// A file descriptor that closes itself.
class descriptor {
public:
    descriptor() = default;
    explicit descriptor(int value) noexcept : value_(value) {}
    descriptor(descriptor&& other) noexcept : value_(std::exchange(other.value_, -1)) {}
    descriptor& operator=(descriptor&& other) noexcept {
        std::swap(value_, other.value_);
        return *this;
    }
    ~descriptor() {
        if (value_ >= 0) {
            ::close(value_);
        }
    }
    [[nodiscard]] int get() const noexcept { return value_; }
    [[nodiscard]] int release() noexcept { return std::exchange(value_, -1); }

private:
    int value_ = -1;
};

/// The folder that holds `path`, "." where the path names none.
[[nodiscard]] inline std::string folder_of(std::string_view path) {
    const std::size_t slash = path.find_last_of('/');
    if (slash == std::string_view::npos) {
        return ".";
    }
    return std::string(path.substr(0, slash == 0 ? 1 : slash));
}

/// A path without slashes at its end.
[[nodiscard]] inline std::string without_final_slash(std::string path) {
    while (path.size() > 1 && path.back() == '/') {
        path.pop_back();
    }
    return path;
}
} // namespace detail

/// Whether two paths lead to the same file or folder (the same inode of the same device). False where either does
/// not exist.
[[nodiscard]] inline bool same_file(const std::string& a, const std::string& b) noexcept {
    struct stat first {};
    struct stat second {};
    return ::stat(a.c_str(), &first) == 0 && ::stat(b.c_str(), &second) == 0 && first.st_dev == second.st_dev &&
           first.st_ino == second.st_ino;
}

/// Whether `path`, which need not exist, is `folder` or lies somewhere below it.
[[nodiscard]] inline bool inside_folder(const std::string& path, const std::string& folder) {
    if (same_file(path, folder)) {
        return true;
    }
    // upwards by "..", because the text of a path says nothing where a part of it is a link
    std::string above = detail::folder_of(detail::without_final_slash(path));
    while (!same_file(above, folder)) {
        const std::string next = above + "/..";
        if (same_file(next, above) || next.size() > 4000) {
            return false;
        }
        above = next;
    }
    return true;
}

} // namespace tersor::inline v0

#endif // TERSOR_IO_POSIX_HPP

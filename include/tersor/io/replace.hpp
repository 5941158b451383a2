#ifndef TERSOR_IO_REPLACE_HPP
#define TERSOR_IO_REPLACE_HPP

// How a finished temporary file or folder takes its final name, for atomic_file and atomic_folder.

#include "tersor/core/error.hpp"
#include "tersor/io/posix.hpp"

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <ctime>
#include <fcntl.h>
#include <string> // also declares std::rename and, on Linux, ::renameat2; <cstdio> is kept out of the headers
#include <sys/stat.h>
#include <unistd.h>

namespace tersor::inline v0 {

/// What to do about something that has the target's name already.
enum class existing_target {
    refuse,   ///< an io error, at the start and at the end
    overwrite ///< it is replaced at the end, whole
};

namespace detail {

/// Raises io if the target may not be written: it exists though it must not, or it is not of the kind (S_IFREG,
/// S_IFDIR) that could be replaced.
inline void check_target(const std::string& path, existing_target existing, mode_t type, const char* wanted) {
    if (path.empty()) {
        raise_io("cannot write", path, ENOENT);
    }
    struct stat link {};
    if (::lstat(path.c_str(), &link) != 0) {
        if (errno != ENOENT) {
            raise_io("cannot write", path, errno);
        }
        return;
    }
    if (existing == existing_target::refuse) {
        raise_io("cannot write", path, EEXIST);
    }
    // a link to a file is replaced, unless what stands behind it is a device; a link to a folder is not a folder
    struct stat target = link;
    if (type == S_IFREG) {
        static_cast<void>(::stat(path.c_str(), &target));
    }
    if ((target.st_mode & S_IFMT) != type && !(type == S_IFREG && S_ISLNK(target.st_mode))) {
        raise(error_code::io, "cannot overwrite '" + path + "': it is not " + wanted);
    }
}

/// Finds a free hidden name in the target's folder: `create(name)` makes it, or returns false with errno set.
template <class Create>
std::string make_temporary(const std::string& path, Create&& create) {
    static std::atomic<std::uint32_t> counter{0};
    for (int attempt = 0; attempt < 100; ++attempt) {
        struct timespec now {};
        ::clock_gettime(CLOCK_REALTIME, &now);
        std::string name = folder_of(path) + "/.tersor-" + std::to_string(::getpid()) + "-" +
                           std::to_string(now.tv_nsec) + "-" + std::to_string(counter++);
        if (create(name)) {
            return name;
        }
        if (errno != EEXIST) {
            break;
        }
    }
    raise_io("cannot write", path, errno);
}

/// Forces a folder's entries to the disk where the system can; a failure changes nothing that a caller could do.
inline void sync_folder(const std::string& path) noexcept {
    const descriptor folder(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (folder.get() >= 0) {
        ::fsync(folder.get());
    }
}

/// Renames without replacing: false with errno EEXIST if the target exists.
inline bool rename_to_free_name(const std::string& from, const std::string& to) {
#ifdef RENAME_NOREPLACE
    if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) {
        return true;
    }
    // not every file system knows the flag
    if (errno != EINVAL && errno != ENOSYS) {
        return false;
    }
#endif
    struct stat status {};
    if (::lstat(to.c_str(), &status) == 0) {
        errno = EEXIST;
        return false;
    }
    return std::rename(from.c_str(), to.c_str()) == 0;
}

/// Gives the temporary file its final name.
inline void move_into_place(const std::string& temporary, const std::string& path, existing_target existing) {
    const bool moved = existing == existing_target::overwrite ? std::rename(temporary.c_str(), path.c_str()) == 0
                                                              : rename_to_free_name(temporary, path);
    if (!moved) {
        raise_io("cannot write", path, errno);
    }
    sync_folder(folder_of(path));
}

} // namespace detail

} // namespace tersor::inline v0

#endif // TERSOR_IO_REPLACE_HPP

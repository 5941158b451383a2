#ifndef TERSOR_IO_ATOMIC_FOLDER_HPP
#define TERSOR_IO_ATOMIC_FOLDER_HPP

// Writing a folder of files that appears whole or not at all: a hidden temporary folder beside the target, renamed at
// the end.

#include "tersor/core/error.hpp"
#include "tersor/io/posix.hpp"
#include "tersor/io/replace.hpp"
#include "tersor/io/sorted_order.hpp"

#include <cerrno>
#include <cstddef>
#include <dirent.h>
#include <fcntl.h>
#include <initializer_list>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace tersor::inline v0 {

/// One entry of a folder.
struct folder_entry {
    std::string name;
    bool is_folder = false; ///< a link to a folder is none
};

namespace detail {
struct open_folder {
    DIR* handle;
    ~open_folder() {
        if (handle != nullptr) {
            ::closedir(handle);
        }
    }
};
} // namespace detail

/// The entries of a folder without "." and "..", sorted by name; io error if it cannot be read.
[[nodiscard]] inline std::vector<folder_entry> list_folder(const std::string& path) {
    const detail::open_folder folder{::opendir(path.c_str())};
    if (folder.handle == nullptr) {
        detail::raise_io("cannot list", path, errno);
    }
    std::vector<folder_entry> entries;
    errno = 0;
    while (const dirent* const entry = ::readdir(folder.handle)) {
        const std::string_view name = entry->d_name;
        if (name != "." && name != "..") {
            struct stat status {};
            const bool known = ::fstatat(::dirfd(folder.handle), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0;
            entries.push_back({std::string(name), known && S_ISDIR(status.st_mode)});
        }
        errno = 0;
    }
    if (errno != 0) {
        detail::raise_io("cannot list", path, errno);
    }
    std::vector<folder_entry> sorted;
    sorted.reserve(entries.size());
    for (const std::size_t i : detail::sorted_by_name(
             entries.size(), [&entries](std::size_t e) -> std::string_view { return entries[e].name; })) {
        sorted.push_back(std::move(entries[i]));
    }
    return sorted;
}

namespace detail {
/// Removes a folder that holds files only, or nothing; false with errno set if something is in the way.
inline bool remove_flat_folder(const std::string& path) {
    for (const folder_entry& entry : list_folder(path)) {
        if (entry.is_folder) {
            errno = ENOTEMPTY;
            return false;
        }
        if (::unlink((path + "/" + entry.name).c_str()) != 0) {
            return false;
        }
    }
    return ::rmdir(path.c_str()) == 0;
}

[[nodiscard]] inline bool ends_with_any(std::string_view name, std::initializer_list<std::string_view> endings) {
    for (const std::string_view ending : endings) {
        if (name.ends_with(ending)) {
            return true;
        }
    }
    return false;
}

/// Raises io unless the folder is empty or is clearly a model's: overwriting must never remove a home folder.
inline void check_replaceable_folder(const std::string& path) {
    bool has_model = false;
    const std::vector<folder_entry> entries = list_folder(path);
    for (const folder_entry& entry : entries) {
        if (entry.is_folder) {
            raise(error_code::io, "cannot overwrite '" + path + "': it holds the folder '" + entry.name +
                                      "', so it is not a folder that was written here");
        }
        has_model = has_model || entry.name == "config.json" || ends_with_any(entry.name, {".safetensors", ".gguf"});
    }
    if (!entries.empty() && !has_model) {
        raise(error_code::io, "cannot overwrite '" + path + "': it holds files, but no model");
    }
}
} // namespace detail

/// A folder being written. Move-only; without commit() nothing is left of it. Its files are made with
/// atomic_file(folder / "name"), or in any other way; it may not hold folders.
class atomic_folder {
public:
    atomic_folder() = default;

    /// Makes a temporary folder beside `path`. io error if that fails, or if `path` exists and `existing` is refuse.
    /// Only an empty folder or one that holds a model and no folders is overwritten.
    explicit atomic_folder(std::string path, existing_target existing = existing_target::refuse)
        : path_(detail::without_final_slash(std::move(path))), existing_(existing) {
        detail::check_target(path_, existing_, S_IFDIR, "a folder");
        if (exists()) {
            detail::check_replaceable_folder(path_);
        }
        temporary_ =
            detail::make_temporary(path_, [](const std::string& name) { return ::mkdir(name.c_str(), 0777) == 0; });
    }

    atomic_folder(atomic_folder&& other) noexcept { swap(other); }
    atomic_folder& operator=(atomic_folder&& other) noexcept {
        atomic_folder(std::move(other)).swap(*this);
        return *this;
    }

    ~atomic_folder() { discard(temporary_); }

    /// Where to write the file of that name for now.
    [[nodiscard]] std::string operator/(std::string_view name) const { return temporary_ + "/" + std::string(name); }

    /// Puts the folder under its final name; an overwritten one is removed after that.
    void commit() {
        if (temporary_.empty()) {
            raise(error_code::invalid_argument, "'" + path_ + "' was committed before");
        }
        detail::sync_folder(temporary_);
        if (existing_ == existing_target::overwrite && exists()) {
            replace();
        } else if (!detail::rename_to_free_name(temporary_, path_)) {
            detail::raise_io("cannot write", path_, errno);
        }
        temporary_.clear();
        detail::sync_folder(detail::folder_of(path_));
    }

    /// The final path.
    [[nodiscard]] const std::string& path() const noexcept { return path_; }

private:
    [[nodiscard]] bool exists() const noexcept {
        struct stat status {};
        return ::lstat(path_.c_str(), &status) == 0;
    }

    void replace() {
#ifdef RENAME_EXCHANGE
        if (::renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, path_.c_str(), RENAME_EXCHANGE) == 0) {
            return discard(temporary_);
        }
#endif
        // without an exchange there is a moment without any folder of that name, but never a half one
        const std::string old = temporary_ + "-old";
        if (std::rename(path_.c_str(), old.c_str()) != 0) {
            detail::raise_io("cannot overwrite", path_, errno);
        }
        if (std::rename(temporary_.c_str(), path_.c_str()) != 0) {
            const int reason = errno;
            static_cast<void>(std::rename(old.c_str(), path_.c_str()));
            detail::raise_io("cannot overwrite", path_, reason);
        }
        discard(old);
    }

    static void discard(const std::string& folder) noexcept {
        if (folder.empty()) {
            return;
        }
#if defined(__cpp_exceptions)
        try {
            static_cast<void>(detail::remove_flat_folder(folder));
        } catch (const error&) { // the file's own error is on its way; a left temporary is no second one
        }
#else
        static_cast<void>(detail::remove_flat_folder(folder));
#endif
    }

    void swap(atomic_folder& other) noexcept {
        std::swap(path_, other.path_);
        std::swap(temporary_, other.temporary_);
        std::swap(existing_, other.existing_);
    }

    std::string path_;
    std::string temporary_;
    existing_target existing_ = existing_target::refuse;
};

} // namespace tersor::inline v0

#endif // TERSOR_IO_ATOMIC_FOLDER_HPP

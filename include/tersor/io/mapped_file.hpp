#ifndef TERSOR_IO_MAPPED_FILE_HPP
#define TERSOR_IO_MAPPED_FILE_HPP

// A file mapped into memory for reading (POSIX mmap): its bytes cost no memory until they are read.

#include "tersor/core/error.hpp"
#include "tersor/io/posix.hpp"

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <fcntl.h>
#include <span>
#include <string>
#include <string_view>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace tersor::inline v0 {

/// A regular file, mapped read-only. Move-only. The bytes stay where they are when the object moves. If another
/// process shortens the file while it is mapped, reading the lost part is a bus error, as with every mapping.
class mapped_file {
public:
    mapped_file() = default;

    /// Maps the file; io error if it cannot be opened or is not a regular file. An empty file gives no bytes.
    explicit mapped_file(std::string path) : path_(std::move(path)) {
        // without O_NONBLOCK the opening of a pipe would wait for a writer
        const detail::descriptor file(
            detail::retry([this] { return ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK); }));
        if (file.get() < 0) {
            detail::raise_io("cannot open", path_, errno);
        }
        struct stat status {};
        if (::fstat(file.get(), &status) != 0) {
            detail::raise_io("cannot examine", path_, errno);
        }
        if (!S_ISREG(status.st_mode)) {
            raise(error_code::io, "cannot read '" + path_ +
                                      "': " + (S_ISDIR(status.st_mode) ? std::strerror(EISDIR) : "not a regular file"));
        }
        size_ = static_cast<std::size_t>(status.st_size);
        if (size_ != 0) {
            void* const address = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.get(), 0);
            if (address == MAP_FAILED) {
                detail::raise_io("cannot map", path_, errno);
            }
            data_ = static_cast<const std::byte*>(address);
        }
    }

    mapped_file(mapped_file&& other) noexcept
        : path_(std::move(other.path_)), data_(std::exchange(other.data_, nullptr)),
          size_(std::exchange(other.size_, 0)) {}

    mapped_file& operator=(mapped_file&& other) noexcept {
        std::swap(path_, other.path_);
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        return *this;
    }

    ~mapped_file() {
        if (data_ != nullptr) {
            ::munmap(const_cast<std::byte*>(data_), size_);
        }
    }

    [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return {data_, size_}; }
    /// The bytes as text, unchecked.
    [[nodiscard]] std::string_view text() const noexcept { return {reinterpret_cast<const char*>(data_), size_}; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] const std::string& path() const noexcept { return path_; }

private:
    std::string path_;
    const std::byte* data_ = nullptr;
    std::size_t size_ = 0;
};

} // namespace tersor::inline v0

#endif // TERSOR_IO_MAPPED_FILE_HPP

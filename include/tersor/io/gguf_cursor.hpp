#ifndef TERSOR_IO_GGUF_CURSOR_HPP
#define TERSOR_IO_GGUF_CURSOR_HPP

// Reading the header of a GGUF file from its start to its end: every step is checked against the end of the file, and
// what is wrong is a corrupt_file error that names the byte.

#include "tersor/core/error.hpp"
#include "tersor/io/quote.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace tersor::inline v0::detail {

/// A place in a file. `source` names the file in messages; both are borrowed.
class gguf_cursor {
public:
    gguf_cursor(std::span<const std::byte> file, std::string_view source) noexcept : file_(file), source_(source) {}

    [[nodiscard]] std::span<const std::byte> file() const noexcept { return file_; }
    [[nodiscard]] std::size_t at() const noexcept { return at_; }
    [[nodiscard]] std::size_t left() const noexcept { return file_.size() - at_; }
    /// The place of something that lies in the file.
    [[nodiscard]] std::size_t place_of(const void* part) const noexcept {
        return static_cast<std::size_t>(static_cast<const std::byte*>(part) - file_.data());
    }

    [[noreturn]] void corrupt(std::size_t at, const std::string& message) const {
        raise(error_code::corrupt_file, std::string(source_) + ": at byte " + std::to_string(at) + ": " + message);
    }

    void require(std::uint64_t bytes, std::string_view what) const {
        if (bytes > left()) {
            corrupt(at_, std::string(what) + " takes " + std::to_string(bytes) + " bytes, the file has " +
                             std::to_string(left()) + " more");
        }
    }

    template <class T>
    [[nodiscard]] T read(std::string_view what) {
        require(sizeof(T), what);
        T value;
        std::memcpy(&value, file_.data() + at_, sizeof(T));
        at_ += sizeof(T);
        return value;
    }

    /// The characters of a string.
    [[nodiscard]] std::span<const std::byte> read_string(std::string_view what, std::uint64_t limit) {
        const std::size_t start = at_;
        const auto size = read<std::uint64_t>(what);
        if (size > limit) {
            corrupt(start,
                    std::string(what) + " has " + std::to_string(size) + " bytes, more than " + std::to_string(limit));
        }
        return take(size, what);
    }

    [[nodiscard]] std::span<const std::byte> take(std::uint64_t bytes, std::string_view what) {
        require(bytes, what);
        const auto taken = file_.subspan(at_, static_cast<std::size_t>(bytes));
        at_ += taken.size();
        return taken;
    }

    /// A key or the name of a tensor.
    [[nodiscard]] std::string_view read_name(std::string_view what, std::uint64_t limit) {
        const auto bytes = read_string(what, limit);
        const std::string_view name(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        if (const std::size_t zero = name.find('\0'); zero != std::string_view::npos) {
            corrupt(at_ - bytes.size() + zero, std::string(what) + " " + quote_name(name) + " has a zero byte");
        }
        return name;
    }

private:
    std::span<const std::byte> file_;
    std::string_view source_;
    std::size_t at_ = 0;
};

} // namespace tersor::inline v0::detail

#endif // TERSOR_IO_GGUF_CURSOR_HPP

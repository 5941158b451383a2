#ifndef TERSOR_IO_GGUF_WRITER_HPP
#define TERSOR_IO_GGUF_WRITER_HPP

// Writing a GGUF file piece by piece: all tensors are declared first, then their data comes in pieces of any size, each
// tensor's in order, the tensors in any order. Memory: the header and one small buffer.

#include "tersor/core/error.hpp"
#include "tersor/io/atomic_file.hpp"
#include "tersor/io/gguf_layout.hpp"
#include "tersor/io/quote.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tersor::inline v0 {

/// A GGUF file being written. It appears under its name, whole, at commit(). Move-only.
class gguf_writer {
public:
    gguf_writer() = default;

    /// Starts a file; errors as atomic_file and gguf_layout.
    gguf_writer(std::string path, gguf_layout layout, existing_target existing = existing_target::refuse)
        : layout_(std::move(layout)), written_(layout_.entries().size(), 0), file_(std::move(path), existing) {
        file_.append(layout_.header());
    }

    /// Adds the next bytes of a tensor. invalid_argument for an unknown tensor or more bytes than it takes.
    void append(std::string_view name, std::span<const std::byte> bytes) {
        const std::size_t i = layout_.find(name);
        if (i == written_.size()) {
            raise(error_code::invalid_argument,
                  file_.path() + ": tensor " + detail::quote_name(name) + " was not declared");
        }
        const gguf_layout::entry& entry = layout_.entries()[i];
        if (bytes.size() > entry.bytes - written_[i]) {
            raise(error_code::invalid_argument, file_.path() + ": tensor " + detail::quote_name(name) + " takes " +
                                                    std::to_string(entry.bytes) + " bytes, not " +
                                                    std::to_string(written_[i] + bytes.size()));
        }
        file_.write_at(entry.offset + written_[i], bytes);
        written_[i] += bytes.size();
    }

    /// Adds the next values or blocks of a tensor, as they lie in memory: a vector, an array, a span.
    template <class Values>
    requires requires(const Values& values) { std::as_bytes(std::span(values)); }
    void append(std::string_view name, const Values& values) {
        append(name, std::span<const std::byte>(std::as_bytes(std::span(values))));
    }

    /// Puts the file under its name. invalid_argument if a tensor lacks bytes; io if the system refuses.
    void commit() {
        for (std::size_t i = 0; i < written_.size(); ++i) {
            const gguf_layout::entry& entry = layout_.entries()[i];
            if (written_[i] != entry.bytes) {
                raise(error_code::invalid_argument, file_.path() + ": tensor " + detail::quote_name(entry.tensor.name) +
                                                        " has " + std::to_string(written_[i]) + " of its " +
                                                        std::to_string(entry.bytes) + " bytes");
            }
        }
        // what was never written between is zero, so the last byte makes all the padding
        if (file_.size() < layout_.size()) {
            constexpr std::byte zero{};
            file_.write_at(layout_.size() - 1, {&zero, 1});
        }
        file_.commit();
    }

    /// What is written where.
    [[nodiscard]] const gguf_layout& layout() const noexcept { return layout_; }
    /// The final path.
    [[nodiscard]] const std::string& path() const noexcept { return file_.path(); }

private:
    gguf_layout layout_;
    std::vector<std::uint64_t> written_;
    atomic_file file_;
};

} // namespace tersor::inline v0

#endif // TERSOR_IO_GGUF_WRITER_HPP

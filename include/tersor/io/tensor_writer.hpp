#ifndef TERSOR_IO_TENSOR_WRITER_HPP
#define TERSOR_IO_TENSOR_WRITER_HPP

// Writing a file of tensors piece by piece: all of them are declared first, by a layout that says where each lies; then
// their data comes in pieces of any size, each tensor's in order, the tensors in any order. Memory: the header and one
// small buffer.

#include "tersor/core/error.hpp"
#include "tersor/io/atomic_file.hpp"
#include "tersor/io/quote.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tersor::inline v0 {

/// A file being written as a safetensors_layout or gguf_layout plans it. It appears under its name, whole, at commit().
/// Move-only.
template <class Layout>
class tensor_writer {
public:
    tensor_writer() = default;

    /// Starts a file; errors as atomic_file and the layout.
    tensor_writer(std::string path, Layout layout, existing_target existing = existing_target::refuse)
        : layout_(std::move(layout)), written_(layout_.entries().size(), 0), file_(std::move(path), existing) {
        for (const typename Layout::entry& entry : layout_.entries()) {
            missing_ += entry.bytes;
        }
        file_.append(layout_.header());
    }

    /// Adds the next bytes of a tensor. invalid_argument for an unknown tensor or more bytes than it takes.
    void append(std::string_view name, std::span<const std::byte> bytes) {
        const std::size_t i = layout_.find(name);
        if (i == written_.size()) {
            raise(error_code::invalid_argument,
                  file_.path() + ": tensor " + detail::quote_name(name) + " was not declared");
        }
        const typename Layout::entry& entry = layout_.entries()[i];
        if (bytes.size() > entry.bytes - written_[i]) {
            raise(error_code::invalid_argument, file_.path() + ": tensor " + detail::quote_name(name) + " takes " +
                                                    std::to_string(entry.bytes) + " bytes, not " +
                                                    std::to_string(written_[i] + bytes.size()));
        }
        file_.write_at(entry.offset + written_[i], bytes);
        written_[i] += bytes.size();
        missing_ -= bytes.size();
    }

    /// Adds the next values or blocks of a tensor, as they lie in memory: a vector, an array, a span.
    template <class Values>
    requires requires(const Values& values) { std::as_bytes(std::span(values)); }
    void append(std::string_view name, const Values& values) {
        append(name, std::span<const std::byte>(std::as_bytes(std::span(values))));
    }

    /// Whether every tensor has all its bytes.
    [[nodiscard]] bool complete() const noexcept { return missing_ == 0; }

    /// Puts the file under its name. invalid_argument if a tensor lacks bytes; io if the system refuses.
    void commit() {
        for (std::size_t i = 0; i < written_.size(); ++i) {
            const typename Layout::entry& entry = layout_.entries()[i];
            if (written_[i] != entry.bytes) {
                raise(error_code::invalid_argument, file_.path() + ": tensor " + detail::quote_name(entry.tensor.name) +
                                                        " has " + std::to_string(written_[i]) + " of its " +
                                                        std::to_string(entry.bytes) + " bytes");
            }
        }
        // What was never written between tensors is zero, so the last byte makes all the padding.
        if (file_.size() < layout_.size()) {
            constexpr std::byte zero{};
            file_.write_at(layout_.size() - 1, {&zero, 1});
        }
        file_.commit();
    }

    /// What is written where.
    [[nodiscard]] const Layout& layout() const noexcept { return layout_; }
    /// The final path.
    [[nodiscard]] const std::string& path() const noexcept { return file_.path(); }

private:
    Layout layout_;
    std::vector<std::uint64_t> written_;
    std::uint64_t missing_ = 0;
    atomic_file file_;
};

} // namespace tersor::inline v0

#endif // TERSOR_IO_TENSOR_WRITER_HPP

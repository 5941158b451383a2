#ifndef TERSOR_IO_GGUF_HPP
#define TERSOR_IO_GGUF_HPP

// Reading GGUF files: the file is mapped, nothing is copied, and the header is checked before anything is believed (see
// gguf_header.hpp). Memory: a small multiple of the header.

#include "tersor/io/gguf_header.hpp"
#include "tersor/io/mapped_file.hpp"
#include "tersor/io/quote.hpp"
#include "tersor/io/sorted_order.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace tersor::inline v0 {

/// An open GGUF file of version 2 or 3. Move-only; views of its tensors and metadata stay valid when it moves and end
/// with it.
class gguf_file {
public:
    gguf_file() = default;

    /// Maps and checks a file; io error if it cannot be read, corrupt_file if it breaks the format.
    [[nodiscard]] static gguf_file open(std::string path) {
        gguf_file result;
        result.mapping_ = mapped_file(std::move(path));
        result.load(result.mapping_.bytes(), result.mapping_.path());
        return result;
    }

    /// Checks a file that is already in memory, which the caller keeps alive. `source` names it in messages.
    [[nodiscard]] static gguf_file from_bytes(std::span<const std::byte> bytes, std::string_view source = "GGUF data") {
        gguf_file result;
        result.load(bytes, source);
        return result;
    }

    /// 2 or 3.
    [[nodiscard]] std::uint32_t version() const noexcept { return header_.version; }
    /// The alignment of the tensors in bytes, a power of two.
    [[nodiscard]] std::uint32_t alignment() const noexcept { return header_.alignment; }
    /// Where the data start, from the start of the file.
    [[nodiscard]] std::uint64_t data_offset() const noexcept { return header_.data_offset; }

    /// The metadata in the order of the file.
    [[nodiscard]] std::span<const gguf_metadata_entry> metadata() const noexcept {
        return {header_.metadata.data(), header_.metadata.size()};
    }

    /// The metadata of that key, or null.
    [[nodiscard]] const gguf_value* find(std::string_view key) const noexcept {
        const auto key_of = [this](std::size_t i) { return header_.metadata[i].key; };
        const std::size_t place = detail::find_sorted(header_.by_key, key, key_of);
        return place == header_.by_key.size() ? nullptr : &header_.metadata[header_.by_key[place]].value;
    }

    [[nodiscard]] bool contains(std::string_view key) const noexcept { return find(key) != nullptr; }

    /// The metadata of that key; invalid_argument if there is none.
    [[nodiscard]] const gguf_value& at(std::string_view key) const {
        if (const gguf_value* const value = find(key)) {
            return *value;
        }
        raise(error_code::invalid_argument, source_ + ": no key " + detail::quote_name(key) + " among its " +
                                                std::to_string(header_.metadata.size()));
    }

    /// The metadata of that key as a T: a number, bool, std::string, std::string_view (borrowed), or a std::vector of
    /// these. Numbers convert where nothing is lost. invalid_argument for a missing key, another type, a value that T
    /// cannot hold.
    template <class T>
    [[nodiscard]] T get(std::string_view key) const {
        return read<T>(key, at(key));
    }

    /// As get, but `otherwise` where the key is missing.
    template <class T>
    [[nodiscard]] T get_or(std::string_view key, T otherwise) const {
        const gguf_value* const value = find(key);
        return value == nullptr ? std::move(otherwise) : read<T>(key, *value);
    }

    /// The tensors in the order of their data.
    [[nodiscard]] std::span<const gguf_tensor> tensors() const noexcept {
        return {header_.tensors.data(), header_.tensors.size()};
    }

    /// The tensor of that name, or null.
    [[nodiscard]] const gguf_tensor* find_tensor(std::string_view name) const noexcept {
        const auto name_of = [this](std::size_t i) { return header_.tensors[i].name; };
        const std::size_t place = detail::find_sorted(header_.by_name, name, name_of);
        return place == header_.by_name.size() ? nullptr : &header_.tensors[header_.by_name[place]];
    }

    /// The tensor of that name; invalid_argument if there is none.
    [[nodiscard]] const gguf_tensor& tensor(std::string_view name) const {
        if (const gguf_tensor* const found = find_tensor(name)) {
            return *found;
        }
        raise(error_code::invalid_argument, source_ + ": no tensor " + detail::quote_name(name) + " among its " +
                                                std::to_string(header_.tensors.size()));
    }

    /// The path, or the name given to from_bytes.
    [[nodiscard]] const std::string& source() const noexcept { return source_; }
    /// The size of the whole file in bytes.
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

private:
    template <class T>
    [[nodiscard]] T read(std::string_view key, const gguf_value& value) const {
        T result{};
        const std::string problem = value.read(result);
        if (!problem.empty()) {
            raise(error_code::invalid_argument, source_ + ": key " + detail::quote_name(key) + " " + problem);
        }
        return result;
    }

    void load(std::span<const std::byte> bytes, std::string_view source) {
        source_ = source;
        size_ = bytes.size();
        header_ = detail::gguf_header_parser(bytes, source_).parse();
    }

    mapped_file mapping_;
    std::string source_;
    std::size_t size_ = 0;
    detail::gguf_header header_;
};

} // namespace tersor::inline v0

#endif // TERSOR_IO_GGUF_HPP

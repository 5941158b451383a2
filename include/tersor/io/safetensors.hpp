#ifndef TERSOR_IO_SAFETENSORS_HPP
#define TERSOR_IO_SAFETENSORS_HPP

// Reading safetensors files: the file is mapped, nothing is copied, and the header is checked before anything is
// believed (see safetensors_header.hpp). Memory: a small multiple of the header.

#include "tersor/io/mapped_file.hpp"
#include "tersor/io/quote.hpp"
#include "tersor/io/safetensors_header.hpp"
#include "tersor/io/sorted_order.hpp"

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace tersor::inline v0 {

/// An open safetensors file. Move-only; views of its tensors stay valid when it moves and end with it.
class safetensors_file {
public:
    safetensors_file() = default;

    /// Maps and checks a file; io error if it cannot be read, corrupt_file if it breaks the format.
    [[nodiscard]] static safetensors_file open(std::string path) {
        safetensors_file result;
        result.mapping_ = mapped_file(std::move(path));
        result.load(result.mapping_.bytes(), result.mapping_.path());
        return result;
    }

    /// Checks a file that is already in memory, which the caller keeps alive. `source` names it in messages.
    [[nodiscard]] static safetensors_file from_bytes(std::span<const std::byte> bytes,
                                                     std::string_view source = "safetensors data") {
        safetensors_file result;
        result.load(bytes, source);
        return result;
    }

    /// The tensors in the order of their data.
    [[nodiscard]] std::span<const safetensors_tensor> tensors() const noexcept {
        return {header_.tensors.data(), header_.tensors.size()};
    }

    /// The tensor of that name, or null.
    [[nodiscard]] const safetensors_tensor* find(std::string_view name) const noexcept {
        const auto name_of = [this](std::size_t i) -> std::string_view { return header_.tensors[i].name; };
        const std::size_t place = detail::find_sorted(header_.by_name, name, name_of);
        return place == header_.by_name.size() ? nullptr : &header_.tensors[header_.by_name[place]];
    }

    /// The tensor of that name; invalid_argument if there is none.
    [[nodiscard]] const safetensors_tensor& at(std::string_view name) const {
        if (const safetensors_tensor* const tensor = find(name)) {
            return *tensor;
        }
        raise(error_code::invalid_argument, source_ + ": no tensor " + detail::quote_name(name) + " among its " +
                                                std::to_string(header_.tensors.size()));
    }

    [[nodiscard]] bool contains(std::string_view name) const noexcept { return find(name) != nullptr; }

    /// The strings of "__metadata__", in the order of the file.
    [[nodiscard]] const safetensors_metadata& metadata() const noexcept { return header_.metadata; }

    /// The metadata of that key, or null.
    [[nodiscard]] const std::string* find_metadata(std::string_view key) const noexcept {
        for (const auto& [name, text] : header_.metadata) {
            if (name == key) {
                return &text;
            }
        }
        return nullptr;
    }

    /// The path, or the name given to from_bytes.
    [[nodiscard]] const std::string& source() const noexcept { return source_; }

    /// The size of the whole file in bytes.
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

private:
    void load(std::span<const std::byte> bytes, std::string_view source) {
        source_ = source;
        size_ = bytes.size();
        header_ = detail::safetensors_header_parser(bytes, source_).parse();
    }

    mapped_file mapping_;
    std::string source_;
    std::size_t size_ = 0;
    detail::safetensors_header header_;
};

} // namespace tersor::inline v0

#endif // TERSOR_IO_SAFETENSORS_HPP

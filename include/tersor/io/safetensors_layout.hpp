#ifndef TERSOR_IO_SAFETENSORS_LAYOUT_HPP
#define TERSOR_IO_SAFETENSORS_LAYOUT_HPP

// Where the tensors of a safetensors file to be written stand, and the header that says so.
//
// As the format's reference writer does: tensors by descending element type (so by descending alignment), then by
// name; the header in the same order on one line, padded with spaces until the data starts at a multiple of 8. Each
// tensor of whole bytes is then aligned for its type.

#include "tersor/core/error.hpp"
#include "tersor/io/json_text.hpp"
#include "tersor/io/quote.hpp"
#include "tersor/io/safetensors_header.hpp"
#include "tersor/io/safetensors_tensor.hpp"
#include "tersor/io/sorted_order.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tersor::inline v0 {

/// The order of the tensors in a file to be written.
enum class tensor_order {
    reference, ///< as the format's reference writer sorts them; every tensor is aligned for its type
    as_given
};

/// A tensor to be written.
struct safetensors_declaration {
    std::string name;
    safetensors_dtype dtype = safetensors_dtype::f32;
    std::vector<std::int64_t> shape;
};

/// The declaration of a tensor as it was read.
[[nodiscard]] inline safetensors_declaration declare(const safetensors_tensor& tensor) {
    return {tensor.name, tensor.dtype, tensor.shape};
}

/// The bytes that a declared tensor takes; invalid_argument for a negative dimension, more than 2^63 - 1 bits, or a
/// size that is not a whole number of bytes.
[[nodiscard]] inline std::uint64_t bytes_of(const safetensors_declaration& tensor) {
    const auto [bytes, problem] = detail::size_of_tensor(tensor.dtype, tensor.shape);
    if (problem != nullptr) {
        raise(error_code::invalid_argument, "tensor " + detail::quote_name(tensor.name) + " of " +
                                                std::string(to_string(tensor.dtype)) + " " +
                                                detail::describe_shape(tensor.shape) + " has " + problem);
    }
    return bytes;
}

/// A planned file.
class safetensors_layout {
    [[nodiscard]] auto name_of() const noexcept {
        return [this](std::size_t i) -> std::string_view { return entries_[i].tensor.name; };
    }

public:
    /// A tensor with its place: `offset` counts from the start of the file.
    struct entry {
        safetensors_declaration tensor;
        std::uint64_t offset = 0;
        std::uint64_t bytes = 0;
    };

    safetensors_layout() = default;

    /// Plans a file; invalid_argument for a tensor that the format cannot hold, a name given twice or not in UTF-8.
    explicit safetensors_layout(std::vector<safetensors_declaration> tensors, const safetensors_metadata& metadata = {},
                                tensor_order order = tensor_order::reference) {
        std::vector<std::size_t> places = detail::sorted_order(tensors.size(), [&](std::size_t i, std::size_t j) {
            const safetensors_declaration& a = tensors[i];
            const safetensors_declaration& b = tensors[j];
            return order == tensor_order::reference && (a.dtype != b.dtype ? a.dtype > b.dtype : a.name < b.name);
        });
        entries_.reserve(tensors.size());
        for (const std::size_t i : places) {
            const std::uint64_t bytes = bytes_of(tensors[i]);
            entries_.push_back({std::move(tensors[i]), 0, bytes});
        }
        index_names();
        write_header(metadata);
        std::uint64_t offset = header_.size();
        for (entry& e : entries_) {
            e.offset = offset;
            offset += e.bytes;
            if (offset > static_cast<std::uint64_t>(INT64_MAX)) {
                refuse("the tensors take more than 2^63 - 1 bytes in all");
            }
        }
        size_ = offset;
    }

    /// The tensors in the order of the file.
    [[nodiscard]] const std::vector<entry>& entries() const noexcept { return entries_; }

    /// The position of that tensor among entries(), or entries().size().
    [[nodiscard]] std::size_t find(std::string_view name) const noexcept {
        const std::size_t place = detail::find_sorted(by_name_, name, name_of());
        return place == by_name_.size() ? entries_.size() : by_name_[place];
    }

    /// The first bytes of the file: the header's length, the header, its padding.
    [[nodiscard]] const std::string& header() const noexcept { return header_; }
    /// The size of the whole file in bytes.
    [[nodiscard]] std::uint64_t size() const noexcept { return size_; }

private:
    [[noreturn]] static void refuse(const std::string& message) { raise(error_code::invalid_argument, message); }

    void index_names() {
        by_name_ = detail::sorted_by_name(entries_.size(), name_of());
        if (const std::size_t i = detail::find_repeated(by_name_, name_of()); i != by_name_.size()) {
            refuse("two tensors named " + detail::quote_name(name_of()(by_name_[i])));
        }
        if (find("__metadata__") != entries_.size()) {
            refuse("a tensor cannot be named '__metadata__'");
        }
    }

    void write_metadata(const safetensors_metadata& metadata) {
        const auto key_of = [&](std::size_t i) -> std::string_view { return metadata[i].first; };
        const auto order = detail::sorted_by_name(metadata.size(), key_of);
        if (const std::size_t i = detail::find_repeated(order, key_of); i != order.size()) {
            refuse("two metadata strings named " + detail::quote_name(key_of(order[i])));
        }
        header_ += "\"__metadata__\":{";
        for (const auto& [key, text] : metadata) {
            header_ += header_.back() == '{' ? "" : ",";
            json::detail::write_string(header_, key);
            header_ += ':';
            json::detail::write_string(header_, text);
        }
        header_ += '}';
    }

    void write_header(const safetensors_metadata& metadata) {
        header_.assign(8, '\0');
        header_ += '{';
        if (!metadata.empty()) {
            write_metadata(metadata);
        }
        std::uint64_t begin = 0;
        for (const entry& e : entries_) {
            header_ += header_.back() == '{' ? "" : ",";
            json::detail::write_string(header_, e.tensor.name);
            header_ += ":{\"dtype\":\"";
            header_ += to_string(e.tensor.dtype);
            header_ += "\",\"shape\":[";
            for (const std::int64_t extent : e.tensor.shape) {
                header_ += header_.back() == '[' ? "" : ",";
                header_ += std::to_string(extent);
            }
            header_ += "],\"data_offsets\":[" + std::to_string(begin) + "," + std::to_string(begin + e.bytes) + "]}";
            begin += e.bytes;
        }
        header_ += '}';
        header_.append((8 - header_.size() % 8) % 8, ' ');
        const std::uint64_t length = header_.size() - 8;
        if (length > safetensors_header_limit) {
            refuse("a header of " + std::to_string(length) + " bytes, more than the format's limit of " +
                   std::to_string(safetensors_header_limit));
        }
        for (std::size_t i = 0; i < 8; ++i) {
            header_[i] = static_cast<char>(static_cast<unsigned char>(length >> (8 * i)));
        }
    }

    std::vector<entry> entries_;
    std::vector<std::size_t> by_name_;
    std::string header_;
    std::uint64_t size_ = 0;
};

} // namespace tersor::inline v0

#endif // TERSOR_IO_SAFETENSORS_LAYOUT_HPP

#ifndef TERSOR_IO_SAFETENSORS_LAYOUT_HPP
#define TERSOR_IO_SAFETENSORS_LAYOUT_HPP

// Where the tensors of a safetensors file to be written stand, and the header that says so.
//
// As the format's reference writer does: tensors by descending element type (so by descending alignment), then by
// name; the header in the same order on one line, padded with spaces until the data starts at a multiple of 8. Each
// tensor of whole bytes is then aligned for its type.

#include "tersor/core/error.hpp"
#include "tersor/io/json.hpp"
#include "tersor/io/quote.hpp"
#include "tersor/io/safetensors_header.hpp"
#include "tersor/io/safetensors_tensor.hpp"

#include <algorithm>
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
        entries_.reserve(tensors.size());
        for (safetensors_declaration& tensor : tensors) {
            const std::uint64_t bytes = bytes_of(tensor);
            entries_.push_back({std::move(tensor), 0, bytes});
        }
        if (order == tensor_order::reference) {
            std::sort(entries_.begin(), entries_.end(), [](const entry& a, const entry& b) {
                return a.tensor.dtype != b.tensor.dtype ? a.tensor.dtype > b.tensor.dtype
                                                        : a.tensor.name < b.tensor.name;
            });
        }
        index_names();
        write_header(metadata);
        std::uint64_t offset = header_.size();
        for (entry& e : entries_) {
            e.offset = offset;
            offset += e.bytes;
            if (offset > static_cast<std::uint64_t>(INT64_MAX)) {
                raise(error_code::invalid_argument, "the tensors take more than 2^63 - 1 bytes in all");
            }
        }
        size_ = offset;
    }

    /// The tensors in the order of the file.
    [[nodiscard]] const std::vector<entry>& entries() const noexcept { return entries_; }

    /// The position of that tensor among entries(), or entries().size().
    [[nodiscard]] std::size_t find(std::string_view name) const noexcept {
        const auto place = std::lower_bound(by_name_.begin(), by_name_.end(), name, [this](std::size_t i, auto key) {
            return std::string_view(entries_[i].tensor.name) < key;
        });
        return place != by_name_.end() && entries_[*place].tensor.name == name ? *place : entries_.size();
    }

    /// The first bytes of the file: the header's length, the header, its padding.
    [[nodiscard]] const std::string& header() const noexcept { return header_; }
    /// The size of the whole file in bytes.
    [[nodiscard]] std::uint64_t size() const noexcept { return size_; }

private:
    void index_names() {
        by_name_.resize(entries_.size());
        for (std::size_t i = 0; i < by_name_.size(); ++i) {
            by_name_[i] = i;
        }
        std::sort(by_name_.begin(), by_name_.end(),
                  [this](std::size_t a, std::size_t b) { return entries_[a].tensor.name < entries_[b].tensor.name; });
        for (std::size_t i = 0; i < by_name_.size(); ++i) {
            const std::string& name = entries_[by_name_[i]].tensor.name;
            if (i > 0 && entries_[by_name_[i - 1]].tensor.name == name) {
                raise(error_code::invalid_argument, "two tensors named " + detail::quote_name(name));
            }
            if (name == "__metadata__") {
                raise(error_code::invalid_argument, "a tensor cannot be named '__metadata__'");
            }
        }
    }

    void write_header(const safetensors_metadata& metadata) {
        header_.assign(8, '\0');
        header_ += '{';
        if (!metadata.empty()) {
            json::object members;
            for (const auto& [key, text] : metadata) {
                members.push_back({key, text});
            }
            const json::value strings(std::move(members));
            json::detail::refuse_repeated_name(strings.as_object(), [](std::string_view key) {
                raise(error_code::invalid_argument, "two metadata strings named " + detail::quote_name(key));
            });
            header_ += "\"__metadata__\":" + json::write(strings);
        }
        std::uint64_t begin = 0;
        for (const entry& e : entries_) {
            json::array shape(e.tensor.shape.begin(), e.tensor.shape.end());
            json::object fields;
            fields.push_back({"dtype", to_string(e.tensor.dtype)});
            fields.push_back({"shape", std::move(shape)});
            fields.push_back({"data_offsets", json::array{begin, begin + e.bytes}});
            header_ += header_.back() == '{' ? "" : ",";
            json::detail::write_string(header_, e.tensor.name);
            header_ += ":" + json::write(std::move(fields));
            begin += e.bytes;
        }
        header_ += '}';
        header_.append((8 - header_.size() % 8) % 8, ' ');
        const std::uint64_t length = header_.size() - 8;
        if (length > safetensors_header_limit) {
            raise(error_code::invalid_argument, "a header of " + std::to_string(length) +
                                                    " bytes, more than the format's limit of " +
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

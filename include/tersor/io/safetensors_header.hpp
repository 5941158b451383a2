#ifndef TERSOR_IO_SAFETENSORS_HEADER_HPP
#define TERSOR_IO_SAFETENSORS_HEADER_HPP

// The header of a safetensors file, checked as the format's own reader checks it.
//
// A file is: 8 bytes, the header's length n (little-endian); n bytes of JSON, an object from tensor name to
// {"dtype", "shape", "data_offsets": [begin, end)}, with "__metadata__" from string to string; then the data.
// Offsets count from byte 8 + n. The tensors cover the data exactly, without holes or overlap, each with
// product(shape) * bits / 8 bytes. Source: github.com/huggingface/safetensors, README and safetensors/src/tensor.rs.
// Stricter than that reader, as its README asks: the header starts with '{' and names are unique.

#include "tersor/io/json_cursor.hpp"
#include "tersor/io/quote.hpp"
#include "tersor/io/safetensors_tensor.hpp"
#include "tersor/io/sorted_order.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tersor::inline v0 {

/// The longest header that the format allows, in bytes.
inline constexpr std::uint64_t safetensors_header_limit = 100'000'000;

namespace detail {

/// A parsed header: tensors in the order of their data, and an index into them sorted by name.
struct safetensors_header {
    safetensors_metadata metadata;
    std::vector<safetensors_tensor> tensors;
    std::vector<std::size_t> by_name;
};

class safetensors_header_parser {
public:
    safetensors_header_parser(std::span<const std::byte> file, std::string_view source)
        : file_(file), source_(source), text_(header_text()), json_(text_, source, 8) {}

    safetensors_header parse() {
        safetensors_header header;
        bool has_metadata = false;
        json_.read_object([&](std::string&& name) {
            if (name != "__metadata__") {
                header.tensors.push_back(read_tensor(std::move(name)));
            } else if (std::exchange(has_metadata, true)) {
                json_.fail("'__metadata__' appears twice");
            } else {
                read_metadata(header.metadata);
            }
        });
        json_.finish();
        sort_by_offset(header.tensors);
        check_coverage(header.tensors);
        header.by_name = index_names(header.tensors.size(), "tensor",
                                     [&](std::size_t i) -> std::string_view { return header.tensors[i].name; });
        return header;
    }

private:
    [[noreturn]] void corrupt(const std::string& message) const {
        raise(error_code::corrupt_file, std::string(source_) + ": " + message);
    }

    [[noreturn]] void corrupt(const safetensors_tensor& tensor, const std::string& message) const {
        corrupt("tensor " + quote_name(tensor.name) + " " + message);
    }

    std::string_view header_text() const {
        if (file_.size() < 8) {
            corrupt("a safetensors file has at least 8 bytes, this one has " + std::to_string(file_.size()));
        }
        std::uint64_t length = 0;
        for (std::size_t i = 8; i-- > 0;) {
            length = length << 8 | std::to_integer<std::uint64_t>(file_[i]);
        }
        if (length > safetensors_header_limit) {
            corrupt("the header claims " + std::to_string(length) + " bytes, more than the format's limit of " +
                    std::to_string(safetensors_header_limit));
        }
        if (length > file_.size() - 8) {
            corrupt("the header claims " + std::to_string(length) + " bytes, the file has " +
                    std::to_string(file_.size() - 8) + " after the length");
        }
        const std::string_view text(reinterpret_cast<const char*>(file_.data()) + 8, static_cast<std::size_t>(length));
        if (text.empty() || text.front() != '{') {
            corrupt("the header does not start with '{' at byte 8");
        }
        return text;
    }

    safetensors_tensor read_tensor(std::string&& name) {
        safetensors_tensor tensor;
        tensor.name = std::move(name);
        bool has_dtype = false;
        bool has_shape = false;
        bool has_offsets = false;
        std::uint64_t end = 0;
        json_.read_object([&](const std::string& key) {
            if (key == "dtype") {
                once(tensor, has_dtype, "dtype");
                tensor.dtype = read_dtype(tensor);
            } else if (key == "shape") {
                once(tensor, has_shape, "shape");
                json_.read_array([&] { tensor.shape.push_back(read_extent(tensor)); });
            } else if (key == "data_offsets") {
                once(tensor, has_offsets, "data_offsets");
                std::size_t count = 0;
                json_.read_array([&] {
                    const std::uint64_t offset = json_.read_unsigned();
                    ++count;
                    (count == 1 ? tensor.offset : end) = offset;
                });
                if (count != 2) {
                    corrupt(tensor, "has " + std::to_string(count) + " data_offsets instead of 2");
                }
            } else {
                json_.skip();
            }
        });
        if (!has_dtype || !has_shape || !has_offsets) {
            corrupt(tensor, "lacks its dtype, shape or data_offsets");
        }
        check_size(tensor, end);
        const std::size_t start = 8 + text_.size();
        tensor.data = file_.subspan(start + static_cast<std::size_t>(tensor.offset),
                                    static_cast<std::size_t>(end - tensor.offset));
        tensor.offset += start;
        return tensor;
    }

    void once(const safetensors_tensor& tensor, bool& seen, const char* key) const {
        if (std::exchange(seen, true)) {
            corrupt(tensor, std::string("has two fields '") + key + "'");
        }
    }

    safetensors_dtype read_dtype(const safetensors_tensor& tensor) {
        const std::string name = json_.read_string();
        if (const auto dtype = find_safetensors_dtype(name)) {
            return *dtype;
        }
        corrupt(tensor, "has the unknown dtype " + quote_name(name));
    }

    std::int64_t read_extent(const safetensors_tensor& tensor) {
        const std::uint64_t extent = json_.read_unsigned();
        if (extent > static_cast<std::uint64_t>(INT64_MAX)) {
            corrupt(tensor, "has a dimension of " + std::to_string(extent) + ", more than 2^63 - 1");
        }
        return static_cast<std::int64_t>(extent);
    }

    void check_size(const safetensors_tensor& tensor, std::uint64_t end) const {
        const std::uint64_t available = file_.size() - 8 - text_.size();
        const auto range = [&] {
            return "has the data_offsets [" + std::to_string(tensor.offset) + ", " + std::to_string(end) + "]";
        };
        if (end < tensor.offset || end > available) {
            corrupt(tensor, range() + ", the file has " + std::to_string(available) + " bytes of data");
        }
        const auto [bytes, problem] = size_of_tensor(tensor.dtype, tensor.shape);
        const auto what = [&] {
            return std::string(to_string(tensor.dtype)) + " with " + std::to_string(tensor.shape.size()) +
                   " dimensions" + (tensor.shape.size() <= 8 ? " " + describe_shape(tensor.shape) : "");
        };
        if (problem != nullptr) {
            corrupt(tensor, "of " + what() + " has " + problem);
        }
        if (bytes != end - tensor.offset) {
            corrupt(tensor, range() + ", but " + what() + " takes " + std::to_string(bytes) + " bytes");
        }
    }

    void check_coverage(const std::vector<safetensors_tensor>& tensors) const {
        std::uint64_t expected = 8 + text_.size();
        for (const safetensors_tensor& tensor : tensors) {
            if (tensor.offset != expected) {
                corrupt(tensor, "starts at byte " + std::to_string(tensor.offset) + " of the file where byte " +
                                    std::to_string(expected) + " was expected: tensors overlap or leave a hole");
            }
            expected += tensor.data.size();
        }
        if (expected != file_.size()) {
            corrupt("the tensors end at byte " + std::to_string(expected) + ", the file at byte " +
                    std::to_string(file_.size()));
        }
    }

    void read_metadata(safetensors_metadata& metadata) {
        if (json_.peek() == json::kind::null) {
            return json_.read_null();
        }
        json_.read_object([&](std::string&& key) {
            std::string text = json_.read_string();
            metadata.emplace_back(std::move(key), std::move(text));
        });
        static_cast<void>(index_names(metadata.size(), "the metadata key",
                                      [&](std::size_t i) -> std::string_view { return metadata[i].first; }));
    }

    static void sort_by_offset(std::vector<safetensors_tensor>& tensors) {
        // equal offsets and sizes only for tensors without data: they keep the header's order
        const auto order = sorted_order(tensors.size(), [&tensors](std::size_t i, std::size_t j) {
            const safetensors_tensor& a = tensors[i];
            const safetensors_tensor& b = tensors[j];
            return a.offset != b.offset ? a.offset < b.offset : a.data.size() < b.data.size();
        });
        std::vector<safetensors_tensor> sorted;
        sorted.reserve(tensors.size());
        for (const std::size_t i : order) {
            sorted.push_back(std::move(tensors[i]));
        }
        tensors = std::move(sorted);
    }

    template <class NameOf>
    std::vector<std::size_t> index_names(std::size_t count, const char* what, const NameOf& name_of) const {
        std::vector<std::size_t> order = sorted_by_name(count, name_of);
        if (const std::size_t i = find_repeated(order, name_of); i != order.size()) {
            corrupt(std::string(what) + " " + quote_name(name_of(order[i])) + " appears twice");
        }
        return order;
    }

    std::span<const std::byte> file_;
    std::string_view source_;
    std::string_view text_;
    json::cursor json_;
};

} // namespace detail

} // namespace tersor::inline v0

#endif // TERSOR_IO_SAFETENSORS_HEADER_HPP

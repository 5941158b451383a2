#ifndef TERSOR_IO_GGUF_LAYOUT_HPP
#define TERSOR_IO_GGUF_LAYOUT_HPP

// Where the tensors of a GGUF file to be written stand, and the header that says so: version 3, little-endian, metadata
// and tensors in the given order, each tensor at a multiple of the alignment ("general.alignment" of the metadata, else
// 32) and padded to one, as ggml demands.

#include "tersor/core/error.hpp"
#include "tersor/io/gguf_header.hpp"
#include "tersor/io/gguf_metadata.hpp"
#include "tersor/io/gguf_tensor.hpp"
#include "tersor/io/quote.hpp"
#include "tersor/io/sorted_order.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tersor::inline v0 {

/// A tensor to be written.
struct gguf_declaration {
    std::string name;
    gguf_type type = gguf_type::f32;
    std::vector<std::int64_t> dimensions; ///< at most four, the length of a row first; none: one value
};

/// The declaration of a tensor as it was read.
[[nodiscard]] inline gguf_declaration declare(const gguf_tensor& tensor) {
    const auto dimensions = tensor.dimensions();
    return {std::string(tensor.name), tensor.type, {dimensions.begin(), dimensions.end()}};
}

/// The dimensions of a tensor of that row-major shape: the same in reverse.
[[nodiscard]] inline std::vector<std::int64_t> gguf_dimensions(std::span<const std::int64_t> shape) {
    return {shape.rbegin(), shape.rend()};
}

/// The bytes that a declared tensor takes without padding; invalid_argument for more than four dimensions, one of 0 or
/// less, more than 2^63 - 1 bytes, or a row that is not a whole number of blocks.
[[nodiscard]] inline std::uint64_t bytes_of(const gguf_declaration& tensor) {
    const auto what = [&] {
        return "tensor " + detail::quote_name(tensor.name) + " of " + std::string(to_string(tensor.type)) + " " +
               detail::describe_dimensions(tensor.dimensions);
    };
    if (tensor.dimensions.size() > 4) {
        raise(error_code::invalid_argument,
              what() + " has " + std::to_string(tensor.dimensions.size()) + " dimensions, more than 4");
    }
    const auto [bytes, problem] = detail::size_of_gguf_tensor(info_of(tensor.type), tensor.dimensions);
    if (problem != nullptr) {
        raise(error_code::invalid_argument, what() + " has " + problem);
    }
    return bytes;
}

/// A planned file.
class gguf_layout {
    [[nodiscard]] auto name_of() const noexcept {
        return [this](std::size_t i) -> std::string_view { return entries_[i].tensor.name; };
    }

public:
    /// A tensor with its place: `offset` counts from the start of the file; `bytes` without padding.
    struct entry {
        gguf_declaration tensor;
        std::uint64_t offset = 0;
        std::uint64_t bytes = 0;
    };

    /// Plans a file without tensors and metadata.
    gguf_layout() : gguf_layout(std::vector<gguf_declaration>()) {}

    /// Plans a file; invalid_argument for a tensor that the format cannot hold, a name or key given twice, a name of 64
    /// bytes or more or with a zero byte, and an alignment that is no u32 or no power of two up to 2^30.
    explicit gguf_layout(std::vector<gguf_declaration> tensors, const gguf_metadata& metadata = {}) {
        std::uint64_t end = 0;
        entries_.reserve(tensors.size());
        check_keys(metadata);
        for (gguf_declaration& tensor : tensors) {
            check_name(tensor.name);
            const std::uint64_t bytes = bytes_of(tensor);
            if (bytes > limit - end) {
                refuse("the tensors take more than 2^62 bytes in all");
            }
            entries_.push_back({std::move(tensor), end, bytes});
            end = detail::align_up(end + bytes, alignment_);
        }
        by_name_ = detail::sorted_by_name(entries_.size(), name_of());
        if (const std::size_t i = detail::find_repeated(by_name_, name_of()); i != by_name_.size()) {
            refuse("two tensors named " + detail::quote_name(name_of()(by_name_[i])));
        }
        write_header(metadata);
        data_offset_ = detail::align_up(header_.size(), alignment_);
        for (entry& e : entries_) {
            e.offset += data_offset_;
        }
        size_ = data_offset_ + end;
    }

    /// The tensors in the order of the file.
    [[nodiscard]] const std::vector<entry>& entries() const noexcept { return entries_; }

    /// The position of that tensor among entries(), or entries().size().
    [[nodiscard]] std::size_t find(std::string_view name) const noexcept {
        const std::size_t place = detail::find_sorted(by_name_, name, name_of());
        return place == by_name_.size() ? entries_.size() : by_name_[place];
    }

    /// The first bytes of the file, without the padding up to data_offset().
    [[nodiscard]] const std::string& header() const noexcept { return header_; }
    /// The alignment of the tensors in bytes.
    [[nodiscard]] std::uint32_t alignment() const noexcept { return alignment_; }
    /// Where the data start, from the start of the file.
    [[nodiscard]] std::uint64_t data_offset() const noexcept { return data_offset_; }
    /// The size of the whole file in bytes, with the padding of the last tensor.
    [[nodiscard]] std::uint64_t size() const noexcept { return size_; }

private:
    static constexpr std::uint64_t limit = std::uint64_t{1} << 62;

    [[noreturn]] static void refuse(const std::string& message) { raise(error_code::invalid_argument, message); }

    static void check_name(const std::string& name) {
        if (name.size() > gguf_name_limit) {
            refuse("the tensor name " + detail::quote_name(name) + " has " + std::to_string(name.size()) +
                   " bytes, more than " + std::to_string(gguf_name_limit));
        }
        if (name.find('\0') != std::string::npos) {
            refuse("the tensor name " + detail::quote_name(name) + " has a zero byte");
        }
    }

    void check_keys(const gguf_metadata& metadata) {
        const auto& all = metadata.entries();
        const auto key_of = [&](std::size_t i) -> std::string_view { return all[i].key; };
        const auto order = detail::sorted_by_name(all.size(), key_of);
        if (const std::size_t i = detail::find_repeated(order, key_of); i != order.size()) {
            refuse("two metadata values named " + detail::quote_name(key_of(order[i])));
        }
        const std::size_t place = detail::find_sorted(order, detail::gguf_alignment_key, key_of);
        if (place == order.size()) {
            return;
        }
        const gguf_value value = all[order[place]].value();
        if (value.type() != gguf_value_type::u32) {
            refuse("'general.alignment' " + value.describe() + ", not u32");
        }
        alignment_ = value.as<std::uint32_t>();
        if (!detail::is_gguf_alignment(alignment_)) {
            refuse("'general.alignment' is " + std::to_string(alignment_) + ", not a power of two from 1 to " +
                   std::to_string(gguf_alignment_limit));
        }
    }

    template <class T>
    void put(T number) {
        header_.append(reinterpret_cast<const char*>(&number), sizeof(T));
    }

    void put_string(std::string_view text) {
        put<std::uint64_t>(text.size());
        header_ += text;
    }

    void write_header(const gguf_metadata& metadata) {
        header_ = "GGUF";
        put<std::uint32_t>(3);
        put<std::uint64_t>(entries_.size());
        put<std::uint64_t>(metadata.entries().size());
        for (const gguf_metadata::entry& e : metadata.entries()) {
            put_string(e.key);
            put(e.type);
            if (e.type == gguf_value_type::array) {
                put(e.element_type);
                put(e.count);
            } else if (e.type == gguf_value_type::string) {
                put<std::uint64_t>(e.bytes.size());
            }
            header_ += e.bytes;
        }
        for (const entry& e : entries_) {
            put_string(e.tensor.name);
            put(static_cast<std::uint32_t>(e.tensor.dimensions.size()));
            for (const std::int64_t extent : e.tensor.dimensions) {
                put(extent);
            }
            put(e.tensor.type);
            put(e.offset);
        }
    }

    std::vector<entry> entries_;
    std::vector<std::size_t> by_name_;
    std::string header_;
    std::uint32_t alignment_ = 32;
    std::uint64_t data_offset_ = 0;
    std::uint64_t size_ = 0;
};

} // namespace tersor::inline v0

#endif // TERSOR_IO_GGUF_LAYOUT_HPP

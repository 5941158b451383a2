#ifndef TERSOR_IO_GGUF_HEADER_HPP
#define TERSOR_IO_GGUF_HEADER_HPP

// The metadata and the table of tensors of a GGUF file, checked before anything is believed.
//
// A file is: "GGUF"; the version, 2 or 3, in 4 bytes; the number of tensors and of metadata entries in 8 bytes each;
// the entries (key, type in 4 bytes, value; see gguf_value.hpp); the tensors' table (name, number of dimensions in 4
// bytes, dimensions in 8 bytes each, type in 4 bytes, offset in 8 bytes); then from the next multiple of the alignment
// the data, from where the offsets count. "general.alignment" is a power of two, 32 where it is missing. The tensors'
// data follow each other in the order of the table, each padded to a multiple of the alignment, the last one too.
// Source: docs/gguf.md and src/gguf.cpp of github.com/ggml-org/ggml, version 0.21.
//
// What ggml refuses is refused. Beyond that: bools other than 0 and 1 and dimensions of 0, as the description of the
// format says; names and keys with a zero byte, which ggml compares up to that byte only; alignments beyond 2^30.

#include "tersor/io/gguf_cursor.hpp"
#include "tersor/io/gguf_tensor.hpp"
#include "tersor/io/gguf_value.hpp"
#include "tersor/io/quote.hpp"
#include "tersor/io/sorted_order.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tersor::inline v0::detail {

inline constexpr std::string_view gguf_alignment_key = "general.alignment";

/// Whether tensors can be aligned to that.
[[nodiscard]] constexpr bool is_gguf_alignment(std::uint32_t alignment) noexcept {
    return alignment != 0 && (alignment & (alignment - 1)) == 0 && alignment <= gguf_alignment_limit;
}

/// A parsed header, with indices sorted by name.
struct gguf_header {
    std::uint32_t version = 3;
    std::uint32_t alignment = 32;
    std::uint64_t data_offset = 0;
    std::vector<gguf_metadata_entry> metadata;
    std::vector<std::size_t> by_key;
    std::vector<gguf_tensor> tensors;
    std::vector<std::size_t> by_name;
};

class gguf_header_parser : gguf_cursor {
public:
    gguf_header_parser(std::span<const std::byte> file, std::string_view source) : gguf_cursor(file, source) {}

    gguf_header parse() {
        gguf_header header;
        header.version = read_version();
        const std::uint64_t tensors = read_count("tensors", smallest_tensor);
        const std::uint64_t entries = read_count("metadata entries", smallest_entry);
        header.metadata.reserve(static_cast<std::size_t>(entries));
        for (std::uint64_t i = 0; i < entries; ++i) {
            header.metadata.push_back(read_entry());
        }
        const auto key_of = [&](std::size_t i) { return header.metadata[i].key; };
        header.by_key = index_names(entries, "key", key_of);
        const std::size_t place = find_sorted(header.by_key, gguf_alignment_key, key_of);
        if (place != header.by_key.size()) {
            header.alignment = alignment_of(header.metadata[header.by_key[place]]);
        }
        check_room(tensors, "tensors", smallest_tensor);
        header.tensors.reserve(static_cast<std::size_t>(tensors));
        std::uint64_t end = 0;
        for (std::uint64_t i = 0; i < tensors; ++i) {
            header.tensors.push_back(read_tensor(header.alignment, end));
        }
        header.by_name = index_names(tensors, "tensor name", [&](std::size_t i) { return header.tensors[i].name; });
        place_data(header, end);
        return header;
    }

private:
    // the fewest bytes of an entry (key of one byte, value of one byte) and of a line of the tensors' table
    static constexpr std::uint64_t smallest_entry = 8 + 1 + 4 + 1;
    static constexpr std::uint64_t smallest_tensor = 8 + 4 + 4 + 8;

    [[nodiscard]] std::uint32_t read_version() {
        const auto magic = file().first(file().size() < 4 ? file().size() : 4);
        const std::string_view text(reinterpret_cast<const char*>(magic.data()), magic.size());
        if (text != "GGUF") {
            corrupt(0, "a GGUF file starts with 'GGUF', this one of " + std::to_string(file().size()) + " bytes with " +
                           quote_name(text));
        }
        static_cast<void>(take(4, "the magic"));
        const auto version = read<std::uint32_t>("the version");
        if (version != 0 && (version & 0xFFFFU) == 0) {
            corrupt(4, "version " + std::to_string(version) + ": a big-endian file; only little-endian ones are read");
        }
        if (version != 2 && version != 3) {
            corrupt(4, "version " + std::to_string(version) + "; versions 2 and 3 are read");
        }
        return version;
    }

    [[nodiscard]] std::uint64_t read_count(const char* what, std::uint64_t smallest) {
        const auto count = read<std::int64_t>(std::string("the number of ") + what);
        if (count < 0) {
            corrupt(at() - 8, std::to_string(count) + " " + what);
        }
        check_room(static_cast<std::uint64_t>(count), what, smallest);
        return static_cast<std::uint64_t>(count);
    }

    void check_room(std::uint64_t count, const char* what, std::uint64_t smallest) const {
        if (count > left() / smallest) {
            corrupt(at(), std::to_string(count) + " " + what + " of at least " + std::to_string(smallest) +
                              " bytes each, the file has " + std::to_string(left()) + " more");
        }
    }

    [[nodiscard]] gguf_value_type read_value_type(std::string_view key) {
        const auto type = read<std::uint32_t>("the type of a value");
        if (type > static_cast<std::uint32_t>(gguf_value_type::f64)) {
            corrupt(at() - 4, "key " + quote_name(key) + " has a value of the unknown type " + std::to_string(type));
        }
        return static_cast<gguf_value_type>(type);
    }

    [[nodiscard]] gguf_metadata_entry read_entry() {
        const std::size_t start = at();
        const std::string_view key = read_name("a key", gguf_length_limit);
        if (key.empty()) {
            corrupt(start, "a key is empty");
        }
        const gguf_value_type type = read_value_type(key);
        if (type == gguf_value_type::array) {
            return {key, read_array(key)};
        }
        const auto bytes = type == gguf_value_type::string ? read_string("a string", gguf_length_limit)
                                                           : take(bytes_of(type), "a value");
        check_bools(key, type, bytes);
        return {key, gguf_value(type, type, 1, bytes)};
    }

    [[nodiscard]] gguf_value read_array(std::string_view key) {
        const gguf_value_type type = read_value_type(key);
        if (type == gguf_value_type::array) {
            corrupt(at() - 4, "key " + quote_name(key) + " has an array of arrays");
        }
        const auto count = read<std::uint64_t>("the length of an array");
        if (count > gguf_length_limit) {
            corrupt(at() - 8, "key " + quote_name(key) + " has an array of " + std::to_string(count) +
                                  " elements, more than " + std::to_string(gguf_length_limit));
        }
        const std::size_t start = at();
        if (type == gguf_value_type::string) {
            require(count * sizeof(std::uint64_t), "an array of strings");
            for (std::uint64_t i = 0; i < count; ++i) {
                static_cast<void>(read_string("a string of an array", gguf_length_limit));
            }
        } else {
            check_bools(key, type, take(count * bytes_of(type), "an array"));
        }
        return {gguf_value_type::array, type, count, file().subspan(start, at() - start)};
    }

    void check_bools(std::string_view key, gguf_value_type type, std::span<const std::byte> bytes) const {
        if (type != gguf_value_type::boolean) {
            return;
        }
        for (const std::byte& byte : bytes) {
            if (byte > std::byte{1}) {
                corrupt(place_of(&byte),
                        "key " + quote_name(key) + " has a bool of " + std::to_string(std::to_integer<int>(byte)));
            }
        }
    }

    [[nodiscard]] std::uint32_t alignment_of(const gguf_metadata_entry& entry) const {
        const gguf_value& value = entry.value;
        const auto at = place_of(value.bytes().data());
        if (value.type() != gguf_value_type::u32) {
            corrupt(at, quote_name(entry.key) + " " + value.describe() + ", not u32");
        }
        const auto alignment = value.as<std::uint32_t>();
        if (!is_gguf_alignment(alignment)) {
            corrupt(at, quote_name(entry.key) + " is " + std::to_string(alignment) + ", not a power of two from 1 to " +
                            std::to_string(gguf_alignment_limit));
        }
        return alignment;
    }

    /// Reads a line of the table; `end` is where the data of the tensors before it end, with their padding.
    [[nodiscard]] gguf_tensor read_tensor(std::uint32_t alignment, std::uint64_t& end) {
        gguf_tensor tensor;
        tensor.name = read_name("a tensor's name", gguf_name_limit);
        const auto of_tensor = [&] { return "tensor " + quote_name(tensor.name) + " "; };
        tensor.rank = read<std::uint32_t>("the number of dimensions");
        if (tensor.rank > tensor.ne.size()) {
            corrupt(at() - 4, of_tensor() + "has " + std::to_string(tensor.rank) + " dimensions, more than 4");
        }
        const std::size_t dimensions_at = at();
        for (std::uint32_t i = 0; i < tensor.rank; ++i) {
            tensor.ne[i] = read<std::int64_t>("a dimension");
        }
        const auto id = read<std::uint32_t>("a tensor's type");
        const gguf_type_info* const info = find_gguf_type(id);
        if (info == nullptr) {
            corrupt(at() - 4,
                    of_tensor() + "has type " + std::to_string(id) +
                        (is_removed_gguf_type(id) ? ", which the format has given up" : ", which is unknown"));
        }
        tensor.type = info->type;
        const auto [bytes, problem] = size_of_gguf_tensor(*info, tensor.dimensions());
        const auto what = [&] {
            return of_tensor() + "of " + std::string(info->name) + " " + describe_dimensions(tensor.dimensions());
        };
        if (problem != nullptr) {
            corrupt(dimensions_at, what() + " has " + problem);
        }
        // so that sums of sizes cannot wrap
        if (bytes > file().size()) {
            corrupt(dimensions_at, what() + " takes " + std::to_string(bytes) + " bytes, the file has " +
                                       std::to_string(file().size()));
        }
        const auto offset = read<std::uint64_t>("a tensor's offset");
        if (offset != end) {
            corrupt(at() - 8, of_tensor() + "has offset " + std::to_string(offset) + " where " + std::to_string(end) +
                                  " was expected: tensors overlap, leave a hole or are not in order");
        }
        end = align_up(end + bytes, alignment);
        if (end > file().size()) {
            corrupt(at() - 8, what() + " ends at byte " + std::to_string(end) + " of the data, the file has " +
                                  std::to_string(file().size()) + " bytes");
        }
        tensor.offset = offset;
        tensor.data = file().first(static_cast<std::size_t>(bytes));
        return tensor;
    }

    /// Gives the tensors their places; `end` is the size of the data.
    void place_data(gguf_header& header, std::uint64_t end) const {
        header.data_offset = header.tensors.empty() ? at() : align_up(at(), header.alignment);
        const std::uint64_t available = header.data_offset < file().size() ? file().size() - header.data_offset : 0;
        if (end > available) {
            corrupt(file().size(), "the file ends, but the data of its " + std::to_string(header.tensors.size()) +
                                       " tensors take the " + std::to_string(end) + " bytes from byte " +
                                       std::to_string(header.data_offset) + ", with the padding of the last one");
        }
        for (gguf_tensor& tensor : header.tensors) {
            tensor.offset += header.data_offset;
            tensor.data = file().subspan(static_cast<std::size_t>(tensor.offset), tensor.data.size());
        }
    }

    template <class NameOf>
    [[nodiscard]] std::vector<std::size_t> index_names(std::uint64_t count, const char* what,
                                                       const NameOf& name_of) const {
        std::vector<std::size_t> order = sorted_by_name(static_cast<std::size_t>(count), name_of);
        if (const std::size_t i = find_repeated(order, name_of); i != order.size()) {
            const std::string_view name = name_of(order[i + 1]);
            corrupt(place_of(name.data()), std::string(what) + " " + quote_name(name) + " appears twice");
        }
        return order;
    }
};

} // namespace tersor::inline v0::detail

#endif // TERSOR_IO_GGUF_HEADER_HPP

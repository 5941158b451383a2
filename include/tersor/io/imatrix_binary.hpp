#ifndef TERSOR_IO_IMATRIX_BINARY_HPP
#define TERSOR_IO_IMATRIX_BINARY_HPP

// llama.cpp's older importance files (imatrix.dat), which have no magic number. All integers are int32, little-endian:
//
//   count of entries, at least 1
//   each entry: length of the name, the name, calls, count of values, the values as float32
//   optionally: number of the last chunk of text, length of the name of the text, the name
//
// A value is the sum of the squared inputs of a column times calls / tokens, so value / calls is their mean; with 0
// calls the value itself is taken, as llama.cpp does.

#include "tersor/core/error.hpp"
#include "tersor/io/imatrix_entry.hpp"
#include "tersor/io/quote.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace tersor::inline v0 {

static_assert(std::endian::native == std::endian::little, "imatrix files are read on little-endian machines only");

namespace detail {

class imatrix_reader {
public:
    imatrix_reader(std::span<const std::byte> bytes, const std::string& source) : bytes_(bytes), source_(source) {}

    [[nodiscard]] std::size_t left() const noexcept { return bytes_.size() - offset_; }

    [[noreturn]] void fail(const std::string& what, std::size_t at) const {
        raise(error_code::corrupt_file, source_ + ": no importance file: " + what + " at byte " + std::to_string(at));
    }

    [[nodiscard]] std::span<const std::byte> take(std::uint64_t count, const char* what) {
        if (count > left()) {
            fail(std::string(what) + " of " + std::to_string(count) + " bytes, " + std::to_string(left()) + " are left",
                 offset_);
        }
        const auto taken = bytes_.subspan(offset_, static_cast<std::size_t>(count));
        offset_ += taken.size();
        return taken;
    }

    [[nodiscard]] std::int32_t take_integer(std::int32_t least, const char* what) {
        std::int32_t number = 0;
        std::memcpy(&number, take(sizeof(number), what).data(), sizeof(number));
        if (number < least) {
            fail(std::string(what) + " is " + std::to_string(number), offset_ - sizeof(number));
        }
        return number;
    }

    [[nodiscard]] std::string take_text(std::int32_t least, const char* what) {
        const auto length = static_cast<std::uint32_t>(take_integer(least, what));
        const auto text = take(length, what);
        return {reinterpret_cast<const char*>(text.data()), text.size()};
    }

private:
    std::span<const std::byte> bytes_;
    const std::string& source_;
    std::size_t offset_ = 0;
};

} // namespace detail

/// Reads the content of such a file; `source` names it in messages. corrupt_file, with the offset, if it is none.
[[nodiscard]] inline imatrix read_binary_imatrix(std::span<const std::byte> bytes, const std::string& source) {
    detail::imatrix_reader in(bytes, source);
    const std::int32_t count = in.take_integer(1, "the count of entries");
    std::vector<imatrix_entry> entries;
    for (std::int32_t i = 0; i < count; ++i) {
        imatrix_entry& entry = entries.emplace_back();
        entry.name = in.take_text(1, "the name of an entry");
        const std::int32_t calls = in.take_integer(0, "the count of calls");
        const auto size = static_cast<std::uint32_t>(in.take_integer(1, "the count of values"));
        const auto values = in.take(std::uint64_t{size} * sizeof(float), "values");
        entry.values.resize(size);
        std::memcpy(entry.values.data(), values.data(), values.size());
        if (calls > 0) {
            for (float& value : entry.values) {
                value /= static_cast<float>(calls);
            }
        }
    }
    std::vector<std::string> datasets;
    std::uint32_t chunks = 0;
    if (in.left() != 0) {
        chunks = static_cast<std::uint32_t>(in.take_integer(0, "the last chunk"));
    }
    if (in.left() != 0) {
        datasets.push_back(in.take_text(0, "the name of the text"));
    }
    if (in.left() != 0) {
        in.fail(std::to_string(in.left()) + " bytes too many", bytes.size() - in.left());
    }
    return {std::move(entries), std::move(datasets), chunks, source};
}

} // namespace tersor::inline v0

#endif // TERSOR_IO_IMATRIX_BINARY_HPP

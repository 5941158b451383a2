#ifndef TERSOR_IO_IMATRIX_ENTRY_HPP
#define TERSOR_IO_IMATRIX_ENTRY_HPP

// The importance of the input columns of a weight: how much an error in a column counts. llama.cpp calls it an
// "imatrix" and takes the mean of the squared inputs that a column met in a text.

#include "tersor/core/error.hpp"
#include "tersor/io/quote.hpp"
#include "tersor/io/sorted_order.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tersor::inline v0 {

/// The importance of one weight: finite, not negative.
struct imatrix_entry {
    std::string name;          ///< as the file gives it
    std::vector<float> values; ///< one per column; of expert weights those of one expert after the other
};

/// What an importance file holds.
class imatrix {
    [[nodiscard]] auto name_of() const noexcept {
        return [this](std::size_t i) -> std::string_view { return entries_[i].name; };
    }

public:
    imatrix() = default;

    /// Takes entries; `source` names the file in messages. corrupt_file for values that are negative or not finite, and
    /// for a repeated name.
    imatrix(std::vector<imatrix_entry> entries, std::vector<std::string> datasets, std::uint32_t chunks,
            const std::string& source)
        : entries_(std::move(entries)), datasets_(std::move(datasets)), chunks_(chunks) {
        for (const imatrix_entry& entry : entries_) {
            for (std::size_t i = 0; i < entry.values.size(); ++i) {
                // also -0, and by the bits, so that no compiler option can lose the NaNs
                const auto bits = std::bit_cast<std::uint32_t>(entry.values[i]);
                if (bits > 0x7F7FFFFFu && bits != 0x80000000u) {
                    raise(error_code::corrupt_file, source + ": the importance of column " + std::to_string(i) +
                                                        " of " + detail::quote_name(entry.name) + " is " +
                                                        std::to_string(entry.values[i]) +
                                                        "; expected a finite number, not negative");
                }
            }
        }
        by_name_ = detail::sorted_by_name(entries_.size(), name_of());
        if (const std::size_t i = detail::find_repeated(by_name_, name_of()); i != by_name_.size()) {
            raise(error_code::corrupt_file, source + ": two entries " + detail::quote_name(name_of()(by_name_[i])));
        }
    }

    /// All entries in the order of the file.
    [[nodiscard]] std::span<const imatrix_entry> entries() const noexcept { return entries_; }
    /// The entry of that name, or null.
    [[nodiscard]] const imatrix_entry* find(std::string_view name) const noexcept {
        const std::size_t place = detail::find_sorted(by_name_, name, name_of());
        return place == by_name_.size() ? nullptr : &entries_[by_name_[place]];
    }
    /// The texts that it was made from, where the file names them.
    [[nodiscard]] std::span<const std::string> datasets() const noexcept { return datasets_; }
    /// How many chunks of text were read; 0: not said.
    [[nodiscard]] std::uint32_t chunks() const noexcept { return chunks_; }

private:
    std::vector<imatrix_entry> entries_;
    std::vector<std::string> datasets_;
    std::uint32_t chunks_ = 0;
    std::vector<std::size_t> by_name_;
};

} // namespace tersor::inline v0

#endif // TERSOR_IO_IMATRIX_ENTRY_HPP

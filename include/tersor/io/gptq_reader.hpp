#ifndef TERSOR_IO_GPTQ_READER_HPP
#define TERSOR_IO_GPTQ_READER_HPP

// Finding the weights of a GPTQ checkpoint: the companions of PREFIX.qweight, checked against each other.
//
// Bits and groups follow from the shapes. The configuration says how zero points are stored; where they are symmetric
// they say it themselves, and are believed, because some writers call version 2 "gptq": 2^(bits-1) everywhere is
// version 2, 2^(bits-1) - 1 everywhere version 1. A weight without g_idx has groups in the order of the columns.

#include "tersor/core/error.hpp"
#include "tersor/io/affine_weight.hpp"
#include "tersor/io/affine_weight_reader.hpp"
#include "tersor/io/gptq_config.hpp"
#include "tersor/io/gptq_layout.hpp"
#include "tersor/io/quote.hpp"
#include "tersor/io/safetensors_values.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tersor::inline v0::gptq_layout {

/// A weight in a file. The tensors are those of the file, checked.
struct stored_weight {
    std::string name; ///< PREFIX.weight
    affine_shape shape;
    gptq_layout::storage storage;
    const safetensors_tensor* codes = nullptr;
    const safetensors_tensor* zeros = nullptr;
    const safetensors_tensor* scales = nullptr;
    const safetensors_tensor* group_index = nullptr; ///< or null
};

namespace detail {

/// The zero points [groups x rows] by a version.
[[nodiscard]] inline std::vector<std::uint8_t> zeros_of(const stored_weight& w, version stored) {
    const auto rows = static_cast<std::size_t>(w.shape.rows), groups = static_cast<std::size_t>(w.shape.groups);
    const std::size_t bytes = w.zeros->data.size() / groups;
    std::vector<std::uint8_t> zeros(rows * groups), words(bytes);
    for (std::size_t g = 0; g < groups; ++g) {
        std::memcpy(words.data(), w.zeros->data.data() + g * bytes, bytes);
        unpack_zeros(words, w.shape.bits, w.storage.packing, stored, std::span(zeros).subspan(g * rows, rows));
    }
    return zeros;
}

/// Believes symmetric zero points, and says whether they are.
inline void find_version(stored_weight& w, const std::optional<config>& known) {
    const std::vector<std::uint8_t> fields = zeros_of(w, version::v2);
    const int half = 1 << (w.shape.bits - 1);
    const bool alike =
        std::all_of(fields.begin(), fields.end(), [&fields](std::uint8_t field) { return field == fields[0]; });
    const bool may_believe = !known || known->sym.value_or(w.storage.zeros == version::v1);
    if (alike && may_believe && w.storage.packing == packing::stream && (fields[0] == half || fields[0] == half - 1)) {
        w.storage.zeros = fields[0] == half ? version::v2 : version::v1;
    }
    w.shape.symmetric = alike && fields[0] == (w.storage.zeros == version::v2 ? half : half - 1);
}

/// The group of every column.
[[nodiscard]] inline std::vector<std::int32_t> groups_of(const stored_weight& w) {
    return w.group_index != nullptr
               ? read_values<std::int32_t>(*w.group_index)
               : tersor::detail::ordered_group_index(w.shape.cols, w.shape.group > 0 ? w.shape.group : w.shape.cols);
}

inline void find_groups(stored_weight& w, std::string_view source, const std::optional<config>& known) {
    affine_shape& s = w.shape;
    if (w.group_index == nullptr) {
        const std::int64_t named = known && known->group_size > 0 ? known->group_size : 0;
        const bool named_fits = named > 0 && (s.cols - 1) / named + 1 == s.groups;
        if (known && known->desc_act && s.groups > 1) {
            tersor::detail::fail_tensor(source, *w.codes,
                                        "has no g_idx beside it, but its configuration says 'desc_act'");
        }
        if (s.groups > 1 && !named_fits && s.cols % s.groups != 0) {
            tersor::detail::fail_tensor(source, *w.scales,
                                        "has " + std::to_string(s.groups) + " groups, which do not divide the " +
                                            std::to_string(s.cols) + " columns");
        }
        s.group = s.groups == 1 ? 0 : named_fits ? static_cast<index>(named) : s.cols / s.groups;
        return;
    }
    const safetensors_tensor& stored = *w.group_index;
    if (stored.dtype != safetensors_dtype::i32 || stored.shape != std::vector<std::int64_t>{s.cols}) {
        tersor::detail::fail_tensor(source, stored,
                                    "is " + tersor::detail::describe_tensor(stored) + ", not I32 [" +
                                        std::to_string(s.cols) + "]");
    }
    std::vector<index> sizes(static_cast<std::size_t>(s.groups));
    const std::vector<std::int32_t> values = read_values<std::int32_t>(stored);
    for (const std::int32_t value : values) {
        if (value < 0 || value >= s.groups) {
            tersor::detail::fail_tensor(source, stored,
                                        "names group " + std::to_string(value) + " of " + std::to_string(s.groups));
        }
        ++sizes[static_cast<std::size_t>(value)];
    }
    const index run = tersor::detail::columns_per_group(values, s.groups);
    s.in_order = run > 0;
    s.group = s.groups == 1 ? 0 : run > 0 ? run : *std::max_element(sizes.begin(), sizes.end());
}

} // namespace detail

/// The weight of a tensor PREFIX.qweight. `find(name)` gives a tensor of the file or null; `source` names the file;
/// `known` is what its configuration says, if there is one. corrupt_file, naming the tensor, where companions are
/// missing or do not fit.
template <class Find>
[[nodiscard]] stored_weight find_weight(const safetensors_tensor& codes, std::string_view source, const Find& find,
                                        const std::optional<config>& known = {}) {
    const std::string prefix = codes.name.substr(0, codes.name.size() - std::string_view("qweight").size());
    stored_weight w;
    w.name = prefix + "weight";
    w.codes = &codes;
    w.zeros = &tersor::detail::companion_of(codes, prefix + "qzeros", source, find);
    w.scales = &tersor::detail::companion_of(codes, prefix + "scales", source, find);
    w.group_index = find(prefix + "g_idx");
    if (known) {
        w.storage = known->storage;
    }
    w.storage.scales = w.scales->dtype;
    tersor::detail::require_matrix(codes, source, true);
    tersor::detail::require_matrix(*w.zeros, source, true);
    tersor::detail::require_matrix(*w.scales, source, false);
    const std::int64_t rows = codes.shape[1], words = w.zeros->shape[1], groups = w.scales->shape[0];
    const std::int64_t bits = words * 32 / rows;
    if (bits < 2 || bits > 8 || words * 32 % rows != 0) {
        tersor::detail::fail_tensor(source, *w.zeros,
                                    "has " + std::to_string(words) + " words a group, which " + std::to_string(rows) +
                                        " zero points of 2 to 8 bits do not fill");
    }
    w.shape.bits = static_cast<int>(bits);
    w.shape.rows = static_cast<index>(rows);
    w.shape.cols = static_cast<index>(codes.shape[0] * 32 / bits);
    w.shape.groups = static_cast<index>(groups);
    if (codes.shape[0] * 32 % bits != 0 || !detail::fills_words(w.shape.cols, w.shape.bits, w.storage.packing)) {
        tersor::detail::fail_tensor(source, codes,
                                    "has " + std::to_string(codes.shape[0]) + " words a row, which codes of " +
                                        std::to_string(bits) + " bits do not fill");
    }
    if (!detail::fills_words(rows, w.shape.bits, w.storage.packing)) {
        tersor::detail::fail_tensor(source, *w.zeros,
                                    "has zero points in planes, of which there are not whole blocks of 32");
    }
    tersor::detail::require_shape(*w.scales, source, groups, rows, codes);
    tersor::detail::require_shape(*w.zeros, source, groups, words, *w.scales);
    if (groups > w.shape.cols) {
        tersor::detail::fail_tensor(source, *w.scales,
                                    "has " + std::to_string(groups) + " groups for " + std::to_string(w.shape.cols) +
                                        " columns");
    }
    detail::find_groups(w, source, known);
    detail::find_version(w, known);
    return w;
}

} // namespace tersor::inline v0::gptq_layout

#endif // TERSOR_IO_GPTQ_READER_HPP

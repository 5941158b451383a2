#ifndef TERSOR_IO_COMPRESSED_TENSORS_AFFINE_HPP
#define TERSOR_IO_COMPRESSED_TENSORS_AFFINE_HPP

// Writing affine weights as pack-quantized weights of compressed-tensors: 1 to 8 bits, symmetric or with zero points,
// with a group index where columns are not in the order of their groups. NAME becomes NAME_packed, NAME_scale,
// NAME_zero_point, NAME_shape, NAME_g_idx.

#include "tersor/formats/packing.hpp"
#include "tersor/io/affine_weight.hpp"
#include "tersor/io/affine_weight_append.hpp"
#include "tersor/io/compressed_tensors_packing.hpp"
#include "tersor/io/compressed_tensors_scheme.hpp"
#include "tersor/io/safetensors_layout.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tersor::inline v0::compressed_tensors {

/// Which tensors an affine weight is stored in.
struct affine_storage {
    safetensors_dtype scales = safetensors_dtype::f32; ///< or f16, bf16
    bool zero_points = true;                           ///< stored, or 2^(bits - 1) everywhere
    bool group_index = false;                          ///< stored, or columns in the order of their groups

    friend bool operator==(const affine_storage&, const affine_storage&) = default;
};

/// What a weight of that shape needs stored.
[[nodiscard]] constexpr affine_storage storage_of(const affine_shape& shape,
                                                  safetensors_dtype scales = safetensors_dtype::f32) noexcept {
    return {scales, !shape.symmetric, !shape.in_order};
}

/// How such a weight is stored, for the configuration.
[[nodiscard]] inline scheme scheme_of(const affine_shape& shape, const affine_storage& s) {
    scheme result;
    result.bits = shape.bits;
    result.symmetric = !s.zero_points;
    result.strategy = shape.groups == 1 ? strategy::channel : strategy::group;
    result.group = shape.groups == 1 ? 0 : shape.group;
    result.act_order = s.group_index;
    return result;
}

/// Why the layout cannot hold a weight of that shape; empty if it can.
[[nodiscard]] inline std::string reason_against(const affine_shape& shape, const affine_storage& s = {}) {
    if (shape.bits < 1 || shape.bits > 8) {
        return "it has codes of 1 to 8 bits, not " + std::to_string(shape.bits);
    }
    if (shape.rows < 1 || shape.cols < 1) {
        return "it holds no empty tensors";
    }
    if (shape.groups > 1 && (shape.group < 1 || shape.group * shape.groups != shape.cols)) {
        return std::to_string(shape.groups) + " groups of " + std::to_string(shape.group) + " are not the " +
               std::to_string(shape.cols) + " columns, and its readers want equal groups";
    }
    if (!shape.in_order && !s.group_index) {
        return "its columns are not in the order of their groups, and no group index is stored";
    }
    return {};
}

/// The tensors that a weight of that shape becomes. unsupported if the layout cannot hold it: groups of several sizes,
/// bits out of range.
[[nodiscard]] inline std::vector<safetensors_declaration> declare(std::string_view name, const affine_shape& shape,
                                                                  const affine_storage& s) {
    using type = safetensors_dtype;
    tersor::detail::require_held("compressed-tensors", name, shape, reason_against(shape, s));
    const std::string base(name);
    std::vector<safetensors_declaration> tensors{
        {base + "_packed", type::i32, {shape.rows, detail::words_of(shape.cols, shape.bits)}},
        {base + "_scale", s.scales, {shape.rows, shape.groups}}};
    if (s.zero_points) {
        tensors.push_back({base + "_zero_point", type::i32, {detail::words_of(shape.rows, shape.bits), shape.groups}});
    }
    tensors.push_back({base + "_shape", type::i64, {2}});
    if (s.group_index) {
        tensors.push_back({base + "_g_idx", type::i32, {shape.cols}});
    }
    return tensors;
}

/// Calls out.append(name, bytes) for each tensor of a weight that was declared with the same storage; `out` is a
/// safetensors_writer or safetensors_model_writer. Scales are rounded to their stored type, half to even. Errors: those
/// of check(); unsupported for a weight that the layout or the storage cannot hold; those of `out`.
template <class Out>
void append(Out& out, std::string_view name, const affine_weight& w, const affine_storage& s) {
    check(w, tersor::detail::quote_name(name));
    const affine_shape shape = shape_of(w);
    std::string reason = reason_against(shape, s);
    if (reason.empty() && !s.zero_points && !shape.symmetric) {
        reason = "it has zero points, for which no tensor was declared";
    }
    tersor::detail::require_held("compressed-tensors", name, shape, reason);
    const std::string base(name);
    const auto cols = static_cast<std::size_t>(w.cols);
    const std::size_t stride = static_cast<std::size_t>(detail::words_of(w.cols, w.bits)) * 4;
    const auto at_once = std::max<index>(static_cast<index>((std::size_t{1} << 20) / stride), 1);
    std::vector<std::uint8_t> words;
    for (index first = 0; first < w.rows; first += at_once) {
        const index count = std::min(at_once, w.rows - first);
        words.assign(static_cast<std::size_t>(count) * stride, 0);
        for (index row = 0; row < count; ++row) {
            pack_codes({w.codes.data() + (first + row) * w.cols, cols}, w.bits,
                       words.data() + static_cast<std::size_t>(row) * stride);
        }
        out.append(base + "_packed", words);
    }
    tersor::detail::append_scales(out, base + "_scale", w.scales, s.scales);
    if (s.zero_points) {
        out.append(base + "_zero_point", detail::pack_zeros(w.zeros, w.rows, w.groups, w.bits));
    }
    out.append(base + "_shape", std::array<std::int64_t, 2>{w.rows, w.cols});
    if (s.group_index) {
        out.append(base + "_g_idx", w.group_index);
    }
}

} // namespace tersor::inline v0::compressed_tensors

#endif // TERSOR_IO_COMPRESSED_TENSORS_AFFINE_HPP

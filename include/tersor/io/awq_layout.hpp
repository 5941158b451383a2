#ifndef TERSOR_IO_AWQ_LAYOUT_HPP
#define TERSOR_IO_AWQ_LAYOUT_HPP

// Writing weights in the layout of AWQ checkpoints, version gemm (AutoAWQ, vLLM, transformers): 4 bits with zero
// points, groups in the order of the columns. A weight PREFIX.weight [out, in] becomes
//
//   PREFIX.qweight   I32 [in, out / 8]       codes packed along out
//   PREFIX.qzeros    I32 [groups, out / 8]   zero points, as they are
//   PREFIX.scales    F16 [groups, out]
//
// awq_packing.hpp says how words hold codes.

#include "tersor/io/affine_weight.hpp"
#include "tersor/io/affine_weight_append.hpp"
#include "tersor/io/awq_packing.hpp"
#include "tersor/io/safetensors_layout.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tersor::inline v0::awq_layout {

/// How a weight is stored.
struct storage {
    safetensors_dtype scales = safetensors_dtype::f16; ///< or bf16, f32; readers of the ecosystem expect f16

    friend bool operator==(const storage&, const storage&) = default;
};

/// Why the layout cannot hold a weight of that shape; empty if it can.
[[nodiscard]] inline std::string reason_against(const affine_shape& shape) {
    if (shape.bits != 4) {
        return "it has codes of 4 bits, not " + std::to_string(shape.bits);
    }
    if (shape.rows < 1 || shape.cols < 1) {
        return "it holds no empty tensors";
    }
    if (shape.rows % 8 != 0) {
        return std::to_string(shape.rows) + " output features are not multiples of 8";
    }
    if (!shape.in_order) {
        return "it has no group index, and the columns are not in the order of their groups";
    }
    if (shape.groups > 1 && (shape.group < 1 || shape.cols % shape.group != 0)) {
        return std::to_string(shape.cols) + " input features are not whole groups of " + std::to_string(shape.group);
    }
    return {};
}

/// The tensors that a weight of that shape becomes. unsupported if the layout cannot hold it: another name than
/// PREFIX.weight, other bits than 4, outputs that are not eights, columns out of order, a last shorter group.
[[nodiscard]] inline std::vector<safetensors_declaration> declare(std::string_view name, const affine_shape& shape,
                                                                  const storage& s = {}) {
    using type = safetensors_dtype;
    const std::string prefix = tersor::detail::prefix_of(name, "awq");
    tersor::detail::require_held("awq", name, shape, reason_against(shape));
    return {{prefix + "qweight", type::i32, {shape.cols, shape.rows / 8}},
            {prefix + "qzeros", type::i32, {shape.groups, shape.rows / 8}},
            {prefix + "scales", s.scales, {shape.groups, shape.rows}}};
}

/// Calls out.append(name, bytes) for each tensor of a weight that was declared with the same storage; `out` is a
/// safetensors_writer or safetensors_model_writer. Scales are rounded to their stored type, half to even. Errors: those
/// of check(); unsupported for a weight that the layout cannot hold or a scale beyond its type; those of `out`.
template <class Out>
void append(Out& out, std::string_view name, const affine_weight& w, const storage& s = {}) {
    check(w, tersor::detail::quote_name(name));
    const std::string prefix = tersor::detail::prefix_of(name, "awq");
    tersor::detail::require_held("awq", name, shape_of(w), reason_against(shape_of(w)));
    const auto rows = static_cast<std::size_t>(w.rows), cols = static_cast<std::size_t>(w.cols);
    const std::size_t wide = rows / 8;
    constexpr std::size_t at_once = 64;
    std::vector<std::uint32_t> words(wide * at_once);
    std::uint8_t eight[8];
    for (std::size_t first = 0; first < cols; first += at_once) {
        const std::size_t count = std::min(at_once, cols - first);
        for (std::size_t word = 0; word < wide; ++word) {
            for (std::size_t c = 0; c < count; ++c) {
                for (std::size_t i = 0; i < 8; ++i) {
                    eight[i] = w.codes[(word * 8 + i) * cols + first + c];
                }
                words[c * wide + word] = detail::pack_word(eight);
            }
        }
        out.append(prefix + "qweight", std::span<const std::uint32_t>(words.data(), wide * count));
    }
    const auto groups = static_cast<std::size_t>(w.groups);
    std::vector<float> scales(rows);
    for (std::size_t g = 0; g < groups; ++g) {
        for (std::size_t word = 0; word < wide; ++word) {
            for (std::size_t i = 0; i < 8; ++i) {
                eight[i] = w.zeros[(word * 8 + i) * groups + g];
                scales[word * 8 + i] = w.scales[(word * 8 + i) * groups + g];
            }
            words[word] = detail::pack_word(eight);
        }
        out.append(prefix + "qzeros", std::span<const std::uint32_t>(words.data(), wide));
        tersor::detail::append_scales(out, prefix + "scales", scales, s.scales);
    }
}

} // namespace tersor::inline v0::awq_layout

#endif // TERSOR_IO_AWQ_LAYOUT_HPP

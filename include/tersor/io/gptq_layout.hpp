#ifndef TERSOR_IO_GPTQ_LAYOUT_HPP
#define TERSOR_IO_GPTQ_LAYOUT_HPP

// Writing weights in the layout of GPTQ checkpoints (AutoGPTQ, GPTQModel, vLLM, transformers). A weight PREFIX.weight
// [out, in] becomes
//
//   PREFIX.qweight   I32 [in * bits / 32, out]       codes packed along in
//   PREFIX.qzeros    I32 [groups, out * bits / 32]   zero points packed along out
//   PREFIX.scales    F16 [groups, out]
//   PREFIX.g_idx     I32 [in]                        the group of every column
//
// gptq_packing.hpp says how words hold codes. A bias is a plain tensor PREFIX.bias, F16 by custom.

#include "tersor/core/error.hpp"
#include "tersor/io/affine_weight.hpp"
#include "tersor/io/affine_weight_append.hpp"
#include "tersor/io/gptq_packing.hpp"
#include "tersor/io/quote.hpp"
#include "tersor/io/safetensors_layout.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tersor::inline v0::gptq_layout {

/// How a weight is stored.
struct storage {
    version zeros = version::v1;
    gptq_layout::packing packing = packing::stream;
    safetensors_dtype scales = safetensors_dtype::f16; ///< or bf16, f32; readers of the ecosystem expect f16

    friend bool operator==(const storage&, const storage&) = default;
};

/// The name of a storage in a configuration's "checkpoint_format". Planes have zero points as they are.
[[nodiscard]] constexpr std::string_view checkpoint_format(const storage& s) noexcept {
    return s.packing == packing::planes ? "gptq_p" : s.zeros == version::v2 ? "gptq_v2" : "gptq";
}

/// Why the layout cannot hold a weight of that shape; empty if it can.
[[nodiscard]] inline std::string reason_against(const affine_shape& shape, const storage& s = {}) {
    if (shape.bits < 2 || shape.bits > 8) {
        return "it has codes of 2 to 8 bits, not " + std::to_string(shape.bits);
    }
    if (shape.rows < 1 || shape.cols < 1) {
        return "it holds no empty tensors";
    }
    for (const index count : {shape.cols, shape.rows}) {
        if (!detail::fills_words(count, shape.bits, s.packing)) {
            return std::to_string(count) + (count == shape.cols ? " input" : " output") + " features of " +
                   std::to_string(shape.bits) + " bits do not fill whole words of 32 bits";
        }
    }
    return {};
}

/// The tensors that a weight of that shape becomes. unsupported if the layout cannot hold it: another name than
/// PREFIX.weight, bits out of range, features that do not fill words.
[[nodiscard]] inline std::vector<safetensors_declaration> declare(std::string_view name, const affine_shape& shape,
                                                                  const storage& s = {}) {
    using type = safetensors_dtype;
    const std::string prefix = tersor::detail::prefix_of(name, "gptq");
    tersor::detail::require_held("gptq", name, shape, reason_against(shape, s));
    return {{prefix + "qweight", type::i32, {detail::words_of(shape.cols, shape.bits), shape.rows}},
            {prefix + "qzeros", type::i32, {shape.groups, detail::words_of(shape.rows, shape.bits)}},
            {prefix + "scales", s.scales, {shape.groups, shape.rows}},
            {prefix + "g_idx", type::i32, {shape.cols}}};
}

/// Calls out.append(name, bytes) for each tensor of a weight that was declared with the same storage; `out` is a
/// safetensors_writer or safetensors_model_writer. Scales are rounded to their stored type, half to even. Errors: those
/// of check(); unsupported for a weight that the layout cannot hold or a scale beyond its type; those of `out`.
template <class Out>
void append(Out& out, std::string_view name, const affine_weight& w, const storage& s = {}) {
    check(w, tersor::detail::quote_name(name));
    const std::string prefix = tersor::detail::prefix_of(name, "gptq");
    tersor::detail::require_held("gptq", name, shape_of(w), reason_against(shape_of(w), s));
    const auto rows = static_cast<std::size_t>(w.rows), cols = static_cast<std::size_t>(w.cols);
    const auto bits = static_cast<std::size_t>(w.bits);
    std::vector<std::uint8_t> words(4 * bits * rows);
    for (std::size_t first = 0; first < cols; first += 32) {
        const std::size_t count = std::min<std::size_t>(32, cols - first);
        const std::size_t used = count * bits / 32;
        for (std::size_t row = 0; row < rows; ++row) {
            std::uint8_t block[32];
            detail::pack_block({w.codes.data() + row * cols + first, count}, w.bits, s.packing, block);
            for (std::size_t i = 0; i < used; ++i) {
                std::memcpy(words.data() + (i * rows + row) * 4, block + i * 4, 4);
            }
        }
        out.append(prefix + "qweight", std::span<const std::uint8_t>(words.data(), 4 * used * rows));
    }
    const auto groups = static_cast<std::size_t>(w.groups);
    std::vector<std::uint8_t> zeros(rows), packed(rows * bits / 8);
    std::vector<float> scales(rows);
    for (std::size_t g = 0; g < groups; ++g) {
        for (std::size_t row = 0; row < rows; ++row) {
            zeros[row] = w.zeros[row * groups + g];
            scales[row] = w.scales[row * groups + g];
        }
        detail::pack_zeros(zeros, w.bits, s.packing, s.zeros, packed.data());
        out.append(prefix + "qzeros", packed);
        tersor::detail::append_scales(out, prefix + "scales", scales, s.scales);
    }
    out.append(prefix + "g_idx", w.group_index);
}

} // namespace tersor::inline v0::gptq_layout

#endif // TERSOR_IO_GPTQ_LAYOUT_HPP

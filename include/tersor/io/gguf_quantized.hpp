#ifndef TERSOR_IO_GGUF_QUANTIZED_HPP
#define TERSOR_IO_GGUF_QUANTIZED_HPP

// Quantized tensors in GGUF files: views of the blocks of a mapped file, values of any type, and writing.
//
//   auto file = gguf_file::open("model.gguf");
//   auto w = map_quantized<gguf::q4_k>(file.tensor("blk.0.attn_q.weight"));   // no copy: w * x, dequantize(w), compare
//   std::vector<float> values = dequantize(file.tensor("output.weight"));     // whatever its type

#include "tersor/core/error.hpp"
#include "tersor/core/quantized_tensor.hpp"
#include "tersor/io/gguf.hpp"
#include "tersor/io/gguf_layout.hpp"
#include "tersor/io/gguf_tensor_values.hpp"
#include "tersor/io/gguf_writer.hpp"
#include "tersor/io/quote.hpp"
#include "tersor/quantizers/gguf.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tersor::inline v0 {

/// The blocks of a tensor in place, as a matrix rows() x columns(); valid as long as its file is open.
/// Errors: `invalid_argument` if the tensor is not of the quantizer's type, or lies where its blocks cannot.
template <block_quantizer Quantizer>
[[nodiscard]] quantized_view<Quantizer> map_quantized(const gguf_tensor& tensor) {
    detail::require_gguf_type(tensor, static_cast<gguf_type>(Quantizer::type_id));
    const std::span<const std::uint8_t> bytes(reinterpret_cast<const std::uint8_t*>(tensor.data.data()),
                                              tensor.data.size());
    return {Quantizer{}, {static_cast<index>(tensor.rows()), static_cast<index>(tensor.columns())}, 1, bytes, {}};
}

/// All values of a tensor of any type as float, row after row.
[[nodiscard]] inline std::vector<float> dequantize(const gguf_tensor& tensor) {
    std::vector<float> values(static_cast<std::size_t>(tensor.elements()));
    const bool is_block_format = gguf::visit(static_cast<std::uint32_t>(tensor.type), [&]<class Quantizer>() {
        using block = typename Quantizer::block;
        // A file may have any alignment: blocks are copied to where they may lie, some at a time.
        constexpr std::size_t some = 64;
        block blocks[some];
        const std::size_t count = tensor.data.size() / sizeof(block);
        for (std::size_t i = 0; i < count; i += some) {
            const std::size_t now = std::min(some, count - i);
            std::memcpy(blocks, tensor.data.data() + i * sizeof(block), now * sizeof(block));
            Quantizer::decode_blocks(blocks, now, values.data() + i * static_cast<std::size_t>(Quantizer::group));
        }
    });
    if (!is_block_format) {
        read_floats(tensor, values);
    }
    return values;
}

/// What a writer is told of a quantized matrix.
template <block_quantizer Quantizer, class Kind, class Codes, class Parameters>
[[nodiscard]] gguf_declaration declare(std::string name,
                                       const basic_quantized<Quantizer, 2, Kind, Codes, Parameters>& weights) {
    if (weights.axis() != 1) {
        raise(error_code::invalid_argument, "tensor " + detail::quote_name(name) +
                                                ": the blocks of a GGUF tensor run along rows, not along axis " +
                                                std::to_string(weights.axis()));
    }
    return {std::move(name), static_cast<gguf_type>(Quantizer::type_id), {weights.cols(), weights.rows()}};
}

/// Writes the blocks of a quantized matrix.
template <block_quantizer Quantizer, class Kind, class Codes, class Parameters>
void append(gguf_writer& writer, std::string_view name,
            const basic_quantized<Quantizer, 2, Kind, Codes, Parameters>& weights) {
    writer.append(name, std::as_bytes(weights.codes()));
}

} // namespace tersor::inline v0

#endif // TERSOR_IO_GGUF_QUANTIZED_HPP

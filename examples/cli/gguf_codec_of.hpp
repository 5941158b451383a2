#ifndef TERSOR_EXAMPLES_CLI_GGUF_CODEC_OF_HPP
#define TERSOR_EXAMPLES_CLI_GGUF_CODEC_OF_HPP

// Makes a gguf_codec of a block quantizer; for the files of the families.

#include "gguf_codec.hpp"

#include <cstddef>
#include <span>

namespace cli {

/// The codec of a block quantizer. Blocks are at the alignment that the quantizer asks for.
template <tersor::block_quantizer Quantizer>
[[nodiscard]] constexpr gguf_codec gguf_codec_of() noexcept {
    using block = typename Quantizer::block;
    return {
        static_cast<tersor::gguf_type>(Quantizer::type_id), Quantizer::needs_importance,
        [](std::span<const float> values, std::span<const float> importance, tersor::quantize_mode mode,
           std::byte* blocks) { Quantizer::encode_blocks(values, importance, mode, reinterpret_cast<block*>(blocks)); },
        [](const std::byte* blocks, std::size_t count, float* values) {
            Quantizer::decode_blocks(reinterpret_cast<const block*>(blocks), count, values);
        }};
}

} // namespace cli

#endif // TERSOR_EXAMPLES_CLI_GGUF_CODEC_OF_HPP

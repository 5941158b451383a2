#ifndef TERSOR_EXAMPLES_CLI_GGUF_CODEC_HPP
#define TERSOR_EXAMPLES_CLI_GGUF_CODEC_HPP

// The block formats of GGUF behind one run-time interface. Each family of them is one source file, so that their
// kernels compile side by side.

#include "tersor/core/concepts.hpp"
#include "tersor/core/execution.hpp"
#include "tersor/io/gguf_types.hpp"

#include <cstddef>
#include <span>
#include <string>

namespace cli {

/// One block format.
struct gguf_codec {
    tersor::gguf_type type;
    bool needs_importance; ///< in mode reference
    /// Whole blocks; with importance, one weight per value, exactly one row.
    void (*encode)(std::span<const float> values, std::span<const float> importance, tersor::quantize_mode mode,
                   std::byte* blocks);
    void (*decode)(const std::byte* blocks, std::size_t count, float* values);
};

/// The format of that type, or null if the program cannot compute with it.
[[nodiscard]] const gguf_codec* find_gguf_codec(tersor::gguf_type type) noexcept;

/// The families behind find_gguf_codec.
[[nodiscard]] std::span<const gguf_codec> legacy_gguf_codecs() noexcept;
[[nodiscard]] std::span<const gguf_codec> k_gguf_codecs() noexcept;
[[nodiscard]] std::span<const gguf_codec> iq4_gguf_codecs() noexcept;
[[nodiscard]] std::span<const gguf_codec> iq3_gguf_codecs() noexcept;
[[nodiscard]] std::span<const gguf_codec> iq2_gguf_codecs() noexcept;
[[nodiscard]] std::span<const gguf_codec> iq1_gguf_codecs() noexcept;
[[nodiscard]] std::span<const gguf_codec> small_gguf_codecs() noexcept;

/// Quantizes rows of `columns` values; `importance` is empty or one weight per column. `blocks` has the bytes of all.
void encode_rows(const gguf_codec& codec, std::span<const float> values, std::size_t columns,
                 std::span<const float> importance, tersor::quantize_mode mode, std::span<std::byte> blocks,
                 const tersor::execution& exec);

/// The values of blocks, which may lie at any address.
void decode_rows(const gguf_codec& codec, std::span<const std::byte> blocks, std::span<float> values,
                 const tersor::execution& exec);

/// The types whose blocks fit rows of that length, for messages: "q4_0, q8_0".
[[nodiscard]] std::string types_for_rows(std::int64_t columns);

} // namespace cli

#endif // TERSOR_EXAMPLES_CLI_GGUF_CODEC_HPP

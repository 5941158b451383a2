#include "gguf_codec.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

namespace cli {

namespace {

// Rows are encoded in pieces of about this many values, so that threads share the work evenly.
constexpr std::size_t piece_values = std::size_t{1} << 16;

std::size_t ceil_divide(std::size_t a, std::size_t b) {
    return (a + b - 1) / b;
}

} // namespace

const gguf_codec* find_gguf_codec(tersor::gguf_type type) noexcept {
    for (const auto family : {legacy_gguf_codecs(), k_gguf_codecs(), iq4_gguf_codecs(), iq3_gguf_codecs(),
                              iq2_gguf_codecs(), iq1_gguf_codecs(), small_gguf_codecs()}) {
        for (const gguf_codec& codec : family) {
            if (codec.type == type) {
                return &codec;
            }
        }
    }
    return nullptr;
}

void encode_rows(const gguf_codec& codec, std::span<const float> values, std::size_t columns,
                 std::span<const float> importance, tersor::quantize_mode mode, std::span<std::byte> blocks,
                 const tersor::execution& exec) {
    const tersor::gguf_type_info& info = tersor::info_of(codec.type);
    const std::size_t rows = values.size() / columns;
    const std::size_t row_bytes = columns / info.block_values * info.block_bytes;
    // whole panels of sixteen blocks of 32 where rows are short
    const std::size_t rows_at_once = std::max<std::size_t>(1, piece_values / columns);
    exec.for_each(static_cast<tersor::index>(ceil_divide(rows, rows_at_once)), [&](tersor::index piece) {
        const std::size_t first = static_cast<std::size_t>(piece) * rows_at_once;
        const std::size_t count = std::min(rows_at_once, rows - first);
        std::byte* const out = blocks.data() + first * row_bytes;
        if (importance.empty()) {
            codec.encode(values.subspan(first * columns, count * columns), {}, mode, out);
            return;
        }
        for (std::size_t i = 0; i < count; ++i) {
            codec.encode(values.subspan((first + i) * columns, columns), importance, mode, out + i * row_bytes);
        }
    });
}

void decode_rows(const gguf_codec& codec, std::span<const std::byte> blocks, std::span<float> values,
                 const tersor::execution& exec) {
    const tersor::gguf_type_info& info = tersor::info_of(codec.type);
    const std::size_t count = values.size() / info.block_values;
    const std::size_t at_once = piece_values / info.block_values;
    exec.for_each(static_cast<tersor::index>(ceil_divide(count, at_once)), [&](tersor::index piece) {
        const std::size_t first = static_cast<std::size_t>(piece) * at_once;
        const std::size_t some = std::min(at_once, count - first);
        const std::byte* from = blocks.data() + first * info.block_bytes;
        std::vector<std::uint32_t> aligned;
        if (reinterpret_cast<std::uintptr_t>(from) % alignof(std::uint32_t) != 0) {
            aligned.resize(ceil_divide(some * info.block_bytes, sizeof(std::uint32_t)));
            std::memcpy(aligned.data(), from, some * info.block_bytes);
            from = reinterpret_cast<const std::byte*>(aligned.data());
        }
        codec.decode(from, some, values.data() + first * info.block_values);
    });
}

std::string types_for_rows(std::int64_t columns) {
    std::string text;
    for (const tersor::gguf_type_info& info : tersor::gguf_types) {
        const bool is_float = info.type == tersor::gguf_type::f32 || info.type == tersor::gguf_type::f16 ||
                              info.type == tersor::gguf_type::bf16;
        const bool is_possible = is_float || (info.is_block_format() && find_gguf_codec(info.type) != nullptr);
        if (is_possible && columns % info.block_values == 0) {
            text += (text.empty() ? "" : ", ") + std::string(info.name);
        }
    }
    return text;
}

} // namespace cli

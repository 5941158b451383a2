#ifndef TERSOR_IO_TRANSCODE_GGUF_HPP
#define TERSOR_IO_TRANSCODE_GGUF_HPP

// Affine weights as blocks of GGUF and back, without quantizing again. With n = code - zero:
//
//   q4_0, q5_0, q8_0   d = the scale as a half, level n of -8..7, -16..15, -128..127; where only -n fits, d < 0
//   q4_1, q5_1         d as above, m = -zero * scale as a half, code of 0..15, 0..31
//
// Blocks are 32 columns that share a group. q4_0, q5_0 and q8_0 keep every value if the scales are halves; so q5_0
// holds every asymmetric 4-bit grid, and q8_0 every grid of up to 7 bits. q4_1 and q5_1 also round the product in m.

#include "tersor/core/error.hpp"
#include "tersor/core/exact.hpp"
#include "tersor/core/quantized_tensor.hpp"
#include "tersor/formats/half.hpp"
#include "tersor/io/affine_weight_append.hpp"
#include "tersor/io/affine_weight_regroup.hpp"
#include "tersor/io/gguf_types.hpp"
#include "tersor/io/transcode_verdict.hpp"
#include "tersor/quantizers/gguf/q4_0.hpp"
#include "tersor/quantizers/gguf/q4_1.hpp"
#include "tersor/quantizers/gguf/q5_0.hpp"
#include "tersor/quantizers/gguf/q5_1.hpp"
#include "tersor/quantizers/gguf/q8_0.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace tersor::inline v0 {

namespace detail {

/// The lowest level of a block type without minimum; 0 for those with one.
template <class Block>
inline constexpr int lowest_level = 0;
template <>
inline constexpr int lowest_level<gguf::q4_0> = -8;
template <>
inline constexpr int lowest_level<gguf::q5_0> = -16;
template <>
inline constexpr int lowest_level<gguf::q8_0> = -128;

/// The largest code of a block type with a minimum; 0 for those without.
template <class Block>
inline constexpr int highest_code = 0;
template <>
inline constexpr int highest_code<gguf::q4_1> = 15;
template <>
inline constexpr int highest_code<gguf::q5_1> = 31;

/// The block of 32 codes on one grid, or nothing if the type has no place for them.
template <class Block>
[[nodiscard]] std::optional<typename Block::block> block_of(const std::uint8_t* codes, int zero, float scale) {
    std::uint8_t stored[32];
    if constexpr (lowest_level<Block> < 0) {
        constexpr int lowest = lowest_level<Block>, highest = -lowest - 1;
        const auto [low, high] = std::minmax_element(codes, codes + 32);
        const bool fits = *low - zero >= lowest && *high - zero <= highest;
        const bool turned = zero - *high >= lowest && zero - *low <= highest;
        if (!fits && !turned) {
            return {};
        }
        const int sign = fits ? 1 : -1;
        // q8_0 stores the level itself
        constexpr int shift = std::is_same_v<Block, gguf::q8_0> ? 0 : -lowest;
        for (int i = 0; i < 32; ++i) {
            stored[i] = static_cast<std::uint8_t>(sign * (codes[i] - zero) + shift);
        }
        const std::uint16_t d = fp16::encode(fits ? scale : -scale);
        return Block::assemble({fp16::decode(d), d}, stored);
    } else {
        if (*std::max_element(codes, codes + 32) > highest_code<Block>) {
            return {};
        }
        std::copy_n(codes, 32, stored);
        const float minimum = exact::product(-static_cast<float>(zero), scale);
        return Block::assemble({fp16::encode(scale), fp16::encode(minimum)}, stored);
    }
}

/// Puts the blocks of a valid weight into `bytes`; gives why there are none, or an empty text.
template <class Block>
[[nodiscard]] std::string make_blocks(const affine_weight& w, std::vector<std::uint8_t>& bytes) {
    if (const index run = common_run(w); run % 32 != 0) {
        return "its columns share a group in runs of " + std::to_string(run) + ", not of 32";
    }
    const index blocks = w.cols / 32;
    bytes.resize(static_cast<std::size_t>(w.rows * blocks) * sizeof(typename Block::block));
    std::uint8_t* to = bytes.data();
    for (index row = 0; row < w.rows; ++row) {
        for (index b = 0; b < blocks; ++b) {
            const auto place =
                static_cast<std::size_t>(row * w.groups + w.group_index[static_cast<std::size_t>(b * 32)]);
            const int zero = w.zeros[place];
            const float largest = highest_code<Block> > 0 && zero > 1 ? static_cast<float>(zero) : 1.0f;
            const auto where = [&] { return "block " + std::to_string(b) + " of row " + std::to_string(row); };
            if (!std::isfinite(rounded_scale(largest * w.scales[place], safetensors_dtype::f16))) {
                return where() + " has a scale of " + std::to_string(w.scales[place]) + ", beyond the range of F16";
            }
            const auto made = block_of<Block>(w.codes.data() + row * w.cols + b * 32, zero, w.scales[place]);
            if (!made) {
                return where() + " has codes that are none of the type about a zero point of " + std::to_string(zero);
            }
            std::memcpy(to, &*made, sizeof(*made));
            to += sizeof(*made);
        }
    }
    return {};
}

/// The verdict on the blocks of a weight.
template <class Block>
[[nodiscard]] transcode_verdict verdict_on_blocks(const affine_weight& w, std::span<const std::uint8_t> bytes) {
    std::vector<typename Block::block> blocks(static_cast<std::size_t>(w.cols / 32));
    const std::size_t row_bytes = blocks.size() * sizeof(typename Block::block);
    return verdict_on(w, [&](index row, std::span<float> to) {
        std::memcpy(blocks.data(), bytes.data() + static_cast<std::size_t>(row) * row_bytes, row_bytes);
        Block::decode_blocks(blocks.data(), blocks.size(), to.data());
    });
}

[[noreturn]] inline void refuse_blocks(std::string_view type, const affine_weight& w, const std::string& reason) {
    raise(error_code::unsupported, std::string(type) + " cannot hold a weight " + shape_of_values(w.rows, w.cols) +
                                       " of " + std::to_string(w.bits) + " bits: " + reason);
}

} // namespace detail

/// Whether to_gguf makes blocks of that type.
template <class Block>
inline constexpr bool is_affine_block = (detail::lowest_level<Block> != 0) || (detail::highest_code<Block> != 0);

/// The weight as blocks of a type: gguf::q4_0, q4_1, q5_0, q5_1 or q8_0. Errors: those of check(); unsupported, naming
/// why, if columns do not share groups in runs of 32, a level has no code in the type or a scale is beyond a half.
template <class Block>
[[nodiscard]] transcoded<quantized_tensor<Block>> to_gguf(const affine_weight& w) {
    static_assert(is_affine_block<Block>, "affine weights become q4_0, q4_1, q5_0, q5_1 or q8_0");
    check(w);
    std::vector<std::uint8_t> bytes;
    if (const std::string reason = detail::make_blocks<Block>(w, bytes); !reason.empty()) {
        detail::refuse_blocks(Block::name, w, reason);
    }
    const transcode_verdict verdict = detail::verdict_on_blocks<Block>(w, bytes);
    return {{Block{}, {w.rows, w.cols}, 1, std::move(bytes), {}}, verdict};
}

/// Blocks whose type is chosen at run time.
struct gguf_blocks {
    gguf_type type = gguf_type::q8_0;
    std::vector<std::uint8_t> bytes; ///< as the file holds them, row after row
};

/// The weight as blocks of the smallest type that keeps every value, else of the type with the least error. Errors:
/// those of check(); unsupported, naming why, if q8_0 and no other type holds it.
[[nodiscard]] inline transcoded<gguf_blocks> to_smallest_gguf(const affine_weight& w) {
    check(w);
    std::optional<transcoded<gguf_blocks>> best;
    std::string reason;
    const auto try_type = [&]<class Block>(Block) {
        std::vector<std::uint8_t> bytes;
        if (best && best->verdict.lossless) {
            return;
        }
        reason = detail::make_blocks<Block>(w, bytes);
        if (reason.empty()) {
            const transcode_verdict verdict = detail::verdict_on_blocks<Block>(w, bytes);
            if (!best || verdict.lossless ||
                verdict.relative_squared_error < best->verdict.relative_squared_error) {
                best = {{static_cast<gguf_type>(Block::type_id), std::move(bytes)}, verdict};
            }
        }
    };
    try_type(gguf::q4_0{});
    try_type(gguf::q4_1{});
    try_type(gguf::q5_0{});
    try_type(gguf::q5_1{});
    try_type(gguf::q8_0{});
    if (!best) {
        detail::refuse_blocks(gguf::q8_0::name, w, reason);
    }
    return *std::move(best);
}

/// Blocks of q4_0, q5_0 or q8_0 as an affine weight of 4, 5 or 8 bits in groups of 32, every value kept. Errors:
/// unsupported if they do not run along rows; those of check().
template <class Block, class Kind, class C, class P>
requires(detail::lowest_level<Block> < 0)
[[nodiscard]] affine_weight to_affine(const basic_quantized<Block, 2, Kind, C, P>& q) {
    using block = typename Block::block;
    constexpr int bits = detail::lowest_level<Block> == -8 ? 4 : detail::lowest_level<Block> == -16 ? 5 : 8;
    if (q.axis() != 1) {
        raise(error_code::unsupported,
              "an affine weight has its groups along rows, not along axis " + std::to_string(q.axis()));
    }
    affine_weight w;
    w.bits = bits;
    w.rows = q.rows();
    w.cols = q.cols();
    w.groups = w.cols / 32;
    w.group_index = detail::ordered_group_index(w.cols, 32);
    w.codes.resize(static_cast<std::size_t>(w.rows * w.cols));
    const auto count = w.codes.size() / 32;
    w.zeros.assign(count, static_cast<std::uint8_t>(1 << (bits - 1)));
    for (std::size_t i = 0; i < count; ++i) {
        block stored;
        std::memcpy(&stored, q.codes().data() + i * sizeof(block), sizeof(block));
        w.scales.push_back(Block::parameters_of(stored).scale);
        std::uint8_t* const codes = w.codes.data() + i * 32;
        Block::codes_of(stored, codes);
        if constexpr (bits == 8) {
            for (std::size_t k = 0; k < 32; ++k) {
                codes[k] = static_cast<std::uint8_t>(codes[k] ^ 0x80u);
            }
        }
    }
    check(w, Block::name);
    return w;
}

} // namespace tersor::inline v0

#endif // TERSOR_IO_TRANSCODE_GGUF_HPP

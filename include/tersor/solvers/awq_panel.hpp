#ifndef TERSOR_SOLVERS_AWQ_PANEL_HPP
#define TERSOR_SOLVERS_AWQ_PANEL_HPP

// One group of columns of some rows, quantized by itself: what the searches of AWQ try again and again.

#include "tersor/core/concepts.hpp"
#include "tersor/quantizers/codec.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tersor::inline v0::detail {

/// Whether groups can be quantized one by one: nothing is shared by the whole tensor.
template <quantizer Q>
inline constexpr bool has_own_groups = Q::group != whole_tensor && !prepared_quantizer<Q>;

/// Replaces `rows` x `size` finite values, each row one group, by their quantized ones.
template <quantizer Q>
void requantize(const Q& q, float* x, std::size_t rows, std::size_t size) {
    const std::size_t count = rows * size;
    if constexpr (block_quantizer<Q>) {
        thread_local std::vector<typename Q::block> blocks;
        blocks.resize(count / static_cast<std::size_t>(Q::group));
        q.encode_blocks({x, count}, {}, quantize_mode::best, blocks.data());
        q.decode_blocks(blocks.data(), blocks.size(), x);
    } else {
        thread_local std::vector<typename Q::parameters> parameters;
        thread_local std::vector<std::uint8_t> codes, packed;
        parameters.resize(rows);
        codes.resize(count);
        packed.resize(count * static_cast<std::size_t>(Q::format::bits) / 8 + 1);
        // The loops take runs of whole groups; shorter ones are rows by themselves.
        const std::size_t run = Q::group == whole_row || size < static_cast<std::size_t>(Q::group) ? size : count;
        for (std::size_t start = 0; start < count; start += run) {
            codec<Q>::quantize(q, x + start, run, size, parameters.data() + start / size, codes.data() + start);
        }
        codec<Q>::pack(q, codes.data(), count, packed.data());
        codec<Q>::decode(q, packed.data(), count, size, size, parameters.data(), x, codes.data());
    }
}

} // namespace tersor::inline v0::detail

#endif // TERSOR_SOLVERS_AWQ_PANEL_HPP

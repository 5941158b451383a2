#ifndef TERSOR_QUANTIZERS_QUANTIZE_BLOCK_TILES_HPP
#define TERSOR_QUANTIZERS_QUANTIZE_BLOCK_TILES_HPP

// The work of `quantize` for block quantizers: each tile is loaded as floats (or read in place), checked and encoded by
// one thread.

#include "tersor/core/error.hpp"
#include "tersor/core/options.hpp"
#include "tersor/core/quantized_tensor.hpp"
#include "tersor/core/strided.hpp"
#include "tersor/quantizers/codec.hpp"
#include "tersor/quantizers/quantize_checks.hpp"
#include "tersor/quantizers/value_tiles.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tersor::inline v0::detail {

template <block_quantizer Q, class Scalar, int Rank>
class quantize_block_tiles : value_tiles<Q, Scalar, Rank> {
    using base = value_tiles<Q, Scalar, Rank>;
    using base::layout_;
    using base::options_;

public:
    quantize_block_tiles(const Q& quantizer, const strided<const Scalar, Rank>& source, int axis,
                         const quantize_options& options)
        : base(source, axis, options, true), quantizer_(quantizer) {
        check_options<Q>(options, row_view<const Scalar, Rank>(source, axis).length());
        check_whole_blocks<Q>(layout_);
    }

    /// Fills the bytes of all blocks, whose memory is used again where it can be.
    void run(std::vector<std::uint8_t>& bytes) {
        bytes.resize(static_cast<std::size_t>(layout_.rows * layout_.row_bytes));
        if (bytes.empty()) {
            return;
        }
        this->for_each_tile(1.0, [&](const typename base::tile& t) {
            thread_local std::vector<float> buffer;
            const float* const x = this->load(t, buffer);
            const auto count = static_cast<std::size_t>(t.rows * t.columns);
            if (options_.non_finite == non_finite::saturate) {
                constexpr auto group = static_cast<std::size_t>(Q::group);
                for (std::size_t i = 0; i < count; i += group) {
                    saturate_values(std::span(buffer).subspan(i, group));
                }
            } else if (TERSOR_DISPATCH(magnitude_bits(x, count)) > 0x7F7FFFFF) {
                raise_non_finite(this->source_);
            }
            for (index r = 0; r < t.rows; ++r) {
                std::uint8_t* const out = bytes.data() + (t.row + r) * layout_.row_bytes + column_offset<Q>(t.column);
                quantizer_.encode_blocks(std::span(x + r * t.columns, static_cast<std::size_t>(t.columns)),
                                         options_.importance, options_.mode, reinterpret_cast<typename Q::block*>(out));
            }
        });
    }

private:
    Q quantizer_;
};

} // namespace tersor::inline v0::detail

#endif // TERSOR_QUANTIZERS_QUANTIZE_BLOCK_TILES_HPP

#ifndef TERSOR_QUANTIZERS_BLOCKWISE_HPP
#define TERSOR_QUANTIZERS_BLOCKWISE_HPP

// Blocks: runs of `Size` values along a row share parameters; the last block of a row may be shorter.

#include "tersor/core/concepts.hpp"

namespace tersor::inline v0 {

/// `Quantizer` with one group per `Size` values of a row; everything else as it is.
template <quantizer Quantizer, index Size>
struct blockwise : Quantizer {
    static_assert(Size >= 1, "a block holds at least one value");
    static constexpr index group = Size;
    friend bool operator==(const blockwise&, const blockwise&) = default;
};

} // namespace tersor::inline v0

#endif // TERSOR_QUANTIZERS_BLOCKWISE_HPP

#ifndef TERSOR_QUANTIZERS_PER_CHANNEL_HPP
#define TERSOR_QUANTIZERS_PER_CHANNEL_HPP

// One group per row: each output channel of a weight matrix [out x in] has its own parameters.

#include "tersor/core/concepts.hpp"

namespace tersor::inline v0 {

/// `Quantizer` with one group per row; everything else as it is.
template <quantizer Quantizer>
struct per_channel : Quantizer {
    static constexpr index group = whole_row;
    friend bool operator==(const per_channel&, const per_channel&) = default;
};

} // namespace tersor::inline v0

#endif // TERSOR_QUANTIZERS_PER_CHANNEL_HPP

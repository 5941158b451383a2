#ifndef TERSOR_QUANTIZERS_ALIASES_HPP
#define TERSOR_QUANTIZERS_ALIASES_HPP

// Short names for the quantizers in common use. The MX and NVFP4 formats have theirs in mx.hpp and nvfp4.hpp.

#include "tersor/formats/dynamic8.hpp"
#include "tersor/formats/fp4.hpp"
#include "tersor/formats/fp8.hpp"
#include "tersor/formats/integer.hpp"
#include "tersor/formats/nf4.hpp"
#include "tersor/quantizers/absmax.hpp"
#include "tersor/quantizers/blockwise.hpp"
#include "tersor/quantizers/double_quant.hpp"
#include "tersor/quantizers/per_channel.hpp"
#include "tersor/quantizers/zero_point.hpp"

namespace tersor::inline v0 {

/// One scale for the tensor, codes -127..127.
using int8_per_tensor = absmax<int8>;
/// One scale per row, codes -127..127.
using int8_per_channel = per_channel<absmax<int8>>;
/// One scale per N values of a row.
template <index N>
using int8_blockwise = blockwise<absmax<int8>, N>;
template <index N>
using int4_blockwise = blockwise<absmax<int4>, N>;

/// One scale and zero point for the tensor, codes 0..255: ONNX DynamicQuantizeLinear.
using uint8_per_tensor = zero_point<uint8>;
/// One scale and zero point per row.
using uint8_per_channel = per_channel<zero_point<uint8>>;
/// One scale and zero point per N values of a row.
template <index N>
using uint8_blockwise = blockwise<zero_point<uint8>, N>;
template <index N>
using uint4_blockwise = blockwise<zero_point<uint4>, N>;

/// The 8-bit and 4-bit types of bitsandbytes: one scale per N values.
template <index N = 4096>
using dynamic8_blockwise = blockwise<absmax<dynamic8>, N>;
template <index N = 64>
using nf4_blockwise = blockwise<absmax<nf4>, N>;
template <index N = 64>
using fp4_blockwise = blockwise<absmax<fp4>, N>;
/// The same with the scales in 8 bits, 256 of them per nested scale.
template <index N = 64>
using nf4_double_quant = double_quant<nf4_blockwise<N>>;
template <index N = 64>
using fp4_double_quant = double_quant<fp4_blockwise<N>>;

/// 8-bit floats (e4m3) with one scale for the tensor, or one per row.
using fp8_per_tensor = absmax<fp8_e4m3>;
using fp8_per_channel = per_channel<absmax<fp8_e4m3>>;

} // namespace tersor::inline v0

#endif // TERSOR_QUANTIZERS_ALIASES_HPP

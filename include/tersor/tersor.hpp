#ifndef TERSOR_TERSOR_HPP
#define TERSOR_TERSOR_HPP

// The heart of tersor: formats, quantizers, containers, products, fake quantization, metrics. What compiles longer or fewer
// need has headers of its own: calibrators/kl_divergence.hpp (and its neighbours), solvers/gptq.hpp, quantizers/gguf.hpp,
// quantizers/activation.hpp, quantizers/llm_int8.hpp, metrics/sensitivity.hpp, io/io.hpp, io/gguf_quantized.hpp ...;
// all.hpp includes everything. Each header can also be included by itself; the smallest that serves compiles fastest.

#include "tersor/version.hpp"

#include "tersor/core/concepts.hpp"
#include "tersor/core/error.hpp"
#include "tersor/core/exact.hpp"
#include "tersor/core/execution.hpp"
#include "tersor/core/options.hpp"
#include "tersor/core/quantized_tensor.hpp"
#include "tersor/core/rounding.hpp"
#include "tersor/core/strided.hpp"

#include "tersor/simd/isa.hpp"
#include "tersor/simd/region.hpp"
#include "tersor/simd/stream_copy.hpp"
#include "tersor/simd/transpose.hpp"
#include "tersor/simd/vectors.hpp"

#include "tersor/formats/bitsandbytes_cpu.hpp"
#include "tersor/formats/codebook.hpp"
#include "tersor/formats/convert.hpp"
#include "tersor/formats/dynamic8.hpp"
#include "tersor/formats/e8m0.hpp"
#include "tersor/formats/format.hpp"
#include "tersor/formats/fp4.hpp"
#include "tersor/formats/fp4_e2m1.hpp"
#include "tersor/formats/fp6.hpp"
#include "tersor/formats/fp8.hpp"
#include "tersor/formats/half.hpp"
#include "tersor/formats/integer.hpp"
#include "tersor/formats/lanes.hpp"
#include "tersor/formats/minifloat.hpp"
#include "tersor/formats/nearest.hpp"
#include "tersor/formats/nf4.hpp"
#include "tersor/formats/packing.hpp"
#include "tersor/formats/rounding.hpp"
#include "tersor/formats/table_format.hpp"

#include "tersor/quantizers/absmax.hpp"
#include "tersor/quantizers/affine.hpp"
#include "tersor/quantizers/aliases.hpp"
#include "tersor/quantizers/blockwise.hpp"
#include "tersor/quantizers/codec.hpp"
#include "tersor/quantizers/compressed_tensors.hpp"
#include "tersor/quantizers/decode_panel.hpp"
#include "tersor/quantizers/dequantize.hpp"
#include "tersor/quantizers/double_quant.hpp"
#include "tersor/quantizers/fit.hpp"
#include "tersor/quantizers/modelopt.hpp"
#include "tersor/quantizers/mx.hpp"
#include "tersor/quantizers/nvfp4.hpp"
#include "tersor/quantizers/per_channel.hpp"
#include "tersor/quantizers/quantize.hpp"
#include "tersor/quantizers/quantize_block_tiles.hpp"
#include "tersor/quantizers/quantize_checks.hpp"
#include "tersor/quantizers/quantize_tiles.hpp"
#include "tersor/quantizers/rows.hpp"
#include "tersor/quantizers/scale.hpp"
#include "tersor/quantizers/value_tiles.hpp"
#include "tersor/quantizers/zero_point.hpp"

#include "tersor/matmul/product.hpp"

#include "tersor/training/fake_quant.hpp"
#include "tersor/training/fake_quant_linear.hpp"

#include "tersor/metrics/error_metrics.hpp"
#include "tersor/metrics/error_sums.hpp"
#include "tersor/metrics/memory_footprint.hpp"

#endif // TERSOR_TERSOR_HPP

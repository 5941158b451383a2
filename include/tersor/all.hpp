#ifndef TERSOR_ALL_HPP
#define TERSOR_ALL_HPP

// Everything: tersor.hpp, the block formats of GGUF, calibrators, solvers, integer products, mixed precision and files.
// It takes some times as long to compile as tersor.hpp; a program that uses one of them includes that header alone.

#include "tersor/tersor.hpp"

#include "tersor/quantizers/activation.hpp"
#include "tersor/quantizers/compressed_tensors_nvfp4.hpp"
#include "tersor/quantizers/dynamic_linear.hpp"
#include "tersor/quantizers/float_zero_point.hpp"
#include "tersor/quantizers/gguf.hpp"
#include "tersor/quantizers/llm_int8.hpp"
#include "tersor/quantizers/llm_int8_activations.hpp"

#include "tersor/calibrators/compatibility/modelopt.hpp"
#include "tersor/calibrators/compatibility/onnxruntime.hpp"
#include "tersor/calibrators/compatibility/pytorch.hpp"
#include "tersor/calibrators/kl_divergence.hpp"
#include "tersor/calibrators/min_max.hpp"
#include "tersor/calibrators/moving_average.hpp"
#include "tersor/calibrators/mse.hpp"
#include "tersor/calibrators/percentile.hpp"
#include "tersor/calibrators/probability.hpp"
#include "tersor/calibrators/weight_ranges.hpp"

#include "tersor/linalg/cholesky.hpp"
#include "tersor/linalg/gram.hpp"
#include "tersor/linalg/multiply.hpp"
#include "tersor/linalg/triangular.hpp"

#include "tersor/solvers/awq.hpp"
#include "tersor/solvers/awq_grid.hpp"
#include "tersor/solvers/gptq.hpp"
#include "tersor/solvers/gptq_integers.hpp"
#include "tersor/solvers/hqq.hpp"
#include "tersor/solvers/smooth_quant.hpp"

#include "tersor/matmul/int8_product.hpp"
#include "tersor/matmul/llm_int8_product.hpp"

#include "tersor/metrics/allocation.hpp"
#include "tersor/metrics/allocation_activations.hpp"
#include "tersor/metrics/sensitivity.hpp"

#include "tersor/io/gguf_quantized.hpp"
#include "tersor/io/io.hpp"

#endif // TERSOR_ALL_HPP

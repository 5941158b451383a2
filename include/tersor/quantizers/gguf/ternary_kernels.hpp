#ifndef TERSOR_QUANTIZERS_GGUF_TERNARY_KERNELS_HPP
#define TERSOR_QUANTIZERS_GGUF_TERNARY_KERNELS_HPP

// Encoding and decoding of TQ1_0, TQ2_0, Q2_0 and Q1_0 for every instruction set; see the files that are compiled here.

#include "tersor/formats/half.hpp"
#include "tersor/quantizers/gguf/one_pass.hpp"
#include "tersor/quantizers/gguf/panel.hpp"
#include "tersor/quantizers/gguf/table_panel.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>

#define TERSOR_KERNELS "tersor/quantizers/gguf/ternary_decode-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"
#define TERSOR_KERNELS "tersor/quantizers/gguf/ternary_encode-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"
#define TERSOR_KERNELS "tersor/quantizers/gguf/ternary_best-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"

#endif // TERSOR_QUANTIZERS_GGUF_TERNARY_KERNELS_HPP

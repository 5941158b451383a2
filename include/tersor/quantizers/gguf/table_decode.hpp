#ifndef TERSOR_QUANTIZERS_GGUF_TABLE_DECODE_HPP
#define TERSOR_QUANTIZERS_GGUF_TABLE_DECODE_HPP

// Decoding of the 4-bit formats with a table of values, for every instruction set; see table_decode-inl.hpp.

#include <cstddef>
#include <cstdint>
#include <cstring>

#define TERSOR_KERNELS "tersor/quantizers/gguf/table_decode-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"

#endif // TERSOR_QUANTIZERS_GGUF_TABLE_DECODE_HPP

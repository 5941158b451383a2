#ifndef TERSOR_QUANTIZERS_GGUF_SIGNED_PARTS_HPP
#define TERSOR_QUANTIZERS_GGUF_SIGNED_PARTS_HPP

// Roundings, halves, panels of bytes and trials of scales for the signed block formats; see the files named here.

#include "tersor/formats/half.hpp"
#include "tersor/quantizers/gguf/one_pass.hpp"
#include "tersor/quantizers/gguf/panel.hpp"

#include <bit>
#include <cstdint>
#include <cstring>
#include <type_traits>

#define TERSOR_KERNELS "tersor/quantizers/gguf/signed_parts-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"

#define TERSOR_KERNELS "tersor/quantizers/gguf/signed_trials-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"

#endif // TERSOR_QUANTIZERS_GGUF_SIGNED_PARTS_HPP

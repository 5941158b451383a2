#ifndef TERSOR_QUANTIZERS_GGUF_IQ4_KERNELS_HPP
#define TERSOR_QUANTIZERS_GGUF_IQ4_KERNELS_HPP

// Encoding of IQ4_NL and IQ4_XS for every instruction set; see the files that are compiled here.

#include "tersor/core/concepts.hpp"
#include "tersor/formats/half.hpp"
#include "tersor/quantizers/gguf/iq4_levels.hpp"
#include "tersor/quantizers/gguf/table_panel.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>

#define TERSOR_KERNELS "tersor/quantizers/gguf/iq4_search-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"
#define TERSOR_KERNELS "tersor/quantizers/gguf/iq4_best-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"
#define TERSOR_KERNELS "tersor/quantizers/gguf/iq4_nl-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"
#define TERSOR_KERNELS "tersor/quantizers/gguf/iq4_xs_best-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"
#define TERSOR_KERNELS "tersor/quantizers/gguf/iq4_xs-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"

#endif // TERSOR_QUANTIZERS_GGUF_IQ4_KERNELS_HPP

#ifndef TERSOR_QUANTIZERS_GGUF_TABLE_PANEL_HPP
#define TERSOR_QUANTIZERS_GGUF_TABLE_PANEL_HPP

// Panels for searches, for every instruction set; see table_panel-inl.hpp.

#include "tersor/quantizers/gguf/panel.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>

#define TERSOR_KERNELS "tersor/quantizers/gguf/table_panel-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"

#endif // TERSOR_QUANTIZERS_GGUF_TABLE_PANEL_HPP

#ifndef TERSOR_QUANTIZERS_GGUF_HPP
#define TERSOR_QUANTIZERS_GGUF_HPP

// The block formats of GGUF files, each a block quantizer: `quantize<gguf::q4_k>(w)`. `visit` finds one by the number
// that files use.
//
// reference mode   byte for byte what ggml writes (commit d99724f, built for baseline x86-64)
// fast mode        at least as accurate, found as quickly as possible
// best mode        the least (weighted) squared error that a thorough search finds in the same bytes

#include "tersor/quantizers/gguf/iq1_m.hpp"
#include "tersor/quantizers/gguf/iq1_s.hpp"
#include "tersor/quantizers/gguf/iq2_s.hpp"
#include "tersor/quantizers/gguf/iq2_xs.hpp"
#include "tersor/quantizers/gguf/iq2_xxs.hpp"
#include "tersor/quantizers/gguf/iq3_s.hpp"
#include "tersor/quantizers/gguf/iq3_xxs.hpp"
#include "tersor/quantizers/gguf/iq4_nl.hpp"
#include "tersor/quantizers/gguf/iq4_xs.hpp"
#include "tersor/quantizers/gguf/mxfp4.hpp"
#include "tersor/quantizers/gguf/nvfp4.hpp"
#include "tersor/quantizers/gguf/q1_0.hpp"
#include "tersor/quantizers/gguf/q2_0.hpp"
#include "tersor/quantizers/gguf/q2_k.hpp"
#include "tersor/quantizers/gguf/q3_k.hpp"
#include "tersor/quantizers/gguf/q4_0.hpp"
#include "tersor/quantizers/gguf/q4_1.hpp"
#include "tersor/quantizers/gguf/q4_k.hpp"
#include "tersor/quantizers/gguf/q5_0.hpp"
#include "tersor/quantizers/gguf/q5_1.hpp"
#include "tersor/quantizers/gguf/q5_k.hpp"
#include "tersor/quantizers/gguf/q6_k.hpp"
#include "tersor/quantizers/gguf/q8_0.hpp"
#include "tersor/quantizers/gguf/q8_1.hpp"
#include "tersor/quantizers/gguf/q8_k.hpp"
#include "tersor/quantizers/gguf/tq1_0.hpp"
#include "tersor/quantizers/gguf/tq2_0.hpp"

#include <cstdint>
#include <utility>

namespace tersor::inline v0::gguf {

/// Some block quantizers.
template <block_quantizer... Quantizers>
struct quantizer_list {};

/// All of them, in the order of their numbers.
using all_quantizers =
    quantizer_list<q4_0, q4_1, q5_0, q5_1, q8_0, q8_1, q2_k, q3_k, q4_k, q5_k, q6_k, q8_k, iq2_xxs, iq2_xs, iq3_xxs,
                   iq1_s, iq4_nl, iq3_s, iq2_s, iq4_xs, iq1_m, tq1_0, tq2_0, mxfp4, nvfp4, q1_0, q2_0>;

/// Calls `visitor.template operator()<Quantizer>()` for the quantizer of a list with that number; false if there is
/// none.
template <class Visitor, class... Quantizers>
bool visit(std::uint32_t type_id, Visitor&& visitor, quantizer_list<Quantizers...>) {
    return ((Quantizers::type_id == type_id && (visitor.template operator()<Quantizers>(), true)) || ...);
}

/// The same among all quantizers.
template <class Visitor>
bool visit(std::uint32_t type_id, Visitor&& visitor) {
    return visit(type_id, std::forward<Visitor>(visitor), all_quantizers{});
}

} // namespace tersor::inline v0::gguf

#endif // TERSOR_QUANTIZERS_GGUF_HPP

// Blocks of 32 values with a scale each, and the tables of iq4.

#include "gguf_solver_of.hpp"

#include "tersor/quantizers/gguf/iq4_nl.hpp"
#include "tersor/quantizers/gguf/iq4_xs.hpp"
#include "tersor/quantizers/gguf/q4_0.hpp"
#include "tersor/quantizers/gguf/q4_1.hpp"
#include "tersor/quantizers/gguf/q5_0.hpp"
#include "tersor/quantizers/gguf/q5_1.hpp"
#include "tersor/quantizers/gguf/q8_0.hpp"

#include <array>

namespace cli {

std::span<const gguf_solver> legacy_gguf_solvers() noexcept {
    namespace gguf = tersor::gguf;
    static constexpr std::array all{gguf_solver_of<gguf::iq4_nl>(), gguf_solver_of<gguf::iq4_xs>(), gguf_solver_of<gguf::q4_0>(), gguf_solver_of<gguf::q4_1>(), gguf_solver_of<gguf::q5_0>(), gguf_solver_of<gguf::q5_1>(), gguf_solver_of<gguf::q8_0>()};
    return all;
}

} // namespace cli

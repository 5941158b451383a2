// mxfp4 and nvfp4 as GGUF has them, and the types of one and two bits.

#include "gguf_solver_of.hpp"

#include "tersor/quantizers/gguf/mxfp4.hpp"
#include "tersor/quantizers/gguf/nvfp4.hpp"
#include "tersor/quantizers/gguf/q1_0.hpp"
#include "tersor/quantizers/gguf/q2_0.hpp"
#include "tersor/quantizers/gguf/tq1_0.hpp"
#include "tersor/quantizers/gguf/tq2_0.hpp"

#include <array>

namespace cli {

std::span<const gguf_solver> small_gguf_solvers() noexcept {
    namespace gguf = tersor::gguf;
    static constexpr std::array all{gguf_solver_of<gguf::mxfp4>(), gguf_solver_of<gguf::nvfp4>(), gguf_solver_of<gguf::q1_0>(), gguf_solver_of<gguf::q2_0>(), gguf_solver_of<gguf::tq1_0>(), gguf_solver_of<gguf::tq2_0>()};
    return all;
}

} // namespace cli

// q2_k to q6_k: super-blocks of 256 values.

#include "gguf_solver_of.hpp"

#include "tersor/quantizers/gguf/q2_k.hpp"
#include "tersor/quantizers/gguf/q3_k.hpp"
#include "tersor/quantizers/gguf/q4_k.hpp"
#include "tersor/quantizers/gguf/q5_k.hpp"
#include "tersor/quantizers/gguf/q6_k.hpp"

#include <array>

namespace cli {

std::span<const gguf_solver> k_gguf_solvers() noexcept {
    namespace gguf = tersor::gguf;
    static constexpr std::array all{gguf_solver_of<gguf::q2_k>(), gguf_solver_of<gguf::q3_k>(), gguf_solver_of<gguf::q4_k>(), gguf_solver_of<gguf::q5_k>(), gguf_solver_of<gguf::q6_k>()};
    return all;
}

} // namespace cli

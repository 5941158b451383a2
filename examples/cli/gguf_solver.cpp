#include "gguf_solver.hpp"

namespace cli {

const gguf_solver* find_gguf_solver(tersor::gguf_type type) noexcept {
    for (const auto family : {legacy_gguf_solvers(), k_gguf_solvers(), small_gguf_solvers()}) {
        for (const gguf_solver& solver : family) {
            if (solver.type == type) {
                return &solver;
            }
        }
    }
    return nullptr;
}

} // namespace cli

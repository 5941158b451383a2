#ifndef TERSOR_LINALG_SCRATCH_HPP
#define TERSOR_LINALG_SCRATCH_HPP

// Memory that a thread keeps for packed panels: it grows to the largest need and is freed with the thread.

#include "tersor/core/concepts.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tersor::inline v0::linalg::detail {

/// A buffer that begins at a cache line. Its values are left over from the last use.
template <class Scalar>
class scratch {
public:
    [[nodiscard]] Scalar* reserve(index count) {
        const std::size_t size = static_cast<std::size_t>(count) + line / sizeof(Scalar);
        if (memory_.size() < size) {
            memory_.clear();
            memory_.resize(size);
        }
        const std::uintptr_t begin = reinterpret_cast<std::uintptr_t>(memory_.data());
        return memory_.data() + (line - begin % line) % line / sizeof(Scalar);
    }

private:
    static constexpr std::size_t line = 64;
    std::vector<Scalar> memory_;
};

} // namespace tersor::inline v0::linalg::detail

#endif // TERSOR_LINALG_SCRATCH_HPP

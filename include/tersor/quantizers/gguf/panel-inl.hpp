// Panels: sixteen groups side by side, so that a register holds one value of each of `lanes` groups. Compiled once per
// instruction set.
//
// A search in a panel does for every group what a scalar loop over the group would do, in the same order and with the
// same roundings, whatever the width of a register.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf {

/// How many groups a panel has.
inline constexpr std::size_t panel_width = 16;

/// panel[i * 16 + g] = values[g * size + i] for `groups` groups of `size` values, at most 16; zeros for the others.
inline void fill_panel(const float* values, std::size_t groups, std::size_t size, float* panel) noexcept {
    if (groups == panel_width && size % square == 0) {
        for (std::size_t g = 0; g < panel_width; g += square) {
            for (std::size_t i = 0; i < size; i += square) {
                transpose_square(values + g * size + i, static_cast<std::ptrdiff_t>(size), panel + i * panel_width + g,
                                 panel_width);
            }
        }
        return;
    }
    for (std::size_t i = 0; i < size; ++i) {
        for (std::size_t g = 0; g < panel_width; ++g) {
            panel[i * panel_width + g] = g < groups ? values[g * size + i] : 0.0f;
        }
    }
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf

// The inner loop of product.hpp, compiled once per instruction set.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE {

/// Sixteen rows of weights times `Columns` columns: sums[c * 16 + r] = fma(w[k * 16 + r], x[c * distance + k], sums)
/// for k = 0 .. depth - 1, in order. Lanes hold rows, so that each sum has its own order whatever their number.
template <std::size_t Columns>
inline void multiply_columns(const float* w, std::size_t depth, const float* x, std::ptrdiff_t distance,
                             float* sums) noexcept {
    constexpr std::size_t parts = 16 / lanes;
    vf s[Columns][parts];
    for (std::size_t c = 0; c < Columns; ++c) {
        for (std::size_t p = 0; p < parts; ++p) {
            s[c][p] = load(sums + c * 16 + p * lanes);
        }
    }
    for (std::size_t k = 0; k < depth; ++k) {
        vf row[parts];
        for (std::size_t p = 0; p < parts; ++p) {
            row[p] = load(w + k * 16 + p * lanes);
        }
        for (std::size_t c = 0; c < Columns; ++c) {
            const vf value = splat(x[static_cast<std::ptrdiff_t>(c) * distance + static_cast<std::ptrdiff_t>(k)]);
            for (std::size_t p = 0; p < parts; ++p) {
                s[c][p] = fma(row[p], value, s[c][p]);
            }
        }
    }
    for (std::size_t c = 0; c < Columns; ++c) {
        for (std::size_t p = 0; p < parts; ++p) {
            store(sums + c * 16 + p * lanes, s[c][p]);
        }
    }
}

/// The same for any number of columns.
inline void multiply_panel(const float* w, std::size_t depth, const float* x, std::ptrdiff_t distance,
                           std::size_t columns, float* sums) noexcept {
    std::size_t c = 0;
    for (; c + 4 <= columns; c += 4) {
        multiply_columns<4>(w, depth, x + static_cast<std::ptrdiff_t>(c) * distance, distance, sums + c * 16);
    }
    for (; c < columns; ++c) {
        multiply_columns<1>(w, depth, x + static_cast<std::ptrdiff_t>(c) * distance, distance, sums + c * 16);
    }
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE

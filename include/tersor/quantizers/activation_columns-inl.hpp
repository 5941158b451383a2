// Magnitudes of columns, compiled once per instruction set by activation_columns.hpp.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE {

/// largest[c] = the largest magnitude of column c, as the bits of a float: NaN is above infinity, both above the rest.
inline void column_magnitudes(const float* x, std::ptrdiff_t distance, std::size_t rows, std::size_t cols,
                              std::int32_t* largest) noexcept {
    std::size_t c = 0;
    for (; c + 2 * lanes <= cols; c += 2 * lanes) {
        vi a = splat(0), b = splat(0);
        const float* p = x + c;
        for (std::size_t r = 0; r < rows; ++r, p += distance) {
            a = max(a, bits(abs(load(p))));
            b = max(b, bits(abs(load(p + lanes))));
        }
        store(largest + c, a);
        store(largest + c + lanes, b);
    }
    for (; c < cols; ++c) {
        std::int32_t most = 0;
        const float* p = x + c;
        for (std::size_t r = 0; r < rows; ++r, p += distance) {
            const std::int32_t magnitude = std::bit_cast<std::int32_t>(*p) & 0x7FFFFFFF;
            most = magnitude > most ? magnitude : most;
        }
        largest[c] = most;
    }
}

/// The largest of the magnitudes below `bound` (the bits of a float), as the bits of a float; 0 if there is none.
inline std::int32_t magnitude_below(const float* x, std::size_t count, std::int32_t bound) noexcept {
    vi most = splat(0);
    const vi limit = splat(bound);
    std::size_t i = 0;
    for (; i + lanes <= count; i += lanes) {
        const vi magnitude = bits(abs(load(x + i)));
        most = max(most, select(limit > magnitude, magnitude, splat(0)));
    }
    std::int32_t result = reduce_max(most);
    for (; i < count; ++i) {
        const std::int32_t magnitude = std::bit_cast<std::int32_t>(x[i]) & 0x7FFFFFFF;
        result = magnitude < bound && magnitude > result ? magnitude : result;
    }
    return result;
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE

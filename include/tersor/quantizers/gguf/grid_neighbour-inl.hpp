// The choice among the neighbours of a vector that is off the grid; compiled once per instruction set.
//
// Least sum over i, in order, of (w_i * diff) * diff with diff = scale * p_i - x_i; the first of equal ones. Lanes hold
// neighbours: at each position the term takes as many values as there are levels, so that it is looked up by level.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf {

/// The terms of one position for all levels. `scaled` holds scale * p of the levels, over and over.
template <class Vector>
inline table8 terms_of_levels(const Vector* scaled, float x, float w) noexcept {
    if constexpr (sizeof(Vector) >= 8 * sizeof(float)) {
        const Vector diff = scaled[0] - splat(x);
        return {(splat(w) * diff * diff).r};
    } else {
        float terms[8];
        for (std::size_t half = 0; half < 2; ++half) {
            const Vector diff = scaled[half] - splat(x);
            store(terms + half * 4, splat(w) * diff * diff);
        }
        return load_table8(terms);
    }
}

/// The terms of positions I and up; a loop would keep them in memory.
template <int I, int Positions>
inline void fill_terms(table8* terms, const vf* scaled, const float* x, const float* w) noexcept {
    if constexpr (I < Positions) {
        terms[I] = terms_of_levels(scaled, x[I], w[I]);
        fill_terms<I + 1, Positions>(terms, scaled, x, w);
    }
}

/// Adds the terms of positions I and up to `sum`.
template <int I, int Positions, int Bits>
inline vf add_terms(vf sum, const table8* terms, vi words) noexcept {
    if constexpr (I == Positions) {
        return sum;
    } else {
        return add_terms<I + 1, Positions, Bits>(sum + lookup(terms[I], shr<Bits * I>(words)), terms, words);
    }
}

/// The packed word of the best neighbour for x[0..Positions). levels: p of level k at k and k + 8, those of two bits
/// at k + 4 and k + 12, too; the list is as grid_tables has it.
template <int Positions, int Bits>
inline std::uint16_t choose_neighbour(const std::uint16_t* list, std::size_t count, const float* x, const float* w,
                                      float scale, const float* levels) noexcept {
    alignas(64) static constexpr std::int32_t lane_numbers[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    constexpr std::int32_t beyond = 1 << 20;
    const vf scaled[2] = {splat(scale) * load(levels), splat(scale) * load(levels + (lanes < 8 ? lanes : 0))};
    table8 terms[Positions];
    fill_terms<0, Positions>(terms, scaled, x, w);
    vf least = splat(3.402823466e38f);
    vi where = splat(0);
    for (std::size_t k = 0; k < count; k += lanes) {
        const vf sum = add_terms<0, Positions, Bits>(splat(0.0f), terms, load_u16(list + k));
        const vm better = least > sum;
        least = select(better, sum, least);
        where = select(better, splat(static_cast<std::int32_t>(k)), where);
    }
    // Floats that are not negative are ordered as their bits are.
    const vi pattern = bits(least), top = splat(std::int32_t{0x7F800000});
    const std::int32_t smallest = 0x7F800000 - reduce_max(top - pattern);
    const vi place = splat(beyond) - where - load(lane_numbers);
    return list[beyond - reduce_max(select(pattern == splat(smallest), place, splat(0)))];
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf

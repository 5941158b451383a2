// The point of a grid with the least weighted squared error, among all of them; compiled once per instruction set.
//
// Lanes hold searches: a vector x of magnitudes, weights w and the values that the levels have under some scale. The
// error of a point is a sum over its levels, taken as the sum of two halves, which are tabulated; points with the same
// upper half stand together and are passed over where that half alone is too much in every lane. With `Flip` exactly
// one sign is wrong: the sum of one position is (value + x)^2 w instead of (value - x)^2 w, at the position where that
// costs least. The first of equal points wins, but the one that the search starts from wins over all equal ones. What
// is told is the run of the point; find_point finds it there, once it is known which of the searches counts.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf {

/// Sums over a quarter of the positions for all their levels: one position of eight levels or two of three.
template <class Rules, bool Flip>
struct quarter_sums {
    static constexpr int bits = Rules::positions * Rules::bits / 4;
    static constexpr std::size_t count = std::size_t{1} << bits;
    alignas(64) float plain[count * lanes];
    alignas(64) float flipped[Flip ? count * lanes : 1];

    void fill(const detail::grid_searches& all, std::size_t l, std::size_t quarter) noexcept {
        constexpr std::size_t levels = Rules::top + 1, each = Rules::positions / 4;
        alignas(64) float off[each][levels * lanes], wrong[each][levels * lanes];
        for (std::size_t i = 0; i < each; ++i) {
            const std::size_t at = (quarter * each + i) * 16 + l;
            const vf x = load(all.x + at), w = load(all.w + at);
            TERSOR_UNROLL
            for (std::size_t k = 0; k < levels; ++k) {
                const vf value = load(all.values + k * 16 + l), below = value - x, above = value + x;
                store((each == 1 ? plain : off[i]) + k * lanes, w * below * below);
                if constexpr (Flip) {
                    store((each == 1 ? flipped : wrong[i]) + k * lanes, w * above * above);
                }
            }
        }
        if constexpr (each == 2) {
            for (std::size_t k2 = 0; k2 < levels; ++k2) {
                const vf off2 = load(off[1] + k2 * lanes);
                TERSOR_UNROLL
                for (std::size_t k1 = 0; k1 < levels; ++k1) {
                    const vf off1 = load(off[0] + k1 * lanes);
                    store(plain + (k1 + 4 * k2) * lanes, off1 + off2);
                    if constexpr (Flip) {
                        store(flipped + (k1 + 4 * k2) * lanes,
                              min(load(wrong[0] + k1 * lanes) + off2, off1 + load(wrong[1] + k2 * lanes)));
                    }
                }
            }
        }
    }
};

/// The sum of half a point, and the one with a wrong sign.
template <class Rules, bool Flip>
inline void sum_half(const quarter_sums<Rules, Flip>* quarters, std::size_t half, vf& plain, vf& flipped) noexcept {
    using quarter = quarter_sums<Rules, Flip>;
    const std::size_t low = (half & (quarter::count - 1)) * lanes, high = (half >> quarter::bits) * lanes;
    plain = load(quarters[0].plain + low) + load(quarters[1].plain + high);
    if constexpr (Flip) {
        flipped = min(load(quarters[0].flipped + low) + load(quarters[1].plain + high),
                      load(quarters[0].plain + low) + load(quarters[1].flipped + high));
    }
}

/// Searches l..l + lanes.
template <class Rules, bool Flip>
void search_all_points(const detail::grid_tables& tables, detail::grid_searches& all, std::size_t l) noexcept {
    using quarter = quarter_sums<Rules, Flip>;
    constexpr int half_bits = 2 * quarter::bits;
    constexpr std::size_t half_count = std::size_t{1} << half_bits, each = Rules::top + 1;
    quarter quarters[4];
    for (std::size_t q = 0; q < 4; ++q) {
        quarters[q].fill(all, l, q);
    }
    alignas(64) float low_plain[half_count * lanes], low_flipped[Flip ? half_count * lanes : 1];
    vf least_plain = splat(3.402823466e38f), least_flipped = least_plain;
    for (std::size_t high = 0; high < (Rules::positions == 4 ? each : each * 4); ++high) {
        TERSOR_UNROLL
        for (std::size_t low = 0; low < (Rules::positions == 4 ? each : each * 4); ++low) {
            if (Rules::positions == 8 && ((high & 3) == 3 || (low & 3) == 3)) {
                continue;
            }
            const std::size_t half = high << quarter::bits | low;
            vf plain = least_plain, flipped = least_plain;
            sum_half<Rules, Flip>(quarters, half, plain, flipped);
            store(low_plain + half * lanes, plain);
            least_plain = min(least_plain, plain);
            if constexpr (Flip) {
                store(low_flipped + half * lanes, flipped);
                least_flipped = min(least_flipped, flipped);
            }
        }
    }
    // The errors of the points to start from.
    for (std::size_t k = l; k < l + lanes; ++k) {
        const std::size_t word = tables.words[all.point[k]];
        const std::size_t low = (word & (half_count - 1)) * lanes + (k - l), high = word >> half_bits;
        const std::size_t high0 = (high & (quarter::count - 1)) * lanes + (k - l);
        const std::size_t high1 = (high >> quarter::bits) * lanes + (k - l);
        const float plain = quarters[2].plain[high0] + quarters[3].plain[high1];
        all.error[k] = plain + low_plain[low];
        if constexpr (Flip) {
            const float one = quarters[2].flipped[high0] + quarters[3].plain[high1];
            const float other = quarters[2].plain[high0] + quarters[3].flipped[high1];
            const float in_high = (other > one ? one : other) + low_plain[low], in_low = plain + low_flipped[low];
            all.error[k] = in_low > in_high ? in_high : in_low;
        }
    }
    vf best = load(all.error + l);
    vi winner = splat(-1);
    for (std::size_t r = 0; r + 1 < tables.run_first.size(); ++r) {
        const std::size_t first = tables.run_first[r], end = tables.run_first[r + 1];
        vf plain = best, flipped = best;
        sum_half<Rules, Flip>(quarters + 2, tables.words[first] >> half_bits, plain, flipped);
        const vf bound = Flip ? min(plain + least_flipped, flipped + least_plain) : plain + least_plain;
        if (!any(best > bound)) {
            continue;
        }
        // Rounding is monotonous: the least sum is that with the least lower half. Two minima at a time hide latency.
        vf low = splat(3.402823466e38f), low_wrong = low, other = low, other_wrong = low;
        for (std::size_t k = first; k < end; k += 2) {
            const std::size_t at = (tables.words[k] & (half_count - 1)) * lanes;
            const std::size_t next = (tables.words[k + 1 < end ? k + 1 : k] & (half_count - 1)) * lanes;
            low = min(low, load(low_plain + at));
            other = min(other, load(low_plain + next));
            if constexpr (Flip) {
                low_wrong = min(low_wrong, load(low_flipped + at));
                other_wrong = min(other_wrong, load(low_flipped + next));
            }
        }
        low = min(low, other);
        low_wrong = min(low_wrong, other_wrong);
        const vf error = Flip ? min(plain + low_wrong, flipped + low) : plain + low;
        const vm better = best > error;
        best = select(better, error, best);
        winner = select(better, splat(static_cast<std::int32_t>(r)), winner);
    }
    store(all.error + l, best);
    store(all.run + l, winner);
}

/// The sum of half a point of one search, and the one with a wrong sign, as quarter_sums and sum_half have them.
template <class Rules>
inline void sum_half_of(const float* x, const float* w, const float* values, std::size_t half, float& plain,
                        float& flipped) noexcept {
    constexpr std::size_t each = Rules::positions / 4, mask = (1u << Rules::bits) - 1;
    float off[2], wrong[2];
    for (std::size_t q = 0; q < 2; ++q) {
        float below[each], above[each];
        for (std::size_t i = 0; i < each; ++i) {
            const std::size_t at = q * each + i;
            const float value = values[half >> (Rules::bits * at) & mask];
            below[i] = w[at] * (value - x[at]) * (value - x[at]);
            above[i] = w[at] * (value + x[at]) * (value + x[at]);
        }
        off[q] = below[0];
        wrong[q] = above[0];
        if constexpr (each == 2) {
            const float first = above[0] + below[1], second = below[0] + above[1];
            off[q] = below[0] + below[1];
            wrong[q] = second > first ? first : second;
        }
    }
    plain = off[0] + off[1];
    const float first = wrong[0] + off[1], second = off[0] + wrong[1];
    flipped = second > first ? first : second;
}

/// The first best point of a run in one search, which found that run.
template <class Rules, bool Flip>
inline std::uint16_t find_point(const detail::grid_tables& tables, std::size_t run, const float* x, const float* w,
                                const float* values) noexcept {
    constexpr std::size_t half = Rules::positions / 2, half_bits = half * Rules::bits;
    std::size_t best = tables.run_first[run];
    float least = 3.402823466e38f, high = 0.0f, high_wrong = 0.0f;
    sum_half_of<Rules>(x + half, w + half, values, tables.words[best] >> half_bits, high, high_wrong);
    for (std::size_t k = best; k < tables.run_first[run + 1]; ++k) {
        float low = 0.0f, low_wrong = 0.0f;
        sum_half_of<Rules>(x, w, values, tables.words[k], low, low_wrong);
        const float in_low = high + low_wrong, in_high = high_wrong + low;
        const float error = !Flip ? high + low : in_low > in_high ? in_high : in_low;
        best = error < least ? k : best;
        least = error < least ? error : least;
    }
    return static_cast<std::uint16_t>(best);
}

/// All sixteen searches.
template <class Rules, bool Flip>
void search_all_points(const detail::grid_tables& tables, detail::grid_searches& all) noexcept {
    for (std::size_t l = 0; l < 16; l += lanes) {
        search_all_points<Rules, Flip>(tables, all, l);
    }
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf

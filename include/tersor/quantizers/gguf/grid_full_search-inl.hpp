// The point of a grid with the least weighted squared error, among all of them; compiled once per instruction set.
//
// Lanes hold searches: a vector x of magnitudes, weights w and the values that the levels have under some scale. The
// error of a point is a sum over its levels, taken as the sum of two halves, which are tabulated; points with the same
// upper half stand together and are passed over where that half alone is too much in every lane. With `Flip` exactly
// one sign is wrong: the sum of one position is (value + x)^2 w instead of (value - x)^2 w, at the position where that
// costs least. The first of equal points wins, but the one that the search starts from wins over all equal ones.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf {

/// Sixteen searches, side by side.
struct grid_searches {
    alignas(64) float x[8 * 16]; // position i of search k at [i * 16 + k]
    alignas(64) float w[8 * 16];
    alignas(64) float values[8 * 16];   // of level l at [l * 16 + k]
    alignas(64) std::int32_t point[16]; // where to start, then what was found
    alignas(64) float error[16];
};

/// Sums over a quarter of the positions for all their levels: one position of eight levels or two of three.
template <class Rules, bool Flip>
struct quarter_sums {
    static constexpr int bits = Rules::positions * Rules::bits / 4;
    static constexpr std::size_t count = std::size_t{1} << bits;
    alignas(64) float plain[count * lanes];
    alignas(64) float flipped[Flip ? count * lanes : 1];

    void fill(const grid_searches& all, std::size_t l, std::size_t quarter) noexcept {
        if constexpr (Rules::positions == 4) {
            for (std::size_t k = 0; k <= Rules::top; ++k) {
                const vf value = load(all.values + k * 16 + l), x = load(all.x + quarter * 16 + l);
                const vf w = load(all.w + quarter * 16 + l), off = value - x, wrong = value + x;
                store(plain + k * lanes, w * off * off);
                if constexpr (Flip) {
                    store(flipped + k * lanes, w * wrong * wrong);
                }
            }
        } else {
            const std::size_t first = quarter * 32 + l, second = first + 16;
            for (std::size_t k2 = 0; k2 <= Rules::top; ++k2) {
                const vf off2 = load(all.values + k2 * 16 + l) - load(all.x + second), w2 = load(all.w + second);
                const vf sum2 = w2 * off2 * off2;
                for (std::size_t k1 = 0; k1 <= Rules::top; ++k1) {
                    const vf off1 = load(all.values + k1 * 16 + l) - load(all.x + first), w1 = load(all.w + first);
                    const vf sum1 = w1 * off1 * off1;
                    store(plain + (k1 + 4 * k2) * lanes, sum1 + sum2);
                    if constexpr (Flip) {
                        const vf wrong1 = load(all.values + k1 * 16 + l) + load(all.x + first);
                        const vf wrong2 = load(all.values + k2 * 16 + l) + load(all.x + second);
                        store(flipped + (k1 + 4 * k2) * lanes,
                              min(w1 * wrong1 * wrong1 + sum2, sum1 + w2 * wrong2 * wrong2));
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
void search_all_points(const detail::grid_tables& tables, grid_searches& all, std::size_t l) noexcept {
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
    vi point = load(all.point + l);
    for (std::size_t r = 0; r + 1 < tables.run_first.size(); ++r) {
        const std::size_t first = tables.run_first[r], end = tables.run_first[r + 1];
        vf plain = best, flipped = best;
        sum_half<Rules, Flip>(quarters + 2, tables.words[first] >> half_bits, plain, flipped);
        const vf bound = Flip ? min(plain + least_flipped, flipped + least_plain) : plain + least_plain;
        if (!any(best > bound)) {
            continue;
        }
        for (std::size_t k = first; k < end; ++k) {
            const std::size_t low = (tables.words[k] & (half_count - 1)) * lanes;
            vf error = plain + load(low_plain + low);
            if constexpr (Flip) {
                error = min(plain + load(low_flipped + low), flipped + load(low_plain + low));
            }
            const vm better = best > error;
            best = select(better, error, best);
            point = select(better, splat(static_cast<std::int32_t>(k)), point);
        }
    }
    store(all.error + l, best);
    store(all.point + l, point);
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf

// What a histogram needs of a run of floats, compiled once per instruction set by histogram.hpp.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE {

/// The smallest and the largest of count >= 1 values; false if one is not finite (both are then unspecified).
inline bool find_extremes(const float* x, std::size_t count, float& lo, float& hi) noexcept {
    float least = x[0], most = x[0];
    std::int32_t magnitude = 0;
    std::size_t i = 0;
    if (count >= 2 * lanes) {
        vf a = load(x), b = load(x + lanes), c = a, d = b;
        vi m = splat(0), n = m;
        TERSOR_UNROLL
        for (; i + 2 * lanes <= count; i += 2 * lanes) {
            const vf u = load(x + i), v = load(x + i + lanes);
            a = min(u, a), b = min(v, b), c = max(u, c), d = max(v, d);
            m = max(m, bits(abs(u))), n = max(n, bits(abs(v)));
        }
        magnitude = reduce_max(max(m, n));
        float least_of[lanes], most_of[lanes];
        store(least_of, min(a, b));
        store(most_of, max(c, d));
        for (std::size_t k = 0; k < lanes; ++k) {
            least = least_of[k] < least ? least_of[k] : least;
            most = most_of[k] > most ? most_of[k] : most;
        }
    }
    for (; i < count; ++i) {
        const std::int32_t pattern = std::bit_cast<std::int32_t>(x[i]) & 0x7FFFFFFF;
        magnitude = pattern > magnitude ? pattern : magnitude;
        least = x[i] < least ? x[i] : least;
        most = x[i] > most ? x[i] : most;
    }
    lo = least + 0.0f; // -0 counts as 0, so that the order of the values does not matter
    hi = most + 0.0f;
    return magnitude <= 0x7F7FFFFF;
}

/// The bins of `count` values: middle + j for x >= 0 and middle - 1 - j for x < 0, j = trunc(|x| * inverse). Returns
/// how many are zero.
inline std::size_t find_bins(const float* x, std::size_t count, float inverse, std::int32_t middle,
                             std::int32_t* bins) noexcept {
    vi zeros = splat(0);
    const vi all = splat(-1), none = splat(0), half = splat(middle);
    const vf factor = splat(inverse), zero = splat(0.0f);
    std::size_t i = 0;
    TERSOR_UNROLL
    for (; i + lanes <= count; i += lanes) {
        const vf v = load(x + i);
        const vi j = truncate(abs(v) * factor);
        store(bins + i, half + (j ^ select(zero > v, all, none)));
        zeros = increment_if(zeros, v == zero);
    }
    std::int32_t zeros_of[lanes];
    store(zeros_of, zeros);
    std::size_t sum = 0;
    for (const std::int32_t n : zeros_of) {
        sum += static_cast<std::size_t>(n);
    }
    for (; i < count; ++i) {
        const auto j = static_cast<std::int32_t>((x[i] < 0.0f ? -x[i] : x[i]) * inverse);
        bins[i] = middle + (x[i] < 0.0f ? ~j : j);
        sum += x[i] == 0.0f;
    }
    return sum;
}

/// Adds the bins of `count` values, a multiple of eight, to four tables of 16-bit counts that lie side by side, so that
/// equal neighbours do not wait for each other. Returns how many values are zero.
inline std::size_t count_bins(const float* x, std::size_t count, float inverse, std::int32_t middle,
                              std::uint16_t* __restrict tables) noexcept {
    constexpr std::size_t run = 512;
    alignas(64) std::int32_t bins[run];
    std::size_t zeros = 0;
    for (std::size_t i = 0; i < count; i += run) {
        const std::size_t size = count - i < run ? count - i : run;
        zeros += find_bins(x + i, size, inverse, middle, bins);
        for (std::size_t k = 0; k < size; k += 8) {
            // Two bins in a load.
            std::uint64_t a, b, c, d;
            __builtin_prefetch(x + i + k + 2048);
            std::memcpy(&a, bins + k, sizeof a);
            std::memcpy(&b, bins + k + 2, sizeof b);
            std::memcpy(&c, bins + k + 4, sizeof c);
            std::memcpy(&d, bins + k + 6, sizeof d);
            ++tables[4 * (a & 0xFFFFFFFFu)];
            ++tables[4 * (a >> 32) + 1];
            ++tables[4 * (b & 0xFFFFFFFFu) + 2];
            ++tables[4 * (b >> 32) + 3];
            ++tables[4 * (c & 0xFFFFFFFFu)];
            ++tables[4 * (c >> 32) + 1];
            ++tables[4 * (d & 0xFFFFFFFFu) + 2];
            ++tables[4 * (d >> 32) + 3];
        }
    }
    return zeros;
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE

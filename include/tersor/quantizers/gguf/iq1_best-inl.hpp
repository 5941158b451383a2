// The thorough search of IQ1_S and IQ1_M; compiled once per instruction set.
//
// As grid_best-inl.hpp: given the stored d every group is solved exactly for up to all eight scales, later for fewer
// around the one that its last solution asks for, and both shifts, with the point of least weighted squared error among
// all for each vector; d starts from the reference and moves to where the sum of the groups' parabolas, each at its
// best scale, is least. What is kept is the least error of decoded values, summed in double: never more than that of
// the reference.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf {

/// A super-block to be solved, times powers of two, and the points and sums of the last solution.
struct iq1_problem {
    alignas(64) float x[detail::grid_block];
    alignas(64) float w[detail::grid_block];
    std::uint16_t points[32];
    float a[16], b[16]; // of each group: sum w x p, sum w p p
    // Of the windows: their first scales; errors and runs of points of up to eight scales shifted up, then down.
    int first[16];
    alignas(64) float errors[32][16];
    std::int8_t runs[32][16]; // -1: the point of the last solution
};

/// Takes the points of some codes as the last solution.
template <class Rules>
inline void take_iq1_codes(const detail::grid_tables& tables, const detail::iq1_codes& codes,
                           iq1_problem& problem) noexcept {
    for (std::size_t g = 0; g < detail::grid_block / Rules::group; ++g) {
        problem.a[g] = problem.b[g] = 0.0f;
    }
    for (std::size_t v = 0; v < 32; ++v) {
        const std::uint32_t word = tables.words[codes.points[v]];
        const std::size_t g = v * 8 / Rules::group;
        problem.points[v] = codes.points[v];
        for (std::size_t i = 0; i < 8; ++i) {
            const float p = iq1_levels[codes.minus[v] ? 1 : 0][word >> (2 * i) & 3];
            problem.a[g] += problem.w[8 * v + i] * p * problem.x[8 * v + i];
            problem.b[g] += problem.w[8 * v + i] * p * p;
        }
    }
}

/// Searches `width` scales and both shifts for all vectors, 8 / width vectors at a time.
template <class Rules>
inline void search_iq1_points(const detail::grid_tables& tables, float d, std::size_t width,
                              iq1_problem& problem) noexcept {
    detail::grid_searches all;
    for (std::size_t n = 0; n < 32; n += 8 / width) {
        for (std::size_t k = 0; k < 16; ++k) {
            const std::size_t v = n + k / (2 * width), shift = k / width % 2;
            const std::size_t s = static_cast<std::size_t>(problem.first[v * 8 / Rules::group]) + k % width;
            const float factor = d * static_cast<float>(2 * s + 1);
            for (std::size_t level = 0; level < 3; ++level) {
                all.values[level * 16 + k] = factor * iq1_levels[shift][level];
            }
            for (std::size_t i = 0; i < 8; ++i) {
                all.x[i * 16 + k] = problem.x[8 * v + i];
                all.w[i * 16 + k] = problem.w[8 * v + i];
            }
            all.point[k] = problem.points[v];
        }
        search_all_points<Rules, false>(tables, all);
        for (std::size_t k = 0; k < 16; ++k) {
            const std::size_t v = n + k / (2 * width), at = k / width % 2 * 8 + k % width;
            problem.errors[v][at] = all.error[k];
            problem.runs[v][at] = static_cast<std::int8_t>(all.run[k]);
        }
    }
}

/// The best scales, shifts and points under d.
template <class Rules>
inline void solve_iq1_groups(const detail::grid_tables& tables, float d, std::size_t width, iq1_problem& problem,
                             detail::iq1_codes& codes) noexcept {
    constexpr std::size_t vectors = Rules::group / 8;
    const int below = static_cast<int>(width) / 2 - 1, last = 8 - static_cast<int>(width);
    for (std::size_t g = 0; g < detail::grid_block / Rules::group; ++g) {
        const float wanted = problem.b[g] > 0.0f ? problem.a[g] / problem.b[g] / (2.0f * d) - 0.5f : 0.0f;
        problem.first[g] =
            clamp_one(static_cast<int>(wanted > 0.0f ? (wanted < 7.0f ? wanted : 7.0f) : 0.0f) - below, last);
    }
    search_iq1_points<Rules>(tables, d, width, problem);
    for (std::size_t g = 0; g < detail::grid_block / Rules::group; ++g) {
        std::size_t best = 0;
        float least = 3.402823466e38f;
        for (std::size_t k = 0; k < (Rules::has_own_shifts ? 8 : 16); ++k) {
            if (k % 8 >= width) {
                continue;
            }
            float sum = 0.0f;
            for (std::size_t v = g * vectors; v < (g + 1) * vectors; ++v) {
                const float up = problem.errors[v][k], down = problem.errors[v][k % 8 + 8];
                sum += Rules::has_own_shifts && up > down ? down : up;
            }
            if (sum < least) {
                least = sum;
                best = k;
            }
        }
        codes.scales[g] = static_cast<std::uint8_t>(static_cast<std::size_t>(problem.first[g]) + best % 8);
        for (std::size_t v = g * vectors; v < (g + 1) * vectors; ++v) {
            const std::size_t down = best % 8 + 8;
            const bool minus = Rules::has_own_shifts ? problem.errors[v][best] > problem.errors[v][down] : best >= 8;
            codes.minus[v] = minus;
            const std::int8_t run = problem.runs[v][minus ? down : best % 8];
            float values[3];
            for (std::size_t level = 0; level < 3; ++level) {
                values[level] = d * static_cast<float>(2 * codes.scales[g] + 1) * iq1_levels[minus ? 1 : 0][level];
            }
            codes.points[v] = run < 0 ? problem.points[v]
                                      : find_point<Rules, false>(tables, static_cast<std::size_t>(run),
                                                                 problem.x + 8 * v, problem.w + 8 * v, values);
        }
    }
    take_iq1_codes<Rules>(tables, codes, problem);
}

/// One super-block, from the codes of the reference on; w holds 256 weights.
template <class Rules>
void improve_iq1_codes(const detail::grid_tables& tables, const float* x, const float* w,
                       detail::iq1_codes& codes) noexcept {
    constexpr int rounds = 3;
    const float largest = largest_magnitude(x);
    double least = error_of_codes<Rules>(codes, x, w);
    // No level is zero: what is far below the smallest d is best not stored at all.
    if (!(largest >= 0x1p-28f)) {
        const detail::iq1_codes nothing;
        if (error_of_codes<Rules>(nothing, x, w) < least) {
            codes = nothing;
        }
        return;
    }
    const power_of_two of_x(largest), of_w(largest_magnitude(w));
    iq1_problem problem;
    for (std::size_t i = 0; i < detail::grid_block; ++i) {
        problem.x[i] = x[i] * of_x.down;
        problem.w[i] = w[i] * of_w.down;
    }
    take_iq1_codes<Rules>(tables, codes, problem);
    const float given = fp16::decode(codes.d);
    float d = given > 0.0f && given <= 65504.0f ? given * of_x.down : largest * of_x.down / 15.0f;
    std::uint16_t tried[rounds];
    for (int round = 0; round < rounds; ++round) {
        tried[round] = store_step(d * of_x.up);
        for (int earlier = 0; earlier < round; ++earlier) {
            if (tried[earlier] == tried[round]) {
                return;
            }
        }
        detail::iq1_codes candidate;
        candidate.d = tried[round];
        d = fp16::decode(candidate.d) * of_x.down;
        solve_iq1_groups<Rules>(tables, d, Rules::widths[round], problem, candidate);
        const double error = error_of_codes<Rules>(candidate, x, w);
        if (error < least) {
            least = error;
            codes = candidate;
        }
        d = fit_step(problem.a, problem.b, detail::grid_block / Rules::group, 2.0f, 7, d);
    }
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf

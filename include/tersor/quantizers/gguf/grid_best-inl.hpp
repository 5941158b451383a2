// The thorough search of the grid types with signs; compiled once per instruction set.
//
// Given the stored d, the groups are independent, and each is solved exactly within a window of eight, later four, of
// its sixteen scales around the one that its last solution asks for: for every scale and vector the point of least
// weighted squared error among all, signs with an even number of negative ones included. d starts from the reference
// and moves to where the sum of the groups' parabolas, each at its best stored scale, is least; every d is tried as the
// half that is stored. What is kept is the least error of decoded values, summed in double: never more than that of the
// reference.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf {

/// A super-block to be solved: its magnitudes and weights times powers of two.
template <class Rules>
struct grid_problem {
    static constexpr std::size_t groups = detail::grid_block / Rules::group;
    static constexpr std::size_t vectors = detail::grid_block / Rules::positions;
    static constexpr std::size_t window = 8; // how many scales may be tried
    alignas(64) float x[detail::grid_block];
    alignas(64) float w[detail::grid_block];
    std::uint8_t signs[32]; // of the values, eight each
    // Of the last solution: its points and, for each group, sum w x g and sum w g g over the grid's values g.
    std::uint16_t points[vectors];
    float a[groups], b[groups];
    // Of the windows: their first scales; errors and runs of points without and with a wrong sign.
    int first[groups];
    alignas(64) float errors[2][vectors][window];
    std::int8_t runs[2][vectors][window]; // -1: the point of the last solution

    [[nodiscard]] bool is_odd(std::size_t eight) const noexcept {
        return Rules::has_parity && (std::popcount(unsigned{signs[eight]}) & 1) != 0;
    }
    [[nodiscard]] std::size_t group_of(std::size_t v) const noexcept { return v * Rules::positions / Rules::group; }
};

/// d * (0.5 + s) * unit
template <class Rules>
inline float scale_factor(float d, int s) noexcept {
    return d * (0.5f + static_cast<float>(s)) * Rules::unit;
}

/// Searches the windows of the listed vectors, `width` scales each, sixteen / width vectors at a time.
template <class Rules, bool Flip>
inline void search_windows(const detail::grid_tables& tables, float d, std::size_t width, const std::uint8_t* list,
                           std::size_t count, grid_problem<Rules>& problem) noexcept {
    detail::grid_searches all;
    for (std::size_t n = 0; n < count; n += 16 / width) {
        for (std::size_t at = 0; at < 16; at += width) {
            const std::size_t v = list[n + at / width < count ? n + at / width : n];
            const int first = problem.first[problem.group_of(v)];
            for (std::size_t k = at; k < at + width; ++k) {
                const float factor = scale_factor<Rules>(d, first + static_cast<int>(k - at));
                for (std::size_t level = 0; level <= Rules::top; ++level) {
                    all.values[level * 16 + k] = factor * static_cast<float>(Rules::values[level]);
                }
                for (std::size_t i = 0; i < Rules::positions; ++i) {
                    all.x[i * 16 + k] = problem.x[v * Rules::positions + i];
                    all.w[i * 16 + k] = problem.w[v * Rules::positions + i];
                }
                all.point[k] = problem.points[v];
            }
        }
        search_all_points<Rules, Flip>(tables, all);
        for (std::size_t k = 0; k < 16 && n + k / width < count; ++k) {
            const std::size_t v = list[n + k / width];
            problem.errors[Flip][v][k % width] = all.error[k];
            problem.runs[Flip][v][k % width] = static_cast<std::int8_t>(all.run[k]);
        }
    }
}

/// Which of the vectors of eight values has the wrong sign at place k of the window: 0 or 1 (of two vectors), and the
/// error of all of them.
template <class Rules>
inline std::size_t place_wrong_sign(const grid_problem<Rules>& problem, std::size_t eight, std::size_t k,
                                    float& error) noexcept {
    const bool odd = problem.is_odd(eight);
    if constexpr (Rules::positions == 8) {
        error = problem.errors[odd ? 1 : 0][eight][k];
        return 0;
    } else {
        const std::size_t v = 2 * eight;
        const float plain0 = problem.errors[0][v][k], plain1 = problem.errors[0][v + 1][k];
        error = plain0 + plain1;
        if (!odd) {
            return 0;
        }
        const float in_first = problem.errors[1][v][k] + plain1, in_second = plain0 + problem.errors[1][v + 1][k];
        error = in_first > in_second ? in_second : in_first;
        return in_first > in_second ? 1 : 0;
    }
}

/// Sums of a vector with a point for the fit of d; with a wrong sign at the place where that costs least, which is
/// told.
template <class Rules>
inline void take_point(const detail::grid_tables& tables, grid_problem<Rules>& problem, std::size_t v,
                       std::uint16_t point, bool wrong, detail::grid_codes& codes) noexcept {
    const std::size_t at = v * Rules::positions, g = problem.group_of(v);
    const std::uint32_t word = tables.words[point];
    float values[Rules::positions], cheapest_cost = 0.0f;
    std::size_t cheapest = 0;
    for (std::size_t i = 0; i < Rules::positions; ++i) {
        values[i] = static_cast<float>(Rules::values[word >> (Rules::bits * i) & ((1u << Rules::bits) - 1)]);
        const float cost = problem.w[at + i] * problem.x[at + i] * values[i];
        if (i == 0 || cost < cheapest_cost) {
            cheapest = i;
            cheapest_cost = cost;
        }
    }
    for (std::size_t i = 0; i < Rules::positions; ++i) {
        const float weighted = problem.w[at + i] * values[i];
        problem.a[g] += weighted * (wrong && i == cheapest ? -problem.x[at + i] : problem.x[at + i]);
        problem.b[g] += weighted * values[i];
    }
    problem.points[v] = point;
    codes.points[v] = point;
    if (wrong) {
        const std::size_t place = at + cheapest;
        codes.signs[place / 8] = static_cast<std::uint8_t>(codes.signs[place / 8] ^ 1u << (place % 8));
    }
}

/// The point that was found for a vector at place k of its window, where the levels have these values.
template <class Rules>
inline std::uint16_t point_of_window(const detail::grid_tables& tables, const grid_problem<Rules>& problem,
                                     std::size_t v, bool wrong, std::size_t k, const float* values) noexcept {
    const std::int8_t run = problem.runs[wrong ? 1 : 0][v][k];
    if (run < 0) {
        return problem.points[v];
    }
    const float *const x = problem.x + v * Rules::positions, *const w = problem.w + v * Rules::positions;
    return wrong ? find_point<Rules, true>(tables, static_cast<std::size_t>(run), x, w, values)
                 : find_point<Rules, false>(tables, static_cast<std::size_t>(run), x, w, values);
}

/// The best scales, points and signs under d; `width` scales are tried for each group.
template <class Rules>
inline void solve_groups(const detail::grid_tables& tables, float d, std::size_t width, grid_problem<Rules>& problem,
                         detail::grid_codes& codes) noexcept {
    using sizes = grid_problem<Rules>;
    constexpr std::size_t eights = Rules::group / 8;
    const int below = static_cast<int>(width) / 2 - 1, last = 16 - static_cast<int>(width);
    for (std::size_t g = 0; g < sizes::groups; ++g) {
        const float wanted = problem.b[g] > 0.0f ? problem.a[g] / problem.b[g] / (d * Rules::unit) - 0.5f : 0.0f;
        problem.first[g] = clamp_one(static_cast<int>(wanted < 15.0f ? wanted : 15.0f) - below, last);
    }
    std::uint8_t plain[sizes::vectors], odd[sizes::vectors];
    std::size_t plain_count = 0, odd_count = 0;
    for (std::size_t v = 0; v < sizes::vectors; ++v) {
        const bool is_odd = problem.is_odd(v * Rules::positions / 8);
        if (is_odd) {
            odd[odd_count++] = static_cast<std::uint8_t>(v);
        }
        if (!is_odd || Rules::positions == 4) {
            plain[plain_count++] = static_cast<std::uint8_t>(v);
        }
    }
    search_windows<Rules, false>(tables, d, width, plain, plain_count, problem);
    if constexpr (Rules::has_parity) {
        search_windows<Rules, true>(tables, d, width, odd, odd_count, problem);
    }
    for (std::size_t g = 0; g < sizes::groups; ++g) {
        std::size_t best = 0;
        float least = 0.0f;
        for (std::size_t k = 0; k < width; ++k) {
            float sum = 0.0f;
            for (std::size_t e = g * eights; e < (g + 1) * eights; ++e) {
                float error = 0.0f;
                place_wrong_sign<Rules>(problem, e, k, error);
                sum += error;
            }
            if (k == 0 || sum < least) {
                least = sum;
                best = k;
            }
        }
        codes.scales[g] = static_cast<std::uint8_t>(problem.first[g] + static_cast<int>(best));
        problem.a[g] = problem.b[g] = 0.0f;
        float values[8];
        for (std::size_t level = 0; level <= Rules::top; ++level) {
            values[level] = scale_factor<Rules>(d, codes.scales[g]) * static_cast<float>(Rules::values[level]);
        }
        for (std::size_t e = g * eights; e < (g + 1) * eights; ++e) {
            constexpr std::size_t each = 8 / Rules::positions;
            float error = 0.0f;
            const std::size_t wrong = place_wrong_sign<Rules>(problem, e, best, error);
            codes.signs[e] = problem.signs[e];
            for (std::size_t k = 0; k < each; ++k) {
                const bool is_wrong = problem.is_odd(e) && k == wrong;
                const std::size_t v = e * each + k;
                const std::uint16_t point = point_of_window<Rules>(tables, problem, v, is_wrong, best, values);
                take_point<Rules>(tables, problem, v, point, is_wrong, codes);
            }
            codes.signs[e] = static_cast<std::uint8_t>(codes.signs[e] & (Rules::has_parity ? 127 : 255));
        }
    }
}

/// Takes over the points of given codes as the last solution.
template <class Rules>
inline void start_from(const detail::grid_tables& tables, const detail::grid_codes& codes,
                       grid_problem<Rules>& problem) noexcept {
    detail::grid_codes ignored;
    for (std::size_t g = 0; g < grid_problem<Rules>::groups; ++g) {
        problem.a[g] = problem.b[g] = 0.0f;
    }
    for (std::size_t v = 0; v < grid_problem<Rules>::vectors; ++v) {
        take_point<Rules>(tables, problem, v, codes.points[v], false, ignored);
    }
}

/// One super-block, from the codes of the reference on; w holds 256 weights.
template <class Rules>
void improve_grid_codes(const detail::grid_tables& tables, const float* x, const float* w,
                        detail::grid_codes& codes) noexcept {
    constexpr int rounds = 3;
    const float largest = largest_magnitude(x), largest_weight = largest_magnitude(w);
    double least = error_of_codes<Rules>(codes, x, w);
    // No level is zero: what is far below the smallest d is best not stored at all.
    if (!(largest >= 0x1p-26f)) {
        const detail::grid_codes nothing;
        if (error_of_codes<Rules>(nothing, x, w) < least) {
            codes = nothing;
        }
        return;
    }
    const power_of_two of_x(largest), of_w(largest_weight);
    grid_problem<Rules> problem;
    for (std::size_t i = 0; i < detail::grid_block; ++i) {
        problem.x[i] = (x[i] < 0.0f ? -x[i] : x[i]) * of_x.down;
        problem.w[i] = w[i] * of_w.down;
    }
    for (std::size_t k = 0; k < 32; ++k) {
        unsigned negative = 0;
        for (unsigned i = 0; i < 8; ++i) {
            negative |= (x[8 * k + i] < 0.0f ? 1u : 0u) << i;
        }
        problem.signs[k] = static_cast<std::uint8_t>(negative);
    }
    start_from<Rules>(tables, codes, problem);
    const float given = fp16::decode(codes.d);
    float d = given > 0.0f && given <= 65504.0f
                  ? given * of_x.down
                  : largest * of_x.down / (15.5f * Rules::unit * Rules::values[Rules::top]);
    std::uint16_t tried[rounds];
    for (int round = 0; round < rounds; ++round) {
        tried[round] = store_step(d * of_x.up);
        for (int earlier = 0; earlier < round; ++earlier) {
            if (tried[earlier] == tried[round]) {
                return;
            }
        }
        detail::grid_codes candidate;
        candidate.d = tried[round];
        d = fp16::decode(candidate.d) * of_x.down;
        solve_groups<Rules>(tables, d, round == 0 ? 8 : 4, problem, candidate);
        const double error = error_of_codes<Rules>(candidate, x, w);
        if (error < least) {
            least = error;
            codes = candidate;
        }
        d = fit_step(problem.a, problem.b, grid_problem<Rules>::groups, Rules::unit, 15, d);
    }
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf

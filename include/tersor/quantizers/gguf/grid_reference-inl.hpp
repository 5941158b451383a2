// The reference search of the grid types with signs; compiled once per instruction set. Lanes hold trials of a scale.
//
// Magnitudes x and weights w of a group, p = 2 level + 1, P = 2 top + 1 the largest p. For t = -T..T:
// id = (P + step t) / max, level = clamp(rn(0.5 (id x - 1)), 0, top), vectors off the grid replaced by the neighbour
// that is best with scale 1 / id; A = sum w x p, B = sum w p p; taken if A A > best B: scale = A / B, best = scale A.
// Then the vectors that grid_redo names are chosen once more with that scale and the scale is fitted to them. Weights
// are importance * sqrt(sigma2 + x^2), else as grid_weights says; the choice of a neighbour uses their square roots.
// Scales: D = largest / 31, s = clamp(rn(0.5 (scale / D - 1)), 0, 15), d = half(D * fudge).
// One rounding per operation, sums in order. Source: ggml v0.21.0, as described in its golden data.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf {

/// p of the levels, as choose_neighbour wants them.
template <int Bits>
inline constexpr float grid_levels[16] = {};
template <>
inline constexpr float grid_levels<2>[16] = {1, 3, 5, 7, 1, 3, 5, 7, 1, 3, 5, 7, 1, 3, 5, 7};
template <>
inline constexpr float grid_levels<3>[16] = {1, 3, 5, 7, 9, 11, 13, 15, 1, 3, 5, 7, 9, 11, 13, 15};

/// rn(v) of one number, as round_by_sum.
inline std::int32_t round_one(float v) noexcept {
    const float sum = v + 12582912.0f;
    std::int32_t pattern;
    std::memcpy(&pattern, &sum, sizeof pattern);
    return (pattern & 0x007FFFFF) - 0x00400000;
}

inline std::int32_t clamp_one(std::int32_t v, std::int32_t high) noexcept {
    return v < 0 ? 0 : v > high ? high : v;
}

/// The vector of levels nearest to x[0..positions) times id, and if it is off the grid its best neighbour.
template <class Rules>
inline std::uint16_t choose_point(const detail::grid_tables& tables, const float* x, const float* root, float id,
                                  float scale) noexcept {
    std::uint32_t word = 0;
    for (int i = 0; i < Rules::positions; ++i) {
        const std::int32_t level = clamp_one(round_one(0.5f * (id * x[i] - 1.0f)), Rules::top);
        word |= static_cast<std::uint32_t>(level) << (Rules::bits * i);
    }
    const std::uint32_t cell = tables.cells[word];
    if ((cell & detail::grid_tables::off_grid) == 0) {
        return static_cast<std::uint16_t>(word);
    }
    return choose_neighbour<Rules::positions, Rules::bits>(tables.lists.data() + (cell >> 10 & 0x1FFFFF) * 16,
                                                           cell & 0x3FF, x, root, scale, grid_levels<Rules::bits>);
}

/// A group's magnitudes, weights and their square roots, and what is found for it.
struct grid_group {
    alignas(64) float x[32];
    alignas(64) float w[32];
    alignas(64) float root[32];
    float scale;
    std::uint16_t words[8];
};

/// Packs the levels of positions I and up of one vector for `lanes` trials.
template <class Rules, int I = 0>
inline vi pack_levels(const float* x, vf id, vi word) noexcept {
    if constexpr (I == Rules::positions) {
        return word;
    } else {
        const vi rounded = round_by_sum(splat(0.5f) * (id * splat(x[I]) - splat(1.0f)));
        const vi level = max(splat(0), min(splat(static_cast<std::int32_t>(Rules::top)), rounded));
        return pack_levels<Rules, I + 1>(x, id, word | shl<Rules::bits * I>(level));
    }
}

/// Adds the terms of positions I and up of one vector to A and B.
template <class Rules, int I = 0>
inline void add_products(const float* x, const float* w, vi word, vf& a, vf& b) noexcept {
    if constexpr (I < Rules::positions) {
        const vi level = shr<Rules::bits * I>(word) & splat((1 << Rules::bits) - 1);
        const vf p = convert(level + level + splat(1));
        a = a + splat(w[I] * x[I]) * p;
        b = b + splat(w[I]) * p * p;
        add_products<Rules, I + 1>(x, w, word, a, b);
    }
}

/// Fits the scale to the words of the group if that is possible.
template <class Rules>
inline void refit_scale(grid_group& group) noexcept {
    float a = 0.0f, b = 0.0f;
    for (std::size_t i = 0; i < Rules::group; ++i) {
        const std::size_t v = i / Rules::positions, at = i % Rules::positions;
        const unsigned level = (group.words[v] >> (Rules::bits * at)) & ((1u << Rules::bits) - 1);
        const float p = static_cast<float>(2 * level + 1);
        a += group.w[i] * group.x[i] * p;
        b += group.w[i] * p * p;
    }
    if (b > 0.0f) {
        group.scale = a / b;
    }
}

/// The search of one group; `most` is the largest magnitude, or what stands for it after the search for a start.
template <class Rules>
inline void search_group(const detail::grid_tables& tables, float most, grid_group& group) noexcept {
    constexpr std::size_t count = 2 * Rules::trials + 1, room = (count + 15) / 16 * 16;
    constexpr std::size_t vectors = Rules::group / Rules::positions;
    alignas(64) float ids[room], scales[room], a[room], b[room];
    alignas(64) std::int32_t words[vectors][room];
    std::uint32_t is_off[room] = {};
    for (std::size_t t = 0; t < room; ++t) {
        const float shift = static_cast<float>(static_cast<int>(t) - Rules::trials) * Rules::step;
        ids[t] = (static_cast<float>(2 * Rules::top + 1) + shift) / most;
        scales[t] = 1.0f / ids[t];
    }
    for (std::size_t t = 0; t < count; t += lanes) {
        for (std::size_t v = 0; v < vectors; ++v) {
            store(words[v] + t, pack_levels<Rules>(group.x + v * Rules::positions, load(ids + t), splat(0)));
        }
    }
    for (std::size_t v = 0; v < vectors; ++v) {
        for (std::size_t t = 0; t < count; ++t) {
            const std::uint32_t cell = tables.cells[static_cast<std::size_t>(words[v][t])];
            if ((cell & detail::grid_tables::off_grid) != 0) {
                is_off[t] |= 1u << v;
                words[v][t] = choose_neighbour<Rules::positions, Rules::bits>(
                    tables.lists.data() + (cell >> 10 & 0x1FFFFF) * 16, cell & 0x3FF, group.x + v * Rules::positions,
                    group.root + v * Rules::positions, scales[t], grid_levels<Rules::bits>);
            }
        }
    }
    for (std::size_t t = 0; t < count; t += lanes) {
        vf sum_a = splat(0.0f), sum_b = splat(0.0f);
        for (std::size_t v = 0; v < vectors; ++v) {
            const std::size_t at = v * Rules::positions;
            add_products<Rules>(group.x + at, group.w + at, load(words[v] + t), sum_a, sum_b);
        }
        store(a + t, sum_a);
        store(b + t, sum_b);
    }
    // Without any trial taken the levels are all 0.
    float best = 0.0f;
    std::size_t winner = room;
    for (std::size_t t = 0; t < count; ++t) {
        if (b[t] > 0.0f && a[t] * a[t] > best * b[t]) {
            group.scale = a[t] / b[t];
            best = group.scale * a[t];
            winner = t;
        }
    }
    for (std::size_t v = 0; v < vectors; ++v) {
        group.words[v] = winner < room ? static_cast<std::uint16_t>(words[v][winner]) : std::uint16_t{0};
    }
    std::uint32_t redo = winner < room ? is_off[winner] : Rules::redo == detail::grid_redo::all_if_off_grid ? 1 : 0;
    if (Rules::redo == detail::grid_redo::all || (Rules::redo == detail::grid_redo::all_if_off_grid && redo != 0)) {
        redo = ~0u;
    }
    if (redo != 0 && group.scale > 0.0f) {
        const float id = 1.0f / group.scale;
        for (std::size_t v = 0; v < vectors; ++v) {
            if ((redo >> v & 1) != 0) {
                const std::size_t at = v * Rules::positions;
                group.words[v] = choose_point<Rules>(tables, group.x + at, group.root + at, id, group.scale);
            }
        }
        refit_scale<Rules>(group);
    }
}

/// Magnitudes and weights of a group, and its signs, a byte for eight values.
template <class Rules>
inline void prepare_group(const float* x, const float* importance, float sigma2, grid_group& group,
                          std::uint8_t* signs) noexcept {
    for (std::size_t i = 0; i < Rules::group; i += lanes) {
        const vf value = load(x + i);
        vf w = value * value;
        if (importance != nullptr) {
            w = load(importance + i) * sqrt(splat(sigma2) + w);
        } else if (Rules::weights == detail::grid_weights::shifted_squares) {
            w = splat(0.25f * sigma2) + w;
        }
        store(group.x + i, select(splat(0.0f) > value, splat(0.0f) - value, value));
        store(group.w + i, w);
        store(group.root + i, sqrt(w));
    }
    for (std::size_t k = 0; k < Rules::group / 8; ++k) {
        unsigned negative = 0;
        for (unsigned i = 0; i < 8; ++i) {
            negative |= (x[8 * k + i] < 0.0f ? 1u : 0u) << i;
        }
        if (Rules::has_parity && (std::popcount(negative) & 1) != 0) {
            std::size_t cheapest = 8 * k;
            float least = group.w[cheapest] * x[cheapest] * x[cheapest];
            for (std::size_t i = 8 * k + 1; i < 8 * k + 8; ++i) {
                const float cost = group.w[i] * x[i] * x[i];
                if (cost < least) {
                    least = cost;
                    cheapest = i;
                }
            }
            group.x[cheapest] = -group.x[cheapest];
            negative ^= 1u << (cheapest - 8 * k);
        }
        signs[k] = static_cast<std::uint8_t>(Rules::has_parity ? negative & 127 : negative);
    }
}

/// What the levels of a group are searched around: the largest magnitude, or three times the scale of the positive
/// search; for up to eight groups at a time.
template <class Rules>
inline void find_starts(const grid_group* groups, float* most) noexcept {
    constexpr std::size_t count = detail::grid_block / Rules::group;
    if constexpr (Rules::has_start_search) {
        float x[32 * panel_width] = {}, w[32 * panel_width] = {}, levels[32 * panel_width], scales[panel_width];
        for (std::size_t g = 0; g < count; ++g) {
            for (std::size_t i = 0; i < Rules::group; ++i) {
                x[i * panel_width + g] = groups[g].x[i];
                w[i * panel_width + g] = groups[g].w[i];
            }
        }
        for (std::size_t l = 0; l < count; l += lanes) {
            store(scales + l, search_start(x + l, w + l, Rules::group, Rules::top + 2, levels + l));
        }
        for (std::size_t g = 0; g < count; ++g) {
            most[g] = most[g] < Rules::least ? 0.0f : scales[g] * static_cast<float>(Rules::top + 1);
        }
    }
}

/// One super-block by the rules of the reference; importance is null or 256 weights. `as_ggml`: with what its bytes have
/// and the rules do not ask for. IQ3_S stores signs and low bits of points of the groups behind a zero group one group too
/// early, the ninth bits in place; types with a sign for each value keep points and signs where no scale is positive.
template <class Rules>
void encode_grid_reference(const detail::grid_tables& tables, const float* x, const float* importance, bool as_ggml,
                           detail::grid_codes& codes) noexcept {
    const bool misplace = as_ggml && Rules::misplaces;
    constexpr std::size_t count = detail::grid_block / Rules::group, vectors = Rules::group / Rules::positions;
    float squares = 0.0f;
    for (std::size_t i = 0; i < detail::grid_block; ++i) {
        squares += x[i] * x[i];
    }
    const float sigma2 = Rules::sigma_factor * squares / 256.0f;
    grid_group groups[count];
    std::uint8_t signs[32];
    float most[count];
    for (std::size_t g = 0; g < count; ++g) {
        const std::size_t at = g * Rules::group;
        prepare_group<Rules>(x + at, importance == nullptr ? nullptr : importance + at, sigma2, groups[g],
                             signs + at / 8);
        most[g] = groups[g].x[0];
        for (std::size_t i = 1; i < Rules::group; ++i) {
            most[g] = most[g] > groups[g].x[i] ? most[g] : groups[g].x[i];
        }
    }
    find_starts<Rules>(groups, most);
    float largest = 0.0f;
    std::size_t zero_groups = 0;
    for (std::size_t g = 0; g < count; ++g) {
        grid_group& group = groups[g];
        const bool nothing =
            Rules::has_start_search || Rules::least == 0.0f ? !(most[g] > 0.0f) : most[g] < Rules::least;
        if (nothing) {
            group.scale = 0.0f;
            zero_groups += misplace ? 1 : 0;
            continue;
        }
        group.scale = Rules::has_start_search ? most[g] / static_cast<float>(Rules::top + 1)
                                              : most[g] / static_cast<float>(2 * Rules::top + 1);
        search_group<Rules>(tables, most[g], group);
        const bool inverted = group.scale < 0.0f;
        group.scale = inverted ? -group.scale : group.scale;
        const std::size_t to = g - zero_groups;
        for (std::size_t v = 0; v < vectors; ++v) {
            const std::uint32_t point = tables.cells[group.words[v]], low = misplace ? point & 255 : point;
            codes.points[to * vectors + v] = static_cast<std::uint16_t>(codes.points[to * vectors + v] | low);
            codes.points[g * vectors + v] = static_cast<std::uint16_t>(codes.points[g * vectors + v] | (point - low));
        }
        for (std::size_t k = 0; k < Rules::group / 8; ++k) {
            const unsigned bits =
                inverted ? ~unsigned{signs[g * Rules::group / 8 + k]} : signs[g * Rules::group / 8 + k];
            codes.signs[to * Rules::group / 8 + k] = static_cast<std::uint8_t>(bits & (Rules::has_parity ? 127 : 255));
        }
        largest = largest > group.scale ? largest : group.scale;
    }
    if (!(largest > 0.0f)) {
        if (!as_ggml || Rules::has_parity) {
            codes = {};
        }
        return;
    }
    const float d = largest / 31.0f, id = 1.0f / d;
    codes.d = fp16::encode(d * Rules::fudge);
    for (std::size_t g = 0; g < count; ++g) {
        codes.scales[g] = static_cast<std::uint8_t>(clamp_one(round_one(0.5f * (id * groups[g].scale - 1.0f)), 15));
    }
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf

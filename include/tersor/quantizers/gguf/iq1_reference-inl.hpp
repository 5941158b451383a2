// The reference search of IQ1_S and IQ1_M; compiled once per instruction set.
//
// Weights importance * sqrt(sigma2 + x^2) with sigma2 twice the mean square of the super-block, else x^2. A group's
// levels come from the exact split (iq1_split-inl.hpp); a negative scale mirrors levels and shifts. Vectors off the
// grid take the neighbour of least sum w (scale p - x)^2; if there was any, A = sum (w p) x and B = sum (w p) p fit the
// scale again where both are positive. D = largest / 15, s = clamp(rn(0.5 (scale / D - 1)), 0, 7). IQ1_S: d = half(D
// * 1.125). IQ1_M: d = half(sum (w q) x / sum (w q) q * 1.1125) over all values, q = p (2 s + 1). One rounding per
// operation, sums in order. Source: ggml v0.21.0, as described in its golden data.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf {

/// p of the levels, shifted up and down, as choose_neighbour wants them.
inline constexpr float iq1_levels[2][16] = {
    {-0.875f, 0.125f, 1.125f, 0, -0.875f, 0.125f, 1.125f, 0, -0.875f, 0.125f, 1.125f, 0, -0.875f, 0.125f, 1.125f, 0},
    {-1.125f, -0.125f, 0.875f, 0, -1.125f, -0.125f, 0.875f, 0, -1.125f, -0.125f, 0.875f, 0, -1.125f, -0.125f, 0.875f,
     0}};

/// Sorts the groups of a super-block into a panel; panel.scale becomes the largest magnitude of each.
template <class Rules>
inline void fill_sorted(const float* x, const float* w, iq1_panel& panel, std::uint8_t (*orders)[32]) noexcept {
    constexpr std::size_t count = detail::grid_block / Rules::group;
    for (std::size_t g = 0; g < panel_width; ++g) {
        panel.scale[g] = 0.0f;
        if (g >= count) {
            for (std::size_t j = 0; j < Rules::group; ++j) {
                panel.x[j * panel_width + g] = panel.w[j * panel_width + g] = 0.0f;
            }
            continue;
        }
        const float* const values = x + g * Rules::group;
        sort_places(values, Rules::group, orders[g]);
        for (std::size_t j = 0; j < Rules::group; ++j) {
            const std::size_t i = orders[g][j];
            panel.x[j * panel_width + g] = values[i];
            panel.w[j * panel_width + g] = w[g * Rules::group + i];
            panel.is_first[j * panel_width + g] = i < Rules::group / 2 ? 1 : 0;
            const float magnitude = values[i] < 0.0f ? -values[i] : values[i];
            panel.scale[g] = magnitude > panel.scale[g] ? magnitude : panel.scale[g];
        }
    }
}

/// The points of one group from its split; returns its scale.
template <class Rules>
inline float choose_iq1_points(const detail::grid_tables& tables, const float* x, const float* w, float scale,
                               std::int32_t split, const std::uint8_t* order, std::uint16_t* points,
                               bool* minus) noexcept {
    constexpr std::size_t vectors = Rules::group / 8;
    const auto i1 = static_cast<std::size_t>(split >> 8), i2 = static_cast<std::size_t>(split >> 2 & 63);
    const bool mirrored = scale < 0.0f;
    int shifts = split & 3; // bit 1: the first half is shifted down, bit 0: the second
    std::uint32_t words[vectors] = {};
    for (std::size_t j = 0; j < Rules::group; ++j) {
        const std::uint32_t level = j < i1 ? 0 : j < i2 ? 1 : 2;
        words[order[j] / 8] |= (mirrored ? 2 - level : level) << (2 * (order[j] % 8));
    }
    if (mirrored) {
        scale = -scale;
        shifts ^= 3;
    }
    bool is_off = false;
    for (std::size_t v = 0; v < vectors; ++v) {
        minus[v] = (v < vectors / 2 ? shifts >> 1 : shifts & 1) != 0;
        std::uint32_t cell = tables.cells[words[v]];
        if ((cell & detail::grid_tables::off_grid) != 0) {
            is_off = true;
            words[v] = choose_neighbour<8, 2>(tables.lists.data() + (cell >> 10 & 0x1FFFFF) * 16, cell & 0x3FF,
                                              x + 8 * v, w + 8 * v, scale, iq1_levels[minus[v] ? 1 : 0]);
            cell = tables.cells[words[v]];
        }
        points[v] = static_cast<std::uint16_t>(cell);
    }
    if (is_off) {
        float a = 0.0f, b = 0.0f;
        for (std::size_t i = 0; i < Rules::group; ++i) {
            const float p = iq1_levels[minus[i / 8] ? 1 : 0][words[i / 8] >> (2 * (i % 8)) & 3];
            a += w[i] * p * x[i];
            b += w[i] * p * p;
        }
        if (a > 0.0f && b > 0.0f) {
            scale = a / b;
        }
    }
    return scale;
}

/// IQ1_M's d before it is stored: the best for all points and scales.
inline float fit_iq1_step(const detail::grid_tables& tables, const float* x, const float* w,
                          const detail::iq1_codes& codes, float otherwise) noexcept {
    float a = 0.0f, b = 0.0f;
    for (std::size_t i = 0; i < detail::grid_block; ++i) {
        const std::uint32_t word = tables.words[codes.points[i / 8]];
        const float p = iq1_levels[codes.minus[i / 8] ? 1 : 0][word >> (2 * (i % 8)) & 3];
        const float q = p * static_cast<float>(2 * codes.scales[i / 16] + 1);
        a += w[i] * q * x[i];
        b += w[i] * q * q;
    }
    return b > 0.0f ? a / b : otherwise;
}

/// One super-block by the rules of the reference; importance is null or 256 weights.
template <class Rules>
void encode_iq1_reference(const detail::grid_tables& tables, const float* x, const float* importance,
                          detail::iq1_codes& codes) noexcept {
    constexpr std::size_t count = detail::grid_block / Rules::group, vectors = Rules::group / 8;
    float squares = 0.0f;
    for (std::size_t i = 0; i < detail::grid_block; ++i) {
        squares += x[i] * x[i];
    }
    const vf sigma2 = splat(2.0f * squares / 256.0f);
    alignas(64) float w[detail::grid_block];
    for (std::size_t i = 0; i < detail::grid_block; i += lanes) {
        const vf square = load(x + i) * load(x + i);
        store(w + i, importance == nullptr ? square : load(importance + i) * sqrt(sigma2 + square));
    }
    iq1_panel panel;
    std::uint8_t orders[panel_width][32];
    fill_sorted<Rules>(x, w, panel, orders);
    float scales[panel_width], largest = 0.0f;
    for (std::size_t g = 0; g < panel_width; ++g) {
        scales[g] = panel.scale[g];
    }
    for (std::size_t l = 0; l < count; l += lanes) {
        if constexpr (Rules::has_own_shifts) {
            split_by_sums(panel, l);
        } else {
            split_by_prefix(panel, l);
        }
    }
    for (std::size_t g = 0; g < count; ++g) {
        if (scales[g] < Rules::least || panel.split[g] < 0) {
            scales[g] = 0.0f;
            continue;
        }
        const std::size_t at = g * Rules::group;
        scales[g] = choose_iq1_points<Rules>(tables, x + at, w + at, panel.scale[g], panel.split[g], orders[g],
                                             codes.points + g * vectors, codes.minus + g * vectors);
        largest = largest > scales[g] ? largest : scales[g];
    }
    if (!(largest > 0.0f)) {
        codes = {};
        return;
    }
    float d = largest / 15.0f;
    const float id = 1.0f / d;
    for (std::size_t g = 0; g < count; ++g) {
        codes.scales[g] = static_cast<std::uint8_t>(clamp_one(round_one(0.5f * (id * scales[g] - 1.0f)), 7));
    }
    if constexpr (Rules::has_own_shifts) {
        d = fit_iq1_step(tables, x, w, codes, d);
    }
    codes.d = fp16::encode(d * Rules::fudge);
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf

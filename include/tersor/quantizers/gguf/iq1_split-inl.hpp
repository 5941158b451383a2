// The exact split of sorted values into three levels, for IQ1; compiled once per instruction set. Lanes hold groups.
//
// The values of a group in ascending order, equal ones in their first order, take level 0 up to i1, 1 up to i2, 2
// beyond; the levels stand for p = -1, 0, 1 plus (+) or minus (-) an eighth. For i1 <= i2 in order, then the shifts in
// order, a split is taken if B > 0 and A A > best B (best starts below everything): scale = A / B, best = scale A.
// IQ1_S: shifts +, -; A and B from prefix sums of w x and w: ((X1 - X0) p0 + (X2 - X1) p1) + (Xn - X2) p2, weights
// likewise with (W p) p. IQ1_M: shifts ++, +-, -+, -- of the two halves; A = sum (w p) x, B = sum (w p) p in sorted
// order. One rounding per operation. Source: ggml v0.21.0, as described in its golden data.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf {

/// Up to sixteen groups in sorted order, side by side: x[j * panel_width + g] is the j-th smallest of group g.
struct iq1_panel {
    alignas(64) float x[32 * panel_width];
    alignas(64) float w[32 * panel_width];
    alignas(64) std::int32_t is_first[32 * panel_width]; // 1: in the first half of the group
    // What is found.
    alignas(64) float scale[panel_width];
    alignas(64) std::int32_t split[panel_width]; // (i1 * 64 + i2) * 4 + shift; -1: none
};

/// order[j] = the place of the j-th smallest of `count` values, equal ones in order.
inline void sort_places(const float* x, std::size_t count, std::uint8_t* order) noexcept {
    alignas(64) std::int32_t ranks[32];
    for (std::size_t at = 0; at < count; at += lanes) {
        const vf value = load(x + at);
        vi rank = splat(0);
        for (std::size_t j = 0; j < at; ++j) {
            rank = increment_if(rank, !(splat(x[j]) > value));
        }
        for (std::size_t j = at; j < count; ++j) {
            rank = increment_if(rank, value > splat(x[j]));
        }
        store(ranks + at, rank);
        // Within the lanes an equal value before counts, too.
        for (std::size_t i = 1; i < lanes; ++i) {
            for (std::size_t j = 0; j < i; ++j) {
                ranks[at + i] += x[at + j] == x[at + i] ? 1 : 0;
            }
        }
    }
    for (std::size_t i = 0; i < count; ++i) {
        order[ranks[i]] = static_cast<std::uint8_t>(i);
    }
}

/// The best split so far of `lanes` groups.
struct split_state {
    vf best, scale;
    vi split;
    explicit split_state(vf first) noexcept : best(splat(-3.402823466e38f)), scale(first), split(splat(-1)) {}

    void consider(vf a, vf b, std::int32_t code) noexcept {
        const vm better = (b > splat(0.0f)) & (a * a > best * b);
        if (any(better)) {
            const vf fitted = a / b;
            scale = select(better, fitted, scale);
            best = select(better, fitted * a, best);
            split = select(better, splat(code), split);
        }
    }
};

/// IQ1_S: groups l..l + lanes of the panel.
inline void split_by_prefix(iq1_panel& panel, std::size_t l) noexcept {
    constexpr std::size_t n = 32;
    constexpr float up[3] = {-0.875f, 0.125f, 1.125f}, down[3] = {-1.125f, -0.125f, 0.875f};
    alignas(64) float sum_x[(n + 1) * 16], sum_w[(n + 1) * 16]; // of the values before
    alignas(64) float tails[(n + 1) * 4 * 16];                  // A and B of level 2, shifted up and down
    store(sum_x, splat(0.0f));
    store(sum_w, splat(0.0f));
    for (std::size_t j = 0; j < n; ++j) {
        const vf w = load(panel.w + j * panel_width + l);
        store(sum_x + (j + 1) * 16, load(sum_x + j * 16) + w * load(panel.x + j * panel_width + l));
        store(sum_w + (j + 1) * 16, load(sum_w + j * 16) + w);
    }
    const vf all_x = load(sum_x + n * 16), all_w = load(sum_w + n * 16);
    for (std::size_t j = 0; j <= n; ++j) {
        const vf x = all_x - load(sum_x + j * 16), w = all_w - load(sum_w + j * 16);
        store(tails + j * 64, x * splat(up[2]));
        store(tails + j * 64 + 16, w * splat(up[2]) * splat(up[2]));
        store(tails + j * 64 + 32, x * splat(down[2]));
        store(tails + j * 64 + 48, w * splat(down[2]) * splat(down[2]));
    }
    split_state state(load(panel.scale + l));
    for (std::size_t i1 = 0; i1 <= n; ++i1) {
        const vf x1 = load(sum_x + i1 * 16), w1 = load(sum_w + i1 * 16);
        const vf a_up = x1 * splat(up[0]), b_up = w1 * splat(up[0]) * splat(up[0]);
        const vf a_down = x1 * splat(down[0]), b_down = w1 * splat(down[0]) * splat(down[0]);
        for (std::size_t i2 = i1; i2 <= n; ++i2) {
            // The middle level's p is an eighth either way, but for its sign.
            const vf x = (load(sum_x + i2 * 16) - x1) * splat(up[1]);
            const vf w = (load(sum_w + i2 * 16) - w1) * splat(up[1]) * splat(up[1]);
            const float* const tail = tails + i2 * 64;
            const auto code = static_cast<std::int32_t>((i1 * 64 + i2) * 4);
            state.consider((a_up + x) + load(tail), (b_up + w) + load(tail + 16), code);
            state.consider((a_down - x) + load(tail + 32), (b_down + w) + load(tail + 48), code + 3);
        }
    }
    store(panel.scale + l, state.scale);
    store(panel.split + l, state.split);
}

/// IQ1_M: groups l..l + lanes of the panel.
inline void split_by_sums(iq1_panel& panel, std::size_t l) noexcept {
    constexpr std::size_t n = 16, kinds = 8; // A and B for each of four pairs of shifts
    constexpr float up[3] = {-0.875f, 0.125f, 1.125f}, down[3] = {-1.125f, -0.125f, 0.875f};
    alignas(64) float terms[3][n][kinds * lanes];
    for (std::size_t level = 0; level < 3; ++level) {
        for (std::size_t j = 0; j < n; ++j) {
            const vf x = load(panel.x + j * panel_width + l), w = load(panel.w + j * panel_width + l);
            const vm first = load(panel.is_first + j * panel_width + l) == splat(1);
            const vf w_up = w * splat(up[level]), w_down = w * splat(down[level]);
            const vf a_up = w_up * x, b_up = w_up * splat(up[level]);
            const vf a_down = w_down * x, b_down = w_down * splat(down[level]);
            float* const to = terms[level][j];
            store(to + 0 * lanes, a_up);
            store(to + 1 * lanes, b_up);
            store(to + 2 * lanes, select(first, a_up, a_down));
            store(to + 3 * lanes, select(first, b_up, b_down));
            store(to + 4 * lanes, select(first, a_down, a_up));
            store(to + 5 * lanes, select(first, b_down, b_up));
            store(to + 6 * lanes, a_down);
            store(to + 7 * lanes, b_down);
        }
    }
    const vf zero = splat(0.0f);
    split_state state(load(panel.scale + l));
    vf low[kinds] = {zero, zero, zero, zero, zero, zero, zero, zero};
    for (std::size_t i1 = 0; i1 <= n; ++i1) {
        vf middle[kinds] = {low[0], low[1], low[2], low[3], low[4], low[5], low[6], low[7]};
        for (std::size_t i2 = i1; i2 <= n; ++i2) {
            vf all[kinds] = {middle[0], middle[1], middle[2], middle[3], middle[4], middle[5], middle[6], middle[7]};
            for (std::size_t j = i2; j < n; ++j) {
                for (std::size_t k = 0; k < kinds; ++k) {
                    all[k] = all[k] + load(terms[2][j] + k * lanes);
                }
            }
            for (std::size_t k = 0; k < 4; ++k) {
                state.consider(all[2 * k], all[2 * k + 1], static_cast<std::int32_t>((i1 * 64 + i2) * 4 + k));
            }
            for (std::size_t k = 0; k < kinds && i2 < n; ++k) {
                middle[k] = middle[k] + load(terms[1][i2] + k * lanes);
            }
        }
        for (std::size_t k = 0; k < kinds && i1 < n; ++k) {
            low[k] = low[k] + load(terms[0][i1] + k * lanes);
        }
    }
    store(panel.scale + l, state.scale);
    store(panel.split + l, state.split);
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf

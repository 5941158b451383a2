#ifndef TERSOR_TESTS_QUANTIZERS_GGUF_GRID_NAIVE_HPP
#define TERSOR_TESTS_QUANTIZERS_GGUF_GRID_NAIVE_HPP

// The grid types of GGUF as their description says, one value after the other: the truth for the tests. Neighbours are
// found by measuring all distances.

#include "tersor/formats/half.hpp"
#include "tersor/simd/region.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <map>
#include <vector>

namespace naive {

/// Points as vectors of levels.
using grid = std::vector<std::vector<int>>;

template <class Words>
grid grid_of(const Words& words, int positions, int bits) {
    grid points;
    for (const auto word : words) {
        std::vector<int> levels;
        for (int i = 0; i < positions; ++i) {
            levels.push_back((word >> (bits * i)) & ((1 << bits) - 1));
        }
        points.push_back(levels);
    }
    return points;
}

/// The neighbours of a vector, as indices; a point of the grid has only itself.
inline std::vector<int> neighbours_of(const grid& points, const std::vector<int>& levels, int shells) {
    std::map<int, std::vector<int>> by_distance;
    for (std::size_t k = 0; k < points.size(); ++k) {
        int distance = 0;
        for (std::size_t i = 0; i < levels.size(); ++i) {
            distance += (points[k][i] - levels[i]) * (points[k][i] - levels[i]);
        }
        by_distance[distance].push_back(static_cast<int>(k));
    }
    if (by_distance.begin()->first == 0) {
        return by_distance.begin()->second;
    }
    std::vector<int> list;
    for (auto it = by_distance.begin(); it != by_distance.end() && shells > 0; ++it, --shells) {
        list.insert(list.end(), it->second.begin(), it->second.end());
    }
    return list;
}

/// The same, remembered.
class neighbourhood {
public:
    neighbourhood(grid points, int shells) : points_(std::move(points)), shells_(shells) {}
    const std::vector<int>& of(const std::vector<int>& levels) {
        const auto [it, is_new] = lists_.try_emplace(levels);
        if (is_new) {
            it->second = neighbours_of(points_, levels, shells_);
        }
        return it->second;
    }
    [[nodiscard]] bool has(const std::vector<int>& levels) {
        return points_[static_cast<std::size_t>(of(levels)[0])] == levels;
    }
    [[nodiscard]] const grid& points() const { return points_; }

private:
    grid points_;
    int shells_;
    std::map<std::vector<int>, std::vector<int>> lists_;
};

/// What is stored for 256 values, unpacked.
struct super_block {
    std::uint16_t d = 0;
    std::vector<int> points, signs, scales, minus; // signs: eight values each
};

struct magnitude_rules {
    int positions, top, group, trials;
    float step;
    bool parity, start_search;
    int redo;    // 0 all, 1 those off the grid, 2 all if any was
    int weights; // 1 x^2, 2 0.25 sigma2 + x^2 where there is no importance
    float sigma_factor, least, fudge;
};

inline constexpr magnitude_rules iq2_xxs{8, 2, 32, 6, 0.1f, true, true, 0, 0, 1.0f, 1e-15f, 1.0f};
inline constexpr magnitude_rules iq2_xs{8, 2, 16, 9, 0.1f, true, false, 1, 0, 1.0f, 1e-15f, 1.0f};
inline constexpr magnitude_rules iq2_s{8, 2, 16, 9, 0.1f, false, false, 1, 2, 2.0f, 1e-8f, 0.9875f};
inline constexpr magnitude_rules iq3_xxs{4, 7, 32, 15, 0.2f, true, false, 1, 1, 2.0f, 1e-8f, 1.0125f};
inline constexpr magnitude_rules iq3_s{4, 7, 32, 9, 0.2f, false, false, 2, 1, 2.0f, 0.0f, 1.033f};

// Contraction off, whatever the flags.
TERSOR_BEGIN_GENERIC

inline int rn(float v) {
    return (std::bit_cast<std::int32_t>(v + 12582912.0f) & 0x007FFFFF) - 0x00400000;
}

/// The best of some points for x[0..n) under scale * values[level].
inline int best_neighbour(const grid& points, const std::vector<int>& list, const float* x, const float* w, float scale,
                          const std::vector<float>& values) {
    float least = 3.402823466e38f;
    int best = list[0];
    for (const int k : list) {
        const std::vector<int>& levels = points[static_cast<std::size_t>(k)];
        float sum = 0.0f;
        for (std::size_t i = 0; i < levels.size(); ++i) {
            const float diff = scale * values[static_cast<std::size_t>(levels[i])] - x[i];
            sum += w[i] * diff * diff;
        }
        if (sum < least) {
            least = sum;
            best = k;
        }
    }
    return best;
}

/// P(n, N, x, w) with levels that are bytes.
inline float positive_scale(int n, int top, const float* x, const float* w) {
    float most = 0.0f;
    for (int i = 0; i < n; ++i) {
        most = std::max(most, x[i]);
    }
    if (most < 1e-15f) {
        return 0.0f;
    }
    std::vector<std::uint8_t> level(static_cast<std::size_t>(n));
    float inverse = static_cast<float>(top) / most, least = 0.0f;
    const float first_scale = 1.0f / inverse;
    for (int i = 0; i < n; ++i) {
        const float diff = x[i] - first_scale * static_cast<float>(static_cast<std::uint8_t>(rn(inverse * x[i])));
        least += w[i] * diff * diff;
    }
    for (int t = -4; t <= 4; ++t) {
        if (t == 0) {
            continue;
        }
        const float candidate = (0.1f * static_cast<float>(t) + static_cast<float>(top)) / most;
        const float scale = 1.0f / candidate;
        float error = 0.0f;
        for (int i = 0; i < n; ++i) {
            const float diff = x[i] - scale * static_cast<float>(std::min(top, rn(candidate * x[i])));
            error += w[i] * diff * diff;
        }
        if (error < least) {
            least = error;
            inverse = candidate;
        }
    }
    float a = 0.0f, b = 0.0f;
    for (int i = 0; i < n; ++i) {
        const int l = std::min(top, rn(inverse * x[i]));
        level[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(l);
        a += w[i] * x[i] * static_cast<float>(l);
        b += w[i] * static_cast<float>(l) * static_cast<float>(l);
    }
    for (int sweep = 0; sweep < 5; ++sweep) {
        int changed = 0;
        for (int i = 0; i < n; ++i) {
            std::uint8_t& l = level[static_cast<std::size_t>(i)];
            float a_rest = a - w[i] * x[i] * static_cast<float>(l);
            float b_rest = b - w[i] * static_cast<float>(l) * static_cast<float>(l);
            if (a_rest > 0.0f && b_rest > 0.0f) {
                const int next = std::min(top, rn(x[i] * b_rest / a_rest));
                if (next != l) {
                    a_rest += w[i] * x[i] * static_cast<float>(next);
                    b_rest += w[i] * static_cast<float>(next) * static_cast<float>(next);
                    if (a_rest * a_rest * b > a * a * b_rest) {
                        l = static_cast<std::uint8_t>(next);
                        a = a_rest;
                        b = b_rest;
                        ++changed;
                    }
                }
            }
        }
        if (changed == 0) {
            break;
        }
    }
    return b > 0.0f ? a / b : 0.0f;
}

/// IQ2_XXS, IQ2_XS, IQ2_S, IQ3_XXS, IQ3_S: importance may be null.
inline super_block encode(const magnitude_rules& r, neighbourhood& near, const float* values, const float* importance) {
    const std::size_t n = static_cast<std::size_t>(r.group), each = static_cast<std::size_t>(r.positions);
    float squares = 0.0f;
    for (int i = 0; i < 256; ++i) {
        squares += values[i] * values[i];
    }
    const float sigma2 = r.sigma_factor * squares / 256.0f;
    std::vector<float> p;
    for (int level = 0; level <= r.top; ++level) {
        p.push_back(static_cast<float>(2 * level + 1));
    }
    super_block out;
    std::vector<float> scales;
    float largest = 0.0f;
    for (std::size_t at = 0; at < 256; at += n) {
        std::vector<float> x(n), w(n), root(n);
        std::vector<int> signs(n / 8);
        for (std::size_t i = 0; i < n; ++i) {
            const float v = values[at + i];
            x[i] = v >= 0.0f ? v : -v;
            signs[i / 8] |= (v >= 0.0f ? 0 : 1) << (i % 8);
            w[i] = importance != nullptr ? importance[at + i] * std::sqrt(sigma2 + v * v)
                   : r.weights == 2      ? 0.25f * sigma2 + v * v
                                         : v * v;
            root[i] = std::sqrt(w[i]);
        }
        for (std::size_t k = 0; r.parity && k < n / 8; ++k) {
            if (std::popcount(static_cast<unsigned>(signs[k])) % 2 != 0) {
                std::size_t least = 8 * k;
                const auto cost = [&](std::size_t i) { return w[i] * values[at + i] * values[at + i]; };
                for (std::size_t i = 8 * k; i < 8 * k + 8; ++i) {
                    least = cost(i) < cost(least) ? i : least;
                }
                x[least] = -x[least];
                signs[k] ^= 1 << (least % 8);
            }
            signs[k] &= 127;
        }
        float most = x[0];
        for (const float v : x) {
            most = most > v ? most : v;
        }
        float scale = 0.0f, around = most;
        bool nothing = r.least == 0.0f ? most == 0.0f : most < r.least;
        if (!nothing && r.start_search) {
            scale = positive_scale(r.group, r.top + 2, x.data(), w.data());
            around = scale * static_cast<float>(r.top + 1);
            nothing = around <= 0.0f;
        }
        if (nothing) {
            scales.push_back(0.0f);
            out.points.insert(out.points.end(), n / each, 0);
            out.signs.insert(out.signs.end(), n / 8, 0);
            continue;
        }
        const float top_p = static_cast<float>(2 * r.top + 1);
        if (!r.start_search) {
            scale = most / top_p;
        }
        std::vector<std::vector<int>> best_levels(n / each, std::vector<int>(each, 0));
        std::vector<bool> best_on(n / each, r.redo == 1);
        const auto choose = [&](std::size_t v, float id, float with, bool& on) {
            std::vector<int> levels(each);
            for (std::size_t i = 0; i < each; ++i) {
                levels[i] = std::clamp(rn(0.5f * (id * x[v * each + i] - 1.0f)), 0, r.top);
            }
            on = near.has(levels);
            if (!on) {
                const int k = best_neighbour(near.points(), near.of(levels), x.data() + v * each,
                                             root.data() + v * each, with, p);
                levels = near.points()[static_cast<std::size_t>(k)];
            }
            return levels;
        };
        const auto sums = [&](const std::vector<std::vector<int>>& levels, float& a, float& b) {
            a = b = 0.0f;
            for (std::size_t i = 0; i < n; ++i) {
                const float q = p[static_cast<std::size_t>(levels[i / each][i % each])];
                a += w[i] * x[i] * q;
                b += w[i] * q * q;
            }
        };
        float best = 0.0f, a = 0.0f, b = 0.0f;
        for (int t = -r.trials; t <= r.trials; ++t) {
            const float id = (top_p + static_cast<float>(t) * r.step) / around;
            std::vector<std::vector<int>> levels;
            std::vector<bool> on;
            for (std::size_t v = 0; v < n / each; ++v) {
                bool is_on = false;
                levels.push_back(choose(v, id, 1.0f / id, is_on));
                on.push_back(is_on);
            }
            sums(levels, a, b);
            if (b > 0.0f && a * a > best * b) {
                scale = a / b;
                best = scale * a;
                best_levels = levels;
                best_on = on;
            }
        }
        const bool any_off = std::find(best_on.begin(), best_on.end(), false) != best_on.end();
        if (scale > 0.0f && (r.redo == 0 || any_off)) {
            const float id = 1.0f / scale;
            for (std::size_t v = 0; v < n / each; ++v) {
                bool ignored = false;
                if (r.redo != 1 || !best_on[v]) {
                    best_levels[v] = choose(v, id, scale, ignored);
                }
            }
            sums(best_levels, a, b);
            scale = b > 0.0f ? a / b : scale;
        }
        for (int& s : signs) {
            s = scale < 0.0f ? ~s & (r.parity ? 127 : 255) : s;
        }
        scale = scale < 0.0f ? -scale : scale;
        scales.push_back(scale);
        largest = largest > scale ? largest : scale;
        out.signs.insert(out.signs.end(), signs.begin(), signs.end());
        for (const auto& levels : best_levels) {
            out.points.push_back(near.of(levels)[0]);
        }
    }
    if (!(largest > 0.0f)) {
        out.scales.assign(256 / n, 0);
        if (r.parity) { // the others keep what ggml has written by then
            out.points.assign(256 / each, 0);
            out.signs.assign(32, 0);
        }
        return out;
    }
    const float d = largest / 31.0f, id = 1.0f / d;
    out.d = tersor::fp16::encode(d * r.fudge);
    for (const float scale : scales) {
        out.scales.push_back(std::clamp(rn(0.5f * (id * scale - 1.0f)), 0, 15));
    }
    return out;
}

/// What ggml does to IQ3_S: signs and low eight bits of the points move up over groups of zeros, ninth bits stay.
inline void misplace(super_block& b, const float* x) {
    std::vector<int> signs(32), points(64);
    std::size_t to = 0;
    for (std::size_t g = 0; g < 8; ++g) {
        if (std::any_of(x + 32 * g, x + 32 * g + 32, [](float v) { return v != 0.0f; })) {
            for (std::size_t k = 0; k < 8; ++k) {
                points[8 * to + k] |= b.points[8 * g + k] & 255;
                points[8 * g + k] |= b.points[8 * g + k] & 256;
                signs[4 * to + k / 2] = b.signs[4 * g + k / 2];
            }
            ++to;
        }
    }
    b.points = points;
    b.signs = signs;
}

/// The value at place i of a block of magnitudes: values of the levels, the unit of the scale.
inline float decode(const magnitude_rules& r, const grid& points, const std::vector<float>& values, float unit,
                    const super_block& b, std::size_t i) {
    const std::size_t each = static_cast<std::size_t>(r.positions);
    const int level = points[static_cast<std::size_t>(b.points[i / each])][i % each];
    const float d = tersor::fp16::decode(b.d), s = static_cast<float>(b.scales[i / static_cast<std::size_t>(r.group)]);
    const float scale = unit == 2.0f ? d * (1.0f + 2.0f * s) : d * (0.5f + s) * unit;
    int signs = b.signs[i / 8];
    if (r.parity) {
        signs |= (std::popcount(static_cast<unsigned>(signs)) % 2) << 7;
    }
    return scale * values[static_cast<std::size_t>(level)] * ((signs >> (i % 8) & 1) != 0 ? -1.0f : 1.0f);
}

TERSOR_END_GENERIC

} // namespace naive

#endif // TERSOR_TESTS_QUANTIZERS_GGUF_GRID_NAIVE_HPP

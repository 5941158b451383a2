#ifndef TERSOR_TESTS_QUANTIZERS_GGUF_GRID_NAIVE_IQ1_HPP
#define TERSOR_TESTS_QUANTIZERS_GGUF_GRID_NAIVE_IQ1_HPP

// IQ1_S and IQ1_M of GGUF as their description says, one value after the other: the truth for the tests.

#include "tests/quantizers/gguf_grid_naive.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace naive {

// Contraction off, whatever the flags.
TERSOR_BEGIN_GENERIC

/// IQ1_S (groups of 32, one shift) and IQ1_M (groups of 16, a shift for each eight).
inline super_block encode_iq1(bool is_m, neighbourhood& near, const float* values, const float* importance) {
    const std::size_t n = is_m ? 16 : 32;
    const std::vector<float> p[2] = {{-0.875f, 0.125f, 1.125f}, {-1.125f, -0.125f, 0.875f}};
    float squares = 0.0f;
    for (int i = 0; i < 256; ++i) {
        squares += values[i] * values[i];
    }
    const float sigma2 = 2.0f * squares / 256.0f;
    std::vector<float> w(256);
    for (std::size_t i = 0; i < 256; ++i) {
        w[i] =
            importance != nullptr ? importance[i] * std::sqrt(sigma2 + values[i] * values[i]) : values[i] * values[i];
    }
    super_block out;
    std::vector<float> scales;
    float largest = 0.0f;
    for (std::size_t at = 0; at < 256; at += n) {
        const float *const x = values + at, *const weight = w.data() + at;
        float most = 0.0f;
        std::vector<std::size_t> order(n);
        for (std::size_t i = 0; i < n; ++i) {
            most = std::max(most, std::fabs(x[i]));
            order[i] = i;
        }
        std::stable_sort(order.begin(), order.end(), [&](std::size_t i, std::size_t j) { return x[i] < x[j]; });
        float best = -3.402823466e38f, scale = most;
        std::size_t cut1 = 0, cut2 = 0;
        int kind = -1; // bit 1: first half shifted down, bit 0: second half
        const auto consider = [&](float a, float b, std::size_t i1, std::size_t i2, int k) {
            if (b > 0.0f && a * a > best * b) {
                scale = a / b;
                best = scale * a;
                cut1 = i1;
                cut2 = i2;
                kind = k;
            }
        };
        std::vector<float> sum_x(n + 1), sum_w(n + 1);
        for (std::size_t j = 0; j < n; ++j) {
            sum_x[j + 1] = sum_x[j] + weight[order[j]] * x[order[j]];
            sum_w[j + 1] = sum_w[j] + weight[order[j]];
        }
        for (std::size_t i1 = 0; most >= (is_m ? 1e-7f : 1e-12f) && i1 <= n; ++i1) {
            for (std::size_t i2 = i1; i2 <= n; ++i2) {
                for (int k = 0; k < 4; ++k) {
                    float a = 0.0f, b = 0.0f;
                    if (is_m) {
                        for (std::size_t j = 0; j < n; ++j) {
                            const std::size_t i = order[j], level = j < i1 ? 0 : j < i2 ? 1 : 2;
                            const float q = p[i < 8 ? k >> 1 : k & 1][level];
                            a += weight[i] * q * x[i];
                            b += weight[i] * q * q;
                        }
                    } else if (k == 0 || k == 3) {
                        const std::vector<float>& q = p[k & 1];
                        a = sum_x[i1] * q[0] + (sum_x[i2] - sum_x[i1]) * q[1] + (sum_x[n] - sum_x[i2]) * q[2];
                        b = sum_w[i1] * q[0] * q[0] + (sum_w[i2] - sum_w[i1]) * q[1] * q[1] +
                            (sum_w[n] - sum_w[i2]) * q[2] * q[2];
                    } else {
                        continue;
                    }
                    consider(a, b, i1, i2, k);
                }
            }
        }
        if (kind < 0) {
            scales.push_back(0.0f);
            out.points.insert(out.points.end(), n / 8, 0);
            out.minus.insert(out.minus.end(), n / 8, 0);
            continue;
        }
        std::vector<int> level(n);
        for (std::size_t j = 0; j < n; ++j) {
            level[order[j]] = j < cut1 ? 0 : j < cut2 ? 1 : 2;
        }
        if (scale < 0.0f) {
            scale = -scale;
            kind ^= 3;
            for (int& l : level) {
                l = 2 - l;
            }
        }
        bool is_off = false;
        float a = 0.0f, b = 0.0f;
        for (std::size_t v = 0; v < n / 8; ++v) {
            const int minus = 8 * v < n / 2 ? kind >> 1 : kind & 1;
            const std::vector<int> wanted(level.begin() + static_cast<long>(8 * v),
                                          level.begin() + static_cast<long>(8 * v + 8));
            int point = near.of(wanted)[0];
            if (!near.has(wanted)) {
                is_off = true;
                point = best_neighbour(near.points(), near.of(wanted), x + 8 * v, weight + 8 * v, scale, p[minus]);
            }
            for (std::size_t i = 0; i < 8; ++i) {
                const float q = p[minus][static_cast<std::size_t>(near.points()[static_cast<std::size_t>(point)][i])];
                a += weight[8 * v + i] * q * x[8 * v + i];
                b += weight[8 * v + i] * q * q;
            }
            out.points.push_back(point);
            out.minus.push_back(minus);
        }
        if (is_off && a > 0.0f && b > 0.0f) {
            scale = a / b;
        }
        scales.push_back(scale);
        largest = largest > scale ? largest : scale;
    }
    if (!(largest > 0.0f)) {
        return {0, std::vector<int>(32), {}, std::vector<int>(256 / n), std::vector<int>(32)};
    }
    float d = largest / 15.0f;
    const float id = 1.0f / d;
    for (const float scale : scales) {
        out.scales.push_back(std::clamp(rn(0.5f * (id * scale - 1.0f)), 0, 7));
    }
    if (is_m) {
        float a = 0.0f, b = 0.0f;
        for (std::size_t i = 0; i < 256; ++i) {
            const int level = near.points()[static_cast<std::size_t>(out.points[i / 8])][i % 8];
            const float q =
                p[out.minus[i / 8]][static_cast<std::size_t>(level)] * static_cast<float>(2 * out.scales[i / 16] + 1);
            a += w[i] * q * values[i];
            b += w[i] * q * q;
        }
        d = b > 0.0f ? a / b : d;
    }
    out.d = tersor::fp16::encode(d * (is_m ? 1.1125f : 1.125f));
    return out;
}

/// The value at place i of a block with groups of that size.
inline float decode_iq1(std::size_t group, const grid& points, const super_block& b, std::size_t i) {
    const float dl = tersor::fp16::decode(b.d) * static_cast<float>(2 * b.scales[i / group] + 1);
    const int level = points[static_cast<std::size_t>(b.points[i / 8])][i % 8];
    return dl * (static_cast<float>(level - 1) + (b.minus[i / 8] != 0 ? -0.125f : 0.125f));
}

TERSOR_END_GENERIC

} // namespace naive

#endif // TERSOR_TESTS_QUANTIZERS_GGUF_GRID_NAIVE_IQ1_HPP

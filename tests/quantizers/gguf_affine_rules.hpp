#ifndef TERSOR_TESTS_QUANTIZERS_GGUF_AFFINE_RULES_HPP
#define TERSOR_TESTS_QUANTIZERS_GGUF_AFFINE_RULES_HPP

// The rules by which ggml quantizes to q4_1, q5_1, q2_k, q4_k and q5_k, one value at a time and as plainly as they are
// described in the golden data. Products are rounded before they are added, whatever the compiler's flags.

#include "tersor/core/exact.hpp"
#include "tersor/formats/half.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <vector>

namespace gguf_rules {

using floats = std::vector<float>;

inline float mul(float a, float b) {
    return tersor::exact::product(a, b);
}
inline float half(float v) {
    return tersor::fp16::decode(tersor::fp16::encode(v));
}

/// Nearest integer, ties to even; out of range the low bits of the sum that rounds, as there.
inline int rn(float v) {
    const float sum = v + 12582912.0f;
    return (std::bit_cast<std::int32_t>(sum) & 0x007FFFFF) - 0x00400000;
}

struct affine_result {
    float scale = 0, minimum = 0;
    std::vector<int> levels;
};

struct affine_settings {
    int top;
    float start, step;
    int steps;
    bool absolute;
};

inline affine_result affine_search(const floats& x, const floats& w, const affine_settings& s) {
    const std::size_t n = x.size();
    float lo = x[0], hi = x[0], w_sum = w[0], wx_sum = mul(w[0], x[0]);
    for (std::size_t i = 1; i < n; ++i) {
        lo = x[i] < lo ? x[i] : lo;
        hi = x[i] > hi ? x[i] : hi;
        w_sum += w[i];
        wx_sum += mul(w[i], x[i]);
    }
    lo = lo > 0 ? 0 : lo;
    affine_result best;
    best.levels.assign(n, 0);
    best.minimum = -lo;
    if (hi == lo) {
        return best;
    }
    const auto levels_for = [&](float inverse) {
        std::vector<int> levels(n);
        for (std::size_t i = 0; i < n; ++i) {
            levels[i] = std::clamp(rn(inverse * (x[i] - lo)), 0, s.top);
        }
        return levels;
    };
    const auto error_of = [&](const std::vector<int>& levels, float scale, float low) {
        float error = 0;
        for (std::size_t i = 0; i < n; ++i) {
            const float e = mul(scale, static_cast<float>(levels[i])) + low - x[i];
            error += mul(w[i], s.absolute ? std::fabs(e) : mul(e, e));
        }
        return error;
    };
    const float top = static_cast<float>(s.top);
    const float first = top / (hi - lo);
    best.scale = 1.0f / first;
    best.levels = levels_for(first);
    float least = error_of(best.levels, best.scale, lo);
    for (int step = 0; step <= s.steps; ++step) {
        const float inverse = (s.start + mul(s.step, static_cast<float>(step)) + top) / (hi - lo);
        const std::vector<int> levels = levels_for(inverse);
        float l_sum = 0, ll_sum = 0, xl_sum = 0;
        for (std::size_t i = 0; i < n; ++i) {
            const float l = static_cast<float>(levels[i]);
            l_sum += mul(w[i], l);
            ll_sum += mul(mul(w[i], l), l);
            xl_sum += mul(mul(w[i], l), x[i]);
        }
        const float d = mul(w_sum, ll_sum) - mul(l_sum, l_sum);
        if (!(d > 0)) {
            continue;
        }
        float scale = (mul(w_sum, xl_sum) - mul(wx_sum, l_sum)) / d;
        float low = (mul(ll_sum, wx_sum) - mul(l_sum, xl_sum)) / d;
        if (low > 0) {
            low = 0;
            scale = xl_sum / ll_sum;
        }
        const float error = error_of(levels, scale, low);
        if (error < least) {
            least = error;
            best.levels = levels;
            best.scale = scale;
            lo = low;
        }
    }
    best.minimum = -lo;
    return best;
}

struct positive_result {
    float scale = 0;
    std::vector<int> levels;
};

inline positive_result positive_search(const floats& x, const floats& w, int top) {
    const std::size_t n = x.size();
    positive_result result;
    result.levels.assign(n, 0);
    const float most = std::max(0.0f, *std::max_element(x.begin(), x.end()));
    if (most < 1e-15f) {
        return result;
    }
    const auto error_of = [&](float inverse, bool capped) {
        const float scale = 1.0f / inverse;
        float error = 0;
        for (std::size_t i = 0; i < n; ++i) {
            const int l = rn(inverse * x[i]);
            const float e = x[i] - mul(scale, static_cast<float>(capped ? std::min(top, l) : l & 255));
            error += mul(mul(w[i], e), e);
        }
        return error;
    };
    float inverse = static_cast<float>(top) / most;
    float least = error_of(inverse, false);
    for (const int t : {-4, -3, -2, -1, 1, 2, 3, 4}) {
        const float candidate = (mul(0.1f, static_cast<float>(t)) + static_cast<float>(top)) / most;
        const float error = error_of(candidate, true);
        if (error < least) {
            least = error;
            inverse = candidate;
        }
    }
    float a = 0, b = 0;
    for (std::size_t i = 0; i < n; ++i) {
        const int l = std::min(top, rn(inverse * x[i]));
        result.levels[i] = l & 255;
        a += mul(mul(w[i], x[i]), static_cast<float>(l));
        b += mul(mul(w[i], static_cast<float>(l)), static_cast<float>(l));
    }
    for (int sweep = 0; sweep < 5; ++sweep) {
        bool changed = false;
        for (std::size_t i = 0; i < n; ++i) {
            const float old = static_cast<float>(result.levels[i]);
            float a_new = a - mul(mul(w[i], x[i]), old), b_new = b - mul(mul(w[i], old), old);
            if (!(a_new > 0 && b_new > 0)) {
                continue;
            }
            const int l = std::min(top, rn(mul(x[i], b_new) / a_new));
            if (l == result.levels[i]) {
                continue;
            }
            a_new += mul(mul(w[i], x[i]), static_cast<float>(l));
            b_new += mul(mul(w[i], static_cast<float>(l)), static_cast<float>(l));
            if (mul(mul(a_new, a_new), b) > mul(mul(a, a), b_new)) {
                result.levels[i] = l & 255;
                a = a_new;
                b = b_new;
                changed = true;
            }
        }
        if (!changed) {
            break;
        }
    }
    result.scale = b > 0 ? a / b : 0.0f;
    return result;
}

/// The header and the codes of a block; `m` is the minimum of q4_1 and q5_1, the step of the minima of the others.
struct block_result {
    std::uint16_t d = 0, m = 0;
    std::vector<std::uint8_t> scales, minima, codes;
};

inline float sum_of_squares(const float* x, std::size_t n) {
    float sum = 0;
    for (std::size_t i = 0; i < n; ++i) {
        sum += mul(x[i], x[i]);
    }
    return sum;
}

/// One block of q4_1 (top 15) or q5_1 (31); `importance` may be null, else sigma2 is the mean square of the row.
inline block_result simple_block(const float* x, const float* importance, float sigma2, int top) {
    block_result result;
    if (importance == nullptr) {
        float lo = x[0], hi = x[0];
        for (int i = 1; i < 32; ++i) {
            lo = x[i] < lo ? x[i] : lo;
            hi = x[i] > hi ? x[i] : hi;
        }
        const float d = (hi - lo) / static_cast<float>(top), inverse = d != 0 ? 1.0f / d : 0.0f;
        for (int i = 0; i < 32; ++i) {
            const float v = mul(x[i] - lo, inverse) + 0.5f;
            // What does not fit an integer becomes its smallest number there, whose low byte is 0.
            const int code = v < 2147483648.0f ? static_cast<int>(v) : 0;
            result.codes.push_back(static_cast<std::uint8_t>(std::min(code, top)));
        }
        result.d = tersor::fp16::encode(d);
        result.m = tersor::fp16::encode(lo);
        return result;
    }
    floats w(32);
    for (std::size_t i = 0; i < 32; ++i) {
        w[i] = importance[i] * std::sqrt(sigma2 + mul(x[i], x[i]));
    }
    const affine_result fit = affine_search(floats(x, x + 32), w, {top, -0.9f, 0.05f, 36, false});
    result.codes.assign(fit.levels.begin(), fit.levels.end());
    result.d = tersor::fp16::encode(fit.scale);
    result.m = tersor::fp16::encode(-fit.minimum);
    return result;
}

struct super_block_settings {
    std::size_t groups;
    int top, header_top;
    float start;
    int steps;
    bool is_q2;
};
inline constexpr super_block_settings q2_k{16, 3, 15, -0.5f, 15, true}, q4_k{8, 15, 63, -1.0f, 20, false},
    q5_k{8, 31, 63, -0.5f, 15, false};

/// One super-block; `importance` may be null.
inline block_result super_block(const float* x, const float* importance, const super_block_settings& s) {
    const std::size_t size = 256 / s.groups;
    const float squares = sum_of_squares(x, 256);
    const float sigma2 = (s.is_q2 ? squares : 2.0f * squares) / 256.0f;
    floats scales(s.groups), minima(s.groups), sums(s.groups);
    block_result result;
    for (std::size_t j = 0; j < s.groups; ++j) {
        const floats group(x + j * size, x + (j + 1) * size);
        const float mean = std::sqrt(sum_of_squares(group.data(), size) / static_cast<float>(size));
        floats w(size);
        for (std::size_t i = 0; i < size; ++i) {
            w[i] = importance != nullptr ? importance[j * size + i] * std::sqrt(sigma2 + mul(group[i], group[i]))
                                         : (s.is_q2 ? 0.0f : mean) + std::fabs(group[i]);
            sums[j] += w[i];
        }
        const affine_result fit = importance != nullptr
                                      ? affine_search(group, w, {s.top, -0.9f, 0.05f, 36, false})
                                      : affine_search(group, w, {s.top, s.start, 0.1f, s.steps, s.is_q2});
        scales[j] = fit.scale;
        minima[j] = fit.minimum;
        result.codes.insert(result.codes.end(), fit.levels.begin(), fit.levels.end());
    }
    const auto header = [&](const floats& numbers, std::vector<std::uint8_t>& integers) {
        integers.assign(s.groups, 0);
        if (importance != nullptr) {
            const positive_result found = positive_search(numbers, sums, s.header_top);
            std::copy(found.levels.begin(), found.levels.end(), integers.begin());
            return tersor::fp16::encode(found.scale);
        }
        float most = 0;
        for (const float number : numbers) {
            most = number > most ? number : most;
        }
        const float steps = static_cast<float>(s.header_top), inverse = most > 0 ? steps / most : 0.0f;
        for (std::size_t j = 0; j < s.groups; ++j) {
            integers[j] = static_cast<std::uint8_t>(std::min(rn(inverse * numbers[j]) & 255, s.header_top));
        }
        return tersor::fp16::encode(most > 0 ? most / steps : 0.0f);
    };
    result.d = header(scales, result.scales);
    result.m = header(minima, result.minima);
    for (std::size_t i = 0; i < 256; ++i) {
        const float scale = tersor::fp16::decode(result.d) * static_cast<float>(result.scales[i / size]);
        const float minimum = mul(tersor::fp16::decode(result.m), static_cast<float>(result.minima[i / size]));
        if (scale != 0) {
            result.codes[i] = static_cast<std::uint8_t>(std::clamp(rn((x[i] + minimum) / scale), 0, s.top));
        }
    }
    return result;
}

} // namespace gguf_rules

#endif // TERSOR_TESTS_QUANTIZERS_GGUF_AFFINE_RULES_HPP

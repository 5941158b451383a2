// How near mode best comes to the least error there is: against exhaustive and very fine searches.

#include "tersor/quantizers/gguf/iq4_nl.hpp"
#include "tersor/quantizers/gguf/iq4_xs.hpp"
#include "tersor/quantizers/gguf/mxfp4.hpp"
#include "tersor/quantizers/gguf/nvfp4.hpp"
#include "tersor/quantizers/gguf/q2_0.hpp"
#include "tersor/quantizers/gguf/tq1_0.hpp"
#include "tersor/quantizers/gguf/tq2_0.hpp"

#include "tests/quantizers/gguf_table_blocks.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <limits>

namespace {

using namespace tersor;

// The error of one value under the nearest of some ascending values.
double nearest_error(double x, std::span<const double> values) {
    double least = std::numeric_limits<double>::infinity();
    for (const double v : values) {
        least = std::min(least, (x - v) * (x - v));
    }
    return least;
}

// The error of a run under a scale, with the nearest codes.
double error_under(std::span<const float> x, std::span<const float> w, std::span<const float> levels, double scale) {
    std::vector<double> values;
    for (const float level : levels) {
        values.push_back(static_cast<double>(level) * scale);
    }
    double sum = 0.0;
    for (std::size_t i = 0; i < x.size(); ++i) {
        sum += (w.empty() ? 1.0 : static_cast<double>(w[i])) * nearest_error(static_cast<double>(x[i]), values);
    }
    return sum;
}

template <class Q>
std::vector<double> errors_of_groups(const std::vector<float>& x, const std::vector<float>& w, std::size_t size) {
    const std::vector<float> y = gguf_blocks::decode<Q>(gguf_blocks::encode<Q>(x, w, quantize_mode::best));
    std::vector<double> errors;
    for (std::size_t start = 0; start < x.size(); start += size) {
        const std::span<const float> weights = w.empty() ? std::span<const float>() : std::span(w).subspan(start, size);
        errors.push_back(
            gguf_blocks::squared_error(std::span(x).subspan(start, size), std::span(y).subspan(start, size), weights));
    }
    return errors;
}

// Every group is compared with the least error of all scales that can be stored.
template <class Q>
void expect_optimal(std::size_t size, const std::vector<double>& half_scales, const std::vector<float>& w) {
    const std::vector<float> x = gguf_blocks::ordinary_values(64 * 200 / size, size, 1);
    const std::vector<double> errors = errors_of_groups<Q>(x, w, size);
    for (std::size_t g = 0; g < errors.size(); ++g) {
        const std::span<const float> weights =
            w.empty() ? std::span<const float>() : std::span(w).subspan(g * size, size);
        double least = std::numeric_limits<double>::infinity();
        for (const double s : half_scales) {
            least = std::min(least, error_under(std::span(x).subspan(g * size, size), weights, Q::levels, s));
        }
        ASSERT_LE(errors[g], least * (1.0 + 1e-5)) << Q::name << " group " << g;
    }
}

std::vector<double> powers_of_two() {
    std::vector<double> scales;
    for (int e = 90; e < 150; ++e) {
        scales.push_back(static_cast<double>(gguf::detail::half_of_e8m0(static_cast<std::uint8_t>(e))));
    }
    return scales;
}
std::vector<double> small_floats() {
    std::vector<double> scales;
    for (int c = 0; c < 127; ++c) {
        scales.push_back(static_cast<double>(gguf::detail::half_of_ue4m3(static_cast<std::uint8_t>(c))));
    }
    return scales;
}

TEST(GgufMxfp4, BestFindsTheLeastErrorOfAllScales) {
    expect_optimal<gguf::mxfp4>(32, powers_of_two(), {});
    expect_optimal<gguf::mxfp4>(32, powers_of_two(), gguf_blocks::weights(64 * 200, 2));
}

TEST(GgufNvfp4, BestFindsTheLeastErrorOfAllScales) {
    expect_optimal<gguf::nvfp4>(16, small_floats(), {});
    expect_optimal<gguf::nvfp4>(16, small_floats(), gguf_blocks::weights(64 * 200, 3));
}

// With magnitudes sorted, the nearest codes under any scale are a few largest ones and zeros.
double least_ternary_error(std::span<const float> x, std::span<const float> w) {
    std::vector<std::pair<double, double>> sorted;
    double total = 0.0;
    for (std::size_t i = 0; i < x.size(); ++i) {
        const double weight = w.empty() ? 1.0 : static_cast<double>(w[i]), v = std::fabs(static_cast<double>(x[i]));
        sorted.emplace_back(v, weight);
        total += weight * v * v;
    }
    std::sort(sorted.begin(), sorted.end(), std::greater<>());
    double a = 0.0, b = 0.0, gain = 0.0;
    for (const auto& [v, weight] : sorted) {
        a += weight * v;
        b += weight;
        gain = std::max(gain, a * a / b);
    }
    return total - gain;
}

template <class Q>
void expect_ternary_optimum(const std::vector<float>& w) {
    const std::vector<float> x = gguf_blocks::ordinary_values(200, 256, 4);
    const std::vector<double> errors = errors_of_groups<Q>(x, w, 256);
    for (std::size_t g = 0; g < errors.size(); ++g) {
        const std::span<const float> group = std::span(x).subspan(256 * g, 256);
        const std::span<const float> weights =
            w.empty() ? std::span<const float>() : std::span(w).subspan(256 * g, 256);
        const std::vector<float> zeros(256);
        // The scale is rounded to fp16: by 2^-11 of itself at most while it is not subnormal.
        const double slack = gguf_blocks::squared_error(group, zeros, weights) * 0x1p-22;
        const bool is_normal = std::fabs(gguf_blocks::squared_error(group, zeros, {})) > 256 * 0x1p-22;
        if (is_normal) {
            ASSERT_LE(errors[g], least_ternary_error(group, weights) * (1.0 + 1e-5) + slack) << Q::name << ' ' << g;
        }
    }
}

TEST(GgufTernary, BestIsTheExactOptimum) {
    const std::vector<float> w = gguf_blocks::weights(200 * 256, 5);
    expect_ternary_optimum<gguf::tq1_0>({});
    expect_ternary_optimum<gguf::tq2_0>({});
    expect_ternary_optimum<gguf::tq1_0>(w);
    expect_ternary_optimum<gguf::tq2_0>(w);
}

// Normal, Laplace-like and long-tailed groups of variance about 1.
std::vector<float> random_groups(std::size_t groups, std::size_t size) {
    std::mt19937 random(6);
    std::vector<float> x(groups * size);
    for (std::size_t g = 0; g < groups; ++g) {
        gguf_blocks::fill(std::span(x).subspan(g * size, size), static_cast<int>(g % 3), 1.0f, random);
    }
    return x;
}

// The total error against that of thousands of scales for every group, of either sign.
template <std::size_t Levels>
void expect_nearly_optimal(const std::vector<double>& errors, const std::vector<float>& x, const std::vector<float>& w,
                           std::size_t size, const float (&levels)[Levels], double tolerance) {
    double found = 0.0, least_sum = 0.0;
    for (std::size_t g = 0; g < errors.size(); ++g) {
        const std::span<const float> group = std::span(x).subspan(g * size, size);
        const std::span<const float> weights =
            w.empty() ? std::span<const float>() : std::span(w).subspan(g * size, size);
        float peak = 0.0f;
        for (const float v : group) {
            peak = std::max(peak, std::fabs(v));
        }
        double least = std::numeric_limits<double>::infinity();
        for (int k = 0; k < 1000; ++k) {
            const double scale =
                static_cast<double>(peak) * std::pow(0.997, k) / static_cast<double>(levels[Levels - 1]);
            least = std::min(least, error_under(group, weights, levels, 1.5 * scale));
            least = std::min(least, error_under(group, weights, levels, -1.5 * scale));
        }
        found += errors[g];
        least_sum += least;
    }
    EXPECT_LE(found, least_sum * (1.0 + tolerance));
}

TEST(GgufIq4Nl, BestIsWithinAThousandthOfAVeryFineSearch) {
    const std::vector<float> x = random_groups(120, 32), w = gguf_blocks::weights(x.size(), 7);
    expect_nearly_optimal(errors_of_groups<gguf::iq4_nl>(x, {}, 32), x, {}, 32, gguf::iq4_nl::levels, 1e-3);
    expect_nearly_optimal(errors_of_groups<gguf::iq4_nl>(x, w, 32), x, w, 32, gguf::iq4_nl::levels, 2e-3);
}

TEST(GgufIq4Xs, BestIsWithinThreeHundredthsOfFreeScalesForEveryGroup) {
    const std::vector<float> x = random_groups(128, 32), w = gguf_blocks::weights(x.size(), 8);
    expect_nearly_optimal(errors_of_groups<gguf::iq4_xs>(x, {}, 32), x, {}, 32, gguf::iq4_xs::levels, 0.03);
    expect_nearly_optimal(errors_of_groups<gguf::iq4_xs>(x, w, 32), x, w, 32, gguf::iq4_xs::levels, 0.03);
}

TEST(GgufQ20, BestIsWithinAThousandthOfAVeryFineSearch) {
    constexpr float levels[4] = {-1.0f, 0.0f, 1.0f, 2.0f};
    const std::vector<float> x = random_groups(120, 64), w = gguf_blocks::weights(x.size(), 9);
    expect_nearly_optimal(errors_of_groups<gguf::q2_0>(x, {}, 64), x, {}, 64, levels, 1e-3);
    expect_nearly_optimal(errors_of_groups<gguf::q2_0>(x, w, 64), x, w, 64, levels, 2e-3);
}

} // namespace

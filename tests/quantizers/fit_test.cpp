#include "tersor/quantizers/fit.hpp"

#include "tersor/formats/fp8.hpp"
#include "tersor/formats/integer.hpp"
#include "tersor/formats/nf4.hpp"
#include "tersor/quantizers/absmax.hpp"
#include "tersor/quantizers/nvfp4.hpp"
#include "tersor/quantizers/zero_point.hpp"

#include <Eigen/Core>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

using namespace tersor;

namespace {

std::vector<float> with_an_outlier() {
    std::vector<float> x;
    for (int i = 0; i < 63; ++i) {
        x.push_back(0.1f * std::sin(static_cast<float>(3 * i)));
    }
    x.push_back(1.0f);
    return x;
}

TEST(Fit, TheRangeContainsZero) {
    const value_range positive = range_of(std::vector<float>{2.0f, 5.0f});
    EXPECT_EQ(positive.lo, 0.0f);
    EXPECT_EQ(positive.hi, 5.0f);
    const value_range negative = range_of(std::vector<float>{-2.0f, -5.0f});
    EXPECT_EQ(negative.lo, -5.0f);
    EXPECT_EQ(negative.hi, 0.0f);
    EXPECT_EQ(range_of({}).hi, 0.0f);
}

TEST(Fit, WithoutImportanceItIsTheWholeRange) {
    const auto x = with_an_outlier();
    EXPECT_EQ(fit_range(absmax<int4>{}, x, {}), absmax<int4>{}.from_magnitude(1.0f));
    EXPECT_EQ(absmax<nf4>{}.fit(x, {}), absmax<nf4>{}.from_magnitude(1.0f));
}

TEST(Fit, UniformImportanceReducesTheSquaredError) {
    const auto x = with_an_outlier();
    const std::vector<float> ones(x.size(), 1.0f);
    const absmax<int4> q;
    const double whole = weighted_error(q, x, {}, q.fit(x, {}));
    EXPECT_LT(weighted_error(q, x, {}, q.fit(x, ones)), whole);
    const zero_point<uint2> z;
    EXPECT_LE(weighted_error(z, x, {}, z.fit(x, ones)), weighted_error(z, x, {}, z.fit(x, {})));
}

TEST(Fit, AnUnimportantOutlierIsClipped) {
    const auto x = with_an_outlier();
    std::vector<float> importance(x.size(), 1.0f);
    importance.back() = 0.0f;
    const absmax<int4> q;
    EXPECT_LT(q.fit(x, importance).scale, 0.3f * q.fit(x, {}).scale);
    importance.back() = 1e6f;
    EXPECT_GT(q.fit(x, importance).scale, 0.85f * q.fit(x, {}).scale);
}

TEST(Fit, AnEmptyImportanceCountsAsOnes) {
    const auto x = with_an_outlier();
    const absmax<int4> q;
    const auto p = q.fit(x, {});
    EXPECT_EQ(weighted_error(q, x, {}, p), weighted_error(q, x, std::vector<float>(x.size(), 1.0f), p));
}

TEST(Fit, ExactGroupsKeepTheirRange) {
    const std::vector<float> x{-7.0f, 3.0f, 1.0f, 0.0f};
    const absmax<int4> q;
    EXPECT_EQ(q.fit(x, std::vector<float>(4, 1.0f)), q.fit(x, {}));
    EXPECT_EQ(q.fit(std::vector<float>(4), std::vector<float>(4, 1.0f)), q.from_magnitude(0.0f));
}

// Values with a few large ones, one sign or both.
std::vector<float> random_values(std::mt19937& random, std::size_t count, bool both) {
    std::vector<float> x;
    for (std::size_t i = 0; i < count; ++i) {
        const float u = (static_cast<float>(random() % 2001) - 1000.0f) / 1001.0f;
        const float v = 0.02f * u / std::sqrt(1.0f - u * u);
        x.push_back(both ? v : std::abs(v));
    }
    return x;
}

// The best of a fine grid of scales, of all scales at which a value passes from one code to the next, and of the minima
// of the parabolas between these, for given levels below zero.
template <class Q>
double least_error(const Q& q, const std::vector<float>& x, const std::vector<float>& w, typename Q::parameters p) {
    float largest = 0.0f;
    for (const float v : x) {
        largest = std::max(largest, std::abs(v));
    }
    std::vector<double> scales;
    for (int i = 1; i <= 500; ++i) {
        scales.push_back(3.0 * static_cast<double>(largest) * i / 500.0 /
                         static_cast<double>(typename Q::format{}.largest));
    }
    std::vector<double> levels;
    for (int code = 0; code < (1 << Q::format::bits); ++code) {
        levels.push_back(std::abs(static_cast<double>(typename Q::format{}.decode(static_cast<code_of<Q>>(code)))));
    }
    if constexpr (requires { p.zero; }) {
        for (double& level : levels) {
            level = std::abs(level - static_cast<double>(p.zero));
        }
    }
    std::sort(levels.begin(), levels.end());
    levels.erase(std::unique(levels.begin(), levels.end()), levels.end());
    for (const float v : x) {
        for (std::size_t k = 0; k + 1 < levels.size(); ++k) {
            scales.push_back(std::abs(static_cast<double>(v)) * 2.0 / (levels[k] + levels[k + 1]));
        }
    }
    std::sort(scales.begin(), scales.end());
    double least = std::numeric_limits<double>::infinity();
    const auto consider = [&](double s) {
        p.scale = stored_scale<decltype(p.scale)>(static_cast<float>(s));
        least = std::min(least, weighted_error(q, x, w, p));
    };
    for (std::size_t i = 0; i + 1 < scales.size(); ++i) {
        consider(scales[i]);
        p.scale = stored_scale<decltype(p.scale)>(static_cast<float>(0.5 * (scales[i] + scales[i + 1])));
        double a = 0.0, b = 0.0;
        for (std::size_t k = 0; k < x.size(); ++k) {
            const double u = static_cast<double>(q.decode(q.encode(x[k], p), p)) / static_cast<double>(q.scale(p));
            const double weight = w.empty() ? 1.0 : static_cast<double>(w[k]);
            a += weight * static_cast<double>(x[k]) * u;
            b += weight * u * u;
        }
        if (a > 0.0) {
            consider(a / b);
        }
    }
    return least;
}

template <class Q>
void expect_optimum(std::size_t count, int groups, bool both = true) {
    std::mt19937 random(static_cast<unsigned>(count));
    for (int group = 0; group < groups; ++group) {
        const std::vector<float> x = random_values(random, count, both);
        std::vector<float> w;
        double whole = 0.0;
        for (std::size_t i = 0; i < count; ++i) {
            const float weight = group % 2 == 0 ? 1.0f : static_cast<float>(random() % 5);
            w.push_back(weight);
            whole += static_cast<double>(weight) * static_cast<double>(x[i]) * static_cast<double>(x[i]);
        }
        const Q q;
        const auto p = q.fit(x, w);
        double least = std::numeric_limits<double>::infinity();
        if constexpr (requires { p.zero; }) {
            for (int zero = Q::format::lowest; zero <= Q::format::highest; ++zero) {
                least = std::min(least, least_error(q, x, w, {p.scale, static_cast<code_of<Q>>(zero)}));
            }
        } else {
            least = least_error(q, x, w, p);
        }
        // Decoded values are rounded to float, by 2^-24 of themselves: with the error e that changes sum w e^2 by at
        // most sum 2 w |e| |x| 2^-24 <= 2^-23 sqrt(least * whole); twice, for the two errors that are compared.
        EXPECT_LE(weighted_error(q, x, w, p), least + 0x1p-22 * std::sqrt(least * whole)) << "group " << group;
    }
}

TEST(Fit, OneScaleIsTheOptimum) {
    expect_optimum<absmax<int4>>(32, 6);
    expect_optimum<absmax<int2>>(16, 10);
    expect_optimum<absmax<int3, Eigen::half>>(24, 8);
    expect_optimum<absmax<int8, Eigen::bfloat16>>(12, 2);
    expect_optimum<absmax<int4, float, integer_range::full>>(24, 6);
    expect_optimum<absmax<uint4>>(24, 4, false);
    expect_optimum<absmax<nf4>>(24, 6);
    expect_optimum<absmax<fp8_e4m3>>(8, 2);
}

TEST(Fit, ScaleAndZeroPointAreTheOptimum) {
    expect_optimum<zero_point<uint2>>(12, 10);
    expect_optimum<zero_point<int3, Eigen::half>>(16, 6);
    expect_optimum<zero_point<uint4>>(12, 2);
    expect_optimum<zero_point<uint4, Eigen::bfloat16>>(12, 2, false);
}

TEST(Fit, StoredScalesOfAnotherKindAreSearchedToo) {
    std::mt19937 random(5);
    const nvfp4_single q;
    for (int group = 0; group < 20; ++group) {
        std::vector<float> x = random_values(random, 16, true);
        for (float& v : x) {
            v *= 100.0f;
        }
        const std::vector<float> ones(16, 1.0f);
        double least = std::numeric_limits<double>::infinity();
        // Scales below 2^-6 are not among those that from_magnitude gives.
        for (int code = fp8_e4m3::encode(0x1p-6f); code < 127; ++code) {
            least = std::min(least, weighted_error(q, x, {}, {static_cast<fp8_e4m3::code_type>(code)}));
        }
        EXPECT_LE(weighted_error(q, x, ones, q.fit(x, ones)), least * (1.0 + 0x1p-20));
    }
}

TEST(Fit, HugeTinyAndEqualValuesStayFinite) {
    const std::vector<float> ones(8, 1.0f);
    for (const float size : {1e-45f, 1e-38f, 1.0f, 1e37f, std::numeric_limits<float>::max()}) {
        std::vector<float> x(8, size);
        x[3] = -0.5f * size;
        for (const bool equal : {false, true}) {
            if (equal) {
                x[3] = size;
            }
            const absmax<int4> q;
            const zero_point<uint4> z;
            const absmax<nf4> n;
            for (const float v : x) {
                EXPECT_TRUE(std::isfinite(q.decode(q.encode(v, q.fit(x, ones)), q.fit(x, ones)))) << size;
                EXPECT_TRUE(std::isfinite(z.decode(z.encode(v, z.fit(x, ones)), z.fit(x, ones)))) << size;
            }
            EXPECT_LE(weighted_error(q, x, ones, q.fit(x, ones)), weighted_error(q, x, ones, q.fit(x, {})));
            EXPECT_LE(weighted_error(z, x, ones, z.fit(x, ones)), weighted_error(z, x, ones, z.fit(x, {})));
            EXPECT_LE(weighted_error(n, x, ones, n.fit(x, ones)), weighted_error(n, x, ones, n.fit(x, {})));
        }
    }
    const absmax<int4> q;
    EXPECT_EQ(q.fit(std::vector<float>{1.0f, 2.0f}, std::vector<float>(2)), q.from_magnitude(2.0f));
}

} // namespace

#include "tersor/calibrators/weight_ranges.hpp"

#include "tersor/calibrators/mse.hpp"
#include "tersor/formats/nf4.hpp"
#include "tersor/quantizers/absmax.hpp"

#include <Eigen/Core>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

using namespace tersor;

namespace {

// Normal values (the sum of twelve uniform ones); every 500th is ten times as large.
std::vector<float> values(std::size_t count, bool positive = false) {
    std::mt19937 random(7);
    std::vector<float> x;
    for (std::size_t i = 0; i < count; ++i) {
        float sum = -6.0f;
        for (int k = 0; k < 12; ++k) {
            sum += static_cast<float>(random() % 65536) / 65536.0f;
        }
        x.push_back((positive ? std::abs(sum) : sum) * (i % 500 == 499 ? 10.0f : 1.0f));
    }
    return x;
}

template <class Calibrator>
Calibrator seen(const std::vector<float>& x, Calibrator calibrator) {
    calibrator.observe(Eigen::Map<const Eigen::VectorXf>(x.data(), static_cast<Eigen::Index>(x.size())));
    return calibrator;
}

template <class Q>
double error_of(const std::vector<float>& x, clipping_range range) {
    const Q q;
    return weighted_error(q, std::span(x), {}, q.from_range(range.lo, range.hi));
}

TEST(Percentile, HoldsItsShareAndHardlyMore) {
    for (const bool positive : {false, true}) {
        const std::vector<float> x = values(20000, positive);
        for (const double percent : {50.0, 90.0, 99.0, 99.9, 99.99, 100.0}) {
            const percentile c = seen(x, percentile(percent));
            const auto inside = [&](clipping_range r) {
                return std::count_if(x.begin(), x.end(), [r](float v) { return v >= r.lo && v <= r.hi; });
            };
            const float width = c.state().width();
            for (const clipping_range r : {c.range(), c.range<absmax<int8>>()}) {
                EXPECT_GE(static_cast<double>(inside(r)), std::round(percent * 200.0)) << percent;
            }
            // A bin less on either side holds fewer values than that, where the range ends inside the data.
            const clipping_range r = c.range<absmax<int8>>();
            EXPECT_EQ(r.lo, -r.hi);
            EXPECT_LT(static_cast<double>(inside({r.lo + width, std::nextafter(r.hi - width, 0.0f)})),
                      percent / 100.0 * 20000.0 + 0.5)
                << percent;
            if (positive) {
                EXPECT_EQ(c.range().lo, 0.0f);
            }
        }
        EXPECT_EQ(seen(x, percentile(100.0)).range().hi, *std::max_element(x.begin(), x.end()));
    }
}

// The histogram stands for the values by the middles of its bins, of which a range has at least a thousand: the
// error of the range that it finds is within 1 % of the least among ranges tried with the values themselves.
TEST(Mse, FindsTheLeastErrorOfSymmetricQuantizers) {
    const std::vector<float> x = values(20000);
    const mse c = seen(x, mse());
    const auto check = [&]<class Q>(Q) {
        const float largest = std::max(-c.state().min(), c.state().max());
        double least = std::numeric_limits<double>::infinity();
        for (int i = 1; i <= 100; ++i) {
            const float a = largest * static_cast<float>(i) / 100.0f;
            least = std::min(least, error_of<Q>(x, {-a, a}));
        }
        EXPECT_LE(error_of<Q>(x, c.range<Q>()), 1.01 * least);
    };
    check(absmax<int8>());
    check(absmax<int3>());
    check(absmax<nf4>());
}

TEST(Mse, SearchesBothEndsWithAZeroPoint) {
    std::vector<float> x = values(20000);
    for (float& v : x) {
        v = v < 0.0f ? 0.3f * v : v; // the best ends are at different shares of the extremes
    }
    const mse c = seen(x, mse());
    using Q = zero_point<uint4>;
    double least = std::numeric_limits<double>::infinity();
    for (int i = 1; i <= 25; ++i) {
        for (int k = 1; k <= 25; ++k) {
            const clipping_range r{c.state().min() * static_cast<float>(i) / 25.0f,
                                   c.state().max() * static_cast<float>(k) / 25.0f};
            least = std::min(least, error_of<Q>(x, r));
        }
    }
    EXPECT_LE(error_of<Q>(x, c.range<Q>()), 1.01 * least);
}

// Symmetric ranges, and those of values without a sign, have one free end: all of its places are tried.
TEST(RangeCandidates, NoneIsBetterWhereOneEndIsFree) {
    const auto check = [](const std::vector<float>& x, auto figure_of, auto q) {
        histogram h(1024);
        ASSERT_TRUE(h.add(x.data(), x.size()));
        detail::histogram_points points(h);
        auto figure = figure_of(q, points);
        const bool symmetric = detail::is_symmetric(q);
        const clipping_range found = detail::search_ranges(points, symmetric, figure);
        const double least = figure(found.lo, found.hi);
        const tersor::index last = symmetric ? points.around() : points.above;
        ASSERT_GE(last, 200);
        for (tersor::index k = 0; k <= last; ++k) {
            const float hi = symmetric ? points.magnitude(k) : points.upper(k), lo = symmetric ? -hi : 0.0f;
            EXPECT_GE(figure(lo, hi), least) << k;
            EXPECT_TRUE(hi <= found.hi || figure(lo, hi) > least) << k;
        }
    };
    const auto error = [](const auto& q, auto& points) { return detail::squared_error(q, points); };
    const auto divergence = [](const auto& q, auto& points) { return detail::divergence(q, points); };
    for (const bool positive : {false, true}) {
        const std::vector<float> x = values(20000, positive);
        check(x, error, absmax<int8>());
        check(x, divergence, absmax<int8>());
        check(x, divergence, absmax<nf4>());
    }
    check(values(20000, true), error, zero_point<uint4>());
    check(values(20000, true), divergence, zero_point<uint4>());
}

TEST(KlDivergence, ClipsOutliersButNotTheData) {
    const std::vector<float> x = values(20000);
    const clipping_range r = seen(x, kl_divergence()).range<absmax<int4>>();
    const float largest = *std::max_element(x.begin(), x.end());
    EXPECT_LT(r.hi, 0.8f * largest);
    EXPECT_GT(r.hi, 2.5f); // standard deviations
}

// Where the entropy calibration of other tools takes a threshold below all data, or a NaN.
TEST(KlDivergence, ValuesFarFromZeroAreInside) {
    std::vector<float> x = values(5000);
    for (float& v : x) {
        v = 100.0f + 0.01f * v;
    }
    EXPECT_GT(seen(x, kl_divergence()).range<absmax<int8>>().hi, 99.0f);
    EXPECT_GT(seen(x, kl_divergence()).range().hi, 99.0f);
    for (float& v : x) {
        v = -v;
    }
    EXPECT_LT(seen(x, kl_divergence()).range().lo, -99.0f);
}

// Where every range would cost the same if clipped values cost nothing.
TEST(KlDivergence, FlatDataKeepItsRange) {
    std::vector<float> x(20000);
    for (std::size_t i = 0; i < x.size(); ++i) {
        x[i] = static_cast<float>(i) * 1e-4f - 1.0f;
    }
    const kl_divergence flat = seen(x, kl_divergence());
    EXPECT_GT(flat.range<absmax<int4>>().hi, 0.95f);
    EXPECT_GT(flat.range<absmax<int8>>().hi, 0.95f);
    EXPECT_LT(flat.range<zero_point<uint2>>().lo, -0.95f);
    EXPECT_GT(flat.range<zero_point<uint8>>().hi, 0.95f);
}

TEST(KlDivergence, ZerosDoNotPullTheRangeIn) {
    std::vector<float> x = values(10000, true);
    const clipping_range plain = seen(x, kl_divergence()).range();
    x.resize(40000, 0.0f);
    const clipping_range with_zeros = seen(x, kl_divergence()).range();
    EXPECT_EQ(plain.hi, with_zeros.hi);
}

TEST(SteadyLog, IsTheLogarithm) {
    for (double x = 1e-9; x < 1e18; x *= 1.37) {
        EXPECT_NEAR(detail::steady_log(x), std::log(x), 1e-12 * (1.0 + std::abs(std::log(x)))) << x;
    }
    EXPECT_EQ(detail::steady_log(1.0), 0.0);
}

TEST(WeightRanges, ThePercentileIsExact) {
    const std::vector<float> x{-4.0f, -3.0f, -2.0f, -1.0f, 0.0f, 1.0f, 2.0f, 3.0f, 4.0f, 10.0f};
    EXPECT_EQ(percentile_range(x, 100.0).lo, -4.0f);
    EXPECT_EQ(percentile_range(x, 100.0).hi, 10.0f);
    EXPECT_EQ(percentile_range(x, 80.0).lo, -3.0f);
    EXPECT_EQ(percentile_range(x, 80.0).hi, 4.0f);
    EXPECT_EQ(percentile_range<absmax<int8>>(x, 90.0).hi, 4.0f);
    EXPECT_EQ(percentile_range<absmax<int8>>(x, 90.0).lo, -4.0f);
    EXPECT_EQ(percentile_range(std::vector<float>{1.0f, 2.0f, 3.0f, 4.0f}, 75.0).hi, 3.0f);
    EXPECT_EQ(percentile_range(std::vector<float>{1.0f, 2.0f, 3.0f, 4.0f}, 75.0).lo, 0.0f);
    std::vector<float> thousand(1000);
    for (std::size_t i = 0; i < thousand.size(); ++i) {
        thousand[i] = static_cast<float>(i + 1);
    }
    EXPECT_EQ(percentile_range(thousand, 99.9).hi, 999.0f); // 100 - 99.9 is less than a tenth in binary
    EXPECT_EQ(percentile_range({}, 99.0).hi, 0.0f);
    EXPECT_THROW((void)percentile_range(x, 0.0), error);
    EXPECT_THROW((void)percentile_range(std::vector<float>{NAN}, 99.0), error);
}

TEST(WeightRanges, SmallGroupsShareOneKlRange) {
    std::vector<float> x = values(64 * 32);
    for (std::size_t g = 0; g < 64; ++g) { // groups of many magnitudes
        for (std::size_t i = 0; i < 32; ++i) {
            x[g * 32 + i] *= std::exp2(static_cast<float>(g % 16));
        }
    }
    const clipping_range shares = kl_range_of_groups<absmax<int4>>(x, 32);
    EXPECT_EQ(shares.lo, -shares.hi);
    EXPECT_GT(shares.hi, 0.6f);
    EXPECT_LE(shares.hi, 1.0f);
    const std::vector<float> group{-1.0f, 4.0f};
    EXPECT_EQ(scaled_range<absmax<int4>>(group, {-0.75f, 0.75f}).hi, 3.0f);
    EXPECT_EQ(scaled_range<absmax<int4>>(group, {-0.75f, 0.75f}).lo, -3.0f);
    EXPECT_EQ(scaled_range(group, {-0.75f, 0.75f}).lo, -1.0f);
    EXPECT_EQ(kl_range_of_groups({}, 32).hi, 0.0f);
    EXPECT_THROW((void)kl_range_of_groups(x, 0), error);
}

TEST(WeightRanges, TheKlRangeOfAGroupHoldsMostOfIt) {
    std::vector<float> x = values(64);
    const clipping_range r = kl_range<absmax<int4>>(x);
    const float largest = std::abs(*std::max_element(x.begin(), x.end(), [](float a, float b) {
        return std::abs(a) < std::abs(b);
    }));
    EXPECT_LE(r.hi, largest);
    EXPECT_GT(r.hi, 0.3f * largest);
    EXPECT_EQ(kl_range<absmax<int4>>({}).hi, 0.0f);
    EXPECT_EQ(kl_range<absmax<int4>>(std::vector<float>(8, 0.5f)).hi, 0.5f);
    EXPECT_THROW((void)kl_range(std::vector<float>{INFINITY}), error);
}

} // namespace

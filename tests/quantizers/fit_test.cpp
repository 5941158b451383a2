#include "tersor/quantizers/fit.hpp"

#include "tersor/formats/integer.hpp"
#include "tersor/formats/nf4.hpp"
#include "tersor/quantizers/absmax.hpp"
#include "tersor/quantizers/zero_point.hpp"

#include <gtest/gtest.h>

#include <cmath>
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

} // namespace

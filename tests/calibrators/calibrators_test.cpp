#include "tersor/calibrators/kl_divergence.hpp"
#include "tersor/calibrators/min_max.hpp"
#include "tersor/calibrators/moving_average.hpp"
#include "tersor/calibrators/mse.hpp"
#include "tersor/calibrators/percentile.hpp"

#include "tests/common/errors.hpp"
#include "tests/common/isas.hpp"

#include "tersor/quantizers/absmax.hpp"

#include <Eigen/Core>
#include <gtest/gtest.h>
#include <unsupported/Eigen/CXX11/ThreadPool>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

using namespace tersor;

namespace {

using tersor::index;

using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

// Heavy tails, a few zeros, both signs.
matrix heavy(index rows, index cols, unsigned seed = 1) {
    std::mt19937 random(seed);
    matrix x(rows, cols);
    for (index i = 0; i < x.size(); ++i) {
        const float u = (static_cast<float>(random() % 20001) - 10000.0f) / 10001.0f;
        x.data()[i] = random() % 16 == 0 ? 0.0f : u / std::sqrt(1.0f - u * u);
    }
    return x;
}

template <class Kind>
Kind make(calibration_options options = {}) {
    if constexpr (std::is_same_v<Kind, percentile>) {
        return percentile(99.99, options);
    } else {
        return Kind(options);
    }
}

template <class Kind>
class Calibrator : public testing::Test {};
using kinds = testing::Types<min_max, percentile, mse, kl_divergence>;
TYPED_TEST_SUITE(Calibrator, kinds);

TYPED_TEST(Calibrator, DoesNotDependOnTheOrderAndCutOfBatches) {
    const matrix x = heavy(301, 67);
    TypeParam whole;
    whole.observe(x);
    TypeParam parts, first, second;
    for (const index r : {200, 0, 100}) {
        parts.observe(x.middleRows(r, r == 200 ? 101 : 100));
    }
    first.observe(x.leftCols(13));
    second.observe(x.rightCols(54).colwise().reverse());
    TypeParam other = second;
    other.merge(first);
    first.merge(second);
    EXPECT_EQ(parts.state(), whole.state());
    EXPECT_EQ(first.state(), whole.state());
    EXPECT_EQ(other.state(), whole.state());
    EXPECT_EQ(whole.count(), x.size());
    EXPECT_EQ(parts.save(), whole.save());
}

TYPED_TEST(Calibrator, GivesTheSameBitsWithEveryInstructionSetAndThreads) {
    const matrix x = heavy(700, 801);
    TypeParam expected;
    expected.observe(x);
    const auto range = expected.range();
    Eigen::ThreadPool pool(2);
    isas::for_each_isa([&] {
        calibration_options options;
        options.execution = execution(pool);
        TypeParam found = make<TypeParam>(options);
        found.observe(x);
        EXPECT_EQ(found.state(), expected.state());
        EXPECT_EQ(found.range().lo, range.lo);
        EXPECT_EQ(found.range().hi, range.hi);
    });
}

TYPED_TEST(Calibrator, TakesEveryScalarAndOrder) {
    const matrix x = heavy(40, 50).cast<Eigen::bfloat16>().template cast<float>();
    TypeParam expected;
    expected.observe(x);
    const auto expect_same = [&](const auto& batch) {
        TypeParam found;
        found.observe(batch);
        EXPECT_EQ(found.state(), expected.state());
    };
    expect_same(x.template cast<double>());
    expect_same(x.template cast<Eigen::bfloat16>());
    expect_same(Eigen::MatrixXf(x));
    expect_same(x.transpose());
    expect_same((2.0f * x.array() - x.array()).eval());
    expect_same(2.0f * x - x);
    Eigen::MatrixXf wide(80, 50);
    wide.topRows(40) = x;
    wide.bottomRows(40).setConstant(1e9f);
    expect_same(wide.topRows(40));
    TypeParam halves, rounded;
    halves.observe(x.template cast<Eigen::half>());
    rounded.observe(x.template cast<Eigen::half>().template cast<float>());
    EXPECT_EQ(halves.state(), rounded.state());
}

TYPED_TEST(Calibrator, ChannelsAreTensorsOfTheirOwn) {
    const matrix x = heavy(60, 23);
    for (const int axis : {0, 1, -1}) {
        calibration_options options{.channel_axis = axis, .bins = std::is_same_v<TypeParam, min_max> ? 0 : 512};
        TypeParam channels = make<TypeParam>(options);
        TypeParam one = channels;
        channels.observe(axis == 0 ? x : matrix(x.topRows(20)));
        if (axis != 0) {
            channels.observe(x.bottomRows(40));
        }
        const index count = axis == 0 ? 60 : 23;
        ASSERT_EQ(channels.channels(), count);
        const auto ranges = channels.channel_ranges();
        for (const index c : {index{0}, index{17}, count - 1}) {
            options.channel_axis.reset();
            TypeParam single = make<TypeParam>(options);
            if (axis == 0) {
                single.observe(x.row(c));
            } else {
                single.observe(x.col(c));
            }
            EXPECT_EQ(channels.state(c), single.state());
            EXPECT_EQ(ranges[static_cast<std::size_t>(c)].hi, single.range().hi);
        }
        EXPECT_EQ(code_of_error([&] { channels.observe(matrix::Zero(5, 5)); }), error_code::shape_mismatch);
        EXPECT_EQ(code_of_error([&] { (void)channels.range(); }), error_code::invalid_argument);
        EXPECT_EQ(TypeParam::load(channels.save()).save(), channels.save());
    }
}

TYPED_TEST(Calibrator, NamesWhatIsNotFiniteOrLeavesItOut) {
    matrix x = heavy(30, 20);
    x(7, 3) = std::numeric_limits<float>::quiet_NaN();
    x(9, 1) = -std::numeric_limits<float>::infinity();
    for (const bool by_channel : {false, true}) {
        calibration_options options;
        if (by_channel) {
            options.channel_axis = 1;
        }
        TypeParam strict = make<TypeParam>(options);
        std::string message;
        EXPECT_EQ(code_of_error([&] { strict.observe(x); }, &message), error_code::non_finite);
        EXPECT_NE(message.find("(7, 3)"), std::string::npos) << message;
        EXPECT_EQ(strict.channels(), 0);
        strict.observe(x.topRows(7));
        const auto before = strict.save();
        EXPECT_EQ(code_of_error([&] { strict.observe(x.template cast<double>()); }), error_code::non_finite);
        EXPECT_EQ(strict.save(), before);
        options.skip_non_finite = true;
        TypeParam lenient = make<TypeParam>(options);
        lenient.observe(x);
        if (by_channel) {
            EXPECT_EQ(lenient.skipped(1), 1);
            EXPECT_EQ(lenient.skipped(2), 0);
            EXPECT_EQ(lenient.count(3), 29);
        } else {
            EXPECT_EQ(lenient.skipped(), 2);
            EXPECT_EQ(lenient.count(), 598);
        }
        EXPECT_EQ(TypeParam::load(lenient.save()).save(), lenient.save());
    }
}

TYPED_TEST(Calibrator, SurvivesEveryDegenerateInput) {
    TypeParam none;
    EXPECT_EQ(code_of_error([&] { (void)none.range(); }), error_code::invalid_argument);
    none.observe(matrix(0, 4));
    EXPECT_EQ(code_of_error([&] { (void)none.range(); }), error_code::invalid_argument);
    EXPECT_EQ(TypeParam::load(none.save()).save(), none.save());
    const auto expect_range = [](float value, float lo, float hi) {
        TypeParam c;
        c.observe(matrix::Constant(3, 4, value));
        EXPECT_EQ(c.range().lo, lo);
        EXPECT_EQ(c.range().hi, hi);
        const auto symmetric = c.template parameters<absmax<int8>>();
        EXPECT_EQ((absmax<int8>{}.decode(absmax<int8>{}.encode(value, symmetric), symmetric)), value);
    };
    expect_range(0.0f, 0.0f, 0.0f);
    expect_range(3.7f, 0.0f, 3.7f);
    expect_range(-3.7f, -3.7f, 0.0f);
    expect_range(1e-44f, 0.0f, 1e-44f);
    TypeParam huge = make<TypeParam>({.bins = std::is_same_v<TypeParam, min_max> ? 0 : 512});
    huge.observe(Eigen::Vector3f(-std::numeric_limits<float>::max(), 1.0f, std::numeric_limits<float>::max()));
    EXPECT_TRUE(std::isfinite(huge.range().lo) && std::isfinite(huge.range().hi));
    EXPECT_LT(huge.range().lo, 0.0f);
    EXPECT_GT(huge.range().hi, 0.0f);
}

TYPED_TEST(Calibrator, RefusesEveryDamagedSave) {
    TypeParam c;
    c.observe(heavy(20, 30));
    const std::vector<std::byte> good = c.save();
    EXPECT_EQ(TypeParam::load(good).state(), c.state());
    for (std::size_t size = 0; size < good.size(); size += 1 + good.size() / 97) {
        EXPECT_EQ(code_of_error([&] { (void)TypeParam::load(std::span(good).first(size)); }), error_code::corrupt_file);
    }
    auto longer = good;
    longer.push_back(std::byte{0});
    EXPECT_EQ(code_of_error([&] { (void)TypeParam::load(longer); }), error_code::corrupt_file);
    // A changed byte gives corrupt_file or another sound state, nothing else.
    for (std::size_t i = 0; i < std::min<std::size_t>(good.size(), 300); ++i) {
        auto bad = good;
        bad[i] ^= std::byte{0xA5};
        try {
            const TypeParam loaded = TypeParam::load(bad);
            if (i % 16 == 0 && loaded.channels() > 0 && loaded.count() > 0 && !loaded.options().channel_axis) {
                EXPECT_LE(loaded.range().lo, 0.0f);
            }
        } catch (const error& e) {
            EXPECT_EQ(e.code(), error_code::corrupt_file) << e.what();
        }
    }
}

TEST(Calibrators, MergingOtherSettingsIsAnError) {
    percentile a(99.0), b(99.9), c(99.0, {.bins = 512}), d(99.0, {.channel_axis = 0});
    const auto refused = [](auto& to, const auto& from) {
        return code_of_error([&] { to.merge(from); }) == error_code::invalid_argument;
    };
    EXPECT_TRUE(refused(a, b));
    EXPECT_TRUE(refused(a, c));
    EXPECT_TRUE(refused(a, d));
    moving_average m(0.1f), n(0.2f);
    EXPECT_TRUE(refused(m, n));
    mse strict, skipping({.skip_non_finite = true});
    EXPECT_TRUE(refused(strict, skipping));
    EXPECT_TRUE(refused(skipping, strict));
    EXPECT_EQ(code_of_error([&] { (void)strict.channel_ranges(); }), error_code::invalid_argument);
    min_max p({.channel_axis = 0}), q({.channel_axis = 0});
    p.observe(heavy(3, 5));
    q.observe(heavy(4, 5));
    EXPECT_EQ(code_of_error([&] { p.merge(q); }), error_code::shape_mismatch);
    EXPECT_EQ(code_of_error([] { mse({.bins = 100}); }), error_code::invalid_argument);
    EXPECT_EQ(code_of_error([] { percentile(0.0); }), error_code::invalid_argument);
    EXPECT_EQ(code_of_error([] { percentile(100.5); }), error_code::invalid_argument);
    EXPECT_EQ(code_of_error([] { moving_average(0.0f); }), error_code::invalid_argument);
    min_max no_axis({.channel_axis = 2});
    EXPECT_EQ(code_of_error([&] { no_axis.observe(heavy(3, 5)); }), error_code::invalid_argument);
    EXPECT_EQ(code_of_error([] { (void)mse::load(percentile().save()); }), error_code::corrupt_file);
}

TEST(MinMax, IsTheWholeRangeWithZero) {
    min_max c;
    c.observe(Eigen::Vector3f(1.0f, 2.0f, 3.0f));
    EXPECT_EQ(c.state().min(), 1.0f);
    EXPECT_EQ(c.range().lo, 0.0f);
    EXPECT_EQ(c.range().hi, 3.0f);
    EXPECT_EQ(c.parameters<zero_point<uint8>>(), zero_point<uint8>{}.from_range(0.0f, 3.0f));
}

TEST(MovingAverage, MovesByTheMomentum) {
    moving_average c(0.25f);
    c.observe(Eigen::Vector2f(-1.0f, 4.0f));
    EXPECT_EQ(c.range().hi, 4.0f);
    c.observe(Eigen::Vector2f(-3.0f, 8.0f));
    EXPECT_EQ(c.range().lo, -1.5f);
    EXPECT_EQ(c.range().hi, 5.0f);
    c.observe(Eigen::VectorXf(0));
    EXPECT_EQ(c.range().hi, 5.0f);
}

TEST(MovingAverage, MergingAppendsTheBatches) {
    moving_average whole(0.1f), first(0.1f), second(0.1f);
    for (unsigned i = 0; i < 12; ++i) {
        const matrix x = heavy(5, 7, i);
        whole.observe(x);
        (i < 5 ? first : second).observe(x);
    }
    first.merge(second);
    // Each of at most twelve steps rounds three times; the weights of earlier ones are below 1.
    EXPECT_NEAR(first.range().hi, whole.range().hi, 36 * 0x1p-24f * whole.range().hi);
    EXPECT_NEAR(first.range().lo, whole.range().lo, -36 * 0x1p-24f * whole.range().lo);
    EXPECT_EQ(first.count(), whole.count());
    EXPECT_EQ(moving_average::load(first.save()).state(), first.state());
}

TEST(Calibrators, ACancelledObserveChangesNothing) {
    const matrix x = heavy(100, 200);
    for (const std::optional<int> axis : {std::optional<int>{}, std::optional<int>{1}}) {
        calibration_options options{.channel_axis = axis};
        options.execution = execution().with_progress([](double) { return false; });
        mse c(options);
        EXPECT_EQ(code_of_error([&] { c.observe(x); }), error_code::cancelled);
        EXPECT_EQ(c.channels(), 0);
    }
}

} // namespace

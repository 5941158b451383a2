#include "tersor/calibrators/probability.hpp"

#include "tests/common/golden.hpp"

#include <Eigen/Core>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

using namespace tersor;

namespace {

using tersor::index;

constexpr double epsilon = std::numeric_limits<double>::epsilon();
constexpr double infinity = std::numeric_limits<double>::infinity();

// Distance in units in the last place of the exact value.
double ulps(double value, long double exact) {
    const double rounded = std::fabs(static_cast<double>(exact));
    const double unit = std::nextafter(rounded, infinity) - rounded;
    return static_cast<double>(std::fabs(value - exact) / static_cast<long double>(unit));
}

TEST(ProbabilityFunctions, AreWithinTheirUnitsInTheLastPlace) {
    std::mt19937_64 random(7);
    std::uniform_real_distribution<double> wide(-700.0, 700.0), narrow(-2.0, 2.0), unit(0.0, 1.0);
    for (int i = 0; i < 50'000; ++i) {
        const double x = i % 2 == 0 ? wide(random) : narrow(random);
        EXPECT_LE(ulps(detail::exponential(x), std::exp(static_cast<long double>(x))), 2.0) << x;
        EXPECT_LE(ulps(detail::logistic(x), 1.0L / (1.0L + std::exp(-static_cast<long double>(x)))), 3.0) << x;
        const double u = std::ldexp(unit(random), -(i % 60)), y = i % 2 == 0 ? std::exp(x) : 1.0 + 0.4 * x;
        EXPECT_LE(ulps(detail::log_one_plus(u), std::log1p(static_cast<long double>(u))), 2.0) << u;
        EXPECT_LE(ulps(detail::logarithm(y), std::log(static_cast<long double>(y))), 2.0) << y;
    }
}

TEST(ProbabilityFunctions, EndsOfTheRangeAreExact) {
    EXPECT_EQ(detail::exponential(0.0), 1.0);
    EXPECT_EQ(detail::exponential(-745.1), std::numeric_limits<double>::denorm_min());
    EXPECT_EQ(detail::exponential(-1000.0), 0.0);
    EXPECT_TRUE(std::isfinite(detail::exponential(709.78)));
    EXPECT_EQ(detail::exponential(709.8), infinity);
    EXPECT_EQ(detail::exponential(-infinity), 0.0);
    EXPECT_EQ(detail::exponential(infinity), infinity);
    EXPECT_TRUE(std::isnan(detail::exponential(std::nan(""))));
    EXPECT_EQ(detail::logarithm(1.0), 0.0);
    EXPECT_EQ(detail::logarithm(0.0), -infinity);
    EXPECT_EQ(detail::logarithm(infinity), infinity);
    EXPECT_TRUE(std::isnan(detail::logarithm(-1.0)));
    EXPECT_EQ(detail::logistic(0.0), 0.5);
    EXPECT_EQ(detail::logistic(800.0), 1.0);
    EXPECT_EQ(detail::logistic(-800.0), 0.0);
}

// The numbers were the same with gcc 12 and clang 14, with and without optimization and -march=native.
TEST(ProbabilityCalibration, GivesTheSameBitsEverywhere) {
    constexpr index count = 37;
    Eigen::VectorXd scores(count), labels(count);
    Eigen::MatrixXd logits(count, 3);
    Eigen::VectorXi classes(count);
    for (index i = 0; i < count; ++i) {
        scores[i] = static_cast<double>(i * i * 7 % 101) / 16.0;
        labels[i] = i * 5 % 13 < (scores[i] > 3.0 ? 9 : 3) ? 1.0 : 0.0;
        for (index c = 0; c < 3; ++c) {
            logits(i, c) = static_cast<double>((i * 13 + c * 29) % 41) / 4.0;
        }
        index largest;
        logits.row(i).maxCoeff(&largest);
        classes[i] = static_cast<int>(i % 4 == 3 ? i % 3 : largest);
    }
    const platt_scaling platt = platt_scaling::fit(scores, labels);
    EXPECT_EQ(platt.slope, -0x1.1d6ad016a95aep+0);
    EXPECT_EQ(platt.offset, 0x1.ed9647f08ef63p-8);
    EXPECT_EQ(platt.loss, 0x1.8412c39b11e63p+4);
    EXPECT_EQ(platt(1.7), 0x1.71a772f6330fcp-2);
    EXPECT_EQ(log_loss(platt.predict(scores), labels), 0x1.4b609ec61fc11p-1);
    const temperature_scaling scaled = temperature_scaling::fit(logits, classes);
    EXPECT_EQ(scaled.temperature, 0x1.4ee1d942480c7p+0);
    EXPECT_EQ(scaled.loss, 0x1.2fb053d5570e3p-2);
}

template <class T>
auto vector_of(const std::vector<T>& values) {
    return Eigen::Map<const Eigen::Matrix<T, Eigen::Dynamic, 1>>(values.data(), static_cast<index>(values.size()));
}

// One recorded case.
struct recorded {
    explicit recorded(const golden::file& f, const std::string& name)
        : file(f), prefix(name + "."), score(file.tensor<double>(prefix + "score")),
          label(file.tensor<std::uint8_t>(prefix + "label")) {}

    [[nodiscard]] std::vector<double> at(const std::string& key) const { return file.tensor<double>(prefix + key); }
    [[nodiscard]] auto scores() const { return vector_of(score); }
    [[nodiscard]] auto labels() const { return vector_of(label); }

    const golden::file& file;
    std::string prefix;
    std::vector<double> score;
    std::vector<std::uint8_t> label;
};

class Recorded : public testing::Test {
protected:
    template <class Check>
    void for_each_case(const Check& check) {
        const golden::file file("calibration/probability_calibration");
        int cases = 0;
        for (const std::string& name : file.names()) {
            if (name.ends_with(".score")) {
                SCOPED_TRACE(name);
                check(recorded(file, name.substr(0, name.size() - 6)));
                ++cases;
            }
        }
        EXPECT_GT(cases, 0);
    }
};

bool varies(const std::vector<double>& values) {
    return *std::max_element(values.begin(), values.end()) > *std::min_element(values.begin(), values.end());
}

// The recording states that its losses agree to 1e-13 and gives 1e-6 for A and B. At a minimum a loss within 1e-13 of
// F leaves A and B, and so each probability, within sqrt(2e-13 F) standard errors, F below 300 here: 1e-5 at most.
TEST_F(Recorded, PlattScalingIsReproduced) {
    for_each_case([](const recorded& c) {
        const platt_scaling fitted = platt_scaling::fit(c.scores(), c.labels());
        const double loss = c.at("platt_nll")[0];
        EXPECT_NEAR(fitted.loss, loss, 1e-13 * loss);
        const std::vector<double> ab = c.at("platt_AB"), probabilities = c.at("platt_prob");
        if (varies(c.score)) {
            // With labels of one class A is 0, and recorded as what the program's rounding left of it.
            const std::vector<std::uint8_t> first(c.label.size(), c.label[0]);
            EXPECT_NEAR(fitted.a(), ab[0], c.label == first ? 1e-9 : 1e-6 * std::fabs(ab[0]));
            EXPECT_NEAR(fitted.b(), ab[1], 1e-6 * std::fabs(ab[1]));
        }
        const Eigen::VectorXd p = fitted.predict(c.scores());
        for (index i = 0; i < p.size(); ++i) {
            EXPECT_NEAR(p[i], probabilities[static_cast<std::size_t>(i)], 1e-6);
        }
    });
}

// Means of at most N labels: sums of N terms, each rounded, then one division.
TEST_F(Recorded, IsotonicRegressionIsReproduced) {
    for_each_case([](const recorded& c) {
        const std::vector<double> weights = c.at("weight");
        const auto fitted = isotonic_regression::fit(c.scores(), c.labels(), vector_of(weights));
        EXPECT_EQ(fitted.scores, c.at("isotonic_x"));
        const double bound = epsilon * static_cast<double>(c.score.size() + 4);
        const std::vector<double> expected = c.at("isotonic_y"), sums = c.at("isotonic_weight");
        ASSERT_EQ(fitted.probabilities.size(), expected.size());
        for (std::size_t i = 0; i < expected.size(); ++i) {
            EXPECT_NEAR(fitted.probabilities[i], expected[i], bound);
            EXPECT_NEAR(fitted.weights[i], sums[i], bound * sums[i]);
        }
        const std::vector<double> query = c.at("query"), linear = c.at("isotonic_linear");
        const Eigen::VectorXd p = fitted.predict(vector_of(query));
        for (std::size_t i = 0; i < query.size(); ++i) {
            EXPECT_NEAR(p[static_cast<index>(i)], linear[i], bound);
        }
    });
}

// Figures of the recorded probabilities, so that only summation differs: N terms of at most 1.
TEST_F(Recorded, CalibrationErrorsAndBrierScoreAreReproduced) {
    for_each_case([](const recorded& c) {
        const std::vector<double> ece = c.at("ece"), brier = c.at("brier"), weights = c.at("weight");
        platt_scaling sigmoid;
        sigmoid.slope = -1.0;
        const std::vector<double> platt = c.at("platt_prob");
        const Eigen::VectorXd models[] = {
            sigmoid.predict(c.scores()), vector_of(platt),
            isotonic_regression::fit(c.scores(), c.labels(), vector_of(weights)).predict(c.scores())};
        const double bound = 4.0 * epsilon * static_cast<double>(c.score.size() + 4);
        for (std::size_t m = 0; m < 3; ++m) {
            EXPECT_NEAR(brier_score(models[m], c.labels()), brier[m], bound);
            for (std::size_t b = 0; b < 2; ++b) {
                const auto curve = calibration_curve(models[m], c.labels(), {.bins = b == 0 ? 10 : 15});
                EXPECT_NEAR(expected_calibration_error(curve), ece[4 * m + 2 * b], bound) << m << " " << b;
                EXPECT_NEAR(maximum_calibration_error(curve), ece[4 * m + 2 * b + 1], bound) << m << " " << b;
            }
        }
    });
}

} // namespace

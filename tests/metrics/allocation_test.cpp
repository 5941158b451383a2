#include "tersor/metrics/allocation.hpp"

#include "tests/common/errors.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

using namespace tersor;

namespace {

using models = std::vector<tensor_choices>;

// A number from 0 to n - 1.
double below(std::mt19937& random, unsigned n) {
    return static_cast<double>(random() % n);
}

// Random choices: `whole` makes small whole numbers, of which many are equal.
models make_model(std::mt19937& random, std::size_t tensors, std::size_t most_choices, bool whole) {
    models model(tensors);
    for (tensor_choices& tensor : model) {
        tensor.choices.resize(1 + random() % most_choices);
        for (precision_choice& choice : tensor.choices) {
            choice.bytes = random() % (whole ? 12 : 1000);
            choice.error = whole ? below(random, 15) - 2.0 : std::exp(-1e-2 * below(random, 1000));
        }
    }
    return model;
}

struct totals {
    double bytes, error;
};

// Bytes and error of every plan there is.
std::vector<totals> all_plans(const models& model) {
    std::vector<totals> plans{{0.0, 0.0}};
    for (const tensor_choices& tensor : model) {
        std::vector<totals> longer;
        for (const totals& plan : plans) {
            for (const precision_choice& choice : tensor.choices) {
                longer.push_back({plan.bytes + static_cast<double>(choice.bytes), plan.error + choice.error});
            }
        }
        plans = longer;
    }
    return plans;
}

constexpr double infinity = std::numeric_limits<double>::infinity();

TEST(LeastError, IsTheOptimumOfAllPlans) {
    std::mt19937 random(1);
    for (int i = 0; i < 600; ++i) {
        const bool whole = i % 2 == 0;
        const models model = make_model(random, 1 + random() % 5, 5, whole);
        const std::size_t budget = random() % (whole ? 50 : 3000);
        double expected = infinity;
        for (const totals& plan : all_plans(model)) {
            expected = plan.bytes <= static_cast<double>(budget) ? std::min(expected, plan.error) : expected;
        }
        if (expected == infinity) {
            EXPECT_EQ(code_of_error([&] { return least_error(model, budget); }), error_code::invalid_argument);
            continue;
        }
        const precision_plan plan = least_error(model, budget);
        EXPECT_TRUE(plan.is_optimal);
        EXPECT_EQ(plan.bound, plan.error);
        EXPECT_LE(plan.bytes, budget);
        EXPECT_NEAR(plan.error, expected, 1e-12 * 5 * 15) << i;
    }
}

TEST(LeastBytes, IsTheOptimumOfAllPlans) {
    std::mt19937 random(2);
    for (int i = 0; i < 600; ++i) {
        const bool whole = i % 2 == 0;
        const models model = make_model(random, 1 + random() % 5, 5, whole);
        const std::vector<totals> plans = all_plans(model);
        // Often exactly what one of the plans has
        const double bound = i % 3 == 0 ? 0.01 * below(random, 300) : plans[random() % plans.size()].error;
        double expected = infinity;
        for (const totals& plan : plans) {
            expected = plan.error <= bound ? std::min(expected, plan.bytes) : expected;
        }
        if (expected == infinity) {
            EXPECT_EQ(code_of_error([&] { return least_bytes(model, bound); }), error_code::invalid_argument);
            continue;
        }
        const precision_plan plan = least_bytes(model, bound);
        EXPECT_TRUE(plan.is_optimal);
        EXPECT_LE(plan.error, bound);
        EXPECT_EQ(static_cast<double>(plan.bytes), expected) << i;
    }
}

TEST(LeastError, NamesTheChoiceOfEachTensor) {
    const models model{{"a", {{"int4", 40, 1.0}, {"int8", 80, 0.1}}}, {"b", {{"int4", 40, 5.0}, {"int8", 80, 0.5}}}};
    const precision_plan plan = least_error(model, 120);
    const precision_plan expected{{{"a", "int4", 0, 40, 1.0}, {"b", "int8", 1, 80, 0.5}}, 120, 1.5, 1.5, true};
    EXPECT_EQ(plan, expected);
    EXPECT_EQ(least_bytes(model, 1.5), (precision_plan{expected.tensors, 120, 1.5, 120.0, true}));
    EXPECT_EQ(least_error(model, 1'000'000).error, 0.1 + 0.5);
    EXPECT_EQ(least_error(model, std::numeric_limits<std::size_t>::max()).bytes, 160u);
    EXPECT_EQ(least_bytes(model, infinity).bytes, 80u);
    EXPECT_EQ(least_error({}, 0), (precision_plan{{}, 0, 0.0, 0.0, true}));
}

TEST(LeastError, FirstOfEqualChoicesIsTaken) {
    const models model{{"a", {{"x", 4, 1.0}, {"y", 4, 1.0}, {"z", 4, 1.0}}}, {"b", {{"w", 9, 1.0}, {"x", 4, 1.0}}}};
    const precision_plan plan = least_error(model, 100);
    EXPECT_EQ(plan.tensors[0].choice, "x");
    EXPECT_EQ(plan.tensors[1].choice, "x");
}

// A plan that is not proven to be optimal still has a bound that holds.
TEST(LeastError, BoundHoldsWhereTheSearchIsCutShort) {
    std::mt19937 random(3);
    int unproven = 0;
    for (int i = 0; i < 400; ++i) {
        models model = make_model(random, 6, 4, false);
        for (tensor_choices& tensor : model) {
            tensor.choices.push_back({"", 100, 2.0});
        }
        const std::size_t budget = 1000 + random() % 3000;
        const precision_plan optimum = least_error(model, budget),
                             plan = least_error(model, budget, {.most_states = 1});
        EXPECT_GE(plan.error, optimum.error);
        EXPECT_LE(plan.bound, optimum.error + 1e-10);
        EXPECT_LE(plan.bytes, budget);
        unproven += plan.is_optimal ? 0 : 1;
    }
    EXPECT_GT(unproven, 0);
}

// Errors that fall as 4^-bits, as those of real tensors do. The time is a guard against growth, not a measurement: it
// takes about 10 ms when optimized.
TEST(LeastError, HundredsOfTensorsAreSolvedWithinAHundredThousandth) {
    std::mt19937 random(4);
    models model(300);
    std::size_t most = 0;
    for (tensor_choices& tensor : model) {
        const double weights = 4096.0 * (100.0 + below(random, 900)), scale = std::exp(5e-3 * below(random, 1000));
        for (int k = 0; k < 30; ++k) {
            const double bits = 2.0 + 0.2 * k;
            tensor.choices.push_back({std::to_string(k), static_cast<std::size_t>(weights * bits / 8.0),
                                      scale * weights * std::exp2(-2.0 * bits)});
        }
        most += tensor.choices.back().bytes;
    }
    const auto start = std::chrono::steady_clock::now();
    const precision_plan plan = least_error(model, most / 2);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    EXPECT_LE(plan.bytes, most / 2);
    EXPECT_LE(plan.error - plan.bound, 1e-5 * plan.error);
    EXPECT_LT(seconds.count(), 30.0);
    const precision_plan dual = least_bytes(model, plan.error);
    EXPECT_LE(dual.bytes, plan.bytes);
    EXPECT_LE(dual.error, plan.error);
}

TEST(LeastBytes, TinyAndHugeErrorsDoNotOverflow) {
    const double tiny = std::numeric_limits<double>::denorm_min();
    const models model{{"a", {{"x", 1'000'000'000'000, 0.0}, {"y", 1, tiny}}},
                       {"b", {{"x", 1'000'000'000'000, 0.0}, {"y", 1, tiny}}},
                       {"c", {{"x", 9, 1e300}, {"y", 8, -1e300}}}};
    EXPECT_EQ(least_bytes(std::span(model).first(2), tiny).bytes, 1'000'000'000'001u);
    EXPECT_EQ(least_bytes(model, 0.0).bytes, 10u);
    EXPECT_EQ(least_error(model, 20).error, -1e300);
}

TEST(BytesAtBits, RoundDown) {
    EXPECT_EQ(bytes_at_bits(4.5, 1000), 562u);
    EXPECT_EQ(bytes_at_bits(0.0, 1000), 0u);
    EXPECT_EQ(code_of_error([] { return bytes_at_bits(-1.0, 8); }), error_code::invalid_argument);
    EXPECT_EQ(code_of_error([] { return bytes_at_bits(std::nan(""), 8); }), error_code::invalid_argument);
}

TEST(LeastError, BadInputIsRefused) {
    const models good{{"a", {{"x", 4, 1.0}}}}, empty{{"a", {}}}, nan{{"a", {{"x", 4, std::nan("")}}}},
        huge{{"a", {{"x", std::numeric_limits<std::size_t>::max(), 1.0}}}};
    EXPECT_EQ(code_of_error([&] { return least_error(good, 4); }), std::nullopt);
    EXPECT_EQ(code_of_error([&] { return least_error(good, 3); }), error_code::invalid_argument);
    EXPECT_EQ(code_of_error([&] { return least_bytes(good, 0.5); }), error_code::invalid_argument);
    EXPECT_EQ(code_of_error([&] { return least_bytes(good, std::nan("")); }), error_code::invalid_argument);
    EXPECT_EQ(code_of_error([&] { return least_error(empty, 4); }), error_code::invalid_argument);
    EXPECT_EQ(code_of_error([&] { return least_error(nan, 4); }), error_code::non_finite);
    EXPECT_EQ(code_of_error([&] { return least_bytes(nan, 4.0); }), error_code::non_finite);
    EXPECT_EQ(code_of_error([&] { return least_error(huge, 4); }), error_code::invalid_argument);
}

} // namespace
